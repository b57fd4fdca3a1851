/**
 * The local security authority, as far as security pages need it (MS-LSAD, MS-LSAT): names for SIDs, SIDs for names,
 * and the machine's domain. Anonymous callers get no handle, as on Windows.
 */
import * as Effect from "effect/Effect"
import { randomUUID } from "node:crypto"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { FaultStatus } from "../../../Codec/Rpc/DceRpc.ts"
import * as Lsad from "../../../Codec/Rpc/Lsad.ts"
import * as Lsat from "../../../Codec/Rpc/Lsat.ts"
import type { ContextHandle } from "../../../Codec/Rpc/Ndr.ts"
import * as Accounts from "./Accounts.ts"
import { type Caller, Fault, type Interface, operation } from "./Interface.ts"

/** The most handles that a pipe has at a time. */
const largest = 64

const noHandle: ContextHandle = { attributes: 0, uuid: "00000000-0000-0000-0000-000000000000" }

/** The workgroup of a machine that is in no domain. */
export const workgroup = "WORKGROUP"

const { PolicyInformationClass: Class } = Lsad

const information = ({ server }: Caller, level: number): Lsad.PolicyInformation | undefined => {
  const own = Accounts.ownDomain(server)
  switch (level) {
    case Class.PolicyPrimaryDomainInformation:
      // Windows has no SID for a workgroup (MS-LSAD 2.2.4.5). But smbcacls takes the SID without a look, and crashes.
      return { level, value: { name: workgroup, sid: own.sid } }
    case Class.PolicyAccountDomainInformation:
    case Class.PolicyLocalAccountDomainInformation:
      return { level, value: own }
    case Class.PolicyLsaServerRoleInformation:
      return { level, value: { role: Lsad.PolicyServerRolePrimary } }
    case Class.PolicyDnsDomainInformation:
      return {
        level,
        value: { name: workgroup, dnsDomainName: "", dnsForestName: "", domainGuid: noHandle.uuid, sid: undefined }
      }
    default:
      return undefined
  }
}

/** The common part of lookup responses: the domains, once each, and the number of names or SIDs that were found. */
class Found {
  readonly domains: Array<Accounts.Domain> = []
  mapped = 0
  private readonly total: number

  constructor(total: number) {
    this.total = total
  }

  indexOf(account: Accounts.Account | undefined): number {
    if (account === undefined) return -1
    this.mapped++
    const at = this.domains.findIndex(({ sid }) => sid === account.domain.sid)
    return at >= 0 ? at : this.domains.push(account.domain) - 1
  }

  get result() {
    return {
      referencedDomains: this.domains,
      mappedCount: this.mapped,
      returnValue: this.mapped === this.total
        ? 0
        : this.mapped === 0
        ? NtStatus.STATUS_NONE_MAPPED
        : NtStatus.STATUS_SOME_NOT_MAPPED
    }
  }
}

const { SidTypeDomain, SidTypeUnknown } = Lsat.SidNameUse

interface ByHandle {
  readonly handle: ContextHandle
}

interface PolicyAsked extends ByHandle {
  readonly informationClass: number
}

interface SidsAsked extends ByHandle {
  readonly sidEnumBuffer: ReadonlyArray<{ readonly sid: string | undefined }>
}

/** The names of SIDs; an unknown SID has its own text as its name (MS-LSAT 3.1.4.9). */
const names = Effect.fnUntraced(function*({ sidEnumBuffer }: SidsAsked, { server }: Caller) {
  if (sidEnumBuffer.length > Lsat.largestSids) return yield* Effect.fail(new Fault(FaultStatus.nca_s_fault_ndr))
  const found = new Found(sidEnumBuffer.length)
  const translatedNames: Array<Lsat.TranslatedName> = []
  for (const { sid } of sidEnumBuffer) {
    const account = sid === undefined ? undefined : yield* Accounts.ofSid(server, sid)
    translatedNames.push({
      use: account?.use ?? SidTypeUnknown,
      name: account?.name ?? sid ?? "",
      domainIndex: found.indexOf(account),
      flags: 0
    })
  }
  return { translatedNames, ...found.result }
})

interface NamesAsked extends ByHandle {
  readonly count: number
  readonly names: ReadonlyArray<string>
}

/** The SIDs of names. */
const sids = Effect.fnUntraced(function*(asked: NamesAsked, { server }: Caller) {
  if (asked.count !== asked.names.length || asked.count > Lsat.largestNames) {
    return yield* Effect.fail(new Fault(FaultStatus.nca_s_fault_ndr))
  }
  const found = new Found(asked.count)
  const translatedSids: Array<{
    readonly use: number
    readonly sid: string | undefined
    readonly relativeId: number
    readonly domainIndex: number
    readonly flags: number
  }> = []
  for (const name of asked.names) {
    const account = yield* Accounts.ofName(server, name)
    translatedSids.push({
      use: account?.use ?? SidTypeUnknown,
      sid: account?.sid,
      relativeId: relativeId(account),
      domainIndex: found.indexOf(account),
      flags: 0
    })
  }
  return { translatedSids, ...found.result }
})

/** The relative identifier of an account. A domain has none: all ones (MS-LSAT 3.1.4.7). */
const relativeId = (account: Accounts.Account | undefined): number =>
  account === undefined
    ? 0
    : account.use === SidTypeDomain
    ? 0xffff_ffff
    : Number(account.sid.slice(account.sid.lastIndexOf("-") + 1))

/** The interface for one pipe, with the handles that it gives out. */
export const make = (): Interface => {
  const handles = new Set<string>()

  const open = ({ user }: Caller) =>
    Effect.sync(() => {
      if (user.anonymous) return { handle: noHandle, returnValue: NtStatus.STATUS_ACCESS_DENIED }
      if (handles.size >= largest) return { handle: noHandle, returnValue: NtStatus.STATUS_INSUFFICIENT_RESOURCES }
      const uuid = randomUUID()
      handles.add(uuid)
      return { handle: { attributes: 0, uuid }, returnValue: 0 }
    })

  /** Runs an operation that needs a handle. */
  const by = <Q extends ByHandle, A>(
    run: (request: Q, caller: Caller) => Effect.Effect<A, Fault>
  ) =>
  (request: Q, caller: Caller): Effect.Effect<A, Fault> =>
    handles.has(request.handle.uuid)
      ? run(request, caller)
      : Effect.fail(new Fault(FaultStatus.nca_s_fault_context_mismatch))

  const query = by(({ informationClass }: PolicyAsked, caller) =>
    Effect.sync(() => {
      const found = information(caller, informationClass)
      return { information: found, returnValue: found === undefined ? NtStatus.STATUS_INVALID_INFO_CLASS : 0 }
    })
  )

  /** Operations without a handle are for domain controllers, over TCP (MS-LSAT 2.1). */
  const refused = () => Effect.fail(new Fault(FaultStatus.nca_s_fault_access_denied))

  return {
    syntax: Lsad.interfaceId,
    operations: {
      [Lsad.Operation.LsarClose]: operation(
        "LsarClose",
        Lsad.CloseRequest,
        Lsad.HandleResponse,
        by(({ handle }: ByHandle) => {
          handles.delete(handle.uuid)
          return Effect.succeed({ handle: noHandle, returnValue: 0 })
        })
      ),
      [Lsad.Operation.LsarOpenPolicy]: operation(
        "LsarOpenPolicy",
        Lsad.OpenPolicyRequest,
        Lsad.HandleResponse,
        (_, caller) => open(caller)
      ),
      [Lsad.Operation.LsarOpenPolicy2]: operation(
        "LsarOpenPolicy2",
        Lsad.OpenPolicy2Request,
        Lsad.HandleResponse,
        (_, caller) => open(caller)
      ),
      [Lsad.Operation.LsarQueryInformationPolicy]: operation(
        "LsarQueryInformationPolicy",
        Lsad.QueryInformationPolicyRequest,
        Lsad.QueryInformationPolicyResponse,
        query
      ),
      [Lsad.Operation.LsarQueryInformationPolicy2]: operation(
        "LsarQueryInformationPolicy2",
        Lsad.QueryInformationPolicyRequest,
        Lsad.QueryInformationPolicyResponse,
        query
      ),
      [Lsat.Operation.LsarLookupSids]: operation(
        "LsarLookupSids",
        Lsat.LookupSidsRequest,
        Lsat.LookupSidsResponse,
        by(names)
      ),
      [Lsat.Operation.LsarLookupSids2]: operation(
        "LsarLookupSids2",
        Lsat.LookupSids2Request,
        Lsat.LookupSids2Response,
        by(names)
      ),
      [Lsat.Operation.LsarLookupNames]: operation(
        "LsarLookupNames",
        Lsat.LookupNamesRequest,
        Lsat.LookupNamesResponse,
        by(sids)
      ),
      [Lsat.Operation.LsarLookupNames2]: operation(
        "LsarLookupNames2",
        Lsat.LookupNames2Request,
        Lsat.LookupNames2Response,
        by(sids)
      ),
      [Lsat.Operation.LsarLookupNames3]: operation(
        "LsarLookupNames3",
        Lsat.LookupNames3Request,
        Lsat.LookupNames3Response,
        by(sids)
      ),
      [Lsat.Operation.LsarLookupSids3]: refused,
      [Lsat.Operation.LsarLookupNames4]: refused,
      [Lsat.Operation.LsarGetUserName]: operation(
        "LsarGetUserName",
        Lsat.GetUserNameRequest,
        Lsat.GetUserNameResponse,
        ({ domainName }, { server, user }) =>
          Effect.succeed({
            userName: user.anonymous ? "ANONYMOUS LOGON" : user.name,
            domainName: domainName === undefined
              ? undefined
              : { value: user.anonymous ? "NT AUTHORITY" : Accounts.ownDomain(server).name },
            returnValue: 0
          })
      )
    }
  }
}

/**
 * Names for SIDs and SIDs for names, by the remote procedure calls of MS-LSAT over the pipe `lsarpc` (LsarLookupSids2,
 * LsarLookupNames3 or LsarLookupNames2) of the server that holds a path. The SIDs of its domains are from the same pipe
 * (MS-LSAD LsarQueryInformationPolicy and LsarQueryInformationPolicy2).
 *
 * Well-known SIDs need no request. The calls without a policy handle (LsarLookupSids3, LsarLookupNames4) are for a
 * secure channel between machines of a domain, which a client of files does not have (MS-LSAT 3.1.4.9).
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { NtStatus } from "../../Codec/NtStatus.ts"
import { FaultStatus } from "../../Codec/Rpc/DceRpc.ts"
import * as Lsad from "../../Codec/Rpc/Lsad.ts"
import * as Lsat from "../../Codec/Rpc/Lsat.ts"
import type * as Sddl from "../../Codec/Sddl.ts"
import { isSid, type Sid } from "../../Codec/SecurityDescriptor.ts"
import { fromStatus, type ProtocolError, type RequestError, type SmbError } from "../../Protocol/Errors.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as UncName from "../../Protocol/UncName.ts"
import * as Account from "../Account.ts"
import type { ClientError } from "../ClientError.ts"
import type * as Locator from "../Locator.ts"
import type { Operations } from "../Operations.ts"
import * as UncPath from "../UncPath.ts"
import * as RpcPipe from "./RpcPipe.ts"
import type { PathContext } from "./TargetAttempt.ts"

/** The most SIDs or names of one call. A server takes at most 20,480 SIDs and 1000 names (MS-LSAT 3.1.4.6, 3.1.4.10). */
const largestBatch = 1000

/** LsapLookupWksta (MS-LSAT 2.2.16): the lookup that a machine's users ask for. */
const lookupLevel = 1

/** The client understands names of DNS (MS-LSAT 3.1.4.10). */
const clientRevision = 2

const lsarpc = { name: Lsad.pipeName, id: Lsad.interfaceId, endless: "the names of SIDs have no end" }

const openPolicy = {
  name: "LsarOpenPolicy2",
  operation: Lsad.Operation.LsarOpenPolicy2,
  request: Lsad.OpenPolicy2Request,
  response: Lsad.HandleResponse
}

const close = {
  name: "LsarClose",
  operation: Lsad.Operation.LsarClose,
  request: Lsad.CloseRequest,
  response: Lsad.HandleResponse
}

const lookupSids2 = {
  name: "LsarLookupSids2",
  operation: Lsat.Operation.LsarLookupSids2,
  request: Lsat.LookupSids2Request,
  response: Lsat.LookupSids2Response
}

const lookupNames2 = {
  name: "LsarLookupNames2",
  operation: Lsat.Operation.LsarLookupNames2,
  request: Lsat.LookupNames2Request,
  response: Lsat.LookupNames2Response
}

const lookupNames3 = {
  name: "LsarLookupNames3",
  operation: Lsat.Operation.LsarLookupNames3,
  request: Lsat.LookupNames3Request,
  response: Lsat.LookupNames3Response
}

/** LsarQueryInformationPolicy2 is for the classes with a DNS name, which servers before Windows 2000 do not have. */
const queryPolicy = {
  name: "LsarQueryInformationPolicy",
  operation: Lsad.Operation.LsarQueryInformationPolicy,
  request: Lsad.QueryInformationPolicyRequest,
  response: Lsad.QueryInformationPolicyResponse
}

const queryPolicy2 = {
  ...queryPolicy,
  name: "LsarQueryInformationPolicy2",
  operation: Lsad.Operation.LsarQueryInformationPolicy2
}

const isMapped = (status: number): boolean =>
  status === 0 || status === NtStatus.STATUS_SOME_NOT_MAPPED || status === NtStatus.STATUS_NONE_MAPPED

const { POLICY_LOOKUP_NAMES, POLICY_VIEW_LOCAL_INFORMATION } = Lsad.PolicyAccess

/** A policy handle, and the calls that need it. */
const openLsa = Effect.fnUntraced(function*(ipc: Share.Share, desiredAccess: number = POLICY_LOOKUP_NAMES) {
  const call = yield* RpcPipe.bind(ipc, lsarpc)
  const failed = (status: number, name: string) => fromStatus(status, name, UncName.format(ipc, "IPC$", Lsad.pipeName))
  const { handle } = yield* Effect.acquireRelease(
    Effect.flatMap(
      call(openPolicy, {
        systemName: `\\\\${ipc.server}`,
        objectAttributes: {
          length: 24,
          rootDirectory: undefined,
          objectName: undefined,
          attributes: 0,
          securityDescriptor: undefined,
          securityQualityOfService: undefined
        },
        desiredAccess
      }),
      (answer) =>
        answer.returnValue === 0 ? Effect.succeed(answer) : Effect.fail(failed(answer.returnValue, openPolicy.name))
    ),
    // The end of the pipe ends the handle as well (MS-LSAD 3.1.4.2): after a failure, such as a timeout, nothing is asked.
    ({ handle }, exit) => Exit.isSuccess(exit) ? Effect.ignore(call(close, { handle })) : Effect.void
  )
  return { call, failed, handle }
})

/** The accounts of SIDs, each in the place of its SID; those that the server does not know have no name. */
const accountsOf = Effect.fnUntraced(function*(
  ipc: Share.Share,
  sids: ReadonlyArray<Sid>
): Effect.fn.Return<ReadonlyArray<Account.Account>, RequestError | RpcPipe.RpcRefused, Scope.Scope> {
  const { call, failed, handle } = yield* openLsa(ipc)
  const found: Array<Account.Account> = []
  for (let at = 0; at < sids.length; at += largestBatch) {
    const batch = sids.slice(at, at + largestBatch)
    const answer = yield* call(lookupSids2, {
      handle,
      sidEnumBuffer: batch.map((sid) => ({ sid })),
      translatedNames: [],
      lookupLevel,
      mappedCount: 0,
      lookupOptions: 0,
      clientRevision
    })
    if (!isMapped(answer.returnValue)) return yield* failed(answer.returnValue, lookupSids2.name)
    found.push(...batch.map((sid, i): Account.Account => {
      const one = answer.translatedNames[i]
      const type = Account.typeOf(one?.use ?? Lsat.SidNameUse.SidTypeUnknown)
      const domain = answer.referencedDomains?.[one?.domainIndex ?? -1]?.name ?? ""
      const name = type === "domain" ? domain : one?.name ?? ""
      return name === "" || type === "unknown" || type === "invalid"
        ? Account.unknown(sid)
        : { sid, name, domain: type === "domain" ? "" : domain, type }
    }))
  }
  return found
})

interface TranslatedSid {
  readonly use: number
  readonly sid: Sid | undefined
  readonly domainIndex: number
}

/** The SIDs of names, each in the place of its name. Fails with `RpcRefused` if the server does not know the call. */
const sidsOf = Effect.fnUntraced(function*(
  ipc: Share.Share,
  names: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<Account.Account | undefined>, RequestError | RpcPipe.RpcRefused, Scope.Scope> {
  const { call, failed, handle } = yield* openLsa(ipc)
  const found: Array<Account.Account | undefined> = []
  const asked = { handle, lookupLevel, mappedCount: 0, lookupOptions: 0, clientRevision }
  /** Servers before Windows XP give the SID of the domain and the number of the account in it. */
  const byNumber = Effect.fnUntraced(function*(batch: ReadonlyArray<string>) {
    const answer = yield* call(lookupNames2, { ...asked, count: batch.length, names: batch, translatedSids: [] })
    return {
      ...answer,
      translatedSids: answer.translatedSids.map((one): TranslatedSid => {
        const domain = answer.referencedDomains?.[one.domainIndex]?.sid
        const sid = domain === undefined || one.use === Lsat.SidNameUse.SidTypeDomain
          ? domain
          : `${domain}-${one.relativeId}`
        return { use: one.use, sid, domainIndex: one.domainIndex }
      })
    }
  })
  for (let at = 0; at < names.length; at += largestBatch) {
    const batch = names.slice(at, at + largestBatch)
    const answer = yield* call(lookupNames3, { ...asked, count: batch.length, names: batch, translatedSids: [] }).pipe(
      Effect.catchTag(
        "RpcRefused",
        (refused) => refused.fault === FaultStatus.nca_op_rng_error ? byNumber(batch) : Effect.fail(refused)
      )
    )
    if (!isMapped(answer.returnValue)) return yield* failed(answer.returnValue, lookupNames3.name)
    found.push(...batch.map((text, i): Account.Account | undefined => {
      const one: TranslatedSid | undefined = answer.translatedSids[i]
      const type = Account.typeOf(one?.use ?? Lsat.SidNameUse.SidTypeUnknown)
      if (one?.sid === undefined || type === "unknown" || type === "invalid") return undefined
      const domain = answer.referencedDomains?.[one.domainIndex]?.name ?? ""
      // A name such as ann@corp.test has its domain behind it.
      const name = type === "domain" ? domain : text.slice(text.indexOf("\\") + 1).replace(/@.*$/, "")
      return { sid: one.sid, name, domain: type === "domain" ? "" : domain, type }
    }))
  }
  return found
})

const { PolicyInformationClass: Class } = Lsad

/** The SIDs of the machine, of its domain, and of the root domain of the forest, as far as the server tells them. */
const domainsOf = Effect.fnUntraced(function*(
  ipc: Share.Share
): Effect.fn.Return<Sddl.Domains, RequestError | RpcPipe.RpcRefused, Scope.Scope> {
  const { call, failed, handle } = yield* openLsa(ipc, POLICY_LOOKUP_NAMES | POLICY_VIEW_LOCAL_INFORMATION)
  const own = yield* call(queryPolicy, { handle, informationClass: Class.PolicyAccountDomainInformation })
  if (own.returnValue !== 0) return yield* failed(own.returnValue, queryPolicy.name)
  const machine = own.information?.level === 5 ? own.information.value?.sid : undefined
  const dns = yield* Effect.catchTag(
    call(queryPolicy2, { handle, informationClass: Class.PolicyDnsDomainInformation }),
    "RpcRefused",
    () => Effect.succeed(undefined)
  )
  const forest = dns?.returnValue === 0 && dns.information?.level === 12 ? dns.information.value : undefined
  if (forest === undefined) {
    // smbd as a member and servers of old domains tell the domain, and not its forest.
    const primary = yield* call(queryPolicy, { handle, informationClass: Class.PolicyPrimaryDomainInformation })
    if (primary.returnValue !== 0) return yield* failed(primary.returnValue, queryPolicy.name)
    return { machine, domain: primary.information?.level === 3 ? primary.information.value?.sid : undefined }
  }
  const { dnsDomainName, dnsForestName, sid: domain } = forest
  // A workgroup has no SID (MS-LSAD 2.2.4.14).
  if (domain === undefined || dnsForestName === "") return { machine, domain }
  if (dnsForestName.toLowerCase() === dnsDomainName.toLowerCase()) return { machine, domain, rootDomain: domain }
  const [root] = yield* sidsOf(ipc, [dnsForestName])
  return { machine, domain, rootDomain: root?.type === "domain" ? root.sid : undefined }
})

/** The target of IPC$ at the server that holds a path. */
const locate = (context: PathContext, path: UncPath.PathInput): Effect.Effect<Locator.Target, ClientError> =>
  Effect.scoped(Effect.gen(function*() {
    const unc = yield* Effect.fromResult(UncPath.parse(path))
    const { domain, port, server }: Locator.Target = unc.share === ""
      ? { server: unc.server, port: unc.port, share: "", path: "" }
      : yield* context.locator.use(unc, (target) => Effect.as(context.connect(target), target))
    return { server, port, domain, share: "IPC$", path: "" }
  }))

/** Runs `use` with the IPC$ tree of a server. */
const onIpc = <A, E>(
  context: PathContext,
  target: Locator.Target,
  use: (ipc: Share.Share) => Effect.Effect<A, E, Scope.Scope>
): Effect.Effect<A, E | ClientError> => Effect.scoped(Effect.flatMap(context.connect(target), use))

/** Whether a failure says that the server tells this user no names, and not that it cannot be reached. */
const tellsNothing = (error: ClientError | RpcPipe.RpcRefused): error is SmbError | RpcPipe.RpcRefused =>
  error._tag === "RpcRefused" ||
  (error._tag === "SmbError" && error.command !== "NEGOTIATE" && error.command !== "SESSION_SETUP")

/** Whether a server can be asked for this name: no account has a longer one (MS-LSAT 3.1.4.6). */
const canBeAsked = (name: string): boolean => name !== "" && name.length <= 1024

const refused = (server: string, what: string) => ({ fault }: RpcPipe.RpcRefused): ProtocolError =>
  RpcPipe.unexpected(
    server,
    `the server does not ${what}: it refused the lsarpc interface` +
      (fault === undefined ? "" : ` (fault ${fault})`)
  )

/** The lookups of accounts and domains. */
export const operations = (
  context: PathContext
): Pick<Operations, "lookupSids" | "lookupNames" | "lookupDomains"> => {
  const lookupSids = Effect.fnUntraced(function*(path: UncPath.PathInput, sids: ReadonlyArray<Sid>) {
    const known = new Map<Sid, Account.Account>()
    const asked = new Set<Sid>()
    for (const sid of sids) {
      const account = isSid(sid) ? Account.wellKnown(sid) : Account.unknown(sid)
      if (account === undefined) asked.add(sid)
      else known.set(sid, account)
    }
    if (asked.size > 0) {
      const target = yield* locate(context, path)
      const found = yield* Effect.catchIf(
        onIpc(context, target, (ipc) => accountsOf(ipc, [...asked])),
        tellsNothing,
        () => Effect.succeed([])
      )
      for (const account of found) known.set(account.sid, account)
    }
    return sids.map((sid) => known.get(sid) ?? Account.unknown(sid))
  })

  const lookupNames = Effect.fnUntraced(function*(path: UncPath.PathInput, names: ReadonlyArray<string>) {
    const ofSids = yield* lookupSids(path, names.filter(isSid))
    const known = new Map<string, Account.Account | undefined>(names.filter(isSid).map((sid, i) => [sid, ofSids[i]]))
    const asked = new Set<string>()
    for (const name of names) {
      if (known.has(name)) continue
      const account = Account.wellKnownByName(name)
      if (account !== undefined) known.set(name, account)
      else if (canBeAsked(name)) asked.add(name)
    }
    if (asked.size > 0) {
      const all = [...asked]
      const found = yield* onIpc(
        context,
        yield* locate(context, path),
        (ipc) =>
          Effect.catchTag(
            sidsOf(ipc, all),
            "RpcRefused",
            (error) => Effect.fail(refused(ipc.server, "translate names to SIDs")(error))
          )
      )
      for (const [i, name] of all.entries()) known.set(name, found[i])
    }
    return names.map((name) => known.get(name))
  })

  return {
    lookupSids: Effect.fnUntraced(function*(path, sids) {
      return yield* lookupSids(path, sids)
    }),
    lookupNames: Effect.fnUntraced(function*(path, names) {
      return yield* lookupNames(path, names)
    }),
    lookupDomains: Effect.fnUntraced(function*(path) {
      return yield* onIpc(
        context,
        yield* locate(context, path),
        (ipc) =>
          Effect.catchTag(
            domainsOf(ipc),
            "RpcRefused",
            (error) => Effect.fail(refused(ipc.server, "tell the SIDs of its domains")(error))
          )
      )
    })
  }
}

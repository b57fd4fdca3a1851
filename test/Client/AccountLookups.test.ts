/** Names for SIDs and SIDs for names, by the calls of MS-LSAT to servers that answer, refuse, or know only a part. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import * as AccountLookups from "../../src/Client/internal/AccountLookups.ts"
import * as Locator from "../../src/Client/Locator.ts"
import * as Codec from "../../src/Codec/Codec.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { FaultStatus } from "../../src/Codec/Rpc/DceRpc.ts"
import * as Lsad from "../../src/Codec/Rpc/Lsad.ts"
import * as Lsat from "../../src/Codec/Rpc/Lsat.ts"
import { fromStatus, ProtocolError, TransportError } from "../../src/Protocol/Errors.ts"
import * as ScriptedPipe from "./scriptedPipe.ts"

const { LsarLookupNames2, LsarLookupNames3, LsarLookupSids2 } = Lsat.Operation
const { LsarClose, LsarOpenPolicy2, LsarQueryInformationPolicy, LsarQueryInformationPolicy2 } = Lsad.Operation
const domain = "S-1-5-21-1-2-3"
const handle = { attributes: 0, uuid: "00000001-0000-0000-0000-000000000000" }
const path = "//nas/data/file"

const opens = {
  [LsarOpenPolicy2]: () => Codec.encode(Lsad.HandleResponse)({ handle, returnValue: 0 }),
  [LsarClose]: () => Codec.encode(Lsad.HandleResponse)({ handle, returnValue: 0 })
}

const statusOf = (mapped: number, total: number) =>
  mapped === total ? 0 : mapped === 0 ? NtStatus.STATUS_NONE_MAPPED : NtStatus.STATUS_SOME_NOT_MAPPED

/** What a machine asks for its users (MS-LSAT 2.2.16, 3.1.4.6, 3.1.4.10). */
const usual = { lookupLevel: 1, mappedCount: 0, lookupOptions: 0, clientRevision: 2 }

/** A server that knows the accounts 1000 to 1999 of its domain as `user1000` and so on. */
const knowing = (batches: Array<number> = []) => ({
  ...opens,
  [LsarLookupSids2]: (stub: Uint8Array) => {
    const { sidEnumBuffer, ...asked } = Result.getOrThrow(Codec.decode("", Lsat.LookupSids2Request)(stub))
    assert.deepStrictEqual(asked, { handle, translatedNames: [], ...usual })
    batches.push(sidEnumBuffer.length)
    const translatedNames = sidEnumBuffer.map(({ sid }) =>
      /^S-1-5-21-1-2-3-1\d{3}$/.test(sid!)
        ? { use: 1, name: `user${sid!.slice(-4)}`, domainIndex: 0, flags: 0 }
        : sid === domain
        ? { use: 3, name: "NAS", domainIndex: 0, flags: 0 }
        : sid === `${domain}-500`
        ? { use: 1, name: "", domainIndex: 0, flags: 0 }
        : { use: 8, name: sid!.slice(-8), domainIndex: -1, flags: 0 }
    )
    const mappedCount = translatedNames.filter(({ use }) => use !== 8).length
    return Codec.encode(Lsat.LookupSids2Response)({
      referencedDomains: mappedCount === 0 ? undefined : [{ name: "NAS", sid: domain }],
      translatedNames,
      mappedCount,
      returnValue: statusOf(mappedCount, sidEnumBuffer.length)
    })
  },
  [LsarLookupNames3]: (stub: Uint8Array) => {
    const { names, ...asked } = Result.getOrThrow(Codec.decode("", Lsat.LookupNames3Request)(stub))
    assert.deepStrictEqual(asked, { handle, count: names.length, translatedSids: [], ...usual })
    batches.push(names.length)
    const translatedSids = names.map((name) => {
      const [, rid] = /^(?:NAS\\)?user(1\d{3})(?:@nas\.test)?$/i.exec(name) ?? []
      return rid === undefined
        ? { use: 8, sid: undefined, domainIndex: -1, flags: 0 }
        : { use: 1, sid: `${domain}-${rid}`, domainIndex: 0, flags: 0 }
    })
    const mappedCount = translatedSids.filter(({ use }) => use !== 8).length
    return Codec.encode(Lsat.LookupNames3Response)({
      referencedDomains: [{ name: "NAS", sid: domain }],
      translatedSids,
      mappedCount,
      returnValue: statusOf(mappedCount, names.length)
    })
  }
})

/** The lookups at a server, and the shares that they connect to. */
const at = (script: ScriptedPipe.Script) => {
  const { calls, opens, share } = ScriptedPipe.ipc(script)
  const shares: Array<string> = []
  const operations = AccountLookups.operations({
    connect: (target) => {
      shares.push(`${target.server}\\${target.share}`)
      return Effect.succeed(share)
    },
    locator: Locator.plain
  })
  return { ...operations, calls, opens, shares }
}

describe("lookupSids", () => {
  it.effect("gives names with domains and types, in the order of the SIDs, and closes its handle", () =>
    Effect.gen(function*() {
      const { calls, lookupSids, opens, shares } = at({ operations: knowing() })
      const sids = [
        `${domain}-1000`,
        "S-1-1-0",
        `${domain}-77`,
        domain,
        `${domain}-1000`,
        "S-1-5-32-544",
        `${domain}-500`
      ]
      assert.deepStrictEqual(yield* lookupSids(path, sids), [
        { sid: `${domain}-1000`, name: "user1000", domain: "NAS", type: "user" },
        { sid: "S-1-1-0", name: "Everyone", domain: "", type: "well-known" },
        { sid: `${domain}-77`, name: `${domain}-77`, domain: "", type: "unknown" },
        { sid: domain, name: "NAS", domain: "", type: "domain" },
        { sid: `${domain}-1000`, name: "user1000", domain: "NAS", type: "user" },
        { sid: "S-1-5-32-544", name: "Administrators", domain: "BUILTIN", type: "alias" },
        // An account without a name is as unknown as any other.
        { sid: `${domain}-500`, name: `${domain}-500`, domain: "", type: "unknown" }
      ])
      assert.deepStrictEqual(calls, [LsarOpenPolicy2, LsarLookupSids2, LsarClose])
      assert.deepStrictEqual(opens, ["lsarpc"])
      // The share of the path tells which server holds it.
      assert.deepStrictEqual(shares, ["nas\\data", "nas\\IPC$"])
    }))

  it.effect("asks no server about well-known SIDs and about texts that are none", () =>
    Effect.gen(function*() {
      const { lookupSids, shares } = at({})
      const found = yield* lookupSids(path, ["S-1-5-18", "S-1-3-0", "no sid", ""])
      assert.deepStrictEqual(found.map(({ name, type }) => [name, type]), [
        ["SYSTEM", "well-known"],
        ["CREATOR OWNER", "well-known"],
        ["no sid", "invalid"],
        ["", "invalid"]
      ])
      assert.deepStrictEqual(yield* lookupSids(path, []), [])
      assert.deepStrictEqual(shares, [])
    }))

  it.effect("asks in batches of at most a thousand, over as many fragments as they need", () =>
    Effect.gen(function*() {
      const batches: Array<number> = []
      const { calls, lookupSids } = at({ operations: knowing(batches), fragment: 1024 })
      const sids = Array.from({ length: 2500 }, (_, i) => `${domain}-${1000 + (i % 1000)}${i < 1000 ? "" : i}`)
      const found = yield* lookupSids("//nas", sids)
      assert.deepStrictEqual(batches, [1000, 1000, 500])
      assert.deepStrictEqual(
        found.slice(0, 1000).map(({ name }) => name),
        sids.slice(0, 1000).map((s) => `user${s.slice(-4)}`)
      )
      assert.isTrue(found.slice(1000).every(({ name, sid, type }) => name === sid && type === "unknown"))
      assert.strictEqual(calls.filter((one) => one === LsarOpenPolicy2).length, 1)
    }))

  const denied = fromStatus(NtStatus.STATUS_ACCESS_DENIED, "CREATE", "\\\\nas\\IPC$\\lsarpc")
  it.effect.each([
    { what: "has no pipe", script: { open: fromStatus(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND, "CREATE") } },
    { what: "lets no user open it", script: { open: denied } },
    { what: "refuses the interface", script: { refused: true } },
    { what: "does not know the call", script: { operations: opens } },
    {
      what: "gives no handle",
      script: {
        operations: {
          ...opens,
          [LsarOpenPolicy2]: () =>
            Codec.encode(Lsad.HandleResponse)({ handle, returnValue: NtStatus.STATUS_ACCESS_DENIED })
        }
      }
    },
    {
      what: "refuses the call",
      script: { operations: { ...opens, [LsarLookupSids2]: () => FaultStatus.nca_s_fault_access_denied } }
    },
    {
      what: "fails in the call",
      script: {
        operations: {
          ...opens,
          [LsarLookupSids2]: () =>
            Codec.encode(Lsat.LookupSids2Response)({
              referencedDomains: undefined,
              translatedNames: [],
              mappedCount: 0,
              returnValue: NtStatus.STATUS_INVALID_PARAMETER
            })
        }
      }
    },
    {
      what: "answers without names",
      script: {
        operations: {
          ...opens,
          [LsarLookupSids2]: () =>
            Codec.encode(Lsat.LookupSids2Response)({
              referencedDomains: undefined,
              translatedNames: [],
              mappedCount: 0,
              returnValue: NtStatus.STATUS_NONE_MAPPED
            })
        }
      }
    }
  ])("gives the text of the SIDs if the server $what", ({ script }) =>
    Effect.gen(function*() {
      const found = yield* at(script).lookupSids(path, [`${domain}-1000`, "S-1-1-0"])
      assert.deepStrictEqual(found.map(({ name, type }) => [name, type]), [
        [`${domain}-1000`, "unknown"],
        ["Everyone", "well-known"]
      ])
    }))

  it.effect("fails with TimedOut if the server does not answer, and then asks nothing more", () =>
    Effect.gen(function*() {
      const { calls, lookupSids } = at({ operations: { ...opens, [LsarLookupSids2]: () => "silence" } })
      const asked = yield* Effect.forkChild(Effect.flip(lookupSids(path, [domain])))
      yield* TestClock.adjust("30 seconds")
      const error = yield* Fiber.join(asked)
      assert(error._tag === "TransportError" && error.reason._tag === "TimedOut", error.message)
      assert.deepStrictEqual(calls, [LsarOpenPolicy2, LsarLookupSids2])
    }))

  it.effect("fails if the server cannot be reached, or refuses the user", () =>
    Effect.gen(function*() {
      const down = new TransportError({ reason: { _tag: "ConnectionRefused" }, server: "nas", port: 445, detail: "" })
      const wrong = fromStatus(NtStatus.STATUS_LOGON_FAILURE, "SESSION_SETUP", "\\\\nas")
      for (const error of [down, wrong]) {
        const { lookupSids } = AccountLookups.operations({ connect: () => Effect.fail(error), locator: Locator.plain })
        assert.strictEqual(yield* Effect.flip(lookupSids("//nas", [`${domain}-1000`])), error)
      }
      assert.strictEqual((yield* Effect.flip(at({}).lookupSids("nas", [domain])))._tag, "PathError")
    }))
})

describe("lookupNames", () => {
  it.effect("asks no server about an empty name and about one of more than 1024 characters: no account has it", () =>
    Effect.gen(function*() {
      const batches: Array<number> = []
      const { lookupNames } = at({ operations: knowing(batches) })
      const found = yield* lookupNames(path, ["", "x".repeat(1024), "x".repeat(1025)])
      assert.lengthOf(found, 3)
      assert.deepStrictEqual(batches, [1])
    }))

  it.effect("gives accounts for names with and without a domain, and for SIDs, and undefined for unknown ones", () =>
    Effect.gen(function*() {
      const { calls, lookupNames } = at({ operations: knowing() })
      const names = [
        "user1000",
        "nas\\USER1001",
        "user1002@nas.test",
        "stranger",
        "everyone",
        "NT AUTHORITY\\System",
        `${domain}-1003`,
        ""
      ]
      const found = yield* lookupNames(path, [...names, "x".repeat(40_000)])
      assert.deepStrictEqual(found.map((one) => one === undefined ? undefined : [one.sid, one.domain, one.name]), [
        [`${domain}-1000`, "NAS", "user1000"],
        [`${domain}-1001`, "NAS", "USER1001"],
        [`${domain}-1002`, "NAS", "user1002"],
        undefined,
        ["S-1-1-0", "", "Everyone"],
        ["S-1-5-18", "NT AUTHORITY", "SYSTEM"],
        [`${domain}-1003`, "NAS", "user1003"],
        undefined,
        undefined
      ])
      assert.deepStrictEqual(calls, [
        ...[LsarOpenPolicy2, LsarLookupSids2, LsarClose],
        ...[LsarOpenPolicy2, LsarLookupNames3, LsarClose]
      ])
    }))

  // smbd 4.17's own bytes: its user, another one, and two names that it does not know. Their SIDs are zeros, with Revision 0.
  it.effect("takes a SID of zeros, which smbd sends, for none", () =>
    Effect.gen(function*() {
      const stub =
        "100002000100000014000200200000000100000014001600180002001c0002000b000000000000000a0000004c00410042002d0030" +
        "002d00350031002d003100040000000104000000000005150000001f61127b4a6098a9d96546f8040000002000020004000000010000002400" +
        "0200000000000000000001000000280002000000000000000000080000002c000200ffffffff000000000800000030000200ffffffff00000000" +
        "050000000105000000000005150000001f61127b4a6098a9d96546f8e8030000050000000105000000000005150000001f61127b4a6098a9d9" +
        "6546f8e90300000000000000000000000000000000000000000000000000000200000007010000"
      const { lookupNames } = at({ operations: { ...opens, [LsarLookupNames3]: () => Buffer.from(stub, "hex") } })
      const machine = "S-1-5-21-2064802079-2845335626-4165363161"
      assert.deepStrictEqual(yield* lookupNames(path, ["smbtest", "LAB-0-51-1\\labann", "none", "ELSEWHERE\\none"]), [
        { sid: `${machine}-1000`, name: "smbtest", domain: "LAB-0-51-1", type: "user" },
        { sid: `${machine}-1001`, name: "labann", domain: "LAB-0-51-1", type: "user" },
        undefined,
        undefined
      ])
    }))

  it.effect("asks the server that holds the path, in the domain of its target", () =>
    Effect.gen(function*() {
      const { share } = ScriptedPipe.ipc({ operations: knowing() })
      const targets: Array<Locator.Target> = []
      const { lookupNames } = AccountLookups.operations({
        connect: (target) => Effect.as(Effect.sync(() => targets.push(target)), share),
        locator: {
          use: (_, attempt) =>
            attempt({ server: "fs2", port: 4455, share: "plans", path: "x", domain: "corp.test", isLink: true })
        }
      })
      yield* lookupNames("//corp.test/public/plans/x", ["user1000"])
      assert.deepStrictEqual(targets.at(-1), {
        server: "fs2",
        port: 4455,
        share: "IPC$",
        path: "",
        domain: "corp.test"
      })
    }))

  it.effect("asks an old server by LsarLookupNames2, whose SIDs are a domain and a number", () =>
    Effect.gen(function*() {
      const { calls, lookupNames } = at({
        operations: {
          ...opens,
          [LsarLookupNames2]: () =>
            Codec.encode(Lsat.LookupNames2Response)({
              referencedDomains: [{ name: "NAS", sid: domain }],
              translatedSids: [
                { use: 1, relativeId: 1000, domainIndex: 0, flags: 0 },
                { use: 3, relativeId: 0xffff_ffff, domainIndex: 0, flags: 0 },
                { use: 8, relativeId: 0, domainIndex: -1, flags: 0 }
              ],
              mappedCount: 2,
              returnValue: NtStatus.STATUS_SOME_NOT_MAPPED
            })
        }
      })
      assert.deepStrictEqual(yield* lookupNames(path, ["user1000", "NAS", "stranger"]), [
        { sid: `${domain}-1000`, name: "user1000", domain: "NAS", type: "user" },
        { sid: domain, name: "NAS", domain: "", type: "domain" },
        undefined
      ])
      assert.deepStrictEqual(calls, [LsarOpenPolicy2, LsarLookupNames3, LsarLookupNames2, LsarClose])
    }))

  it.effect("fails if the server does not translate names, because there is nothing to put in their place", () =>
    Effect.gen(function*() {
      const none = fromStatus(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND, "CREATE")
      assert.strictEqual(yield* Effect.flip(at({ open: none }).lookupNames(path, ["ann"])), none)
      for (const script of [{ refused: true }, { operations: opens }]) {
        const error = yield* Effect.flip(at(script).lookupNames(path, ["ann"]))
        assert.instanceOf(error, ProtocolError)
        assert.include(error.message, "does not translate names to SIDs")
      }
      const status = NtStatus.STATUS_INVALID_PARAMETER
      const failing = () =>
        Codec.encode(Lsat.LookupNames3Response)({
          referencedDomains: undefined,
          translatedSids: [],
          mappedCount: 0,
          returnValue: status
        })
      const error = yield* Effect.flip(
        at({ operations: { ...opens, [LsarLookupNames3]: failing } }).lookupNames(path, ["ann"])
      )
      assert(error._tag === "SmbError", error.message)
      assert.deepStrictEqual([error.status, error.command], [status, "LsarLookupNames3"])
      // Well-known names need no server.
      assert.strictEqual((yield* at({ open: none }).lookupNames(path, ["SYSTEM"]))[0]?.sid, "S-1-5-18")
    }))
})

describe("lookupDomains", () => {
  const machine = "S-1-5-21-7-8-9"
  const root = "S-1-5-21-4-5-6"
  const { PolicyAccountDomainInformation, PolicyDnsDomainInformation, PolicyPrimaryDomainInformation } =
    Lsad.PolicyInformationClass

  const response = Codec.encode(Lsad.QueryInformationPolicyResponse)
  const classOf = (stub: Uint8Array) => {
    const asked = Result.getOrThrow(Codec.decode("", Lsad.QueryInformationPolicyRequest)(stub))
    assert.deepStrictEqual(asked.handle, handle)
    return asked.informationClass
  }
  const failing = (returnValue: number) => response({ information: undefined, returnValue })

  /** Whether the handle has the right that MS-LSAD 3.1.4.4.4 wants for these classes. */
  let mayView = false

  /** A machine, and the domain that it is in. Classes with a DNS name are only for LsarQueryInformationPolicy2. */
  const machineOf = (primary: string | undefined) => ({
    ...opens,
    [LsarOpenPolicy2]: (stub: Uint8Array) => {
      const { desiredAccess } = Result.getOrThrow(Codec.decode("", Lsad.OpenPolicy2Request)(stub))
      mayView = (desiredAccess & Lsad.PolicyAccess.POLICY_VIEW_LOCAL_INFORMATION) !== 0
      return opens[LsarOpenPolicy2]()
    },
    [LsarQueryInformationPolicy]: (stub: Uint8Array) => {
      if (!mayView) return failing(NtStatus.STATUS_ACCESS_DENIED)
      const informationClass = classOf(stub)
      return informationClass === PolicyAccountDomainInformation
        ? response({ information: { level: 5, value: { name: "NAS", sid: machine } }, returnValue: 0 })
        : informationClass === PolicyPrimaryDomainInformation
        ? response({ information: { level: 3, value: { name: "CORP", sid: primary } }, returnValue: 0 })
        : failing(NtStatus.STATUS_INVALID_PARAMETER)
    }
  })

  const forestOf = (dnsDomainName: string, dnsForestName: string, sid: string | undefined) => ({
    ...machineOf(sid),
    [LsarQueryInformationPolicy2]: (stub: Uint8Array) => {
      assert.strictEqual(classOf(stub), PolicyDnsDomainInformation)
      const value = { name: "CORP", dnsDomainName, dnsForestName, domainGuid: handle.uuid, sid }
      return response({ information: { level: 12, value }, returnValue: 0 })
    }
  })

  const rootIs = (use: number) => ({
    [LsarLookupNames3]: (stub: Uint8Array) => {
      const { names } = Result.getOrThrow(Codec.decode("", Lsat.LookupNames3Request)(stub))
      assert.deepStrictEqual(names, ["corp.test"])
      return Codec.encode(Lsat.LookupNames3Response)({
        referencedDomains: use === 3 ? [{ name: "CORP", sid: root }] : undefined,
        translatedSids: [{ use, sid: use === 8 ? undefined : root, domainIndex: 0, flags: 0 }],
        mappedCount: use === 8 ? 0 : 1,
        returnValue: use === 8 ? NtStatus.STATUS_NONE_MAPPED : 0
      })
    }
  })

  it.effect.each([
    {
      what: "in the root domain of its forest",
      operations: forestOf("Corp.test", "corp.test", domain),
      found: { machine, domain, rootDomain: domain }
    },
    {
      what: "in a domain below the root, which it finds by its name",
      operations: { ...forestOf("eu.corp.test", "corp.test", domain), ...rootIs(3) },
      found: { machine, domain, rootDomain: root }
    },
    {
      what: "in a domain below a root that it does not find",
      operations: { ...forestOf("eu.corp.test", "corp.test", domain), ...rootIs(8) },
      found: { machine, domain, rootDomain: undefined }
    },
    {
      what: "in a domain below a name that is an account's",
      operations: { ...forestOf("eu.corp.test", "corp.test", domain), ...rootIs(1) },
      found: { machine, domain, rootDomain: undefined }
    },
    {
      what: "in a workgroup",
      operations: forestOf("", "", undefined),
      found: { machine, domain: undefined, rootDomain: undefined }
    },
    {
      what: "in a domain without a forest",
      operations: forestOf("", "", domain),
      found: { machine, domain, rootDomain: undefined }
    },
    {
      what: "that does not know LsarQueryInformationPolicy2",
      operations: machineOf(domain),
      found: { machine, domain, rootDomain: undefined }
    },
    {
      what: "that refuses the class with a DNS name",
      operations: {
        ...machineOf(domain),
        [LsarQueryInformationPolicy2]: () => failing(NtStatus.STATUS_INVALID_PARAMETER)
      },
      found: { machine, domain, rootDomain: undefined }
    }
  ])("asks a machine $what", ({ found, operations }) =>
    Effect.gen(function*() {
      const { calls, lookupDomains, shares } = at({ operations })
      const { domain, machine, rootDomain } = yield* lookupDomains(path)
      assert.deepStrictEqual({ domain, machine, rootDomain }, found)
      assert.deepStrictEqual(shares, ["nas\\data", "nas\\IPC$"])
      assert.deepStrictEqual([calls.at(0), calls.at(-1)], [LsarOpenPolicy2, LsarClose])
    }))

  it.effect("fails if the server does not tell its domains", () =>
    Effect.gen(function*() {
      for (const script of [{ refused: true }, { operations: opens }]) {
        const error = yield* Effect.flip(at(script).lookupDomains(path))
        assert.instanceOf(error, ProtocolError)
        assert.include(error.message, "does not tell the SIDs of its domains")
      }
      const status = NtStatus.STATUS_ACCESS_DENIED
      const operations = { ...opens, [LsarQueryInformationPolicy]: () => failing(status) }
      const error = yield* Effect.flip(at({ operations }).lookupDomains(path))
      assert(error._tag === "SmbError", error.message)
      assert.deepStrictEqual([error.status, error.command], [status, "LsarQueryInformationPolicy"])
    }))
})

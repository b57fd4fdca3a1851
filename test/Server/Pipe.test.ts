/**
 * Proves the server's RPC pipes lsarpc, srvsvc and wkssvc (MS-LSAT, MS-LSAD, MS-SRVS, MS-WKST): names and SIDs,
 * handles, fragments, and arbitrary bytes, among them mutated calls of recorded clients.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Redacted, Result, SubscriptionRef } from "effect"
import { readFileSync } from "node:fs"
import * as Codec from "../../src/Codec/Codec.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as DceRpc from "../../src/Codec/Rpc/DceRpc.ts"
import * as Lsad from "../../src/Codec/Rpc/Lsad.ts"
import * as Lsat from "../../src/Codec/Rpc/Lsat.ts"
import * as Srvsvc from "../../src/Codec/Rpc/Srvsvc.ts"
import * as Wkssvc from "../../src/Codec/Rpc/Wkssvc.ts"
import * as Sddl from "../../src/Codec/Sddl.ts"
import * as Sd from "../../src/Codec/SecurityDescriptor.ts"
import * as IdentityStore from "../../src/Server/IdentityStore.ts"
import type { Caller, Interface } from "../../src/Server/internal/Rpc/Interface.ts"
import * as Lsarpc from "../../src/Server/internal/Rpc/Lsarpc.ts"
import { Pipe } from "../../src/Server/internal/Rpc/Pipe.ts"
import { srvsvc } from "../../src/Server/internal/Rpc/Srvsvc.ts"
import { wkssvc } from "../../src/Server/internal/Rpc/Wkssvc.ts"
import { defaultDescriptor } from "../../src/Server/internal/State/Access.ts"
import { LogRate } from "../../src/Server/internal/State/LogRate.ts"
import { Share } from "../../src/Server/internal/State/Model.ts"
import { StoreTimeout } from "../../src/Server/internal/State/StoreTimeout.ts"
import { defaults } from "../../src/Server/Limits.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { AccessMask } from "../../src/Smb2/Message/Constants.ts"
import { random } from "../random.ts"

const domain = "S-1-5-21-1-2-3"
const ownSid = "S-1-5-21-7-7-7-7"

const user = {
  name: "joe",
  sid: `${domain}-1000`,
  groups: new Set<string>(),
  administrator: false,
  guest: false,
  anonymous: false
}

/** Milliseconds that a user store or an identity store has. */
const storeTime = 200

/** The parts of a server that the interfaces read. */
const caller = (
  as: Partial<typeof user> = {},
  users?: UserStore.Users,
  identity: Partial<IdentityStore.Identities> = {}
): Caller => ({
  server: {
    settings: { computerName: "HERE" },
    domainSid: domain,
    identity: {
      ...IdentityStore.inMemory({ domainSid: domain, rids: { joe: 1000, gone: 1001 } }),
      ...identity
    },
    users: users ?? UserStore.inMemory({
      joe: Redacted.make("secret"),
      ann: Redacted.make("secret"),
      own: { password: Redacted.make("secret"), sid: ownSid }
    }),
    sessions: new Map([[1n, { user: { ...user, name: "own", sid: ownSid } }]]),
    shares: new Map(),
    dfs: undefined,
    limits: defaults,
    storeTimeout: new StoreTimeout(storeTime),
    logRates: { faults: new LogRate(1, 1) },
    startTime: 133_000_000_000_000_000n
  } as unknown as Caller["server"],
  user: { ...user, ...as }
})

const bind = (syntax: DceRpc.SyntaxId): DceRpc.Pdu => ({
  _tag: "Bind",
  flags: 3,
  callId: 1,
  maxTransmitFragment: 4280,
  maxReceiveFragment: 4280,
  associationGroupId: 0,
  contexts: [{ contextId: 0, abstractSyntax: syntax, transferSyntaxes: [DceRpc.ndr32] }]
})

/** All PDUs that a pipe has ready. */
const drain = (pipe: Pipe) =>
  Effect.gen(function*() {
    const pdus: Array<DceRpc.Pdu> = []
    for (;;) {
      const { output } = yield* pipe.transceive(new Uint8Array(0), 65_535)
      if (output.length === 0) return pdus
      const pdu = Codec.decode("PDU", DceRpc.Pdu)(output)
      assert(Result.isSuccess(pdu))
      pdus.push(pdu.success)
    }
  })

const open = Effect.fnUntraced(function*(name: string, served: Interface, as: Caller = caller()) {
  const pipe = new Pipe(name, served, as)
  yield* pipe.write(Codec.encode(DceRpc.Pdu)(bind(served.syntax)))
  const [ack] = yield* drain(pipe)
  assert(ack?._tag === "BindAck")
  assert.strictEqual(ack.results[0]?.result, 0)
  return pipe
})

const call = Effect.fnUntraced(function*(pipe: Pipe, operation: number, stub: Uint8Array, fragment = 4280) {
  const request = { _tag: "Request" as const, callId: 2, contextId: 0, operation, object: undefined, stub }
  for (const pdu of DceRpc.fragments(request, fragment)) yield* pipe.write(Codec.encode(DceRpc.Pdu)(pdu))
  let collected: DceRpc.Collected | undefined
  for (const pdu of yield* drain(pipe)) {
    if (pdu._tag !== "Response") return pdu
    const step = DceRpc.collect(collected, pdu, 1024 * 1024)
    assert(Result.isSuccess(step))
    collected = step.success.state
    if (step.success.complete !== undefined) return step.success.complete
  }
  return undefined
})

const ask = Effect.fnUntraced(function*<Q, A>(
  pipe: Pipe,
  operation: number,
  [request, response]: readonly [Codec.Codec<Q>, Codec.Codec<A>],
  question: Q
) {
  const answer = yield* call(pipe, operation, Codec.encode(request)(question))
  assert(answer?._tag === "Response", `${answer?._tag}`)
  return yield* Effect.fromResult(Codec.decode("response", response)(answer.stub))
})

const openPolicy = (pipe: Pipe) =>
  ask(pipe, Lsad.Operation.LsarOpenPolicy2, [Lsad.OpenPolicy2Request, Lsad.HandleResponse], {
    systemName: undefined,
    objectAttributes: {
      length: 24,
      rootDirectory: undefined,
      objectName: undefined,
      attributes: 0,
      securityDescriptor: undefined,
      securityQualityOfService: undefined
    },
    desiredAccess: AccessMask.MAXIMUM_ALLOWED
  })

const lookupSids = [Lsat.LookupSids2Request, Lsat.LookupSids2Response] as const
const lookupNames = [Lsat.LookupNames3Request, Lsat.LookupNames3Response] as const
const options = { lookupLevel: 1, mappedCount: 0, lookupOptions: 0, clientRevision: 2 }

describe("lsarpc", () => {
  it.effect("translates SIDs to names, and the names back to the SIDs", () =>
    Effect.gen(function*() {
      const pipe = yield* open("lsarpc", Lsarpc.make())
      const { handle } = yield* openPolicy(pipe)
      const sids = ["S-1-1-0", "S-1-5-18", "S-1-5-32-544", `${domain}-1000`, domain, ownSid]
      const { referencedDomains, translatedNames } = yield* ask(
        pipe,
        Lsat.Operation.LsarLookupSids2,
        lookupSids,
        { handle, sidEnumBuffer: sids.map((sid) => ({ sid })), translatedNames: [], ...options }
      )
      const names = translatedNames.map(({ domainIndex, name }) => `${referencedDomains![domainIndex]!.name}\\${name}`)
      assert.deepStrictEqual(names, [
        "\\Everyone",
        "NT AUTHORITY\\SYSTEM",
        "BUILTIN\\Administrators",
        "HERE\\joe",
        "HERE\\HERE",
        "HERE\\own"
      ])
      const back = yield* ask(pipe, Lsat.Operation.LsarLookupNames3, lookupNames, {
        handle,
        count: 6,
        names: ["everyone", "system", "BUILTIN\\administrators", "here\\JOE", "HERE", "own"],
        translatedSids: [],
        ...options
      })
      assert.deepStrictEqual(back.translatedSids.map(({ sid }) => sid), sids)
      assert.strictEqual(back.returnValue, 0)
    }))

  it.effect("does not translate the SIDs and names of removed users, of other domains, and of unknown users", () =>
    Effect.gen(function*() {
      const pipe = yield* open("lsarpc", Lsarpc.make())
      const { handle } = yield* openPolicy(pipe)
      const none = yield* ask(pipe, Lsat.Operation.LsarLookupSids2, lookupSids, {
        handle,
        sidEnumBuffer: [`${domain}-1001`, `${domain}-4000`, "S-1-5-21-9-9-9-1000", "S-1-5-32-9999"].map((sid) => ({
          sid
        })),
        translatedNames: [],
        ...options
      })
      assert.strictEqual(none.returnValue, NtStatus.STATUS_NONE_MAPPED)
      assert.deepStrictEqual(none.translatedNames[0], {
        use: Lsat.SidNameUse.SidTypeUnknown,
        name: `${domain}-1001`,
        domainIndex: -1,
        flags: 0
      })
      const some = yield* ask(pipe, Lsat.Operation.LsarLookupNames3, lookupNames, {
        handle,
        count: 4,
        names: ["ELSEWHERE\\joe", "nobody", "ELSEWHERE\\", "ann"],
        translatedSids: [],
        ...options
      })
      assert.strictEqual(some.returnValue, NtStatus.STATUS_SOME_NOT_MAPPED)
      assert.deepStrictEqual(some.translatedSids.map(({ sid }) => sid !== undefined), [false, false, false, true])
    }))

  it.effect("translates names of domains, and the empty name to BUILTIN", () =>
    Effect.gen(function*() {
      const pipe = yield* open("lsarpc", Lsarpc.make())
      const { handle } = yield* openPolicy(pipe)
      const found = yield* ask(pipe, Lsat.Operation.LsarLookupNames3, lookupNames, {
        handle,
        count: 5,
        names: ["", "builtin\\", "HERE\\", "HERE", "BUILTIN\\Administrators"],
        translatedSids: [],
        ...options
      })
      assert.strictEqual(found.returnValue, 0)
      const [SidTypeDomain, SidTypeAlias] = [Lsat.SidNameUse.SidTypeDomain, Lsat.SidNameUse.SidTypeAlias]
      assert.deepStrictEqual(found.translatedSids.map(({ sid, use }) => [sid, use]), [
        ["S-1-5-32", SidTypeDomain],
        ["S-1-5-32", SidTypeDomain],
        [domain, SidTypeDomain],
        [domain, SidTypeDomain],
        ["S-1-5-32-544", SidTypeAlias]
      ])
    }))

  it.effect("takes users for unknown while their store fails, and says so in the log", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.layer([Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${message}`))])
      const broken: UserStore.Users = { find: () => Effect.fail(new UserStore.UserStoreError({ cause: "down" })) }
      const pipe = yield* open("lsarpc", Lsarpc.make(), caller({}, broken))
      const { handle } = yield* openPolicy(pipe)
      const names = yield* ask(pipe, Lsat.Operation.LsarLookupSids2, lookupSids, {
        handle,
        sidEnumBuffer: [`${domain}-1000`, "S-1-1-0"].map((sid) => ({ sid })),
        translatedNames: [],
        ...options
      }).pipe(Effect.provide(logger))
      assert.strictEqual(names.returnValue, NtStatus.STATUS_SOME_NOT_MAPPED)
      assert.deepStrictEqual(names.translatedNames.map(({ name }) => name), [`${domain}-1000`, "Everyone"])
      assert.deepStrictEqual(lines, ["Error the user store failed"])
    }))

  const failed = () => Effect.fail(new IdentityStore.IdentityError({ reason: { _tag: "LookupFailed", cause: "down" } }))
  const brokenIdentities: Readonly<Record<string, Pick<IdentityStore.Identities, "nameOf" | "sidOf">>> = {
    "fails": { nameOf: failed, sidOf: failed },
    "has a defect": { nameOf: () => Effect.die("down"), sidOf: () => Effect.die("down") },
    "does not answer in time": { nameOf: () => Effect.never, sidOf: () => Effect.never }
  }
  for (const [how, identity] of Object.entries(brokenIdentities)) {
    it.live(`knows only the names of logged-on users while the identity store ${how}, and says so in the log`, () =>
      Effect.gen(function*() {
        const lines: Array<string> = []
        const logger = Logger.layer([Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${message}`))])
        const pipe = yield* open("lsarpc", Lsarpc.make(), caller({}, undefined, identity))
        const { handle } = yield* openPolicy(pipe)
        const names = yield* ask(pipe, Lsat.Operation.LsarLookupSids2, lookupSids, {
          handle,
          sidEnumBuffer: [`${domain}-1000`, ownSid, "S-1-1-0"].map((sid) => ({ sid })),
          translatedNames: [],
          ...options
        }).pipe(Effect.provide(logger))
        assert.strictEqual(names.returnValue, NtStatus.STATUS_SOME_NOT_MAPPED)
        assert.deepStrictEqual(names.translatedNames.map(({ name }) => name), [`${domain}-1000`, "own", "Everyone"])
        assert.deepStrictEqual(lines, ["Error the identity store failed"])
      }))
  }

  it.effect("refuses handles of other pipes and closed ones, gives 64 handles at most, and none to anonymous callers", () =>
    Effect.gen(function*() {
      const pipe = yield* open("lsarpc", Lsarpc.make())
      const other = yield* open("lsarpc", Lsarpc.make())
      const { handle } = yield* openPolicy(pipe)
      const query = Codec.encode(Lsad.QueryInformationPolicyRequest)({ handle, informationClass: 5 })
      const mismatch = yield* call(other, Lsad.Operation.LsarQueryInformationPolicy, query)
      assert(mismatch?._tag === "Fault")
      assert.strictEqual(mismatch.status, DceRpc.FaultStatus.nca_s_fault_context_mismatch)
      assert.strictEqual((yield* call(pipe, Lsad.Operation.LsarQueryInformationPolicy, query))?._tag, "Response")
      yield* ask(pipe, Lsad.Operation.LsarClose, [Lsad.CloseRequest, Lsad.HandleResponse], { handle })
      assert.strictEqual((yield* call(pipe, Lsad.Operation.LsarQueryInformationPolicy, query))?._tag, "Fault")
      for (let i = 0; i < 64; i++) assert.strictEqual((yield* openPolicy(pipe)).returnValue, 0)
      assert.strictEqual((yield* openPolicy(pipe)).returnValue, NtStatus.STATUS_INSUFFICIENT_RESOURCES)
      const nobody = yield* open("lsarpc", Lsarpc.make(), caller({ anonymous: true }))
      assert.strictEqual((yield* openPolicy(nobody)).returnValue, NtStatus.STATUS_ACCESS_DENIED)
    }))

  it.effect("reassembles a call in fragments, and responds in fragments", () =>
    Effect.gen(function*() {
      const pipe = yield* open("lsarpc", Lsarpc.make())
      const { handle } = yield* openPolicy(pipe)
      const stub = Codec.encode(Lsat.LookupSids2Request)({
        handle,
        sidEnumBuffer: Array.from({ length: 500 }, () => ({ sid: `${domain}-1000` })),
        translatedNames: [],
        ...options
      })
      const answer = yield* call(pipe, Lsat.Operation.LsarLookupSids2, stub, 300)
      assert(answer?._tag === "Response")
      const decoded = Codec.decode("response", Lsat.LookupSids2Response)(answer.stub)
      assert(Result.isSuccess(decoded))
      assert.strictEqual(decoded.success.mappedCount, 500)
      assert.strictEqual(decoded.success.referencedDomains?.length, 1)
    }))
})

it.effect("wkssvc answers NetrWkstaGetInfo level 102 for administrators only", () =>
  Effect.gen(function*() {
    const codec = [Wkssvc.WkstaGetInfoRequest, Wkssvc.WkstaGetInfoResponse] as const
    for (const administrator of [false, true]) {
      const pipe = yield* open("wkssvc", wkssvc, caller({ administrator }))
      const { info, returnValue } = yield* ask(pipe, 0, codec, { serverName: undefined, level: 102 })
      assert.strictEqual(returnValue, administrator ? 0 : 5)
      assert.strictEqual(info.value !== undefined, administrator)
    }
  }))

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

describe("an information level", () => {
  // The level, a null pointer if the level is one of the document's, and ERROR_INVALID_LEVEL.
  it.effect("that the server does not know is refused with the null pointer that clients expect", () =>
    Effect.gen(function*() {
      const server = yield* open("srvsvc", srvsvc)
      const station = yield* open("wkssvc", wkssvc)
      const stub = (pipe: Pipe, operation: number, request: Uint8Array) =>
        Effect.map(call(pipe, operation, request), (answer) => answer?._tag === "Response" ? hex(answer.stub) : "")
      const ofServer = (level: number) =>
        stub(server, 21, Codec.encode(Srvsvc.ServerGetInfoRequest)({ serverName: undefined, level }))
      const ofStation = (level: number) =>
        stub(station, 0, Codec.encode(Wkssvc.WkstaGetInfoRequest)({ serverName: undefined, level }))
      const error = "7c000000"
      assert.strictEqual(yield* ofServer(502), `f601000000000000${error}`)
      assert.strictEqual(yield* ofServer(503), `f701000000000000${error}`)
      assert.strictEqual(yield* ofServer(1556), `1406000000000000${error}`)
      assert.strictEqual(yield* ofServer(7), `07000000${error}`)
      assert.strictEqual(yield* ofStation(502), `f601000000000000${error}`)
      assert.strictEqual(yield* ofStation(7), `07000000${error}`)
      // Of a share that does not exist: NERR_NetNameNotFound.
      const { Operation: { NetrShareGetInfo }, ShareGetInfoRequest } = Srvsvc
      for (const level of [0, 1, 2, 502, 1004, 1005, 1006, 1501]) {
        const request = Codec.encode(ShareGetInfoRequest)({ serverName: undefined, netName: "none", level })
        const start = Buffer.alloc(4)
        start.writeUInt32LE(level)
        assert.strictEqual(yield* stub(server, NetrShareGetInfo, request), `${hex(start)}0000000006090000`)
      }
    }))
})

describe("the security descriptor of a share", () => {
  const given = Result.getOrThrow(Sddl.fromSddl("D:(A;;FR;;;AU)"))

  const place = (security: SubscriptionRef.SubscriptionRef<Sd.SecurityDescriptor> | undefined, administrator = true) =>
    Effect.gen(function*() {
      const shares = new Map([[
        "DATA",
        new Share("data", {} as never, { supports: {} } as never, {} as never, {
          current: () => security === undefined ? undefined : SubscriptionRef.getUnsafe(security),
          set: security === undefined ? undefined : (next) => SubscriptionRef.set(security, next)
        })
      ]])
      const who = caller({ administrator })
      const pipe = yield* open("srvsvc", srvsvc, { ...who, server: { ...who.server, shares } } as Caller)
      const set = (netName: string, level: number, securityDescriptor: Uint8Array | undefined) =>
        Effect.map(
          ask(pipe, Srvsvc.Operation.NetrShareSetInfo, [Srvsvc.ShareSetInfoRequest, Srvsvc.ShareSetInfoResponse], {
            serverName: undefined,
            netName,
            level,
            info: (securityDescriptor === undefined
              ? { level, value: undefined }
              : { level: 1501, value: { securityDescriptor } }) as Srvsvc.ShareInfo,
            parameterError: 7
          }),
          ({ returnValue }) => returnValue
        )
      const get = (level: number) =>
        Effect.map(
          ask(pipe, Srvsvc.Operation.NetrShareGetInfo, [Srvsvc.ShareGetInfoRequest, Srvsvc.ShareGetInfoResponse], {
            serverName: undefined,
            netName: "Data",
            level
          }),
          ({ info: { value } }) => {
            assert(value !== undefined && "securityDescriptor" in value)
            const read = Codec.decode("descriptor", Sd.SecurityDescriptor)(value.securityDescriptor)
            return Sddl.toSddl(Result.getOrThrow(read))
          }
        )
      return { set, get }
    })

  it.effect("is told by the levels 502 and 1501, and grants everybody all rights by default", () =>
    Effect.gen(function*() {
      const { get } = yield* place(yield* SubscriptionRef.make(given))
      const without = yield* place(undefined)
      for (const level of [502, 1501]) {
        assert.strictEqual(yield* get(level), "D:(A;;FR;;;AU)")
        assert.strictEqual(yield* without.get(level), "O:BAG:BAD:(A;;FA;;;WD)")
      }
    }))

  it.effect("and the permissions are not told to callers without a name", () =>
    Effect.gen(function*() {
      for (const anonymous of [true, false]) {
        const pipe = yield* open("srvsvc", srvsvc, caller({ anonymous }))
        for (const level of [0, 1, 2, 501, 502, 1005, 1501]) {
          const expected = anonymous && [2, 502, 1501].includes(level) ? 5 : 0
          const get = [Srvsvc.ShareGetInfoRequest, Srvsvc.ShareGetInfoResponse] as const
          const one = yield* ask(pipe, Srvsvc.Operation.NetrShareGetInfo, get, {
            serverName: undefined,
            netName: "IPC$",
            level
          })
          assert.deepStrictEqual(
            [one.returnValue, one.info.value === undefined],
            [expected, expected !== 0],
            `${level}`
          )
          if (level > 1000) continue
          const list = [Srvsvc.ShareEnumRequest, Srvsvc.ShareEnumResponse] as const
          for (const operation of [Srvsvc.Operation.NetrShareEnum, Srvsvc.Operation.NetrShareEnumSticky]) {
            const all = yield* ask(pipe, operation, list, {
              serverName: undefined,
              info: { level, value: [] } as Srvsvc.Shares,
              preferredMaximumLength: 0xffff_ffff,
              resumeHandle: undefined
            })
            const isSticky = operation === Srvsvc.Operation.NetrShareEnumSticky
            const status = isSticky && level === 501 ? 124 : anonymous && [2, 501, 502].includes(level) ? 5 : 0
            assert.deepStrictEqual([all.returnValue, all.totalEntries], [status, status === 0 ? 1 : 0], `${level}`)
          }
        }
      }
    }))

  it.effect("is changed by administrators with level 1501, if the app lets it change", () =>
    Effect.gen(function*() {
      const bytes = Codec.encode(Sd.SecurityDescriptor)(given)
      const { get, set } = yield* place(yield* SubscriptionRef.make(Result.getOrThrow(Sddl.fromSddl("O:BAD:"))))
      const fixed = yield* place(undefined)
      const plain = yield* place(yield* SubscriptionRef.make(given), false)
      const withoutDacl = Codec.encode(Sd.SecurityDescriptor)({ ...given, control: 0, dacl: undefined })
      for (
        const [run, expected] of [
          [set("DATA", 1501, bytes.subarray(0, 30)), 87],
          [set("data", 1501, withoutDacl), 87],
          [set("data", 1501, undefined), 87],
          [set("data", 1004, bytes), 50],
          [set("data", 0, bytes), 124],
          [set("data", 9, undefined), 124],
          [set("none", 1501, bytes), 2310],
          [set("ipc$", 1501, bytes), 5],
          [plain.set("data", 1501, bytes), 5],
          [fixed.set("data", 1501, bytes), 50]
        ] as const
      ) assert.strictEqual(yield* run, expected)
      assert.strictEqual(yield* get(1501), "O:BAD:")
      assert.strictEqual(yield* set("data", 1501, bytes), 0)
      // The owner stays.
      assert.strictEqual(yield* get(1501), "O:BAD:(A;;FR;;;AU)")
    }))
})

describe("arbitrary bytes", () => {
  const { calls: recorded }: {
    readonly calls: ReadonlyArray<{ readonly interface: string; readonly operation: number; readonly request: string }>
  } = JSON.parse(readFileSync(new URL("../Codec/fixtures/rpc-calls.json", import.meta.url), "utf8"))

  const security = Codec.encode(Srvsvc.ShareSetInfoRequest)({
    serverName: "\\\\here",
    netName: "data",
    level: 1501,
    info: { level: 1501, value: { securityDescriptor: Codec.encode(Sd.SecurityDescriptor)(defaultDescriptor) } },
    parameterError: 0
  })
  const calls = [...recorded, { interface: "srvsvc", operation: 17, request: hex(security) }]

  const interfaces: Record<string, () => Interface> = {
    lsarpc: Lsarpc.make,
    srvsvc: () => srvsvc,
    wkssvc: () => wkssvc
  }

  it.effect("in a stub give a response or a fault", () =>
    Effect.gen(function*() {
      const next = random(90210)
      const kinds = { Response: 0, Fault: 0 }
      for (const [name, make] of Object.entries(interfaces)) {
        const pipe = yield* open(name, make())
        const handle = name === "lsarpc" ? (yield* openPolicy(pipe)).handle : undefined
        const bytes = handle === undefined ? undefined : Codec.encode(Lsad.CloseRequest)({ handle })
        for (
          const one of calls.filter((call) => call.interface === name && call.operation !== 0 || name === "wkssvc")
        ) {
          for (let round = 0; round < 12; round++) {
            const stub = Uint8Array.from(Buffer.from(one.request, "hex"))
            if (bytes !== undefined && stub.length >= 20) stub.set(bytes)
            for (let i = next(4); i > 0; i--) stub[next(stub.length)] = [0, 1, 0xff, next(256)][next(4)]!
            const cut = next(3) === 0 ? stub.subarray(0, next(stub.length)) : stub
            const operation = next(10) === 0 ? next(100) : one.operation
            const answer = yield* call(pipe, operation, cut)
            assert(answer?._tag === "Response" || answer?._tag === "Fault")
            kinds[answer._tag]++
          }
        }
      }
      assert.isAbove(kinds.Response, 100)
      assert.isAbove(kinds.Fault, 100)
    }))

  it.effect("as PDUs are answered or ignored, or fail with STATUS_PIPE_DISCONNECTED or STATUS_PIPE_BUSY", () =>
    Effect.gen(function*() {
      const next = random(5150)
      const whole = Codec.encode(DceRpc.Pdu)(bind(Srvsvc.interfaceId))
      for (let round = 0; round < 300; round++) {
        const pipe = yield* open("srvsvc", srvsvc)
        for (let i = 0; i < 4; i++) {
          const bytes = round % 2 === 0 ? whole.slice() : Uint8Array.from({ length: 1 + next(200) }, () => next(256))
          for (let k = 0; k < 3; k++) bytes[next(bytes.length)] = next(256)
          const result = yield* Effect.result(pipe.transceive(bytes, 4280))
          if (Result.isFailure(result)) {
            assert.include(
              [NtStatus.STATUS_PIPE_DISCONNECTED, NtStatus.STATUS_PIPE_BUSY],
              (result.failure as { readonly status: number }).status
            )
          }
        }
      }
    }))

  it.effect("beyond the size limit of a call are refused with a fault", () =>
    Effect.gen(function*() {
      const pipe = yield* open("srvsvc", srvsvc)
      const answer = yield* call(pipe, 15, new Uint8Array(300 * 1024))
      assert(answer?._tag === "Fault")
      assert.strictEqual(answer.status, DceRpc.FaultStatus.nca_proto_error)
      assert(Result.isFailure(yield* Effect.result(pipe.write(new Uint8Array(2 * 1024 * 1024)))))
    }))
})

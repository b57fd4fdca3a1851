/**
 * Proves how the server reads the contexts of a CREATE (MS-SMB2 3.3.5.9.1 to 3.3.5.9.13) in each dialect, which
 * contexts exclude each other, and which contexts the response has. Contexts in, the request or a status out.
 */
import { assert, describe, it } from "@effect/vitest"
import { Codec, FileInformation } from "effect-smb/Codec"
import * as CreateContexts from "../../src/Server/internal/Command/CreateContexts.ts"
import * as Access from "../../src/Server/internal/State/Access.ts"
import type { Incoming } from "../../src/Server/internal/State/Incoming.ts"
import type { StoreNode } from "../../src/Server/ShareStore.ts"
import { Dialect, OplockLevel } from "../../src/Smb2/Message/Constants.ts"
import type * as Create from "../../src/Smb2/Message/Create.ts"
import type * as Context from "../../src/Smb2/Message/CreateContext.ts"
import { descriptor, encode as encodeDescriptor, sids } from "./people.ts"

const [invalid, badEa, largeEa, notFound] = [0xc000_000d, 0x8000_0014, 0xc000_0050, 0xc000_0034]
const { SMB_2_0_2, SMB_2_1, SMB_3_0, SMB_3_1_1 } = Dialect
const key = (number: number) => new Uint8Array(16).fill(number)

const lease1: Context.Request = { _tag: "RequestLease", leaseKey: key(1), leaseState: 3, leaseFlags: 4 }
const lease2: Context.Request = {
  _tag: "RequestLeaseV2",
  leaseKey: key(2),
  leaseState: 7,
  leaseFlags: 0,
  parentLeaseKey: key(3),
  epoch: 9
}
const durable1 = { _tag: "DurableHandleRequest" } as Context.Request
const durable2: Context.Request = { _tag: "DurableHandleRequestV2", timeout: 5000, flags: 0, createGuid: key(0xab) }
const fileId = { persistent: 11n, volatile: 12n }
const again1: Context.Request = { _tag: "DurableHandleReconnect", fileId }
const again2: Context.Request = { _tag: "DurableHandleReconnectV2", fileId, createGuid: key(0xcd), flags: 0 }
const maximal: Context.Request = { _tag: "QueryMaximalAccessRequest", timestamp: undefined }
const onDisk: Context.Request = { _tag: "QueryOnDiskId" }
const size: Context.Request = { _tag: "AllocationSize", allocationSize: 77n }
const unknown = (name: string): Context.Request => ({
  _tag: "Unknown",
  name: Buffer.from(name, "latin1"),
  data: new Uint8Array(0)
})
const attributes = (...all: ReadonlyArray<readonly [string, number]>): Context.Request => ({
  _tag: "EaBuffer",
  eaBuffer: Codec.encode(FileInformation.FileFullEaInformation)(
    all.map(([eaName, length]) => ({ flags: 0, eaName, eaValue: new Uint8Array(length).fill(5) }))
  )
})

/** The contexts with a requested oplock level: by default that of a lease. */
const read = (
  contexts: ReadonlyArray<Context.Request>,
  dialect: number = SMB_3_1_1,
  requestedOplockLevel: number = OplockLevel.SMB2_OPLOCK_LEVEL_LEASE
) =>
  CreateContexts.read(
    { connection: { dialect } } as unknown as Incoming,
    { createContexts: contexts, requestedOplockLevel } as unknown as Create.Request
  )

/** As `read`, for contexts that are accepted. */
const asked = (...all: Parameters<typeof read>): CreateContexts.Asked => {
  const found = read(...all)
  return typeof found === "number" ? assert.fail(found.toString(16)) : found
}

const nothing: CreateContexts.Asked = {
  maximalAccess: false,
  onDiskId: false,
  descriptor: undefined,
  extendedAttributes: undefined,
  allocationSize: undefined,
  lease: undefined,
  durable: undefined,
  reconnect: undefined,
  appInstance: undefined
}

describe("the contexts of a CREATE", () => {
  it("ask for nothing if there are none, or if the server does not know them", () => {
    assert.deepStrictEqual(asked([]), nothing)
    assert.deepStrictEqual(asked([unknown("ABCD"), unknown("a long name"), unknown("ABCE")]), nothing)
  })

  it("with a name of fewer than four bytes, or with a name twice, are invalid", () => {
    for (const name of ["", "A", "ABC"]) assert.strictEqual(read([unknown(name)]), invalid)
    for (const one of [lease1, lease2, durable1, maximal, onDisk, size, attributes(["A", 1]), unknown("ABCD")]) {
      assert.notStrictEqual(read([one]), invalid)
      assert.strictEqual(read([one, one]), invalid, one._tag)
    }
    // Both versions of a lease have the same name.
    assert.strictEqual(read([lease1, lease2]), invalid)
  })

  it("ask for the maximal access, the identifier on disk and the allocation size, each alone", () => {
    assert.deepStrictEqual(asked([maximal]), { ...nothing, maximalAccess: true })
    assert.deepStrictEqual(asked([onDisk]), { ...nothing, onDiskId: true })
    assert.deepStrictEqual(asked([size]), { ...nothing, allocationSize: 77n })
  })

  // 3.3.5.9.4: no earlier version of a file is kept.
  it("of an earlier version of the file name a file that does not exist", () => {
    assert.strictEqual(read([{ _tag: "TimewarpToken", timestamp: 1n }]), notFound)
  })

  it("have a security descriptor that can be decoded", () => {
    const sent = descriptor(sids.ann, { ann: Access.generic.all })
    const bytes = encodeDescriptor(sent)
    const found = asked([{ _tag: "SdBuffer", sdBuffer: bytes }]).descriptor
    assert.deepInclude(found, { owner: sids.ann, dacl: sent.dacl })
    assert.strictEqual(read([{ _tag: "SdBuffer", sdBuffer: bytes.subarray(0, -1) }]), invalid)
    assert.strictEqual(read([{ _tag: "SdBuffer", sdBuffer: new Uint8Array(0) }]), invalid)
  })

  it("have a valid list of extended attributes of at most 64 KiB; an empty value is none", () => {
    const list = (context: Context.Request) => {
      const { extendedAttributes } = asked([context])
      if (extendedAttributes === undefined) return undefined
      const decoded = Codec.decode("list", FileInformation.FileFullEaInformation)(extendedAttributes)
      assert(decoded._tag === "Success")
      return decoded.success.map(({ eaName, eaValue }) => [eaName, eaValue.length])
    }
    assert.deepStrictEqual(list(attributes(["Color", 3], ["SIZE", 2])), [["Color", 3], ["SIZE", 2]])
    // Names that differ in case are one: the last value counts.
    assert.deepStrictEqual(list(attributes(["Color", 3], ["COLOR", 2])), [["Color", 2]])
    assert.deepStrictEqual(list(attributes(["A", 0])), undefined)
    assert.deepStrictEqual(list(attributes(["A", 4], ["B", 0], ["a", 0], ["C", 1])), [["C", 1]])
    assert.strictEqual(read([{ _tag: "EaBuffer", eaBuffer: Uint8Array.of(1, 2, 3) }]), badEa)
    // The list has 8 bytes, the name, a NUL and the value (MS-FSCC 2.4.16).
    assert.strictEqual(asked([attributes(["A", 65_526])]).extendedAttributes!.length, 65_536)
    assert.strictEqual(read([attributes(["A", 65_527])]), largeEa)
  })
})

describe("the lease that a CREATE asks for", () => {
  const version1 = { version: 1, key: key(1), state: 3, parentKey: undefined, epoch: 0 }
  const version2 = { version: 2, key: key(2), state: 7, parentKey: undefined, epoch: 9 }

  // 3.3.5.9.8, 3.3.5.9.11: leases from 2.1 on, their version 2 from 3.0 on, and only with the level of a lease.
  it("is that of its context, in a dialect that has it, with the level of a lease", () => {
    const table: ReadonlyArray<readonly [Context.Request, number, unknown]> = [
      [lease1, SMB_2_0_2, undefined],
      [lease1, SMB_2_1, version1],
      [lease1, SMB_3_0, version1],
      [lease1, SMB_3_1_1, version1],
      [lease2, SMB_2_0_2, undefined],
      [lease2, SMB_2_1, undefined],
      [lease2, SMB_3_0, version2],
      [lease2, SMB_3_1_1, version2]
    ]
    for (const [context, dialect, expected] of table) {
      assert.deepStrictEqual<unknown>(asked([context], dialect).lease, expected, `${context._tag} ${dialect}`)
      for (const level of [0, 1, 8, 9]) assert.isUndefined(asked([context], dialect, level).lease)
    }
  })

  it("is named at any level by a client that reconnects", () => {
    for (const level of [0, 1, 8, 9, 0xff]) {
      assert.deepStrictEqual<unknown>(asked([lease1, again1], SMB_2_1, level).lease, version1)
      assert.deepStrictEqual<unknown>(asked([lease2, again1], SMB_3_0, level).lease, version2)
      assert.deepStrictEqual<unknown>(asked([lease2, again2], SMB_3_0, level).lease, version2)
    }
    assert.isUndefined(asked([lease1, again1], SMB_2_0_2, 0).lease)
    assert.isUndefined(asked([lease1, again2], SMB_2_1, 0).lease)
  })

  it("has a parent's key only with the flag for it", () => {
    const parent = (leaseFlags: number) => asked([{ ...lease2, leaseFlags } as Context.Request]).lease?.parentKey
    assert.deepStrictEqual(parent(4), key(3))
    assert.deepStrictEqual(parent(7), key(3))
    assert.isUndefined(parent(3))
    assert.isUndefined(parent(8))
  })
})

describe("the durable open that a CREATE asks for", () => {
  const guid = (digits: string) => digits.repeat(16)
  const made2 = { version: 2, timeout: 5000, createGuid: guid("ab"), persistent: false }
  const back1 = { id: 11n, volatileId: 12n, version: 1, createGuid: undefined, persistent: false }
  const back2 = { id: 11n, volatileId: 12n, version: 2, createGuid: guid("cd"), persistent: false }

  // 3.3.5.9.6, 3.3.5.9.7, 3.3.5.9.10, 3.3.5.9.12.
  const table: ReadonlyArray<readonly [string, ReadonlyArray<Context.Request>, number, unknown, unknown?]> = [
    ["version 1", [durable1], SMB_2_1, { version: 1 }],
    ["version 1 in 3.1.1", [durable1], SMB_3_1_1, { version: 1 }],
    ["version 2 before 3.0", [durable2], SMB_2_1, undefined],
    ["version 2", [durable2], SMB_3_0, made2],
    ["a persistent one", [{ ...durable2, flags: 2 }], SMB_3_0, { ...made2, persistent: true }],
    ["a persistent one again", [{ ...again2, flags: 2 }], SMB_3_0, undefined, { ...back2, persistent: true }],
    ["both versions", [durable1, durable2], SMB_3_0, invalid],
    ["both versions before 3.0", [durable1, durable2], SMB_2_1, invalid],
    ["version 1 with a reconnect of version 2 before 3.0", [durable1, again2], SMB_2_1, invalid],
    ["both contexts of version 2 before 3.0", [durable2, again2], SMB_2_1, undefined],
    ["a reconnect of version 1", [again1], SMB_2_1, undefined, back1],
    ["a reconnect of version 1 with a request of version 1", [again1, durable1], SMB_2_1, { version: 1 }, back1],
    ["a reconnect of version 1 with a request of version 2", [durable2, again1], SMB_3_0, invalid],
    ["a reconnect of version 1 with one of version 2", [again2, again1], SMB_3_0, invalid],
    ["a reconnect of version 1 with one of version 2 before 3.0", [again2, again1], SMB_2_1, invalid],
    ["a reconnect of version 1 with a request of version 2 before 3.0", [durable2, again1], SMB_2_1, invalid],
    ["a reconnect of version 2", [again2], SMB_3_0, undefined, back2],
    ["a reconnect of version 2 before 3.0", [again2], SMB_2_1, undefined],
    ["a reconnect of version 2 with a request of version 1", [durable1, again2], SMB_3_0, invalid],
    ["a reconnect of version 2 with a request of version 2", [durable2, again2], SMB_3_0, invalid]
  ]
  for (const [name, contexts, dialect, durable, reconnect] of table) {
    it(name, () => {
      if (typeof durable === "number") assert.strictEqual(read(contexts, dialect), durable)
      else assert.deepInclude<unknown>(asked(contexts, dialect), { durable, reconnect })
    })
  }
})

describe("the contexts of the response", () => {
  const has = {
    maximalAccess: 0x12_0089,
    node: { id: 99n } as StoreNode,
    serialNumber: 0xfedc_ba98,
    lease: undefined,
    durable: undefined
  }
  const owner = { clientGuid: "", owner: "" }
  const granted: Context.Response = { _tag: "ResponseLease", leaseKey: key(1), leaseState: 1, leaseFlags: 0 }
  const second = { ...owner, version: 2, createGuid: "", timeout: 5000, resilient: false, persistent: false } as const
  const first = {
    ...owner,
    version: 1,
    createGuid: undefined,
    timeout: 60_000,
    resilient: false,
    persistent: false
  } as const

  it("are those that the request asks for", () => {
    assert.deepStrictEqual(CreateContexts.answer(nothing, has), [])
    assert.deepStrictEqual(CreateContexts.answer({ ...nothing, maximalAccess: true }, has), [
      { _tag: "QueryMaximalAccessResponse", queryStatus: 0, maximalAccess: 0x12_0089 }
    ])
    assert.deepStrictEqual<unknown>(CreateContexts.answer({ ...nothing, onDiskId: true }, has), [
      { _tag: "QueryOnDiskIdResponse", diskFileId: 99n, volumeId: 0xfedc_ba98n }
    ])
    const all = CreateContexts.answer({ ...nothing, maximalAccess: true, onDiskId: true }, {
      ...has,
      lease: granted,
      durable: second
    })
    assert.deepStrictEqual(all.map(({ _tag }) => _tag), [
      "QueryMaximalAccessResponse",
      "QueryOnDiskIdResponse",
      "ResponseLease",
      "DurableHandleResponseV2"
    ])
  })

  it("have the lease and the durable open that were granted; a reconnect has no durable context", () => {
    assert.deepStrictEqual(CreateContexts.answer(nothing, { ...has, lease: granted }), [granted])
    assert.deepStrictEqual<unknown>(CreateContexts.answer(nothing, { ...has, durable: first }), [
      { _tag: "DurableHandleResponse" }
    ])
    assert.deepStrictEqual<unknown>(CreateContexts.answer(nothing, { ...has, durable: second }), [
      { _tag: "DurableHandleResponseV2", timeout: 5000, flags: 0 }
    ])
    assert.deepStrictEqual<unknown>(
      CreateContexts.answer(nothing, { ...has, durable: { ...second, persistent: true } }),
      [{ _tag: "DurableHandleResponseV2", timeout: 5000, flags: 2 }]
    )
    const reconnect = { id: 1n, volatileId: 1n, version: 1, createGuid: undefined, persistent: false } as const
    assert.deepStrictEqual(CreateContexts.answer({ ...nothing, reconnect }, { ...has, durable: first }), [])
  })
})

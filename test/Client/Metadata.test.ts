/** The requests for what a file has in addition to its data, and what the client makes of the responses. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import * as Codec from "../../src/Codec/Codec.ts"
import { ReparseTag } from "../../src/Codec/Reparse.ts"
import type { SecurityDescriptor } from "../../src/Codec/SecurityDescriptor.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import * as Fscc from "../../src/Smb2/Message/Fsctl.ts"

const file = "\\\\nas\\data\\file"
const served = (faults: ReadonlyArray<TestTransport.Fault> = []) =>
  Effect.provide(
    SmbClient.layer().pipe(
      Layer.provideMerge(
        TestTransport.layerFiles({
          data: { file: "text", folder: { inner: "text" }, link: TestTransport.link("file") }
        }, { faults })
      ),
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
    )
  )
const requests = Effect.flatMap(TestTransport.TestServers, ({ requests }) => requests)

describe("the parts of a security descriptor", () => {
  const system = "S-1-5-18"
  const empty = { aclRevision: 2, aces: [] }
  // MS-SMB2 2.2.39 and MS-DTYP 2.4.7: OWNER 1, GROUP 2, DACL 4, SACL 8.
  it.effect.each(Array.from({ length: 16 }, (_, parts) => ({ parts })))(
    "that security.set names in its request are those of the descriptor: $parts",
    ({ parts }) =>
      Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        const descriptor: SecurityDescriptor = {
          sbz1: 0,
          control: 0x8000 | ((parts & 4) !== 0 ? 0x4 : 0) | ((parts & 8) !== 0 ? 0x10 : 0),
          owner: (parts & 1) !== 0 ? system : undefined,
          group: (parts & 2) !== 0 ? system : undefined,
          dacl: (parts & 4) !== 0 ? empty : undefined,
          sacl: (parts & 8) !== 0 ? empty : undefined
        }
        // The server in memory stores no descriptor, so the result does not matter.
        yield* Effect.exit(smb.security.set(file, descriptor))
        const sent = (yield* requests).flatMap(({ request }) => {
          return request._tag === "SET_INFO" ? [[request.body.infoType, request.body.additionalInformation]] : []
        })
        assert.deepStrictEqual(sent, [[3, parts]])
      }).pipe(served())
  )

  // MS-DTYP 2.4.6: a server keeps SE_DACL_AUTO_INHERITED (0x400) only with SE_DACL_AUTO_INHERIT_REQ (0x100); the bits of
  // the SACL are twice as large.
  it.effect.each([
    { what: "no inheritance", control: 0x8004, parts: 4, sent: 0x8004 },
    { what: "an inherited DACL", control: 0x8404, parts: 4, sent: 0x8504 },
    { what: "a protected and inherited DACL", control: 0x9404, parts: 4, sent: 0x9504 },
    { what: "an inherited SACL", control: 0x8810, parts: 8, sent: 0x8a10 }
  ])("have the request to keep their mark of inheritance: $what", ({ control, parts, sent }) =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const acl = (present: boolean) => (present ? empty : undefined)
      yield* Effect.exit(smb.security.set(file, {
        sbz1: 0,
        control,
        owner: undefined,
        group: undefined,
        dacl: acl(parts === 4),
        sacl: acl(parts === 8)
      }))
      const bits = (yield* requests).flatMap(({ request }) =>
        request._tag === "SET_INFO"
          ? [new DataView(Uint8Array.from(request.body.buffer).buffer).getUint16(2, true)]
          : []
      )
      assert.deepStrictEqual(bits, [sent])
    }).pipe(served()))

  it.effect("are a DACL that is not there, if Control says that it is present: all rights for everybody", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const none = { sbz1: 0, owner: undefined, group: undefined, sacl: undefined, dacl: undefined }
      yield* Effect.exit(smb.security.set(file, { ...none, control: 0x8004 }))
      const sent = (yield* requests).flatMap(({ request }) =>
        request._tag === "SET_INFO"
          ? [[request.body.additionalInformation, Buffer.from(request.body.buffer).toString("hex")]]
          : []
      )
      assert.deepStrictEqual(sent, [[4, `01000480${"00".repeat(16)}`]])
    }).pipe(served()))

  it.effect("that security.get requests are owner, group and DACL, and the SACL only with `audit`", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      yield* Effect.exit(smb.security.get(file))
      yield* Effect.exit(smb.security.get(file, { audit: false }))
      yield* Effect.exit(smb.security.get(file, { audit: true }))
      const asked = (yield* requests).flatMap(({ request }) =>
        request._tag === "QUERY_INFO" ? [[request.body.infoType, request.body.additionalInformation]] : []
      )
      assert.deepStrictEqual(asked, [[3, 7], [3, 7], [3, 15]])
    }).pipe(served()))
})

describe("a list of previous versions", () => {
  const token = "@GMT-2026.01.02-03.04.05"
  const answering = (is: (asked: number) => { readonly known: number; readonly returned: number }) => {
    let asked = 0
    const fault: TestTransport.Fault = {
      on: "IOCTL",
      is: ({ request }) => {
        if (request._tag !== "IOCTL" || request.body.ctlCode !== Fsctl.FSCTL_SRV_ENUMERATE_SNAPSHOTS) return {}
        const { known, returned } = is(asked++)
        const { ctlCode, fileId } = request.body
        const output = Codec.encode(Fscc.SrvSnapshotArray)({
          numberOfSnapShots: known,
          numberOfSnapShotsReturned: returned,
          snapShotArraySize: known * 50 + 2,
          snapShots: Array.from({ length: returned }, () => token)
        })
        return { response: { _tag: "IOCTL", body: { ctlCode, fileId, flags: 0, input: new Uint8Array(0), output } } }
      }
    }
    return fault
  }
  const sizes = Effect.map(
    requests,
    (all) => all.flatMap(({ request }) => request._tag === "IOCTL" ? [request.body.maxOutputResponse] : [])
  )
  const list = Effect.flatMap(SmbClient.SmbClient, (smb) => smb.previousVersions(file))

  it.effect.each((["STATUS_NOT_SUPPORTED", "STATUS_INVALID_DEVICE_REQUEST"] as const).map((status) => ({ status })))(
    "is empty when the file system has no snapshots: $status",
    ({ status }) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* list, [])
        assert.strictEqual((yield* sizes).length, 1)
      }).pipe(served([TestTransport.fault("IOCTL", { status })]))
  )

  it.effect("fails with any other status", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(list)
      assert(error._tag === "SmbError" && error.reason._tag === "AccessDenied", error.message)
    }).pipe(served([TestTransport.fault("IOCTL", { status: "STATUS_ACCESS_DENIED" })])))

  for (const count of [0, 1, 3]) {
    it.effect(`that is whole is requested once: ${count} versions`, () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* list).length, count)
        assert.deepStrictEqual(yield* sizes, [65_536])
      }).pipe(served([answering(() => ({ known: count, returned: count }))])))
  }

  it.effect("that does not fit is requested again with the size that the server names and the 12 bytes before it", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* list).length, 2000)
      assert.deepStrictEqual(yield* sizes, [65_536, 12 + 2000 * 50 + 2])
    }).pipe(served([answering((asked) => ({ known: 2000, returned: asked === 0 ? 0 : 2000 }))])))

  it.effect("is requested with at most 1 MiB, no matter what the server names", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(list)
      assert(error._tag === "SmbError" && error.reason._tag === "BufferTooSmall", error.message)
      assert.deepStrictEqual(yield* sizes, [65_536, 1024 * 1024])
    }).pipe(served([answering(() => ({ known: 40_000_000, returned: 0 }))])))
})

it.effect("named streams are those with a name, and not the file's own data", () =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const streams = yield* smb.namedStreams(file)
    assert.deepStrictEqual(streams, [{ name: "Zone.Identifier", size: 26n }, { name: "other", size: 0n }])
  }).pipe(served([{
    on: "QUERY_INFO",
    is: () => {
      const entries = [["::$DATA", 4n], [":Zone.Identifier:$DATA", 26n], [":other:$data", 0n], [
        ":x:$INDEX_ALLOCATION",
        1n
      ]]
      // FILE_STREAM_INFORMATION (MS-FSCC 2.4.49): each entry begins at a multiple of eight bytes.
      const parts = entries.map(([name, size], i) => {
        const text = Buffer.from(name as string, "utf16le")
        const part = Buffer.alloc(Math.ceil((24 + text.length) / 8) * 8)
        if (i < entries.length - 1) part.writeUInt32LE(part.length, 0)
        part.writeUInt32LE(text.length, 4)
        part.writeBigUInt64LE(size as bigint, 8)
        part.writeBigUInt64LE(size as bigint, 16)
        text.copy(part, 24)
        return part
      })
      return { response: { _tag: "QUERY_INFO", body: { buffer: new Uint8Array(Buffer.concat(parts)) } } }
    }
  }])))

describe("an entry whose reparse tag says that it is a DFS link", () => {
  const tagged: TestTransport.Fault = {
    on: "QUERY_INFO",
    // FileAttributeTagInformation (MS-FSCC 2.4.6).
    when: ({ request }) => request._tag === "QUERY_INFO" && request.body.fileInfoClass === 35,
    is: () => {
      const buffer = new Uint8Array(8)
      new DataView(buffer.buffer).setUint32(0, 0x410, true)
      new DataView(buffer.buffer).setUint32(4, ReparseTag.IO_REPARSE_TAG_DFS, true)
      return { response: { _tag: "QUERY_INFO", body: { buffer } } }
    }
  }
  it.effect("is not removed recursively, and `removable` says so", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const path = "\\\\nas\\data\\link"
      for (
        const attempt of [
          Effect.asVoid(smb.remove(path, { recursive: true })),
          Effect.asVoid(smb.remove(path, { recursive: true, force: true })),
          Effect.asVoid(smb.removable(path, { recursive: true })),
          Effect.asVoid(smb.removable(path))
        ]
      ) {
        const error = yield* Effect.flip(attempt)
        assert(error._tag === "RemovalError" && error.reason._tag === "RootOrLink", error.message)
        assert.deepStrictEqual([error.reason.kind, error.reason.path], ["link", path])
      }
      assert.notInclude((yield* requests).map(({ command }) => command), "SET_INFO")
    }).pipe(served([tagged])))

  it.effect("is removed as an entry when its tag is that of a symbolic link", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const path = "\\\\nas\\data\\link"
      assert.strictEqual((yield* smb.removable(path)).type, "symlink")
      yield* smb.remove(path, { recursive: true })
      assert.strictEqual(yield* smb.readFileString(file), "text")
    }).pipe(served()))
})

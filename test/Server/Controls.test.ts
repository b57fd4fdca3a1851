/**
 * Proves what IOCTL answers (MS-SMB2 3.3.5.15, MS-FSA 2.1.5.10): the room that each control needs, its rights, its
 * input at the borders, and what it does to the file. A raw client sends the controls to a server with a memory store.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { NtStatus as Status } from "effect-smb/Codec"
import { anyFileId, type FileId } from "../../src/Smb2/Message/Common.ts"
import { AccessMask as A, CreateDisposition as D, CreateOptions as O } from "../../src/Smb2/Message/Constants.ts"
import { Fsctl as C } from "../../src/Smb2/Message/Fsctl.ts"
import type * as Ioctl from "../../src/Smb2/Message/Ioctl.ts"
import { type Client, place } from "./people.ts"
import { statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const host = "127.0.43.61"
const nothing = new Uint8Array(0)
const largest = (1n << 63n) - 1n

const cases = (name: string, run: (ann: Client, joe: Client) => Promise<void>) =>
  it.live(name, () =>
    Effect.scoped(Effect.gen(function*() {
      const { client } = yield* place(host)
      const [ann, joe] = [yield* client("ann"), yield* client("joe")]
      yield* Effect.promise(() => run(ann, joe))
    })))

const i64 = (...values: ReadonlyArray<bigint>) => {
  const bytes = Buffer.alloc(8 * values.length)
  for (const [i, value] of values.entries()) bytes.writeBigInt64LE(value, 8 * i)
  return bytes
}

interface Answer {
  readonly status: string
  readonly output: Buffer
}

/** Sends a control. The output begins at byte 112 of the response, if the response has one (2.2.32). */
const control = async (
  client: Client,
  file: FileId,
  ctlCode: number,
  input: Uint8Array = nothing,
  how: Partial<Ioctl.Request> = {}
): Promise<Answer> => {
  const request = Requests.fsctl(file, ctlCode, input)
  assert(request._tag === "IOCTL")
  const answer = (await client.ask({ ...request, body: { ...request.body, ...how } }))!
  const status = Status.name(statusOf(answer)!)
  // An ERROR response has a StructureSize of 9.
  if (answer.readUInt16LE(64) === 9) return { status, output: Buffer.alloc(0) }
  assert.strictEqual(answer.readUInt32LE(68), ctlCode)
  assert.strictEqual(answer.readBigUInt64LE(72), file.persistent)
  assert.strictEqual(answer.readBigUInt64LE(80), file.volatile)
  const [at, count] = [answer.readUInt32LE(96), answer.readUInt32LE(100)]
  return { status, output: Buffer.from(answer.subarray(at, at + count)) }
}

const success = "STATUS_SUCCESS"
const invalid = "STATUS_INVALID_PARAMETER"
const denied = "STATUS_ACCESS_DENIED"

const opens = (desiredAccess: number) => ({ createDisposition: D.FILE_OPEN, desiredAccess })

describe("an IOCTL", () => {
  cases("that is no FSCTL, or that no file system here knows, is refused", async (ann) => {
    const file = await ann.must("f")
    for (const flags of [0, 2, 3]) {
      const answer = await control(ann, file, C.FSCTL_IS_PATHNAME_VALID, nothing, { flags })
      assert.strictEqual(answer.status, "STATUS_NOT_SUPPORTED")
    }
    assert.strictEqual((await control(ann, file, 0x0009_ffff)).status, "STATUS_INVALID_DEVICE_REQUEST")
    // The status for a file system without snapshots of streams (MS-FSCC 2.3).
    assert.strictEqual(
      (await control(ann, file, C.FSCTL_REFS_STREAM_SNAPSHOT_MANAGEMENT, Buffer.alloc(16))).status,
      "STATUS_NOT_SUPPORTED"
    )
    const { persistent, volatile } = file
    for (
      const other of [{ persistent, volatile: volatile + 9n }, { persistent: persistent + 9n, volatile }, anyFileId]
    ) {
      assert.strictEqual((await control(ann, other, C.FSCTL_IS_PATHNAME_VALID)).status, "STATUS_FILE_CLOSED")
    }
  })

  // 3.3.5.15: these controls concern the server.
  cases("of the server names no file", async (ann) => {
    const file = await ann.must("f")
    const { persistent, volatile } = anyFileId
    for (
      const code of [
        C.FSCTL_QUERY_NETWORK_INTERFACE_INFO,
        C.FSCTL_VALIDATE_NEGOTIATE_INFO,
        C.FSCTL_DFS_GET_REFERRALS,
        C.FSCTL_DFS_GET_REFERRALS_EX
      ]
    ) {
      for (const named of [file, { persistent: 1n, volatile }, { persistent, volatile: 1n }]) {
        assert.strictEqual((await control(ann, named, code)).status, invalid)
      }
    }
    // The server hosts no namespace.
    for (const code of [C.FSCTL_DFS_GET_REFERRALS, C.FSCTL_DFS_GET_REFERRALS_EX]) {
      assert.strictEqual((await control(ann, anyFileId, code)).status, "STATUS_FS_DRIVER_REQUIRED")
    }
    const all = await control(ann, anyFileId, C.FSCTL_QUERY_NETWORK_INTERFACE_INFO)
    assert.strictEqual(all.status, success)
    const size = all.output.length
    const room = (maxOutputResponse: number) =>
      control(ann, anyFileId, C.FSCTL_QUERY_NETWORK_INTERFACE_INFO, nothing, { maxOutputResponse })
    assert.strictEqual((await room(size)).status, success)
    assert.strictEqual((await room(size - 1)).status, "STATUS_BUFFER_TOO_SMALL")
  })

  cases("for a pipe transceives, and nothing else", async (ann) => {
    await ann.connect("IPC$")
    const pipe = await ann.must("srvsvc", { createDisposition: D.FILE_OPEN, desiredAccess: A.GENERIC_READ })
    for (const code of [C.FSCTL_IS_PATHNAME_VALID, C.FSCTL_SET_SPARSE, C.FSCTL_SRV_REQUEST_RESUME_KEY]) {
      assert.strictEqual((await control(ann, pipe, code)).status, "STATUS_NOT_SUPPORTED")
    }
  })

  cases("needs room for its response", async (ann) => {
    const file = await ann.must("f")
    const rooms: ReadonlyArray<readonly [number, number, string]> = [
      [C.FSCTL_SRV_REQUEST_RESUME_KEY, 32, invalid],
      [C.FSCTL_QUERY_FILE_REGIONS, 40, "STATUS_BUFFER_TOO_SMALL"],
      [C.FSCTL_SRV_ENUMERATE_SNAPSHOTS, 16, invalid]
    ]
    for (const [code, room, status] of rooms) {
      for (const more of [0, 1]) {
        const enough = await control(ann, file, code, nothing, { maxOutputResponse: room + more })
        assert.strictEqual(enough.status, success)
        assert.isAtMost(enough.output.length, room + more)
      }
      const little = await control(ann, file, code, nothing, { maxOutputResponse: room - 1 })
      assert.strictEqual(little.status, status)
    }
  })

  cases("says that a file has no earlier versions", async (ann) => {
    const one = await ann.must("one")
    // MS-SMB2 2.2.32.2: no snapshot, and the two bytes of an empty list.
    const snapshots = await control(ann, one, C.FSCTL_SRV_ENUMERATE_SNAPSHOTS)
    assert.deepStrictEqual([...snapshots.output.subarray(0, 12)], [0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0])
    assert.strictEqual((await control(ann, one, C.FSCTL_IS_PATHNAME_VALID)).status, success)
  })

  // MS-FSA 2.1.5.10.7 and 2.1.5.10.34, on a volume that does not compress.
  cases("shows that no file is compressed, and compresses none", async (ann) => {
    const file = await ann.must("f")
    assert.deepStrictEqual([...(await control(ann, file, C.FSCTL_GET_COMPRESSION)).output], [0, 0])
    for (const room of [0, 1]) {
      const { status } = await control(ann, file, C.FSCTL_GET_COMPRESSION, nothing, { maxOutputResponse: room })
      assert.strictEqual(status, "STATUS_BUFFER_TOO_SMALL")
    }
    for (
      const [input, status] of [
        [[0, 0], success],
        [[1, 0], "STATUS_INVALID_DEVICE_REQUEST"],
        [[2, 0], "STATUS_INVALID_DEVICE_REQUEST"],
        [[0, 1], "STATUS_INVALID_DEVICE_REQUEST"],
        [[0], invalid]
      ] as const
    ) assert.strictEqual((await control(ann, file, C.FSCTL_SET_COMPRESSION, Uint8Array.from(input))).status, status)
    const reader = await ann.must("f", opens(A.FILE_READ_DATA))
    assert.strictEqual((await control(ann, reader, C.FSCTL_SET_COMPRESSION, new Uint8Array(2))).status, denied)
  })
})

describe("FSCTL_SET_SPARSE", () => {
  const isSparse = async (client: Client, file: FileId) => {
    // FileNetworkOpenInformation has the attributes at byte 48, after 8 bytes of the response.
    const answer = (await client.ask(Requests.query(file, "file", "FileNetworkOpenInformation")))!
    const attributes = answer.readUInt32LE(72 + 48)
    // ARCHIVE stays.
    assert.strictEqual(attributes & 0x20, 0x20)
    return (attributes & 0x200) !== 0
  }

  cases("makes a file sparse, or ends that; without input it makes it sparse", async (ann) => {
    const file = await ann.must("f")
    for (const [input, sparse] of [[[1], true], [[0], false], [[], true], [[0], false]] as const) {
      assert.strictEqual((await control(ann, file, C.FSCTL_SET_SPARSE, Uint8Array.from(input))).status, success)
      assert.strictEqual(await isSparse(ann, file), sparse)
    }
    const folder = await ann.must("d", { createOptions: O.FILE_DIRECTORY_FILE })
    assert.strictEqual((await control(ann, folder, C.FSCTL_SET_SPARSE)).status, invalid)
  })

  cases("needs one of three rights", async (ann) => {
    await ann.must("f")
    for (
      const [access, status] of [
        [A.FILE_WRITE_DATA, success],
        [A.FILE_APPEND_DATA, success],
        [A.FILE_WRITE_ATTRIBUTES, success],
        [A.FILE_READ_DATA | A.FILE_WRITE_EA | A.FILE_READ_ATTRIBUTES, denied]
      ] as const
    ) {
      const file = await ann.must("f", opens(access))
      assert.strictEqual((await control(ann, file, C.FSCTL_SET_SPARSE)).status, status)
    }
  })
})

describe("FSCTL_SET_ZERO_DATA", () => {
  cases("writes zeros between two offsets, and never makes a file longer", async (ann) => {
    const file = await ann.must("f")
    const zeroed = async (from: bigint, to: bigint) => {
      assert.strictEqual(await ann.status(Requests.write(file, Buffer.from("0123456789"))), 0)
      const { status } = await control(ann, file, C.FSCTL_SET_ZERO_DATA, i64(from, to))
      const text = (await ann.ask(Requests.read(file, 100)))!.subarray(80).toString().replaceAll("\0", ".")
      return [status, text]
    }
    const whole = "0123456789"
    const table: ReadonlyArray<readonly [bigint, bigint, string, string]> = [
      [2n, 5n, success, "01...56789"],
      [0n, 10n, success, ".........."],
      [9n, 11n, success, "012345678."],
      [0n, largest, success, ".........."],
      [3n, 3n, success, whole],
      [10n, 20n, success, whole],
      [11n, 20n, success, whole],
      [5n, 4n, invalid, whole],
      [-1n, 4n, invalid, whole],
      [-2n, -1n, invalid, whole]
    ]
    for (const [from, to, status, text] of table) assert.deepStrictEqual(await zeroed(from, to), [status, text])
    assert.strictEqual((await control(ann, file, C.FSCTL_SET_ZERO_DATA, Buffer.alloc(15))).status, invalid)
    const folder = await ann.must("d", { createOptions: O.FILE_DIRECTORY_FILE })
    assert.strictEqual((await control(ann, folder, C.FSCTL_SET_ZERO_DATA, i64(0n, 1n))).status, invalid)
  })

  cases("needs FILE_WRITE_DATA, and stops at the locks of other opens", async (ann, joe) => {
    const [file, theirs] = [await ann.must("f"), await joe.must("f")]
    assert.strictEqual(await ann.status(Requests.write(file, Buffer.from("0123456789"))), 0)
    const appends = await ann.must("f", opens(A.FILE_APPEND_DATA | A.FILE_READ_DATA | A.FILE_WRITE_ATTRIBUTES))
    assert.strictEqual((await control(ann, appends, C.FSCTL_SET_ZERO_DATA, i64(0n, 1n))).status, denied)
    assert.strictEqual(await joe.status(Requests.lock(theirs, 5)), 0)
    for (
      const [from, to, status] of [[0n, 5n, success], [0n, 6n, "STATUS_FILE_LOCK_CONFLICT"], [6n, 9n, success]] as const
    ) {
      assert.strictEqual((await control(ann, file, C.FSCTL_SET_ZERO_DATA, i64(from, to))).status, status)
    }
    assert.strictEqual((await control(joe, theirs, C.FSCTL_SET_ZERO_DATA, i64(0n, 6n))).status, success)
  })

  cases("is a change that the watch of the folder is told of", async (ann, joe) => {
    const file = await ann.must("f")
    const folder = await joe.must("", Requests.directory)
    joe.say(Requests.notify(folder))
    assert.strictEqual(Status.name(statusOf(await joe.next())!), "STATUS_PENDING")
    assert.strictEqual((await control(ann, file, C.FSCTL_SET_ZERO_DATA, i64(0n, 0n))).status, success)
    assert.strictEqual(statusOf(await joe.next()), 0)
  })
})

describe("FSCTL_QUERY_ALLOCATED_RANGES", () => {
  const ranges = async (client: Client, file: FileId, input: Uint8Array, maxOutputResponse = 4096) => {
    const { output, status } = await control(client, file, C.FSCTL_QUERY_ALLOCATED_RANGES, input, { maxOutputResponse })
    const found: Array<readonly [bigint, bigint]> = []
    for (let at = 0; at < output.length; at += 16) {
      found.push([output.readBigInt64LE(at), output.readBigInt64LE(at + 8)])
    }
    return [status, found] as const
  }

  cases("gives the queried part of a file that is not sparse", async (ann) => {
    const file = await ann.must("f")
    assert.strictEqual(await ann.status(Requests.write(file, Buffer.alloc(100))), 0)
    const table: ReadonlyArray<readonly [bigint, bigint, string, ReadonlyArray<readonly [bigint, bigint]>]> = [
      [0n, 100n, success, [[0n, 100n]]],
      [10n, 20n, success, [[10n, 20n]]],
      [90n, 11n, success, [[90n, 10n]]],
      [0n, largest, success, [[0n, 100n]]],
      [99n, 1n, success, [[99n, 1n]]],
      [100n, 1n, success, []],
      [0n, 0n, success, []],
      [1n, largest - 1n, success, [[1n, 99n]]],
      [1n, largest, invalid, []],
      [-1n, 10n, invalid, []],
      [0n, -1n, invalid, []]
    ]
    for (const [offset, length, status, found] of table) {
      assert.deepStrictEqual<unknown>(
        await ranges(ann, file, i64(offset, length)),
        [status, found],
        `${offset} ${length}`
      )
    }
    assert.deepStrictEqual(await ranges(ann, file, Buffer.alloc(15)), [invalid, []])
    const folder = await ann.must("d", { createOptions: O.FILE_DIRECTORY_FILE })
    assert.deepStrictEqual(await ranges(ann, folder, i64(0n, 1n)), [invalid, []])
    const writes = await ann.must("f", opens(A.FILE_WRITE_DATA | A.FILE_READ_ATTRIBUTES))
    assert.deepStrictEqual(await ranges(ann, writes, i64(0n, 1n)), [denied, []])
  })

  cases("gives the written parts of a sparse file, as many as there is room for", async (ann) => {
    const file = await ann.must("f")
    assert.strictEqual((await control(ann, file, C.FSCTL_SET_SPARSE)).status, success)
    const far = 64n * 1024n * 1024n
    for (const offset of [0n, far]) {
      assert.strictEqual(await ann.status(Requests.write(file, Buffer.from("text"), offset)), 0)
    }
    const [status, found] = await ranges(ann, file, i64(0n, 2n * far))
    assert.strictEqual(status, success)
    assert.deepStrictEqual(found.map(([offset]) => offset), [0n, far])
    assert.deepStrictEqual(await ranges(ann, file, i64(0n, 2n * far), 32), [success, found])
    for (const room of [16, 31]) {
      assert.deepStrictEqual(await ranges(ann, file, i64(0n, 2n * far), room), [
        "STATUS_BUFFER_OVERFLOW",
        found.slice(0, 1)
      ])
    }
    assert.deepStrictEqual(await ranges(ann, file, i64(0n, 2n * far), 15), ["STATUS_BUFFER_TOO_SMALL", []])
    // No room is needed for no range.
    assert.deepStrictEqual(await ranges(ann, file, i64(far / 2n, 1n), 0), [success, []])
  })
})

describe("the bytes of an IOCTL", () => {
  cases("are at most those of MaxTransactSize, in both directions", async (ann) => {
    const file = await ann.must("f")
    // The limit `transfer` of 8 MiB is more than the credits of this client pay for: CreditCharge is refused first.
    for (const size of [65_536, 65_537]) {
      const answer = await control(ann, file, C.FSCTL_IS_PATHNAME_VALID, nothing, { maxOutputResponse: size })
      assert.strictEqual(answer.status, size > 65_536 ? invalid : success)
      const both = { maxOutputResponse: 4096, maxInputResponse: size - 4096 }
      assert.strictEqual((await control(ann, file, C.FSCTL_IS_PATHNAME_VALID, nothing, both)).status, answer.status)
      const sent = await control(ann, file, C.FSCTL_IS_PATHNAME_VALID, new Uint8Array(size))
      assert.strictEqual(sent.status, answer.status)
    }
  })
})

/**
 * Proves at which offsets and lengths READ and WRITE end (MS-SMB2 3.3.5.12, 3.3.5.13, MS-FSA 2.1.5.3, 2.1.5.4), which
 * locks stop them, and which rights a server-side copy needs at each end (3.3.5.15.6).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Codec, NtStatus as Status } from "effect-smb/Codec"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { AccessMask as A, CreateDisposition as D, CreateOptions as O } from "../../src/Smb2/Message/Constants.ts"
import { Fsctl, SrvCopychunkCopy } from "../../src/Smb2/Message/Fsctl.ts"
import { type Client, type People, people } from "./people.ts"
import { statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const host = "127.0.43.39"
const cases = (name: string, run: (among: People) => Promise<void>) =>
  it.live(name, () => Effect.scoped(Effect.flatMap(people(host), (among) => Effect.promise(() => run(among)))))

const largest = (1n << 63n) - 1n
const existing = { createDisposition: D.FILE_OPEN }

/** The bytes of a READ, or the name of its status. */
const read = async (client: Client, file: FileId, offset: bigint, length: number, minimumCount = 0) => {
  const request = Requests.read(file, length)
  assert(request._tag === "READ")
  const answer = (await client.ask({ ...request, body: { ...request.body, offset, minimumCount } }))!
  return statusOf(answer) === 0
    ? answer.subarray(80, 80 + answer.readUInt32LE(68)).toString()
    : Status.name(statusOf(answer)!)
}
const write = async (client: Client, file: FileId, offset: bigint, text: string) =>
  Status.name(await client.status(Requests.write(file, Buffer.from(text), offset)))

const invalid = "STATUS_INVALID_PARAMETER"
const conflict = "STATUS_FILE_LOCK_CONFLICT"
const success = "STATUS_SUCCESS"

describe("READ and WRITE", () => {
  cases("end at the last byte, and at 2^63 - 1", async ({ ann }) => {
    const file = await ann.must("f")
    const directory = await ann.must("d", { createOptions: O.FILE_DIRECTORY_FILE })
    assert.strictEqual(await write(ann, file, 0n, "0123456789"), success)
    const reads: ReadonlyArray<readonly [bigint, number, number, string]> = [
      [0n, 10, 0, "0123456789"],
      [0n, 100, 0, "0123456789"],
      [9n, 1, 1, "9"],
      [9n, 2, 1, "9"],
      [9n, 2, 2, "STATUS_END_OF_FILE"],
      [10n, 1, 0, "STATUS_END_OF_FILE"],
      [10n, 0, 0, ""],
      [11n, 1, 0, "STATUS_END_OF_FILE"],
      [0n, 0, 0, ""],
      [largest - 1n, 1, 0, "STATUS_END_OF_FILE"],
      [largest, 0, 0, ""],
      [largest, 1, 0, invalid],
      [largest - 1n, 2, 0, invalid],
      [largest + 1n, 0, 0, invalid],
      [(1n << 64n) - 1n, 1, 0, invalid]
    ]
    for (const [offset, length, minimum, expected] of reads) {
      assert.strictEqual(await read(ann, file, offset, length, minimum), expected, `${offset} ${length} ${minimum}`)
    }
    const writes: ReadonlyArray<readonly [bigint, string, string]> = [
      [largest, "x", invalid],
      [largest - 1n, "xy", invalid],
      [largest + 1n, "", invalid],
      [(1n << 64n) - 2n, "x", invalid],
      [largest, "", success],
      [4n, "", success],
      [(1n << 64n) - 1n, "x", success]
    ]
    for (const [offset, text, expected] of writes) {
      assert.strictEqual(await write(ann, file, offset, text), expected, `${offset} ${text}`)
    }
    assert.strictEqual(await read(ann, file, 0n, 100), "0123456789x")
    assert.strictEqual(await read(ann, directory, 0n, 1), "STATUS_INVALID_DEVICE_REQUEST")
    assert.strictEqual(await write(ann, directory, 0n, "x"), "STATUS_INVALID_DEVICE_REQUEST")
  })

  cases("stop at the locks of other opens", async ({ ann, joe }) => {
    const [mine, theirs] = [await ann.must("f"), await joe.must("f")]
    assert.strictEqual(await write(ann, mine, 0n, "0123456789"), success)
    assert.strictEqual(await ann.status(Requests.lock(mine, 5)), 0)
    for (
      const [offset, length, isFree] of [[0n, 5, true], [0n, 6, false], [5n, 1, false], [6n, 4, true], [
        4n,
        1,
        true
      ]] as const
    ) {
      const text = "0123456789".slice(Number(offset), Number(offset) + length)
      assert.strictEqual(await read(joe, theirs, offset, length), isFree ? text : conflict)
      assert.strictEqual(await write(joe, theirs, offset, text), isFree ? success : conflict)
      assert.strictEqual(await read(ann, mine, offset, length), text)
      assert.strictEqual(await write(ann, mine, offset, text), success)
    }
    // Bytes that are written to the end: a lock may lie there already.
    assert.strictEqual(await ann.status(Requests.lock(mine, 10)), 0)
    assert.strictEqual(await write(joe, theirs, (1n << 64n) - 1n, "x"), conflict)
    assert.strictEqual(await write(ann, mine, (1n << 64n) - 1n, "x"), success)
  })
})

describe("a server-side copy", () => {
  const input = (sourceKey: Uint8Array, sourceOffset: bigint, targetOffset: bigint, length: number) =>
    Codec.encode(SrvCopychunkCopy)({ sourceKey, chunks: [{ sourceOffset, targetOffset, length }] })
  const keyOf = async (client: Client, file: FileId): Promise<Uint8Array> =>
    Uint8Array.from(
      (await client.ask(Requests.fsctl(file, Fsctl.FSCTL_SRV_REQUEST_RESUME_KEY, new Uint8Array(0))))!
        .subarray(112, 136)
    )
  const copies = async (client: Client, code: number, target: FileId, bytes: Uint8Array) =>
    Status.name(await client.status(Requests.fsctl(target, code, bytes)))
  const { FSCTL_SRV_COPYCHUNK, FSCTL_SRV_COPYCHUNK_WRITE } = Fsctl

  cases("needs a right to the source's data and to the target's", async ({ ann }) => {
    const source = await ann.must("source")
    assert.strictEqual(await write(ann, source, 0n, "abc"), success)
    await ann.must("target")
    const masks = [
      A.FILE_READ_DATA,
      A.FILE_EXECUTE,
      A.FILE_WRITE_DATA,
      A.FILE_APPEND_DATA,
      A.FILE_READ_ATTRIBUTES,
      A.FILE_READ_DATA | A.FILE_WRITE_DATA,
      A.FILE_READ_DATA | A.FILE_APPEND_DATA,
      A.FILE_EXECUTE | A.FILE_WRITE_DATA
    ]
    for (const ofSource of masks) {
      for (const ofTarget of masks) {
        for (const code of [FSCTL_SRV_COPYCHUNK, FSCTL_SRV_COPYCHUNK_WRITE]) {
          const [from, to] = [
            await ann.must("source", { ...existing, desiredAccess: ofSource }),
            await ann.must("target", { ...existing, desiredAccess: ofTarget })
          ]
          const allowed = (ofSource & (A.FILE_READ_DATA | A.FILE_EXECUTE)) !== 0 &&
            (ofTarget & (A.FILE_WRITE_DATA | A.FILE_APPEND_DATA)) !== 0 &&
            (code === FSCTL_SRV_COPYCHUNK_WRITE || (ofTarget & A.FILE_READ_DATA) !== 0)
          assert.strictEqual(
            await copies(ann, code, to, input(await keyOf(ann, from), 0n, 0n, 3)),
            allowed ? success : "STATUS_ACCESS_DENIED",
            `${ofSource} ${ofTarget} ${code}`
          )
          for (const file of [from, to]) await ann.status(Requests.close(file))
        }
      }
    }
  })

  cases("is refused for directories, beyond 2^63 - 1, and at the locks of other opens", async ({ ann, joe }) => {
    const [source, target] = [await ann.must("source"), await ann.must("target")]
    assert.strictEqual(await write(ann, source, 0n, "abcdef"), success)
    const key = await keyOf(ann, source)
    const directory = await ann.must("d", { createOptions: O.FILE_DIRECTORY_FILE })
    const denied = "STATUS_ACCESS_DENIED"
    assert.strictEqual(await copies(ann, FSCTL_SRV_COPYCHUNK, directory, input(key, 0n, 0n, 1)), denied)
    assert.strictEqual(
      await copies(ann, FSCTL_SRV_COPYCHUNK, target, input(await keyOf(ann, directory), 0n, 0n, 1)),
      denied
    )
    for (const [offset, length] of [[largest, 1], [largest - 1n, 2], [(1n << 64n) - 1n, 1]] as const) {
      assert.strictEqual(await copies(ann, FSCTL_SRV_COPYCHUNK, target, input(key, 0n, offset, length)), invalid)
    }
    const [first, second] = [await joe.must("source"), await joe.must("target")]
    assert.strictEqual(await joe.status(Requests.lock(first, 3)), 0)
    assert.strictEqual(await joe.status(Requests.lock(second, 5)), 0)
    const table: ReadonlyArray<readonly [bigint, bigint, number, string]> = [
      [0n, 0n, 3, success],
      [0n, 0n, 4, conflict],
      [3n, 0n, 1, conflict],
      [4n, 0n, 2, success],
      [0n, 4n, 1, success],
      [0n, 4n, 2, conflict],
      [0n, 5n, 1, conflict],
      [0n, 6n, 3, success]
    ]
    for (const [from, to, length, expected] of table) {
      assert.strictEqual(
        await copies(ann, FSCTL_SRV_COPYCHUNK, target, input(key, from, to, length)),
        expected,
        `${from} ${to} ${length}`
      )
    }
  })
})

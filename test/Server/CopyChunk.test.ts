/**
 * Proves server-side copies (MS-SMB2 3.3.5.15.6, 2.2.32.1): the bytes of each chunk, the limits and how the server states
 * them, and how much of a copy is done that cannot be completed.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { Codec, NtStatus as Status } from "effect-smb/Codec"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import * as Fsctl from "../../src/Smb2/Message/Fsctl.ts"
import { type Client, place } from "./people.ts"
import { statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.35"
const { FSCTL_SRV_COPYCHUNK, FSCTL_SRV_REQUEST_RESUME_KEY } = Fsctl.Fsctl

const alone = (run: (ann: Client) => Promise<void>) =>
  Effect.scoped(Effect.gen(function*() {
    const { client } = yield* place(host)
    const ann = yield* client("ann")
    yield* Effect.promise(() => run(ann))
  }))

type Chunk = readonly [sourceOffset: number, targetOffset: number, length: number]

const copyOf = (sourceKey: Uint8Array, chunks: ReadonlyArray<Chunk>) =>
  Codec.encode(Fsctl.SrvCopychunkCopy)({
    sourceKey,
    chunks: chunks.map(([sourceOffset, targetOffset, length]) => ({
      sourceOffset: BigInt(sourceOffset),
      targetOffset: BigInt(targetOffset),
      length
    }))
  })

const keyOf = async (client: Client, file: FileId): Promise<Uint8Array> => {
  const answer = (await client.ask(Requests.fsctl(file, FSCTL_SRV_REQUEST_RESUME_KEY, new Uint8Array(0))))!
  assert.strictEqual(statusOf(answer), 0)
  return Uint8Array.from(answer.subarray(64 + 48, 64 + 48 + 24))
}

/** The status and the three numbers of the response, if it has them. */
const copy = async (client: Client, target: FileId, input: Uint8Array, room = 12) => {
  const request = Requests.fsctl(target, FSCTL_SRV_COPYCHUNK, input)
  assert(request._tag === "IOCTL")
  const answer = (await client.ask({ ...request, body: { ...request.body, maxOutputResponse: room } }))!
  const at = 64 + 48
  const numbers = answer.length < at + 12 ? [] : [0, 4, 8].map((field) => answer.readUInt32LE(at + field))
  return [statusOf(answer), ...numbers]
}

const limits = [NtStatus.STATUS_INVALID_PARAMETER, 256, 1_048_576, 16_777_216]

it.live("a copy has the bytes of its chunks, and says how many chunks and bytes that are", () =>
  alone(async (ann) => {
    const [source, target] = [await ann.must("source"), await ann.must("target")]
    assert.strictEqual(await ann.status(Requests.write(source, Buffer.from("0123456789"))), 0)
    const key = await keyOf(ann, source)
    assert.deepStrictEqual(await copy(ann, target, copyOf(key, [[2, 0, 3], [8, 4, 2], [0, 3, 1]])), [0, 3, 0, 6])
    assert.strictEqual(await ann.text("target"), "234089")
    assert.deepStrictEqual(await copy(ann, target, copyOf(key, [[0, 0, 10]])), [0, 1, 0, 10])
    // A source that ends too early ends the copy after the chunks before it.
    assert.deepStrictEqual(
      await copy(ann, target, copyOf(key, [[5, 0, 5], [8, 5, 3], [0, 8, 1]])),
      [NtStatus.STATUS_INVALID_VIEW_SIZE, 1, 0, 5]
    )
    assert.strictEqual(await ann.text("target"), "5678956789")
  }))

it.live("a copy beyond a limit is refused with the limits (3.3.3), and writes nothing", () =>
  alone(async (ann) => {
    const [source, target] = [await ann.must("source"), await ann.must("target")]
    const [chunk, total] = [1_048_576, 16_777_216]
    const size = Buffer.alloc(8)
    size.writeUInt32LE(2 * chunk)
    assert.strictEqual(await ann.status(Requests.set(source, "file", 20, size)), 0)
    const key = await keyOf(ann, source)
    const many = (count: number, length: number): ReadonlyArray<Chunk> =>
      Array.from({ length: count }, (_, i) => [0, i * length, length] as const)
    for (
      const chunks of [
        many(257, 1),
        many(1, 0),
        many(1, chunk + 1),
        [[0, 0, 5], [0, 5, 0]] as ReadonlyArray<Chunk>,
        [...many(16, chunk), [0, total, 1] as const]
      ]
    ) assert.deepStrictEqual(await copy(ann, target, copyOf(key, chunks)), limits)
    assert.strictEqual(await ann.text("target"), "")
    assert.deepStrictEqual(await copy(ann, target, copyOf(key, many(256, 1))), [0, 256, 0, 256])
    assert.deepStrictEqual(await copy(ann, target, copyOf(key, many(1, chunk))), [0, 1, 0, chunk])
    assert.deepStrictEqual(await copy(ann, target, copyOf(key, many(16, chunk))), [0, 16, 0, total])
  }))

it.live("a copy is refused without room for its response, without its fields, and from an unknown source", () =>
  alone(async (ann) => {
    const [source, target] = [await ann.must("source"), await ann.must("target")]
    assert.strictEqual(await ann.status(Requests.write(source, Buffer.from("0123456789"))), 0)
    const key = await keyOf(ann, source)
    const input = copyOf(key, [[0, 0, 1]])
    const status = async (...args: [Uint8Array, number?]) => (await copy(ann, target, ...args))[0]
    assert.strictEqual(await status(input, 11), NtStatus.STATUS_INVALID_PARAMETER)
    for (const length of [0, 31, input.length - 1]) {
      assert.strictEqual(await status(input.subarray(0, length)), NtStatus.STATUS_INVALID_PARAMETER)
    }
    const other = key.map((byte, i) => i === 23 ? byte ^ 1 : byte)
    assert.strictEqual(await status(copyOf(other, [[0, 0, 1]])), NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
    assert.deepStrictEqual(await keyOf(ann, source), key)
    assert.strictEqual(await status(input), 0)
    await ann.status(Requests.close(source))
    assert.strictEqual(await status(input), NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
  }))

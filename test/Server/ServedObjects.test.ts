/**
 * Proves what a client sees of a store that keeps written bytes in memory and can share them between files: a CLOSE fails
 * if the bytes do not reach the storage, and a server-side copy (MS-SMB2 3.3.5.15.6) moves none.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Codec, NtStatus as Status } from "effect-smb/Codec"
import * as BlobStore from "../../src/Server/BlobStore.ts"
import { type StoreError, storeError } from "../../src/Server/ShareStore.ts"
import * as ObjectStore from "../../src/Server/Store/ObjectStore.ts"
import * as SqliteClient from "../../src/Server/Store/SqliteClient.ts"
import { CreateDisposition as D, CreateOptions as O } from "../../src/Smb2/Message/Constants.ts"
import { Fsctl, SrvCopychunkCopy } from "../../src/Smb2/Message/Fsctl.ts"
import { type Client, place } from "./people.ts"
import { statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const host = "127.0.43.91"
const existing = { createDisposition: D.FILE_OPEN }

interface Storage {
  /** The sizes of the blobs that were put. */
  readonly puts: Array<number>
  put: Effect.Effect<void, StoreError>
}

const served = (run: (ann: Client, storage: Storage) => Promise<void>) =>
  Effect.scoped(Effect.gen(function*() {
    const storage: Storage = { puts: [], put: Effect.void }
    const blobs = yield* BlobStore.memory()
    const store = yield* ObjectStore.make({ inlineSize: 0, chunkSize: 65_536 }).pipe(
      Effect.provideService(BlobStore.BlobStore, {
        ...blobs,
        put: (id, pieces, how) =>
          Effect.suspend(() => {
            storage.puts.push(pieces.reduce((sum, { length }) => sum + length, 0))
            return Effect.andThen(storage.put, blobs.put(id, pieces, how))
          })
      }),
      Effect.provide(yield* Layer.build(SqliteClient.layer()))
    )
    const { client } = yield* place(host, () => store)
    const ann = yield* client("ann")
    yield* Effect.promise(() => run(ann, storage))
  }))

describe("a served ObjectStore", () => {
  it.live("makes a CLOSE fail if the written bytes do not reach the storage, and keeps them", () =>
    served(async (ann, storage) => {
      const file = await ann.must("f")
      assert.strictEqual(await ann.status(Requests.write(file, Buffer.from("some bytes"))), 0)
      assert.deepStrictEqual(storage.puts, [])
      storage.put = Effect.fail(storeError("Full"))
      assert.strictEqual(Status.name(await ann.status(Requests.close(file))), "STATUS_DISK_FULL")
      assert.strictEqual(Status.name(await ann.status(Requests.close(file))), "STATUS_FILE_CLOSED")
      const again = await ann.must("f", existing)
      storage.put = Effect.void
      assert.strictEqual(await ann.status(Requests.close(again)), 0)
      storage.puts.length = 0
      assert.strictEqual(await ann.text("f"), "some bytes")
      assert.deepStrictEqual(storage.puts, [])
    }))

  it.live("does not fail a CLOSE that removes the file, although its bytes do not reach the storage", () =>
    served(async (ann, storage) => {
      const file = await ann.must("f", { createOptions: O.FILE_DELETE_ON_CLOSE })
      assert.strictEqual(await ann.status(Requests.write(file, Buffer.from("some bytes"))), 0)
      storage.put = Effect.fail(storeError("Full"))
      assert.strictEqual(await ann.status(Requests.close(file)), 0)
    }))

  it.live("copies chunks of a file by FSCTL_SRV_COPYCHUNK without a byte of them", () =>
    served(async (ann, storage) => {
      const [source, target] = [await ann.must("source"), await ann.must("target")]
      assert.strictEqual(await ann.status(Requests.write(source, Buffer.from("0123456789"))), 0)
      const answer = (await ann.ask(Requests.fsctl(source, Fsctl.FSCTL_SRV_REQUEST_RESUME_KEY, new Uint8Array(0))))!
      assert.strictEqual(statusOf(answer), 0)
      const input = Codec.encode(SrvCopychunkCopy)({
        sourceKey: Uint8Array.from(answer.subarray(112, 136)),
        chunks: [{ sourceOffset: 2n, targetOffset: 0n, length: 5 }, { sourceOffset: 8n, targetOffset: 5n, length: 2 }]
      })
      assert.strictEqual(await ann.status(Requests.fsctl(target, Fsctl.FSCTL_SRV_COPYCHUNK, input)), 0)
      assert.strictEqual(await ann.text("target"), "2345689")
      // The source alone.
      assert.deepStrictEqual(storage.puts, [10])
    }))
})

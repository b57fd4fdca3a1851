/**
 * Proves that a file of 1 GiB goes through a DFS link on smbd unchanged, both ways: its SHA-256 is that of the server's
 * disk.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { pipeline } from "node:stream/promises"
import { client } from "./Clients.ts"
import * as Lab from "./Lab.ts"

const size = 1024 * 1024 * 1024
const period = 1024 * 1024 + 7

/** No two megabytes are alike: pieces in the wrong order are noticed. */
const fill = (buffer: Uint8Array, offset: bigint): number => {
  const at = Number(offset)
  const count = Math.min(buffer.length, size - at)
  const words = new Uint32Array(buffer.buffer, buffer.byteOffset, count >>> 2)
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(at + 1, period)
  return count
}

const onDisk = (path: string) =>
  Effect.promise(async () => {
    const hash = createHash("sha256")
    await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash)
    return hash.digest("hex")
  })

it.live(
  "a client writes and reads 1 GiB unchanged through a link, with less than 200 MiB more memory",
  () =>
    Effect.gen(function*() {
      const { target } = yield* Lab.servers({
        root: { address: "127.0.27.1", shares: [{ name: "dfs", dfs: { link: "127.0.27.2\\data" } }] },
        target: { address: "127.0.27.2", shares: [{ name: "data" }] }
      })
      const smb = yield* client({ dfs: { mode: "strict" } })
      const path = "\\\\127.0.27.1\\dfs\\link\\large.bin"
      const sent = createHash("sha256")
      const written = yield* smb.writeFrom(path, (buffer, offset) =>
        Effect.sync(() => {
          const count = fill(buffer, offset)
          sent.update(buffer.subarray(0, count))
          return count
        }))
      assert.strictEqual(written, BigInt(size))
      const expected = sent.digest("hex")
      assert.strictEqual(yield* onDisk(target.path("data", "large.bin")), expected)
      const received = createHash("sha256")
      const before = process.memoryUsage().rss
      let most = before
      yield* smb.readTo(path, (chunk) =>
        Effect.sync(() => {
          received.update(chunk)
          most = Math.max(most, process.memoryUsage.rss())
        }))
      assert.strictEqual(received.digest("hex"), expected)
      assert.isBelow(most - before, 200 * 1024 * 1024, "memory stays flat")
    }).pipe(Effect.scoped),
  120_000
)

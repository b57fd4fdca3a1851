/**
 * Errors that smbd reports after an operation has begun: at the CLOSE, when its disk is full, and when a file becomes
 * shorter during a read. The last test writes from an offset on.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import { FileShortened, OpenMode, type SmbClient } from "effect-smb"
import { existsSync, readFileSync, statSync, truncateSync } from "node:fs"
import { noise } from "./checks/Place.ts"
import { client } from "./Clients.ts"
import * as Lab from "./Lab.ts"

const address = "127.0.46.1"

const server = Lab.server({
  address,
  minimumDialect: "NT1",
  signing: "auto",
  shares: [{ name: "data" }, { name: "small" }, { name: "veto", options: { "veto files": "/.*/" } }]
})

class World extends Context.Service<World, Effect.Success<typeof server>>()("test/lab/Statuses") {
  static readonly layer = Layer.effect(
    World,
    Effect.gen(function*() {
      const started = yield* server
      // Three MiB, for the share `small` alone.
      yield* Effect.acquireRelease(
        Effect.promise(() =>
          Lab.mustExecute("mount", ["-t", "tmpfs", "-o", "size=3m,mode=777", "none", started.path("small")])
        ),
        () => Effect.promise(() => Lab.execute("umount", ["-l", started.path("small")]))
      )
      return started
    })
  )
}

const dialects: ReadonlyArray<readonly [string, SmbClient.Options]> = [
  ["3.1.1", { dialects: ["3.1.1"] }],
  ["NT1", { dialects: ["NT1"], signing: "if-required" }]
]

layer(World.layer, { excludeTestServices: true, timeout: "60 seconds" })("what smbd says", (it) => {
  for (const [dialect, options] of dialects) {
    it.effect(`at the CLOSE of a folder whose removal the disk refuses is the removal's failure, ${dialect}`, () =>
      Effect.gen(function*() {
        const disk = yield* World
        const smb = yield* client(options)
        // `veto files` hides the file: smbd calls the folder empty until it must remove it.
        yield* disk.write("veto", `e-${dialect}/.v`, "hidden")
        const path = `\\\\${address}\\veto\\e-${dialect}`
        for (const recursive of [false, true]) {
          const error = yield* Effect.flip(smb.remove(path, { recursive }))
          assert.deepInclude(error as object, {
            _tag: "SmbError",
            statusName: "STATUS_DIRECTORY_NOT_EMPTY",
            command: "CLOSE"
          })
        }
        assert.isTrue(existsSync(disk.path("veto", `e-${dialect}`, ".v")))
      }))

    it.effect(`of a disk that is full ends a copy, which leaves nothing, ${dialect}`, () =>
      Effect.gen(function*() {
        const disk = yield* World
        const smb = yield* client(options)
        const from = `\\\\${address}\\data\\five-${dialect}`
        yield* smb.writeFile(from, noise(5_000_000))
        const to = `\\\\${address}\\small\\five-${dialect}`
        for (const create of [true, false]) {
          const error = yield* Effect.flip(smb.copy(from, to, { create }))
          assert.deepInclude(error as object, { _tag: "SmbError", statusName: "STATUS_DISK_FULL" })
          assert.isFalse(existsSync(disk.path("small", `five-${dialect}`)))
        }
        // An existing file is emptied at the beginning, and keeps the bytes that were copied.
        yield* smb.writeFile(to, "old")
        const error = yield* Effect.flip(smb.copy(from, to))
        assert.deepInclude(error as object, { _tag: "SmbError", statusName: "STATUS_DISK_FULL" })
        // smbd carries out several WRITE requests at the same time: a later one can get the last blocks, and the file
        // then has a hole before it. The blocks count, not the size.
        const left = statSync(disk.path("small", `five-${dialect}`))
        assert.isAbove(left.blocks * 512, 1_000_000)
        assert.isAtMost(left.blocks * 512, 3 * 1024 * 1024)
        assert.isBelow(left.size, 5_000_000)
        yield* smb.remove(to)
      }))

    it.effect(`of a file that shrinks is a failure after the bytes that were there, ${dialect}`, () =>
      Effect.gen(function*() {
        const disk = yield* World
        const smb = yield* client(options)
        const name = `shrinks-${dialect}`
        const path = `\\\\${address}\\data\\${name}`
        const size = 24_000_000
        const cut = 20_000_000
        const data = noise(size)
        let count = 0
        const take = (chunk: Uint8Array) =>
          Effect.sync(() => {
            if (count === 0) truncateSync(disk.path("data", name), cut)
            assert.isTrue(Buffer.from(chunk).equals(data.subarray(count, count + chunk.length)))
            count += chunk.length
          })
        for (const reading of [smb.readTo(path, take), Stream.runForEach(smb.stream(path), take)]) {
          yield* smb.writeFile(path, data)
          count = 0
          const error = yield* Effect.flip(reading)
          assert.instanceOf(error, FileShortened)
          assert.deepInclude(error as object, { expected: BigInt(size), found: BigInt(cut) })
          assert.strictEqual(count, cut)
        }
      }))

    it.effect(`of writing from an offset on: the rest stays, unless the file is to end, ${dialect}`, () =>
      Effect.gen(function*() {
        const disk = yield* World
        const smb = yield* client(options)
        const name = `tail-${dialect}`
        const path = `\\\\${address}\\data\\${name}`
        const text = () => readFileSync(disk.path("data", name), "utf8")
        const abc = () => Stream.make(Buffer.from("abc"))
        yield* smb.writeFile(path, "0123456789")
        yield* Stream.run(abc(), smb.sink(path, { offset: 2 }))
        assert.strictEqual(text(), "01abc56789")
        yield* Stream.run(abc(), smb.sink(path, { offset: 0, truncate: true }))
        assert.strictEqual(text(), "abc")
        let left = 300_000
        const fill = (buffer: Uint8Array) =>
          Effect.sync(() => {
            const count = Math.min(left, buffer.length)
            left -= count
            return count
          })
        yield* smb.writeFile(path, new Uint8Array(400_000))
        yield* smb.writeFrom(path, fill, { offset: 1, truncate: true })
        assert.strictEqual(statSync(disk.path("data", name)).size, 300_001)
        yield* Effect.scoped(Effect.gen(function*() {
          const file = yield* smb.open(path, OpenMode.update)
          yield* Stream.run(abc(), file.sink({ offset: 3, truncate: true }))
          yield* file.close
        }))
        assert.strictEqual(statSync(disk.path("data", name)).size, 6)
      }))
  }
})

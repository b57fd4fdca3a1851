/**
 * `writeFile` with `atomic`, over servers in memory that fail at each request in turn: after every end, other programs
 * see the whole old file or the whole new one, and no other file stays while the connection lives.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Logger, Redacted, Stream } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import { TestClock } from "effect/testing"
import { CreateDisposition, FileAttributes } from "../../src/Smb2/Message/Constants.ts"

const f = "//nas/data/d/f.txt"
const large = new Uint8Array(150_000).fill(7)
const files = (): TestTransport.Files => ({ d: { "f.txt": "old" }, e: {} })

const run = <A, E>(
  use: (smb: SmbClient.Client, servers: TestTransport.TestServers["Service"]) => Effect.Effect<A, E>,
  faults: ReadonlyArray<TestTransport.Fault> = [],
  loggers: ReadonlyArray<Logger.Logger<unknown, unknown>> = []
) =>
  Effect.gen(function*() {
    return yield* use(yield* SmbClient.SmbClient, yield* TestTransport.TestServers)
  }).pipe(
    Effect.provide(
      SmbClient.layer({ maximumTransfer: 65_536 }).pipe(
        Layer.provideMerge(TestTransport.layerFiles({ data: files() }, { faults })),
        Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password")))),
        Layer.provideMerge(Logger.layer(loggers))
      )
    )
  )

const names = (smb: SmbClient.Client, folder = "//nas/data/d") =>
  Effect.map(Stream.runCollect(smb.list(folder)), (all) => all.map(({ name }) => name).toSorted())

const ways: ReadonlyArray<readonly [string, Uint8Array | string, string]> = [
  ["small", "new", f],
  ["empty", "", f],
  ["large", large, f],
  ["new", "new", "//nas/data/d/new.txt"]
]

describe("writeFile with atomic", () => {
  it.effect("writes the file, over an old one too, and leaves nothing else", () =>
    run((smb, servers) =>
      Effect.gen(function*() {
        for (const [, data, path] of ways) {
          yield* smb.writeFile(path, data, { atomic: true, flush: true, lastWriteTime: 5n })
          assert.strictEqual(Buffer.compare(yield* smb.readFile(path), Buffer.from(data as string)), 0)
          assert.strictEqual((yield* smb.stat(path)).lastWriteTime, 5n)
        }
        assert.deepStrictEqual(yield* names(smb), ["f.txt", "new.txt"])
        assert.include(yield* servers.commands, "FLUSH")
      })
    ))

  it.effect("with create replaces no file", () =>
    run((smb) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(smb.writeFile(f, "new", { atomic: true, create: true }))
        assert(error._tag === "SmbError" && error.reason._tag === "ObjectNameCollision")
        assert.strictEqual(yield* smb.readFileString(f), "old")
        yield* smb.writeFile("//nas/data/d/x", "new", { atomic: true, create: true })
        assert.deepStrictEqual(yield* names(smb), ["f.txt", "x"])
      })
    ))

  it.effect("refuses folders, read-only files, shares and previous versions, and keeps hidden", () =>
    run((smb, servers) =>
      Effect.gen(function*() {
        const refusal = (path: string) =>
          Effect.map(Effect.flip(smb.writeFile(path, "x", { atomic: true })), (error) =>
            error._tag === "SmbError" || error._tag === "PathError" ? error.reason._tag : error._tag)
        assert.strictEqual(yield* refusal("//nas/data/e"), "FileIsADirectory")
        assert.strictEqual(yield* refusal("//nas/data"), "InvalidPath")
        assert.strictEqual(yield* refusal("//nas/data/@GMT-2026.01.02-03.04.05/f.txt"), "InvalidPath")
        yield* smb.setAttributes(f, { fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY })
        assert.strictEqual(yield* refusal(f), "AccessDenied")
        yield* smb.setAttributes(f, { fileAttributes: FileAttributes.FILE_ATTRIBUTE_HIDDEN })
        yield* smb.writeFile(f, "new", { atomic: true })
        const part = (yield* servers.requests).findLast(({ request }) =>
          request._tag === "CREATE" && request.body.createDisposition === CreateDisposition.FILE_CREATE
        )
        assert(part?.request._tag === "CREATE")
        assert.match(part.request.body.name, /^d\\f\.txt\.[0-9a-f]{12}\.part$/)
        assert.strictEqual(
          part.request.body.fileAttributes,
          FileAttributes.FILE_ATTRIBUTE_HIDDEN | FileAttributes.FILE_ATTRIBUTE_ARCHIVE
        )
        assert.deepStrictEqual(yield* names(smb), ["f.txt"])
      })
    ))

  it.effect.each(ways)(
    "%s, shows the whole old or the whole new file when any request is refused",
    ([, data, path]) =>
      Effect.gen(function*() {
        const put = (smb: SmbClient.Client) => smb.writeFile(path, data, { atomic: true, lastWriteTime: 5n })
        const log = yield* run((smb, servers) => Effect.andThen(put(smb), servers.requests))
        const old = path === f ? "old" : undefined
        let failures = 0
        for (const [i, { command }] of log.entries()) {
          if (["NEGOTIATE", "SESSION_SETUP", "TREE_CONNECT"].includes(command)) continue
          let count = 0
          const fault: TestTransport.Fault = { when: () => count++ === i, is: { status: "STATUS_DISK_FULL" } }
          yield* run((smb, servers) =>
            Effect.gen(function*() {
              const exit = yield* Effect.exit(put(smb))
              const where = `${command}, request ${i} of ${log.length}`
              const found = yield* servers.read("nas", "data", path.slice("//nas/data/".length).replaceAll("/", "\\"))
              if (Exit.isSuccess(exit)) {
                assert.strictEqual(Buffer.compare(found!, Buffer.from(data as string)), 0, where)
              } else {
                failures++
                const isWhole = found !== undefined && Buffer.compare(found, Buffer.from(data as string)) === 0
                const isOld = found === undefined ? old === undefined : Buffer.from(found).toString() === old
                assert.isTrue(isWhole || isOld, where)
              }
              const left = yield* names(smb)
              assert.deepStrictEqual(
                left.filter((name) => name.includes("part")),
                [],
                where
              )
            }), [fault])
        }
        assert.isAbove(failures, 2)
      })
  )

  it.effect.each(ways)(
    "%s, shows the whole old or the whole new file when the connection breaks",
    ([, data, path]) =>
      Effect.gen(function*() {
        const put = (smb: SmbClient.Client) => smb.writeFile(path, data, { atomic: true })
        const log = yield* run((smb, servers) => Effect.andThen(put(smb), servers.requests))
        const old = path === f ? "old" : undefined
        for (let i = 0; i < log.length; i++) {
          let count = 0
          yield* run((smb, servers) =>
            Effect.gen(function*() {
              yield* Effect.exit(put(smb))
              const found = yield* servers.read("nas", "data", path.slice("//nas/data/".length).replaceAll("/", "\\"))
              const isWhole = found !== undefined && Buffer.compare(found, Buffer.from(data as string)) === 0
              const isOld = found === undefined ? old === undefined : Buffer.from(found).toString() === old
              assert.isTrue(isWhole || isOld, `request ${i} of ${log.length}`)
            }), [{ when: () => count++ === i, is: "drop" }])
        }
      })
  )

  it.effect("removes the part after an interruption, and tells a part that it cannot remove", () =>
    Effect.gen(function*() {
      const told: Array<string> = []
      const logger = Logger.make(({ message }) => void told.push(String(message)))
      yield* run((smb, servers) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(smb.writeFile(f, large, { atomic: true }), { startImmediately: true })
          while (!(yield* servers.commands).includes("WRITE")) yield* Effect.yieldNow
          const ended = yield* Effect.forkChild(Fiber.interrupt(fiber))
          yield* TestClock.adjust("10 seconds")
          yield* Fiber.join(ended)
          assert.strictEqual(yield* smb.readFileString(f), "old")
          assert.deepStrictEqual(yield* names(smb), ["f.txt"])
        }), [{ on: "WRITE", is: "silence" }])
      yield* run(
        (smb) =>
          Effect.gen(function*() {
            yield* Effect.flip(smb.writeFile(f, large, { atomic: true }))
            assert.strictEqual(yield* smb.readFileString(f), "old")
          }),
        [
          { on: "WRITE", is: { status: "STATUS_DISK_FULL" } },
          { on: "SET_INFO", is: { status: "STATUS_ACCESS_DENIED" } }
        ],
        [logger]
      )
      assert.isTrue(
        told.some((line) => /f\.txt\.[0-9a-f]{12}\.part: an unfinished file is left there/.test(line)),
        told.join()
      )
    }))
})

/**
 * Writes to the end of a file: at servers that find the end by themselves (MS-FSA 2.1.5.4), and at servers that refuse
 * such a WRITE, as smbd does, where a lock keeps the programs that append apart.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream } from "effect"
import { Credentials, OpenMode, SmbClient, TestTransport } from "effect-smb"
import * as SmbFile from "../../src/Client/SmbFile.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus } from "../../src/Protocol/Errors.ts"
import type * as Operation from "../../src/Protocol/Operation.ts"
import * as Scripted from "./scripted.ts"

const path = "//nas/data/log"
const end = 0xffff_ffff_ffff_ffffn

const provide = (
  options: Omit<TestTransport.ServerOptions, "shares"> = {},
  files: TestTransport.Files = { log: "a" }
) =>
  Effect.provide(
    SmbClient.layer({ maximumTransfer: 65_536 }).pipe(
      Layer.provideMerge(TestTransport.layerFiles({ data: files }, options)),
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
    )
  )

describe("at a server that finds the end", () => {
  it.effect("writeFile and sink append, and create a missing file", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      yield* smb.writeFile(path, "b", { append: true })
      yield* smb.writeFile(path, "", { append: true })
      const chunks = Stream.make(Buffer.from("c"), Buffer.from("d"))
      assert.strictEqual(yield* Stream.run(chunks, smb.sink(path, { append: true })), 2n)
      assert.strictEqual(yield* smb.readFileString(path), "abcd")
      yield* smb.writeFile("//nas/data/new", "x", { append: true, create: true })
      const taken = yield* Effect.flip(smb.writeFile(path, "x", { append: true, create: true }))
      assert(taken._tag === "SmbError" && taken.reason._tag === "ObjectNameCollision")
      assert.strictEqual(yield* smb.readFileString("//nas/data/new"), "x")
      assert.strictEqual(yield* smb.readFileString(path), "abcd")
      // The client neither asks for the end nor computes it.
      const requests = yield* servers.requests
      assert.isTrue(requests.every(({ request }) => request._tag !== "WRITE" || request.body.offset === end))
      assert.isFalse(requests.some(({ command }) => command === "LOCK" || command === "QUERY_INFO"))
    }).pipe(provide()))

  it.effect("large data goes in order, a WRITE at a time, and a time is set after it", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      const data = Uint8Array.from({ length: 200_000 }, (_, i) => i * 31 + (i >> 8))
      yield* smb.writeFile(path, data, { append: true, lastWriteTime: 5n, flush: true })
      const whole = yield* smb.readFile(path)
      assert.isTrue(Buffer.from(whole.subarray(1)).equals(data))
      assert.strictEqual((yield* smb.stat(path)).lastWriteTime, 5n)
      assert.deepStrictEqual(
        (yield* servers.commands).filter((command) => ["WRITE", "FLUSH", "SET_INFO"].includes(command)),
        ["WRITE", "WRITE", "WRITE", "WRITE", "FLUSH", "SET_INFO"]
      )
    }).pipe(provide()))

  it.effect("a user with the right to append alone can append", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      yield* smb.writeFile(path, "b", { append: true })
      yield* Stream.run(Stream.make(Buffer.from("c")), smb.sink(path, { append: true }))
      assert.strictEqual(yield* smb.readFileString(path), "abc")
    }).pipe(provide({
      faults: [{
        on: "CREATE",
        // FILE_WRITE_DATA.
        when: ({ request }) => request._tag === "CREATE" && (request.body.desiredAccess & 2) !== 0,
        is: { status: "STATUS_ACCESS_DENIED" }
      }]
    })))

  it.effect("an open for append alone is refused neither its append nor its later reads of the size", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const file = yield* smb.open(path, OpenMode.append)
      for (const text of ["b", "c"]) yield* file.append(Buffer.from(text))
      assert.strictEqual(yield* Stream.run(Stream.make(Buffer.from("de")), file.sink({ append: true })), 2n)
      yield* file.close
      assert.strictEqual(yield* smb.readFileString(path), "abcde")
    }).pipe(Effect.scoped, provide()))

  it.effect("writeFile cannot both append and replace", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.writeFile(path, "b", { append: true, atomic: true }))
      assert.strictEqual(error.message, `${path}: append cannot be true: give it without atomic`)
      assert.strictEqual(yield* smb.readFileString(path), "a")
    }).pipe(provide()))
})

describe("at a server that refuses a WRITE to the end", () => {
  const invalid = fromStatus(NtStatus.STATUS_INVALID_PARAMETER, "WRITE", "f")
  const denied = fromStatus(NtStatus.STATUS_ACCESS_DENIED, "LOCK", "f")
  const content = Buffer.from("abc")
  /** What was requested: locks, queries, writes with their offsets. */
  const words = (requests: ReadonlyArray<Operation.Any>) =>
    requests.map((one) => one._tag === "Write" ? `Write ${one.offset === end ? "end" : one.offset}` : one._tag)
  const file = (locks: "granted" | "refused" | "pending") =>
    Scripted.file({
      content,
      answer: (operation) =>
        operation._tag === "Write" && operation.offset === end
          ? Effect.fail(invalid)
          : operation._tag === "Lock" && locks === "refused"
          ? Effect.fail(denied)
          : operation._tag === "Lock" && locks === "pending"
          ? Effect.never
          : undefined
    })

  it.effect("asks for the end and writes there while it holds a lock that no data reaches", () =>
    Effect.gen(function*() {
      const scripted = file("granted")
      const open = SmbFile.make(Scripted.share(), scripted.open)
      yield* open.append(new Uint8Array(2500).fill(1))
      assert.strictEqual(scripted.content().length, 2503)
      assert.deepStrictEqual(words(scripted.requests), [
        "Write end",
        "Lock",
        "QueryInfo",
        "Write 3",
        "Write 1003",
        "Write 2003",
        "Unlock"
      ])
      const lock = scripted.requests[1]
      assert(lock?._tag === "Lock" && lock.exclusive && lock.wait)
      assert.deepStrictEqual(lock.ranges, [{ offset: (1n << 63n) - 2n, length: 1n }])
    }))

  it.effect("appends without a lock if the open is refused one, and writes nothing before it has the lock", () =>
    Effect.gen(function*() {
      const refused = file("refused")
      yield* SmbFile.make(Scripted.share(), refused.open).append(Buffer.from("d"))
      assert.strictEqual(Buffer.from(refused.content()).toString(), "abcd")
      const waiting = file("pending")
      const fiber = yield* Effect.forkChild(SmbFile.make(Scripted.share(), waiting.open).append(Buffer.from("d")))
      yield* Scripted.settle
      assert.isUndefined(fiber.pollUnsafe())
      assert.deepStrictEqual(words(waiting.requests), ["Write end", "Lock"])
    }))

  it.effect("fails with any other error of the WRITE", () =>
    Effect.gen(function*() {
      const full = fromStatus(NtStatus.STATUS_DISK_FULL, "WRITE", "f")
      const scripted = Scripted.file({ content, answer: (one) => one._tag === "Write" ? Effect.fail(full) : undefined })
      const error = yield* Effect.flip(SmbFile.make(Scripted.share(), scripted.open).append(Buffer.from("d")))
      assert.strictEqual(error, full)
      assert.deepStrictEqual(words(scripted.requests), ["Write end"])
    }))
})

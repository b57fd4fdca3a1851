/**
 * Copies by a server: the requests of MS-SMB2 3.2.4.20.2 within the limits of 3.3.3, and what follows from each
 * response; and the removal of what an unfinished operation leaves. Over scripted open files.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Logger, Result } from "effect"
import { TestClock } from "effect/testing"
import type { OpenedFile } from "../../src/Client/internal/Opening.ts"
import * as RemoveUnfinished from "../../src/Client/internal/RemoveUnfinished.ts"
import * as ServerCopy from "../../src/Client/internal/ServerCopy.ts"
import * as OpenMode from "../../src/Client/OpenMode.ts"
import * as Codec from "../../src/Codec/Codec.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus, type RequestError, type SmbError } from "../../src/Protocol/Errors.ts"
import type * as Operation from "../../src/Protocol/Operation.ts"
import { CreateAction } from "../../src/Smb2/Message/Constants.ts"
import * as Fsctl from "../../src/Smb2/Message/Fsctl.ts"
import * as Scripted from "./scripted.ts"

const mebibyte = 1024 * 1024
const key = Uint8Array.from({ length: 24 }, (_, i) => i + 1)
const copied = (totalBytesWritten: number) =>
  Codec.encode(Fsctl.SrvCopychunkResponse)({ chunksWritten: 1, chunkBytesWritten: 0, totalBytesWritten })

const request = (operation: Operation.Any) => {
  assert(operation._tag === "Ioctl")
  const decoded = Codec.decode("SRV_COPYCHUNK_COPY", Fsctl.SrvCopychunkCopy)(operation.input)
  return Result.getOrThrow(decoded)
}

/** Two files of one session; `answer` is the count of bytes that the server says, or its error. */
const files = (size: number, given: {
  readonly answer?: (asked: number, index: number) => number | SmbError
  /** The size that the server returns later. */
  readonly found?: number | SmbError
} = {}) => {
  const share = Scripted.share()
  const source = Scripted.file({
    path: "from",
    endOfFile: BigInt(size),
    answer: (one) =>
      one._tag === "QueryInfo"
        ? typeof given.found === "number"
          ? Effect.succeed({ endOfFile: BigInt(given.found) })
          : Effect.fail(given.found ?? fromStatus(NtStatus.STATUS_NOT_SUPPORTED, "QUERY_INFO"))
        : Effect.succeed(Codec.encode(Fsctl.SrvRequestResumeKey)({ resumeKey: key, context: new Uint8Array(0) }))
  })
  const target = Scripted.file({
    path: "to",
    answer: (one, index) => {
      const asked = request(one).chunks.reduce((sum, { length }) => sum + length, 0)
      const said = given.answer === undefined ? asked : given.answer(asked, index)
      return typeof said === "number" ? Effect.succeed(copied(said)) : Effect.fail(said)
    }
  })
  const run = ServerCopy.copy({ share, file: source.open }, { share, file: target.open })
  return { run, source, target }
}

describe("a copy by the server", () => {
  it.effect.each(
    [1, mebibyte - 1, mebibyte, mebibyte + 1, 16 * mebibyte - 1, 16 * mebibyte, 16 * mebibyte + 1, 40 * mebibyte + 5]
      .map((size) => ({ size }))
  )(
    "names each byte once, in requests of at most 16 chunks of at most 1 MiB: $size bytes",
    ({ size }) =>
      Effect.gen(function*() {
        const { run, source, target } = files(size)
        yield* run
        // FSCTL_SRV_REQUEST_RESUME_KEY has a response of 32 bytes, FSCTL_SRV_COPYCHUNK_WRITE one of 12.
        assert.deepStrictEqual(source.requests, [
          { _tag: "Ioctl", ctlCode: 0x0014_0078, input: new Uint8Array(0), maximum: 32 }
        ])
        let next = 0n
        for (const one of target.requests) {
          assert.deepInclude(one, { ctlCode: 0x0014_80f2, maximum: 12 })
          const { chunks, sourceKey } = request(one)
          assert.deepStrictEqual(sourceKey, key)
          assert.isAtMost(chunks.length, 16)
          for (const { length, sourceOffset, targetOffset } of chunks) {
            assert.deepStrictEqual([sourceOffset, targetOffset], [next, next])
            assert.isAtMost(length, mebibyte)
            next += BigInt(length)
          }
        }
        assert.strictEqual(next, BigInt(size))
        assert.strictEqual(target.requests.length, Math.ceil(size / (16 * mebibyte)))
      })
  )

  it.effect("goes on where the server stopped", () =>
    Effect.gen(function*() {
      const { run, target } = files(3 * mebibyte, { answer: (asked) => Math.min(asked, mebibyte + 7) })
      yield* run
      assert.deepStrictEqual(
        target.requests.map((one) => Number(request(one).chunks[0]!.sourceOffset)),
        [0, mebibyte + 7, 2 * (mebibyte + 7)]
      )
    }))

  it.effect("cannot be relied on if the server says no bytes, or more than were requested", () =>
    Effect.gen(function*() {
      for (const count of [0, 1001]) {
        for (const found of [1000, 5000, undefined]) {
          const error = yield* Effect.flip(
            files(1000, { answer: () => count, ...(found === undefined ? {} : { found }) }).run
          )
          assert(error._tag === "ProtocolError" && error.reason._tag === "UnexpectedResponse")
          assert.include(error.message, `\\\\nas\\data\\to: of 1000 bytes the server says that it copied ${count}`)
          assert.strictEqual(error.server, "nas")
        }
        const error = yield* Effect.flip(files(1000, { answer: () => count, found: 999 }).run)
        assert.deepInclude({ ...error } as object, {
          _tag: "FileShortened",
          path: "\\\\nas\\data\\from",
          expected: 1000n,
          found: 999n
        })
      }
      yield* files(1000, { answer: () => 1000 }).run
    }))

  // A disk that is full, a missing right, a lock or a lost session explain themselves. If the server cannot copy at all, the
  // client copies.
  const explained = [
    "STATUS_DISK_FULL",
    "STATUS_QUOTA_EXCEEDED",
    "STATUS_ACCESS_DENIED",
    "STATUS_FILE_LOCK_CONFLICT",
    "STATUS_NETWORK_NAME_DELETED",
    "STATUS_USER_SESSION_DELETED",
    "STATUS_NETWORK_SESSION_EXPIRED",
    "STATUS_CANCELLED"
  ] as const
  const unable = [
    "STATUS_NOT_SUPPORTED",
    "STATUS_INVALID_DEVICE_REQUEST",
    "STATUS_INVALID_PARAMETER",
    "STATUS_OBJECT_NAME_NOT_FOUND",
    "STATUS_NOT_IMPLEMENTED"
  ] as const
  const unclear = ["STATUS_END_OF_FILE", "STATUS_INVALID_VIEW_SIZE", "STATUS_UNSUCCESSFUL"] as const

  it.effect("that is refused asks for the source's size only if the status does not say why", () =>
    Effect.gen(function*() {
      for (const name of [...explained, ...unable, ...unclear]) {
        const refused = fromStatus(NtStatus[name], "IOCTL", "\\\\nas\\data\\to")
        const { run, source } = files(1000, { answer: () => refused, found: 10 })
        const error = yield* Effect.flip(run)
        const asks = (unclear as ReadonlyArray<string>).includes(name)
        assert.strictEqual(error._tag, asks ? "FileShortened" : "SmbError", name)
        assert.strictEqual(source.requests.length, asks ? 2 : 1, name)
        const same = yield* Effect.flip(files(1000, { answer: () => refused, found: 1000 }).run)
        assert.strictEqual(same, refused)
      }
    }))

  it("is done by the client if the server does not know the control, and for no other reason", () => {
    for (const name of [...explained, ...unclear]) {
      assert.isFalse(ServerCopy.isUnable(fromStatus(NtStatus[name], "IOCTL")), name)
    }
    for (const name of unable) {
      assert.isTrue(ServerCopy.isUnable(fromStatus(NtStatus[name], "IOCTL")), name)
      assert.isFalse(ServerCopy.isUnable(fromStatus(NtStatus[name], "QUERY_INFO")), name)
    }
    assert.isFalse(ServerCopy.isUnable({ _tag: "FileShortened" }))
  })

  it("needs a size", () => {
    assert.isFalse(ServerCopy.isOfKnownSize(Scripted.file({ endOfFile: 0n }).open))
    assert.isTrue(ServerCopy.isOfKnownSize(Scripted.file({ endOfFile: 1n }).open))
  })
})

describe("a file that an unfinished operation has created", () => {
  const sharing = fromStatus(NtStatus.STATUS_SHARING_VIOLATION, "CREATE", "\\\\nas\\data\\f")
  const busy = fromStatus(NtStatus.STATUS_SHARING_VIOLATION, "SET_INFO", "\\\\nas\\data\\f")
  const denied = fromStatus(NtStatus.STATUS_ACCESS_DENIED, "CREATE", "\\\\nas\\data\\f")

  const run = (
    answers: ReadonlyArray<Scripted.BatchAnswer | "silence">,
    use: (opened: OpenedFile) => Effect.Effect<string, string> = () => Effect.fail("no"),
    createAction: number = CreateAction.FILE_CREATED
  ) =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      const order: Array<string> = []
      const { open } = Scripted.file({ opened: { createAction } })
      const { sent, share } = Scripted.batches((_, index) => answers[index] as RequestError)
      const batch = ((...given: Parameters<typeof share.batch>) =>
        Effect.suspend(() => {
          order.push("remove")
          return answers[sent.length] === "silence" ? Effect.never : share.batch(...given)
        })) as typeof share.batch
      const file = { ...open, close: Effect.sync(() => void order.push("close")) }
      const fiber = yield* Effect.scoped(
        Effect.flatMap(
          RemoveUnfinished.opened("\\\\nas\\data\\f", Effect.succeed({ file, share: { ...share, batch } })),
          use
        )
      ).pipe(Effect.exit, Effect.provide(Logger.layer([logger])), Effect.forkChild)
      yield* Scripted.settle
      return { fiber, lines, order, sent }
    })

  it.effect("is marked for deletion while it is open, then closed; the error stays", () =>
    Effect.gen(function*() {
      const { fiber, lines, order, sent } = yield* run([{}])
      assert.deepStrictEqual(yield* Fiber.join(fiber), Exit.fail("no"))
      assert.deepStrictEqual([order, lines], [["remove", "close"], []])
      assert.strictEqual(sent[0]!.path, "f")
      assert.deepStrictEqual(sent[0]!.options, OpenMode.remove)
      // FileDispositionInformation (MS-FSCC 2.4.11).
      assert.deepStrictEqual(sent[0]!.operations, [
        { _tag: "SetInfo", information: { _tag: "File", fileInformationClass: 13 }, data: Uint8Array.of(1) }
      ])
    }))

  it.effect("is closed first at a server that refuses the deletion of an open file", () =>
    Effect.gen(function*() {
      for (const first of [sharing, { results: [Result.fail(busy)] }]) {
        const { fiber, lines, order } = yield* run([first, {}])
        yield* Fiber.join(fiber)
        assert.deepStrictEqual([order, lines], [["remove", "close", "remove", "close"], []])
      }
    }))

  it.effect("is named in the log if it cannot be removed, or not within five seconds", () =>
    Effect.gen(function*() {
      for (const answers of [[denied], [sharing, denied], [sharing, sharing]]) {
        const { fiber, lines } = yield* run(answers)
        assert.deepStrictEqual(yield* Fiber.join(fiber), Exit.fail("no"))
        assert.strictEqual(lines.length, 1)
        assert.match(lines[0]!, /^\\\\nas\\data\\f: a part of the file is left there.*STATUS_.* Remove it\.$/)
      }
      const { fiber, lines } = yield* run(["silence"])
      yield* TestClock.adjust("4999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* Fiber.join(fiber), Exit.fail("no"))
      assert.match(lines.join(), /no answer within 5 seconds/)
    }))

  it.effect("is removed after an interruption too; and stays after a success, or if it existed before", () =>
    Effect.gen(function*() {
      const interrupted = yield* run([{}], () => Effect.never)
      yield* Fiber.interrupt(interrupted.fiber)
      assert.deepStrictEqual(interrupted.order, ["remove", "close"])
      const success = yield* run([], () => Effect.succeed("yes"))
      assert.deepStrictEqual(yield* Fiber.join(success.fiber), Exit.succeed("yes"))
      assert.deepStrictEqual(success.order, [])
      for (const action of [CreateAction.FILE_SUPERSEDED, CreateAction.FILE_OPENED, CreateAction.FILE_OVERWRITTEN]) {
        const before = yield* run([], undefined, action)
        assert.deepStrictEqual(yield* Fiber.join(before.fiber), Exit.fail("no"))
        assert.deepStrictEqual(before.order, [])
      }
    }))
})

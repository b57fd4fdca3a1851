/**
 * Proves what becomes of a CREATE whose response was lost with its connection: it is sent again as the same CREATE, so
 * that the server gives the open that it has made already (MS-SMB2 3.3.5.9.10). The servers are a few lines each, and
 * the own server on a line that the test cuts.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schedule } from "effect"
import { OpenMode } from "effect-smb"
import * as ReclaimedShare from "../../src/Client/internal/ReclaimedShare.ts"
import type { Reconnection } from "../../src/Client/internal/Reconnection.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus, type RequestError, TransportError } from "../../src/Protocol/Errors.ts"
import type * as Share from "../../src/Protocol/Share.ts"
import { CreateDisposition } from "../../src/Smb2/Message/Constants.ts"
import { Command, commandOf, world } from "./cutting.ts"
import * as Scripted from "./scripted.ts"

const target = { server: "nas", port: 445, share: "data", path: "f" }

const lost = (sent: boolean) =>
  new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "nas", port: 445, sent })

const status = (code: number) => fromStatus(code, "CREATE", "f")

const { FILE_CREATE, FILE_OPEN_IF } = CreateDisposition

/** What a CREATE told of its name: its CreateGuid when it came, and the key of its lease. */
interface Seen {
  readonly createGuid: Uint8Array | undefined
  readonly leaseKey: Uint8Array | undefined
}

/** Opens a file at a server that answers each CREATE in turn: with a failure, or with the file. */
const opening = (
  answers: ReadonlyArray<RequestError | "opened">,
  createDisposition: number,
  continuouslyAvailable: boolean
) => {
  const seen: Array<Seen> = []
  const guids: Array<Uint8Array> = []
  const shareThat = (number: number): Share.Share => {
    let ended: Share.Ended | undefined
    return Scripted.share({
      dialect: "3.1.1",
      continuouslyAvailable,
      ended: () => ended,
      open: (_, { identity }) =>
        Effect.suspend(() => {
          const index = seen.push({ createGuid: identity?.createGuid, leaseKey: identity?.leaseKey }) - 1
          // As the protocol does when it sends the CREATE.
          const guid = identity?.createGuid ?? new Uint8Array(16).fill(index + 1)
          guids.push(guid)
          if (identity !== undefined) {
            identity.createGuid = guid
            identity.leaseKey ??= new Uint8Array(16).fill(0x80 + index)
          }
          const answer = answers[index] ?? "opened"
          if (answer === "opened") return Effect.succeed(Scripted.file({ opened: { onDiskId: id } }).open)
          if (answer instanceof TransportError) ended = "there"
          return Effect.fail(answer)
        }),
      sessionKey: `session ${number}`
    } as Partial<Share.Share>)
  }
  let shares = 0
  const reconnection: Reconnection = {
    policy: Schedule.recurs(3),
    first: () => Effect.sync(() => shareThat(++shares)),
    again: () => Effect.sync(() => shareThat(++shares)),
    tell: () => Effect.void
  }
  const over = ReclaimedShare.share(reconnection, target, shareThat(0), { requests: "policy", files: "policy" })
  const opened = Effect.scoped(over.open("f", { ...OpenMode.readWrite, createDisposition }))
  return Effect.map(Effect.result(opened), (result) => ({ result, seen, guids, connections: () => shares }))
}

const id = new Uint8Array(32).fill(5)

const failure = (result: Result.Result<unknown, RequestError>): RequestError => {
  assert(Result.isFailure(result))
  return result.failure
}

describe("a CREATE without a response", () => {
  it.effect("is sent again with its CreateGuid and its lease key", () =>
    Effect.gen(function*() {
      const { guids, result, seen } = yield* opening([lost(true), "opened"], FILE_OPEN_IF, false)
      assert.isTrue(Result.isSuccess(result))
      assert.strictEqual(seen.length, 2)
      assert.isUndefined(seen[0]!.createGuid)
      assert.deepStrictEqual(seen[1]!.createGuid, guids[0])
      assert.deepStrictEqual(seen[1]!.leaseKey, new Uint8Array(16).fill(0x80))
    }))

  it.effect("becomes a new CREATE with another lease, if the server keeps the open for the lost session", () =>
    Effect.gen(function*() {
      const answers = [lost(true), status(NtStatus.STATUS_DUPLICATE_OBJECTID), "opened"] as const
      const { connections, guids, result, seen } = yield* opening(answers, FILE_OPEN_IF, false)
      assert.isTrue(Result.isSuccess(result))
      assert.deepStrictEqual(seen.map(({ createGuid }) => createGuid), [undefined, guids[0], undefined])
      assert.notDeepEqual(guids[2], guids[0])
      assert.deepStrictEqual(seen.map(({ leaseKey }) => leaseKey?.[0]), [undefined, 0x80, undefined])
      assert.strictEqual(connections(), 1)
    }))

  it.effect("is sent once more on the same connection while the server still carries it out", () =>
    Effect.gen(function*() {
      const answers = [lost(true), status(NtStatus.STATUS_FILE_NOT_AVAILABLE), "opened"] as const
      const { connections, guids, result, seen } = yield* opening(answers, FILE_OPEN_IF, false)
      assert.isTrue(Result.isSuccess(result))
      assert.deepStrictEqual(seen.map(({ createGuid }) => createGuid), [undefined, guids[0], guids[0]])
      assert.strictEqual(connections(), 1)
    }))

  it.effect("comes to an end at a server that always still carries it out", () =>
    Effect.gen(function*() {
      const busy = Array.from({ length: 50 }, () => status(NtStatus.STATUS_FILE_NOT_AVAILABLE))
      const { result, seen } = yield* opening([lost(true), ...busy], FILE_OPEN_IF, false)
      assert.deepInclude(failure(result), { _tag: "TransportError", sent: true })
      assert.include(failure(result).message, "STATUS_FILE_NOT_AVAILABLE")
      assert.strictEqual(seen.length, 5)
    }))

  it.effect.each([[true, "TransportError"], [false, "SmbError"]] as const)(
    "and then with a refusal may have had its effect if it was sent: %s",
    ([sent, expected]) =>
      Effect.gen(function*() {
        const answers = [lost(sent), status(NtStatus.STATUS_ACCESS_DENIED)]
        const { result } = yield* opening(answers, FILE_OPEN_IF, false)
        const error = failure(result)
        assert.strictEqual(error._tag, expected)
        assert.strictEqual((error as TransportError).sent, sent ? true : undefined)
        assert.include(error.message, "STATUS_ACCESS_DENIED")
      })
  )

  it.effect("that was the first answer of its kind is a failure: nothing was repeated", () =>
    Effect.gen(function*() {
      const { result, seen } = yield* opening([status(NtStatus.STATUS_FILE_NOT_AVAILABLE)], FILE_OPEN_IF, false)
      assert.deepInclude(failure(result), { statusName: "STATUS_FILE_NOT_AVAILABLE" })
      assert.strictEqual(seen.length, 1)
    }))
})

describe("a CREATE of a new file without a response", () => {
  it.effect("is sent again at a continuously available share", () =>
    Effect.gen(function*() {
      const { guids, result, seen } = yield* opening([lost(true), "opened"], FILE_CREATE, true)
      assert.isTrue(Result.isSuccess(result))
      assert.deepStrictEqual(seen.map(({ createGuid }) => createGuid), [undefined, guids[0]])
    }))

  it.effect("fails with `sent` if its name is taken then: by itself or by another client", () =>
    Effect.gen(function*() {
      const answers = [lost(true), status(NtStatus.STATUS_OBJECT_NAME_COLLISION)]
      const { result, seen } = yield* opening(answers, FILE_CREATE, true)
      assert.deepInclude(failure(result), { _tag: "TransportError", sent: true })
      assert.strictEqual(seen.length, 2)
    }))

  it.effect("that was not sent is refused by the name that is taken", () =>
    Effect.gen(function*() {
      const answers = [lost(false), status(NtStatus.STATUS_OBJECT_NAME_COLLISION)]
      const { result } = yield* opening(answers, FILE_CREATE, true)
      assert.deepInclude(failure(result), { _tag: "SmbError", statusName: "STATUS_OBJECT_NAME_COLLISION" })
    }))

  it.effect("is not sent again at a share that may have forgotten it", () =>
    Effect.gen(function*() {
      const { result, seen } = yield* opening([lost(true), "opened"], FILE_CREATE, false)
      assert.deepInclude(failure(result), { _tag: "TransportError", sent: true })
      assert.strictEqual(seen.length, 1)
    }))
})

const SMB2_FLAGS_REPLAY_OPERATION = 0x2000_0000

describe("at the own server, a CREATE without a response", () => {
  it.live("says in its header that it is a replay, and the file is open once", () =>
    Effect.scoped(Effect.gen(function*() {
      const { base, line, other, smb } = yield* world()
      yield* smb.writeFile(`${base}/f`, Uint8Array.of(1, 2, 3))
      const creates: Array<{ readonly isReplay: boolean; readonly guid: string }> = []
      line.onSend = (packet) => {
        const at = commandOf(packet) === Command.CREATE ? packet.indexOf("DH2Q") : -1
        if (at < 0) return undefined
        // The context's data: Timeout, Flags, Reserved, CreateGuid (2.2.13.2.11).
        const guid = packet.subarray(at + 24, at + 40).toString("hex")
        const isReplay = (packet.readUInt32LE(4 + 16) & SMB2_FLAGS_REPLAY_OPERATION) !== 0
        return creates.push({ isReplay, guid }) === 1 ? "after" : undefined
      }
      const file = yield* smb.open(`${base}/f`, { ...OpenMode.readWrite, shareAccess: 0 })
      assert.deepStrictEqual(creates.slice(0, 2).map(({ isReplay }) => isReplay), [false, true])
      assert.strictEqual(creates[1]!.guid, creates[0]!.guid)
      assert.notStrictEqual(creates[0]!.guid, "0".repeat(32))
      yield* file.write(0, Uint8Array.of(9))
      const refused = yield* Effect.flip(Effect.scoped(other.open(`${base}/f`)))
      assert.deepInclude(refused, { statusName: "STATUS_SHARING_VIOLATION" })
      yield* file.close
      assert.deepStrictEqual(yield* other.readFile(`${base}/f`), Uint8Array.of(9, 2, 3))
    })))
})

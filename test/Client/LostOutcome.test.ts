/**
 * Proves what an operation says whose connection was lost, and whose file cannot go on afterwards: whether its effect is
 * in doubt, no matter why the file cannot go on. The server is a few lines.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { OpenMode } from "effect-smb"
import * as ReclaimedShare from "../../src/Client/internal/ReclaimedShare.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus, ProtocolError, type RequestError, TransportError } from "../../src/Protocol/Errors.ts"
import { ReconnectError } from "../../src/Protocol/ReconnectError.ts"
import type * as Share from "../../src/Protocol/Share.ts"
import * as Scripted from "./scripted.ts"

const peer = { server: "nas", port: 445 }
const lost = (sent: boolean) => new TransportError({ reason: { _tag: "ConnectionClosed" }, ...peer, sent })

/** Writes to a file whose connection ends with the WRITE, at a server that cannot be used afterwards. */
const failing = (sent: boolean, afterwards: RequestError, close = false) =>
  Effect.scoped(Effect.gen(function*() {
    let ended: Share.Ended | undefined
    const answer = (tag: string) =>
      Effect.suspend(() => {
        ended = "there"
        return Effect.fail(lost(tag === "Write" ? sent : true))
      })
    let writes = 0
    const { open } = Scripted.file({
      opened: { onDiskId: new Uint8Array(32).fill(5) },
      answer: ({ _tag }) => _tag === "Write" && (!close || writes++ > 0) ? answer(_tag) : undefined
    })
    const file = { ...open, close: close ? answer("Close") : Effect.void }
    const share = Scripted.share({ ended: () => ended, open: () => Effect.succeed(file) })
    const over = ReclaimedShare.share(
      {
        policy: Schedule.recurs(1),
        first: () => Effect.fail(afterwards),
        again: () => Effect.fail(afterwards),
        tell: () => Effect.void
      },
      { ...peer, share: "data", path: "f" },
      share,
      { requests: "policy", files: "policy" }
    )
    const reclaimed = yield* over.open("f", OpenMode.update)
    const write = reclaimed.run({ _tag: "Write", offset: 0n, data: Uint8Array.of(1) })
    if (!close) return yield* Effect.flip(write)
    yield* write
    return yield* Effect.flip(reclaimed.close)
  }))

const ends: ReadonlyArray<readonly [string, RequestError]> = [
  ["the server refuses the user", fromStatus(NtStatus.STATUS_LOGON_FAILURE, "SESSION_SETUP")],
  ["the file is in use", fromStatus(NtStatus.STATUS_SHARING_VIOLATION, "CREATE", "f")],
  ["the server lies", new ProtocolError({ reason: { _tag: "UnexpectedResponse" }, ...peer, detail: "a lie" })],
  ["the server is gone", new TransportError({ reason: { _tag: "ConnectionRefused" }, ...peer })],
  ["the file is another", new ReconnectError({ path: "f", reason: { _tag: "IdentityUnknown" } })]
]

describe("a WRITE without a response", () => {
  it.effect.each(ends)("fails with `sent` if %s afterwards, and says why", ([, afterwards]) =>
    Effect.gen(function*() {
      const error = yield* failing(true, afterwards)
      assert.include(["TransportError", "ReconnectError"], error._tag)
      assert.isTrue((error as TransportError).sent)
      assert.include(error.message, afterwards.message)
    }))

  it.effect.each(ends)(
    "that was not sent fails with what has happened if %s afterwards",
    ([, afterwards]) =>
      Effect.gen(function*() {
        const error = yield* failing(false, afterwards)
        assert.strictEqual(error, afterwards)
      })
  )
})

describe("a CLOSE without a response, after a change", () => {
  it.effect.each(ends)("fails with `sent` if %s afterwards", ([, afterwards]) =>
    Effect.gen(function*() {
      const error = yield* failing(true, afterwards, true)
      assert.isTrue((error as TransportError).sent)
      assert.include(error.message, afterwards.message)
    }))
})

/**
 * A copy by the server that is interrupted: the part goes, and the user is told that a part is left, or that one may be left, as
 * far as the client knows.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Result } from "effect"
import { SmbClient } from "effect-smb"
import type { ClientError } from "../../src/Client/ClientError.ts"
import * as UncPath from "../../src/Client/UncPath.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus, TransportError } from "../../src/Protocol/Errors.ts"
import * as Choice from "../../src/Transfer/internal/Choice.ts"
import * as DryRun from "../../src/Transfer/internal/DryRun.ts"
import * as Filter from "../../src/Transfer/internal/Filter.ts"
import * as Options from "../../src/Transfer/internal/Options.ts"
import * as Relay from "../../src/Transfer/internal/Relay.ts"
import { Run } from "../../src/Transfer/internal/Run.ts"
import type { TransferEvent } from "../../src/Transfer/TransferEvent.ts"
import { data, provide } from "./transfers.ts"

const options: Options.Options = {
  rules: Choice.rules({}, "replace"),
  filter: Filter.make({}),
  times: true,
  attributes: false,
  dryRun: false,
  checks: DryRun.make(),
  concurrency: 1,
  throttle: Options.throttle(undefined),
  retry: (_, effect) => effect
}

/** Copies `a` to `c`, and interrupts the copy while the server copies. `removal`: what comes of the part's removal. */
const interrupted = Effect.fnUntraced(function*(removal: Effect.Effect<void, ClientError>) {
  const smb = yield* SmbClient.SmbClient
  const begun = yield* Deferred.make<void>()
  const waits = Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)
  const removed: Array<string> = []
  const own = SmbClient.SmbClient.of({
    ...smb,
    copy: () => waits,
    remove: (path) => {
      removed.push(UncPath.format(Result.getOrThrow(UncPath.parse(path))))
      return removal
    }
  })
  const events: Array<TransferEvent> = []
  const run = new Run((some) => Effect.sync(() => void events.push(...some)))
  const entry = yield* smb.stat(`${data}\\a`)
  const target = Result.getOrThrow(UncPath.parse(`${data}\\c`))
  const fiber = yield* Effect.forkChild(
    Effect.provideService(Relay.file(entry, target, Relay.make(own, run, options)), SmbClient.SmbClient, own)
  )
  yield* Deferred.await(begun)
  yield* Fiber.interrupt(fiber)
  return { removed, warnings: events.flatMap((event) => event._tag === "Warned" ? [event.warning] : []) }
})

const part = /^\\\\nas\\data\\c\.[0-9a-f]{12}\.part$/
const refused = fromStatus(NtStatus.STATUS_SHARING_VIOLATION, "CREATE", "c")
const closed = new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "nas", port: 445 })

describe("a copy by the server that is interrupted", () => {
  it.effect("removes its part, and tells nothing if that succeeds", () =>
    Effect.gen(function*() {
      const { removed, warnings } = yield* interrupted(Effect.void)
      assert.lengthOf(removed, 1)
      assert.match(removed[0]!, part)
      assert.deepStrictEqual(warnings, [])
    }).pipe(provide({ a: "a" })))

  it.effect.each(
    [
      ["is left if the server refuses to remove it", refused, /an unfinished file is left there/],
      ["may be left if the server cannot be asked", closed, /an unfinished file may be left there/]
    ] as const
  )("says that its part %s", ([, error, words]) =>
    Effect.gen(function*() {
      const { warnings } = yield* interrupted(Effect.fail(error))
      assert.lengthOf(warnings, 1)
      assert.match(warnings[0]!.path, part)
      assert.match(warnings[0]!.message, words)
    }).pipe(provide({ a: "a" })))
})

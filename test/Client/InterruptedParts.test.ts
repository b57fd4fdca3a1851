/**
 * Proves that an interrupted atomic write ends only after the server has closed the part: a server removes a file when
 * its last open is closed, and a program that ends at once would take its connection away before that.
 */
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Metric, Stream } from "effect"
import * as ClientMetrics from "../../src/Client/ClientMetrics.ts"
import * as MetricFamily from "../../src/Protocol/MetricFamily.ts"
import * as Cutting from "./cutting.ts"

const closes = Effect.map(
  Metric.value(ClientMetrics.requests.of("CLOSE", MetricFamily.statusLabel(0))),
  ({ count }) => Number(count)
)

it.live("an interrupted atomic write waits for the CLOSE of its part, which is gone then", () =>
  Effect.gen(function*() {
    const { base, line, other, smb } = yield* Cutting.world()
    const written = yield* Deferred.make<void>()
    line.onSend = (packet) => {
      if (Cutting.commandOf(packet) === Cutting.Command.WRITE) Deferred.doneUnsafe(written, Effect.void)
      return undefined
    }
    const writing = yield* Effect.forkChild(smb.writeFile(`${base}/f`, new Uint8Array(4_000_000), {
      atomic: true,
      create: true
    }))
    yield* Deferred.await(written)
    // The other client has opened nothing yet.
    const before = yield* closes
    yield* Fiber.interrupt(writing)
    assert.isAtLeast((yield* closes) - before, 1)
    assert.deepStrictEqual(yield* Stream.runCollect(other.list(base)), [])
  }).pipe(Effect.scoped))

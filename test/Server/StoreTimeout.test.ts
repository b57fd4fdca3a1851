/** Proves how long a call of a store may take, for times that Node's timers do not have. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { StoreTimeout } from "../../src/Server/internal/State/StoreTimeout.ts"

it.live("StoreTimeout with a time of months does not end a call that takes a tenth of a second", () =>
  Effect.gen(function*() {
    const months = new StoreTimeout(200 * 24 * 60 * 60 * 1000)
    assert.strictEqual(yield* months.run(Effect.delay(Effect.succeed("found"), "100 millis")), "found")
  }))

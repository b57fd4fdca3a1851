/** Timeouts of the list of shares, over a scripted pipe that sends no response or only the beginning of one. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TransportError } from "effect-smb"
import { TestClock } from "effect/testing"
import * as ShareList from "../../src/Client/ShareList.ts"
import type * as Share from "../../src/Protocol/Share.ts"

/** A share whose pipe gives this response to the first call, and never has more to read. */
const answering = (answer: Uint8Array | undefined) => {
  const asked: Array<string> = []
  const pipe = {
    path: "srvsvc",
    caching: () => ({ oplockLevel: 0, leaseState: 0 }),
    close: Effect.void,
    run: ({ _tag }: { readonly _tag: string }) => {
      asked.push(_tag)
      return _tag === "Ioctl" && answer !== undefined ? Effect.succeed(answer) : Effect.never
    }
  }
  return { asked, ipc: { server: "server", port: 445, open: () => Effect.succeed(pipe) } as unknown as Share.Share }
}

describe("ShareList.shares", () => {
  it.effect.each([
    // A bind_ack that says it has 68 bytes.
    { what: "the rest of a response", answer: "05000c03100000004400000001000000", commands: ["Ioctl", "Read"] },
    { what: "a response", answer: undefined, commands: ["Ioctl"] }
  ])("fails with TimedOut after 30 seconds without $what", ({ answer, commands }) =>
    Effect.gen(function*() {
      const { asked, ipc } = answering(answer === undefined ? undefined : Buffer.from(answer, "hex"))
      const listing = yield* Effect.forkChild(Effect.flip(Effect.scoped(ShareList.shares(ipc))))
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(listing.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(listing)
      assert.instanceOf(error, TransportError)
      assert.strictEqual((error as TransportError).reason._tag, "TimedOut")
      assert.deepStrictEqual(asked, commands)
    }))
})

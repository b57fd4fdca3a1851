/**
 * The end of an open: the CLOSE is sent once, and a failure of it reaches the caller exactly when data can be lost. Also
 * that a batch by several requests runs its operations in order, and says what has failed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Result } from "effect"
import * as Changes from "../../src/Protocol/Changes.ts"
import { fromStatus, type RequestError, TransportError } from "../../src/Protocol/Errors.ts"
import * as OpenLife from "../../src/Protocol/OpenLife.ts"
import type * as Operation from "../../src/Protocol/Operation.ts"
import type * as Share from "../../src/Protocol/Share.ts"

const options = (createDisposition: number): Share.OpenOptions => ({
  desiredAccess: 1,
  shareAccess: 7,
  createDisposition,
  createOptions: 0
})

const existing = options(1)
const created = options(2)

const closed = new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "nas", port: 445 })
const full = fromStatus(0xc000_007f, "CLOSE", "\\\\nas\\data\\f")
const refused = fromStatus(0xc000_0022, "WRITE", "\\\\nas\\data\\f")

const read: Operation.Any = { _tag: "Read", offset: 0n, length: 1 }
const write: Operation.Any = { _tag: "Write", offset: 0n, data: new Uint8Array(1) }
const flush: Operation.Any = { _tag: "Flush" }

/** A request that has changed something at the server. */
const changing = Effect.withFiber((fiber) => Effect.sync(() => fiber.getRef(Changes.CurrentChanges)?.note()))

interface Given {
  readonly options?: Share.OpenOptions
  readonly isPipe?: boolean
  /** The failure of the CLOSE. */
  readonly failure?: RequestError
}

/** Uses an open in a scope: how the scope ends, and which ends of the open were called. */
const scoped = (
  given: Given,
  use: (open: OpenLife.Open) => Effect.Effect<unknown, unknown> = () => Effect.void
) => {
  const ends: Array<string> = []
  return Effect.map(
    Effect.exit(Effect.scoped(Effect.flatMap(
      OpenLife.make({
        options: given.options ?? existing,
        isPipe: given.isPipe ?? false,
        close: Effect.suspend(() => {
          ends.push("close")
          return given.failure === undefined ? Effect.void : Effect.fail(given.failure)
        }),
        closeLater: () => void ends.push("closeLater")
      }),
      use
    ))),
    (exit) => ({ ends, exit })
  )
}

const defects = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<any> =>
  Exit.isFailure(exit) ? exit.cause.reasons.flatMap((each) => Cause.isDieReason(each) ? [each.defect] : []) : []

/** Runs an operation whose requests go as `effect` says; the caller ignores its failure. */
const ignored = (operation: Operation.Any, effect: Effect.Effect<unknown, RequestError>) => (open: OpenLife.Open) =>
  Effect.ignore(open.run(operation, effect))

const use = {
  nothing: () => Effect.void,
  read: ignored(read, changing),
  "a write that succeeds": ignored(write, Effect.void),
  "a write that the server refuses": ignored(write, Effect.fail(refused)),
  "a write that the server refuses after a part": ignored(write, Effect.andThen(changing, Effect.fail(refused))),
  "a write without a response": ignored(write, Effect.fail(closed)),
  "a write that is interrupted": (open: OpenLife.Open) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(open.run(write, Effect.never), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
    })
}

describe("a CLOSE that fails at the end of a scope", () => {
  const table: ReadonlyArray<readonly [string, Given, keyof typeof use, boolean]> = [
    ["an existing file", {}, "nothing", false],
    ["an existing file", {}, "read", false],
    ["an existing file", {}, "a write that succeeds", true],
    ["an existing file", {}, "a write that the server refuses", false],
    ["an existing file", {}, "a write that the server refuses after a part", true],
    ["an existing file", {}, "a write without a response", true],
    ["an existing file", {}, "a write that is interrupted", true],
    ["a new file", { options: created }, "nothing", true],
    ["a new file", { options: created }, "a write that the server refuses", true],
    ["a pipe", { isPipe: true }, "a write that succeeds", false],
    ["a pipe", { isPipe: true, options: created }, "nothing", false]
  ]
  it.effect.each(table)(
    "after the open of %s (%o) and %s is a defect: %s",
    ([, given, what, isDefect]) =>
      Effect.gen(function*() {
        const { ends, exit } = yield* scoped({ ...given, failure: full }, use[what])
        assert.deepStrictEqual(ends, ["close"])
        assert.deepStrictEqual(defects(exit), isDefect ? [full] : [])
        assert.strictEqual(Exit.isSuccess(exit), !isDefect)
      })
  )

  it.effect("because the connection ended is reported once: not if an operation has already failed by that", () =>
    Effect.gen(function*() {
      for (
        const [what, times] of [
          ["a write without a response", 0],
          ["a write that succeeds", 1],
          ["a write that the server refuses after a part", 1],
          ["a write that is interrupted", 0]
        ] as const
      ) {
        const { exit } = yield* scoped({ failure: closed }, use[what])
        assert.lengthOf(defects(exit), times, what)
      }
    }))

  it.effect("says that something was sent if a request has changed something", () =>
    Effect.gen(function*() {
      const lost = yield* scoped({ failure: closed, options: created })
      assert.deepInclude(defects(lost.exit)[0], { _tag: "TransportError", sent: true })
      const written = yield* scoped({ failure: closed }, ignored(write, changing))
      assert.deepInclude(defects(written.exit)[0], { _tag: "TransportError", sent: true })
    }))
})

describe("the CLOSE of an open", () => {
  it.effect("is sent when the scope ends with a success", () =>
    Effect.gen(function*() {
      const { ends, exit } = yield* scoped({ options: created }, (open) => {
        assert.isFalse(open.isClosed())
        return Effect.succeed(1)
      })
      assert.deepStrictEqual([ends, exit], [["close"], Exit.succeed(1)])
    }))

  it.effect("is not waited for when the scope ends with a failure, or by an interruption", () =>
    Effect.gen(function*() {
      for (const end of [Effect.fail("no"), Effect.die("no"), Effect.interrupt]) {
        const { ends, exit } = yield* scoped({ options: created, failure: full }, () => end)
        assert.deepStrictEqual(ends, ["closeLater"])
        assert.deepStrictEqual(defects(exit), end === Effect.interrupt ? [] : defects(yield* Effect.exit(end)))
      }
    }))

  it.effect("that the caller asks for fails with the server's error, and is sent once", () =>
    Effect.gen(function*() {
      for (const after of [Effect.void, Effect.fail("later")]) {
        const { ends } = yield* scoped({ failure: full }, (open) =>
          Effect.gen(function*() {
            assert.strictEqual(yield* Effect.flip(open.close), full)
            assert.isTrue(open.isClosed())
            yield* open.close
            return yield* after
          }))
        assert.deepStrictEqual(ends, ["close"])
      }
    }))

  it.effect("fails with `sent` after a change, if the connection ended", () =>
    Effect.gen(function*() {
      const fails = (given: Given, before: (open: OpenLife.Open) => Effect.Effect<unknown>) =>
        Effect.gen(function*() {
          let error: unknown
          yield* scoped({ ...given, failure: closed }, (open) =>
            Effect.gen(function*() {
              yield* before(open)
              error = yield* Effect.flip(open.close)
            }))
          return error as TransportError
        })
      assert.strictEqual(yield* fails({}, use.read), closed)
      assert.strictEqual(yield* fails({}, use["a write that the server refuses"]), closed)
      assert.isTrue((yield* fails({}, ignored(write, changing))).sent)
      assert.isTrue((yield* fails({ options: created }, use.nothing)).sent)
    }))
})

describe("an operation on an open", () => {
  it.effect("that fails with the connection says `sent` if it is a change or a flush, and one has been made", () =>
    Effect.gen(function*() {
      const fails = (
        before: Effect.Effect<unknown>,
        operation: Operation.Any,
        effect: Effect.Effect<never, RequestError>
      ) =>
        Effect.gen(function*() {
          let error: unknown
          yield* scoped({}, (open) =>
            Effect.gen(function*() {
              yield* open.run(write, before as Effect.Effect<unknown, never>).pipe(Effect.ignore)
              error = yield* Effect.flip(open.run(operation, effect))
            }))
          return (error as TransportError).sent
        })
      const lost = Effect.fail(closed)
      assert.deepStrictEqual(
        [
          yield* fails(Effect.void, write, lost),
          yield* fails(Effect.void, flush, lost),
          yield* fails(Effect.void, write, Effect.andThen(changing, lost)),
          yield* fails(changing, write, lost),
          yield* fails(changing, flush, lost),
          yield* fails(changing, read, lost)
        ],
        [undefined, undefined, true, true, true, undefined]
      )
    }))

  it.effect("gives its result, and tells the operation that it is part of about its change", () =>
    Effect.gen(function*() {
      const seen = yield* Changes.recorded((outer) =>
        Effect.map(
          scoped({}, (open) =>
            Effect.map(
              Effect.all([open.run(read, Effect.succeed(1)), open.run(write, Effect.as(changing, 2))]),
              (results) => [...results, outer.changed]
            )),
          ({ exit }) => exit
        )
      )
      assert.deepStrictEqual(seen, Exit.succeed([1, 2, true]))
    }))
})

describe("a batch by several requests", () => {
  /** An open file whose operations end as the results say, in order. */
  const file = (
    results: ReadonlyArray<Effect.Effect<unknown, RequestError>>,
    close: Effect.Effect<void, RequestError>
  ) => {
    const seen: Array<string> = []
    const opened = { createAction: 1 } as Share.Opened
    let at = 0
    const open = {
      path: "f",
      opened,
      caching: () => ({ oplockLevel: 0, leaseState: 0 }),
      run: (operation: Operation.Any) => {
        seen.push(operation._tag)
        return results[at++]!
      },
      close: Effect.suspend(() => {
        seen.push("close")
        return close
      })
    } as Share.OpenFile
    return { opened, open, seen }
  }

  it.effect("runs all operations in order, also after one that the server refuses, and closes", () =>
    Effect.gen(function*() {
      const { open, opened, seen } = file([Effect.succeed(1), Effect.fail(refused), Effect.succeed(3)], Effect.void)
      const done = yield* OpenLife.batch(open, existing, [read, write, flush])
      assert.deepStrictEqual(seen, ["Read", "Write", "Flush", "close"])
      assert.strictEqual(done.opened, opened)
      assert.deepStrictEqual(done.results, [Result.succeed(1), Result.fail(refused), Result.succeed(3)])
    }))

  it.effect("ends at an operation without a response", () =>
    Effect.gen(function*() {
      const { open, seen } = file([Effect.fail(closed)], Effect.void)
      assert.strictEqual(yield* Effect.flip(OpenLife.batch(open, existing, [read, write])), closed)
      assert.deepStrictEqual(seen, ["Read"])
    }))

  const table: ReadonlyArray<
    readonly [Share.OpenOptions, Operation.Any, Effect.Effect<unknown, RequestError>, boolean]
  > = [
    [existing, read, Effect.void, false],
    [existing, write, Effect.void, true],
    [existing, write, Effect.fail(refused), false],
    [created, read, Effect.void, true],
    [created, read, Effect.fail(refused), false]
  ]
  it.effect.each(table.map(([options, operation, result, fails]) => ({ options, operation, result, fails })))(
    "fails by its CLOSE: $fails, with the disposition $options.createDisposition and $operation._tag",
    ({ fails, operation, options, result }) =>
      Effect.gen(function*() {
        const { open, seen } = file([result], Effect.fail(full))
        const exit = yield* Effect.exit(OpenLife.batch(open, options, [operation]))
        assert.deepStrictEqual(seen.at(-1), "close")
        assert.strictEqual(Exit.isSuccess(exit), !fails)
        if (fails) assert.deepStrictEqual(exit, Exit.fail(full))
        assert.strictEqual(
          OpenLife.closeCounts(options, [operation], [yield* Effect.result(result)]),
          fails
        )
      })
  )
})

/** Tests of listings, and of operations at the same time. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { StoreNode, StoreOpened } from "../../../Server/ShareStore.ts"
import { assert } from "./Assertions.ts"
import { file, type Kit, list, mkdir, names, pattern, put, using } from "./Kit.ts"

/** Listings. */
export const testList = ({ gen, many }: Kit): void => {
  gen("gives each of many entries once, with the values that stat gives", function*(store) {
    const count = many
    yield* mkdir(store, ["d"])
    yield* Effect.forEach(
      Array.from({ length: count }, (_, i) => i),
      (i) => put(store, ["d", `f${i}`], "x".repeat(i % 7)),
      {
        concurrency: 16
      }
    )
    const nodes: ReadonlyArray<StoreNode> = yield* list(store, ["d"])
    assert.strictEqual(nodes.length, count)
    assert.strictEqual(new Set(nodes.map((node) => node.name)).size, count)
    assert.strictEqual(new Set(nodes.map((node) => node.id)).size, count)
    for (const i of [0, 6, many / 2, many - 1]) {
      assert.deepStrictEqual(nodes.find((node) => node.name === `f${i}`), yield* store.stat(["d", `f${i}`]))
    }
    // A caller can stop reading a listing before its end.
    assert.strictEqual((yield* Stream.runCollect(Stream.take(store.list(["d"]), 3))).length, 3)
  })

  gen("gives fewer than 200 of 400 entries when all others are removed after the first", function*(store) {
    const count = Math.min(4 * many, 400)
    yield* Effect.forEach(Array.from({ length: count }, (_, i) => i), (i) => put(store, [`f${i}`], "x"), {
      concurrency: 16
    })
    let seen = 0
    yield* Stream.runForEach(store.list([]), ({ name }) => {
      if (seen++ > 0) return Effect.void
      return Effect.forEach(
        Array.from({ length: count }, (_, i) => `f${i}`).filter((other) => other !== name),
        (other) => store.remove([other]),
        { concurrency: 16, discard: true }
      )
    })
    assert.isBelow(seen, 200)
  })

  gen("gives each of 100 entries once while the caller removes each entry that it gets", function*(store) {
    for (let i = 0; i < 100; i++) yield* put(store, [`f${i}`], "x")
    const seen: Array<string> = []
    yield* Stream.runForEach(store.list([]), (node) => {
      seen.push(node.name)
      return Effect.ignore(store.remove([node.name]))
    })
    assert.strictEqual(new Set(seen).size, 100)
    assert.deepStrictEqual(yield* names(store, []), [])
  })
}

/** Operations at the same time. */
export const testAtTheSameTime = ({ gen }: Kit): void => {
  gen("exactly one of 20 opens makes a new name", function*(store) {
    for (const type of ["file", "directory"] as const) {
      const all = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, i) => i),
        (i) =>
          Effect.exit(
            Effect.scoped(store.open([i % 2 === 0 ? `one ${type}` : `ONE ${type}`], { mode: "new", type }))
          ),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(all.filter((exit: { _tag: string }) => exit._tag === "Success").length, 1)
      const either = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, i) => i),
        (i) => Effect.scoped(store.open([i % 2 === 0 ? `two ${type}` : `TWO ${type}`], { mode: "either", type })),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(either.filter((opened: StoreOpened) => opened.created).length, 1)
      assert.strictEqual(new Set(either.map((opened: StoreOpened) => opened.node.id)).size, 1)
    }
    assert.strictEqual((yield* names(store, [])).length, 4)
  })

  gen("16 handles write separate ranges of one file, and all bytes are kept", function*(store) {
    yield* put(store, ["f"], "")
    const piece = 50_000
    yield* Effect.forEach(
      Array.from({ length: 16 }, (_, i) => i),
      (i) => using(store, ["f"], file, ({ file }) => file.write(BigInt(i * piece), pattern(piece, i))),
      { concurrency: "unbounded" }
    )
    const { file: opened }: StoreOpened = yield* store.open(["f"], file)
    for (let i = 0; i < 16; i++) {
      assert.deepStrictEqual(yield* opened.read(BigInt(i * piece), piece), pattern(piece, i))
    }
  })

  gen("exactly one of 10 renames, and one of 10 removes, of the same file succeeds", function*(store) {
    yield* put(store, ["f"], "x")
    const renamed = yield* Effect.forEach(
      Array.from({ length: 10 }, (_, i) => i),
      (i) => Effect.exit(store.rename(["f"], [`g${i}`], { replace: false })),
      { concurrency: "unbounded" }
    )
    assert.strictEqual(renamed.filter((exit: { _tag: string }) => exit._tag === "Success").length, 1)
    const [left] = yield* names(store, [])
    const removed = yield* Effect.forEach(
      Array.from({ length: 10 }, (_, i) => i),
      () => Effect.exit(store.remove([left])),
      { concurrency: "unbounded" }
    )
    assert.strictEqual(removed.filter((exit: { _tag: string }) => exit._tag === "Success").length, 1)
    assert.deepStrictEqual(yield* names(store, []), [])
  })

  gen("exactly one of 10 renames to names that differ only in case succeeds", function*(store) {
    for (let i = 0; i < 10; i++) yield* put(store, [`f${i}`], `${i}`)
    const exits = yield* Effect.forEach(
      Array.from({ length: 10 }, (_, i) => i),
      (i) => Effect.exit(store.rename([`f${i}`], [i % 2 === 0 ? "meet" : "MEET"], { replace: false })),
      { concurrency: "unbounded" }
    )
    assert.strictEqual(exits.filter((exit: { _tag: string }) => exit._tag === "Success").length, 1)
    assert.strictEqual((yield* names(store, [])).length, 10)
  })
}

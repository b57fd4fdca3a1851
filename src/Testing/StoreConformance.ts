/**
 * Tests of what every `ShareStore` must do: a server's responses are only as good as the store below it.
 *
 * The kit has no test runner: it takes `describe` and `it` of Vitest, `node:test`, Jest or Mocha.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ShareStore } from "../Server/ShareStore.ts"
import { assert } from "./internal/StoreTests/Assertions.ts"
import { testBlobs } from "./internal/StoreTests/Blobs.ts"
import { testBytes } from "./internal/StoreTests/Bytes.ts"
import { testChangesByOthers } from "./internal/StoreTests/ChangesByOthers.ts"
import { makeKit } from "./internal/StoreTests/Kit.ts"
import { testAtTheSameTime, testList } from "./internal/StoreTests/Listing.ts"
import { modelAgrees } from "./internal/StoreTests/Model.ts"
import { testNamedStreams } from "./internal/StoreTests/NamedStreams.ts"
import { testNames } from "./internal/StoreTests/Names.ts"
import { testOpen, testVolume } from "./internal/StoreTests/Opening.ts"
import { testIdentity, testMayRemove, testRemove } from "./internal/StoreTests/Removal.ts"
import { testLink, testRename } from "./internal/StoreTests/Renaming.ts"
import { testTimesAndAttributes } from "./internal/StoreTests/TimesAndAttributes.ts"
import type { StoreTraits } from "./StoreTraits.ts"

/**
 * The functions of a test runner that define tests. Those of Vitest, `node:test`, Jest and Mocha fit.
 *
 * @category models
 * @since 0.1.0
 */
export interface Runner {
  readonly describe: (name: string, define: () => void) => unknown
  readonly it: {
    /** `timeout` is in milliseconds; a runner that takes no timeout here ignores it. */
    (title: string, run: () => Promise<void>, timeout: number): unknown
    readonly skip: (title: string, run: () => Promise<void>) => unknown
  }
}

/** Milliseconds: a test of many files over a slow storage still ends. */
const timeout = 30_000

/**
 * Defines some seventy tests of a store, among them random operations compared with a model.
 *
 * `make` gives a fresh, empty store for each test and lives in the test's scope, so that it can make a temporary folder
 * and remove it. `StoreTraits.lacks` names the features that the store does not have. Tests of those features are
 * skipped, with the reason in their titles. The other tests prove that each other feature works, and that features which
 * `volume.supports` does not have fail with `Unsupported`.
 *
 * @example
 * ```ts
 * StoreConformance.define({ describe, it }, "MemoryStore", MemoryStore.make(), { lacks: ["mayRemove"] })
 * ```
 *
 * @category testing
 * @since 0.1.0
 */
export const define = (
  { describe, it }: Runner,
  name: string,
  make: Effect.Effect<ShareStore, unknown, Scope.Scope>,
  traits: StoreTraits = {}
): void => {
  const test = (
    title: string,
    body: (store: ShareStore) => Effect.Effect<void, unknown, Scope.Scope>,
    skipped?: string
  ): void => {
    const run = () => Effect.runPromise(Effect.scoped(Effect.flatMap(make, body)))
    if (skipped === undefined) it(title, run, timeout)
    else it.skip(`${title} (skipped: the store has ${skipped})`, run)
  }
  const kit = makeKit(traits, test)
  const { outside } = traits
  describe(name, () => {
    describe("volume", () => testVolume(kit))
    describe("open", () => testOpen(kit))
    describe("names", () => testNames(kit))
    describe("bytes", () => testBytes(kit))
    describe("times and attributes", () => testTimesAndAttributes(kit))
    describe("blobs", () => testBlobs(kit))
    describe("named streams", () => testNamedStreams(kit))
    describe("remove", () => testRemove(kit))
    describe("mayRemove", () => testMayRemove(kit))
    describe("identity", () => testIdentity(kit))
    describe("rename", () => testRename(kit))
    describe("link", () => testLink(kit))
    describe("list", () => testList(kit))
    describe("at the same time", () => testAtTheSameTime(kit))
    kit.gen("has `changes` exactly if the traits have `outside`", function*(store) {
      assert.strictEqual(store.changes !== undefined, outside !== undefined)
    })
    if (outside !== undefined) describe("changes by other programs", () => testChangesByOthers(kit, outside))
    for (const seed of [1, 2, 3, 4]) {
      test(
        `gives the results of a simple model for 250 random operations (seed ${seed})`,
        (store) => modelAgrees(store, seed, 250)
      )
    }
  })
}

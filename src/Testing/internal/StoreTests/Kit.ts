/** What the tests of a store have in common: how a test is defined, and short forms of the operations of a store. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type {
  ShareStore,
  StoreError,
  StoreOpen,
  StoreOpened,
  StorePath,
  StoreReason
} from "../../../Server/ShareStore.ts"
import { features, type StoreFeature, type StoreTraits } from "../../StoreTraits.ts"
import { assert } from "./Assertions.ts"

export const text = (value: string) => new TextEncoder().encode(value)
export const string = (bytes: Uint8Array | undefined) =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes ?? assert.fail("the store keeps no bytes"))

/** 2024-02-29T12:34:56.7654321Z */
export const someTime = 133_536_980_967_654_321n

export const file = { mode: "existing", type: "file" } as const
export const newFile = { mode: "new", type: "file" } as const
export const newDirectory = { mode: "new", type: "directory" } as const

/** Opens a file, uses it and closes it. */
export const using = <A, E>(
  store: ShareStore,
  path: StorePath,
  how: StoreOpen,
  use: (opened: StoreOpened) => Effect.Effect<A, E>
): Effect.Effect<A, E | StoreError> => Effect.scoped(Effect.flatMap(store.open(path, how), use))

export const put = (store: ShareStore, path: StorePath, content: string | Uint8Array) =>
  using(
    store,
    path,
    { mode: "either", type: "file" },
    ({ file }) =>
      Effect.andThen(file.truncate(0n), file.write(0n, typeof content === "string" ? text(content) : content))
  )

export const get = (store: ShareStore, path: StorePath, stream?: string) =>
  using(
    store,
    path,
    stream === undefined ? file : { ...file, stream },
    ({ file, node }) => Effect.map(file.read(0n, Number(node.size)), string)
  )

export const mkdir = (store: ShareStore, path: StorePath) => using(store, path, newDirectory, () => Effect.void)

export const list = (store: ShareStore, path: StorePath) => Stream.runCollect(store.list(path))
export const names = (store: ShareStore, path: StorePath) =>
  Effect.map(list(store, path), (nodes) => nodes.map((node) => node.name).sort())

/** Asserts that the effect fails with one of these reasons. */
export const refused = <A>(
  effect: Effect.Effect<A, StoreError, Scope.Scope>,
  ...reasons: ReadonlyArray<StoreReason["_tag"]>
) =>
  Effect.map(Effect.exit(Effect.flip(Effect.scoped(effect))), (exit) => {
    assert.isTrue(exit._tag === "Success", `expected ${reasons.join(" or ")}, but the operation succeeded`)
    if (exit._tag === "Success") assert.include(reasons, exit.value.reason._tag)
  })

/** Bytes that are the same in every run and differ from page to page. */
export const pattern = (length: number, seed: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let i = 0, state = seed; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

/** A read of a removed file: it gives the bytes that the file had, or fails with Stale. */
export const sameOrStale = (read: Effect.Effect<Uint8Array, StoreError>, expected: string): Effect.Effect<void> =>
  Effect.matchEffect(read, {
    onFailure: (error) => Effect.sync(() => assert.strictEqual(error.reason._tag, "Stale")),
    onSuccess: (bytes) => Effect.sync(() => assert.strictEqual(string(bytes), expected))
  })

/** The body of a test: a generator over a fresh store. */
export type Body = (store: ShareStore) => Generator<Effect.Effect<any, unknown, Scope.Scope>, void, any>

/** Defines a test. */
export type Define = (title: string, body: Body) => void

/** Defines the tests of one store, by its traits. */
export interface Kit {
  readonly gen: Define
  /** Tests of stores that have a feature. */
  readonly needs: (feature: StoreFeature) => Define
  /** Tests of stores that keep creation times, change times and attributes as they are set. */
  readonly needsMetadata: Define
  /** The features that the traits say are missing, sorted. */
  readonly lacks: ReadonlyArray<StoreFeature>
  readonly has: (feature: StoreFeature) => boolean
  /** Asserts that two times are the same in the store's resolution. */
  readonly sameTime: (actual: bigint, expected: bigint) => void
  readonly keepsMetadata: boolean
  readonly many: number
  readonly cannotName: (name: string) => boolean
}

/** `test` defines a test; with a reason, the test is skipped, and its title has the reason. */
export const makeKit = (
  traits: StoreTraits,
  test: (
    title: string,
    body: (store: ShareStore) => Effect.Effect<void, unknown, Scope.Scope>,
    skipped?: string
  ) => void
): Kit => {
  const resolution = traits.timeResolution ?? 1n
  const keepsMetadata = traits.keepsMetadata ?? true
  const has = (feature: StoreFeature) => !(traits.lacks ?? []).includes(feature)
  const define = (skipped: string | undefined): Define => (title, body) =>
    test(title, (store) => Effect.gen(() => body(store) as any), skipped)
  return {
    gen: define(undefined),
    needs: (feature) => define(has(feature) ? undefined : features[feature]),
    needsMetadata: define(keepsMetadata ? undefined : "no attributes, creation and change times that a caller can set"),
    lacks: [...(traits.lacks ?? [])].sort(),
    has,
    sameTime: (actual, expected) =>
      assert.strictEqual(actual / resolution, expected / resolution, `${actual} is not ${expected}`),
    keepsMetadata,
    many: traits.many ?? 1200,
    cannotName: traits.cannotName ?? (() => false)
  }
}

/**
 * Proves that a FileSystemStore over Node's file system passes the conformance kit, with and without inode numbers.
 */
import { NodeFileSystem } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, FileSystem, Stream } from "effect"
import * as FileSystemStore from "../../src/Server/Store/FileSystemStore.ts"
import type { StoreFeature } from "../../src/Testing/StoreTraits.ts"
import { storeConformance } from "./conformance.ts"
import { unnumbered } from "./fileSystems.ts"

const make = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  return yield* FileSystemStore.make(fs, yield* fs.makeTempDirectoryScoped({ prefix: "effect-smb-store-" }))
}).pipe(Effect.provide(NodeFileSystem.layer))

/** Effect's FileSystem has none of these features. */
const lacks: ReadonlyArray<StoreFeature> = [
  "streams",
  "securityDescriptors",
  "extendedAttributes",
  "reparsePoints",
  "sparse",
  "objectIds",
  "readInto",
  "mayRemove"
]

storeConformance("FileSystemStore", make, { lacks, timeResolution: 10_000n, keepsMetadata: false })

const withoutNumbers = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "effect-smb-store-" })
  return yield* FileSystemStore.make(unnumbered(fs), folder)
}).pipe(Effect.provide(NodeFileSystem.layer))

storeConformance("FileSystemStore over files without inode numbers", withoutNumbers, {
  lacks,
  timeResolution: 10_000n,
  keepsMetadata: false,
  many: 100
})

it.effect("FileSystemStore with `changedByOthers` fails `changes` with Unsupported", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped({ prefix: "effect-smb-store-" })
    const store = yield* FileSystemStore.make(fs, folder, { changedByOthers: true })
    const error = yield* Effect.flip(Stream.runDrain(store.changes!([], { recursive: false })))
    assert.strictEqual(error.reason._tag, "Unsupported")
  }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer)))

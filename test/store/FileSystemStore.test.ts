import { NodeFileSystem } from "@effect/platform-node"
import { Effect, FileSystem } from "effect"
import * as FileSystemStore from "../../src/Server/Store/FileSystemStore.ts"
import { storeConformance } from "./conformance.ts"

const make = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  return yield* FileSystemStore.make(fs, yield* fs.makeTempDirectoryScoped({ prefix: "effect-smb-store-" }))
}).pipe(Effect.provide(NodeFileSystem.layer))

storeConformance("FileSystemStore", make, { timeResolution: 10_000n, keepsMetadata: false })

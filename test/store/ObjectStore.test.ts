/**
 * Proves that an ObjectStore passes the conformance kit, over SQLite with chunks in memory and in a folder, with chunks
 * in the database and without, and with pieces so small that every file has many.
 */
import { Effect, Layer } from "effect"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as BlobStore from "../../src/Server/BlobStore.ts"
import * as ObjectStore from "../../src/Server/Store/ObjectStore.ts"
import * as SqliteClient from "../../src/Server/Store/SqliteClient.ts"
import { storeConformance } from "./conformance.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => Fs.promises.mkdtemp(join(tmpdir(), "effect-smb-objects-"))),
  (path) => Effect.promise(() => Fs.promises.rm(path, { recursive: true, force: true }))
)

const inMemory = (options?: ObjectStore.ObjectStoreOptions) =>
  Effect.flatMap(
    Layer.build(Layer.merge(SqliteClient.layer(), BlobStore.layerMemory())),
    (services) => Effect.provide(ObjectStore.make(options), services)
  )

const traits = { lacks: ["mayRemove"], many: 300 } as const

storeConformance("ObjectStore in memory", inMemory(), traits)

storeConformance(
  "ObjectStore in a folder",
  Effect.flatMap(folder, (path) => ObjectStore.inFolder(join(path, "objects"))),
  traits
)

storeConformance(
  "ObjectStore with small chunks, none in the database, and hardly any memory for writes",
  inMemory({ chunkSize: 4096, inlineSize: 0, bufferSize: 10_000 }),
  traits
)

import { Effect } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import { storeConformance } from "./conformance.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "effect-smb-store-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

storeConformance("LocalStore", Effect.flatMap(folder, (path) => LocalStore.make(path)))

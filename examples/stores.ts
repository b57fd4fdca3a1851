import { Effect } from "effect"
import { LocalStore, MemoryStore } from "effect-smb"
import { storeConformance } from "../test/store/conformance.ts"

/** A store over a folder. */
export const folder = Effect.gen(function*() {
  const store = yield* LocalStore.make("/srv/projects", { label: "Projects" })
  const { free, total } = yield* store.volume
  return { free, total }
})

/** The test kit, in a test file. */
export const kit = () => {
  storeConformance("MemoryStore", MemoryStore.make(), { lacks: ["mayRemove"] })
}

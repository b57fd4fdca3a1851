import { Effect } from "effect"
import { LocalStore, MemoryStore, StoreConformance } from "effect-smb"
import { describe, it } from "node:test"

/** A store over a folder. */
export const folder = Effect.gen(function*() {
  const store = yield* LocalStore.make("/srv/projects", { label: "Projects" })
  const { free, total } = yield* store.volume
  return { free, total }
})

/** The test kit, in a test file. `describe` and `it` are those of your test runner. */
export const kit = () => {
  StoreConformance.define({ describe, it }, "MemoryStore", MemoryStore.make(), { lacks: ["mayRemove"] })
}

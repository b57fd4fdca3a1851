import { Effect } from "effect"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as NamespaceStore from "../../src/Server/Store/NamespaceStore.ts"
import { storeConformance } from "./conformance.ts"

// Beside its links it is the store that it was made of.
storeConformance(
  "NamespaceStore",
  Effect.map(MemoryStore.make(), (store) => NamespaceStore.make(store, () => []))
)

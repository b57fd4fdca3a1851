/**
 * Proves that a NamespaceStore without links over a MemoryStore passes the conformance kit.
 */
import { Effect } from "effect"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as NamespaceStore from "../../src/Server/Store/NamespaceStore.ts"
import { storeConformance } from "./conformance.ts"

// A NamespaceStore without links behaves as the store that it was made of.
storeConformance(
  "NamespaceStore",
  Effect.map(MemoryStore.make(), (store) => NamespaceStore.make(store, () => [])),
  { lacks: ["mayRemove"] }
)

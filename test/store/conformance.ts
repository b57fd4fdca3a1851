/** The package's kit for stores, in this project's test runner. */
import { describe, it } from "@effect/vitest"
import { StoreConformance } from "effect-smb"

type Rest<Args extends ReadonlyArray<unknown>> = Args extends readonly [unknown, ...infer Others] ? Others : never

export const storeConformance = (...args: Rest<Parameters<typeof StoreConformance.define>>): void =>
  StoreConformance.define({ describe, it }, ...args)

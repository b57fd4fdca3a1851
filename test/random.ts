/** Numbers for tests: the definition is in the package, because the kit for stores uses it as well. */
export { random } from "../src/Testing/internal/Random.ts"

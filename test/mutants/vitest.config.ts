/** For `npm run mutants` alone: unit tests of the folders and files in `MUTANTS_TESTS`. */
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const source = (path: string) => fileURLToPath(new URL(`../../src/${path}`, import.meta.url))
const tests = (process.env.MUTANTS_TESTS ?? "test").split(",")

export default defineConfig({
  root: fileURLToPath(new URL("../../", import.meta.url)),
  resolve: {
    alias: [
      { find: /^effect-smb$/, replacement: source("index.ts") },
      { find: /^effect-smb\/(\w+)$/, replacement: source("$1/index.ts") }
    ]
  },
  test: {
    include: tests.map((test) => test.endsWith(".ts") ? test : `${test}/**/*.test.ts`),
    // These look at the checkout, or mount file systems, and no change can reach them.
    exclude: ["test/lab/**", "test/bin/**", "test/mutants/**", "test/store/Mounts.test.ts", "**/node_modules/**"],
    isolate: process.env.MUTANTS_ISOLATE !== "no",
    testTimeout: 20_000,
    hookTimeout: 20_000
  }
})

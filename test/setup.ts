/**
 * Once for a run of the tests: the folder for what its processes share. The processes that tests start keep their
 * compiled code there, so that only the first of a kind compiles what it runs.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  interface ProvidedContext {
    readonly shared: string
  }
}

export const setup = (project: TestProject) => {
  const shared = mkdtempSync(join(tmpdir(), "effect-smb-tests-"))
  const code = join(shared, "code")
  mkdirSync(code, { mode: 0o700 })
  process.env.NODE_COMPILE_CACHE = code
  project.provide("shared", shared)
  return () => rmSync(shared, { recursive: true, force: true, maxRetries: 3 })
}

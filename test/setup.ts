/** Once for a run of the tests: the folder for what its processes share (`command.ts`). */
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
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
  // Some tests run the command as another user.
  chmodSync(shared, 0o755)
  project.provide("shared", shared)
  return () => rmSync(shared, { recursive: true, force: true })
}

import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { missing, missingDomain } from "./scripts/lab.mjs"

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

/** Without smbd the lab is left out here and named by `npm test`; with LAB=required it runs and fails by itself. */
const lab = process.env.LAB ?? "auto"
const withLab = lab === "required" || (lab !== "off" && missing() === undefined)

const alias = [
  { find: /^effect-smb$/, replacement: source("index.ts") },
  { find: /^effect-smb\/promise$/, replacement: source("Promise/index.ts") },
  { find: /^effect-smb\/(\w+)$/, replacement: source("$1/index.ts") }
]

export default defineConfig({
  resolve: { alias },
  test: {
    allowOnly: false,
    passWithNoTests: false,
    // Vitest keeps a processor for itself, which leaves one worker on two processors: half of the machine is idle then,
    // since most tests of the lab wait for other processes.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    globalSetup: ["test/setup.ts"],
    projects: [
      {
        resolve: { alias },
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/lab/**"],
          // One process runs many files, since loading Effect again for each takes more time than the tests. A file leaves
          // nothing behind in its process: no spy, no variable of the environment, no listener.
          isolate: false,
          // A machine under load is not a fault: what hangs still ends.
          testTimeout: 20_000,
          hookTimeout: 20_000
        }
      },
      ...(withLab
        ? [{
          resolve: { alias },
          test: {
            name: "lab",
            include: ["test/lab/**/*.test.ts"],
            // Likewise where there is Samba, but no domain controller.
            exclude: lab === "required" || missingDomain() === undefined ? [] : ["test/lab/Domain.test.ts"],
            testTimeout: 120_000,
            hookTimeout: 120_000,
            // After the units: a server's start is not to be mistaken for a slow unit.
            sequence: { groupOrder: 1 }
          }
        }]
        : [])
    ]
  }
})

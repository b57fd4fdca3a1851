/**
 * Proves by a storm of a fixed seed that what clients are told stays true through faults of network, server, disk and
 * clock, and that the storm itself finds a server that loses data.
 */
import { fileURLToPath } from "node:url"
import { assert, it } from "vitest"
import { execute } from "./Process.ts"

const main = fileURLToPath(new URL("../storm/main.ts", import.meta.url))

const storm = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  execute(process.execPath, [main, ...args], { timeout: 280_000, env })

it("a storm on smbd and on this project's server, with this client and smbclient, has no violation", async () => {
  const { code, stderr, stdout } = await storm(["--seed", "7", "--faults", "60", "--json"])
  assert.strictEqual(code, 0, `${stdout}\n${stderr}`)
  const { faults, violations } = JSON.parse(stdout) as { readonly faults: number; readonly violations: number }
  assert.strictEqual(faults, 60)
  assert.strictEqual(violations, 0)
}, 300_000)

it(
  "a storm on a server that acknowledges writes and does not make them ends with code 1, its seed and the history",
  async () => {
    const { code, stderr } = await storm(["--seed", "3", "--faults", "30", "--only", "client-server"], {
      STORM_LIE: "12"
    })
    assert.strictEqual(code, 1, stderr)
    assert.match(stderr, /VIOLATION client-server, seed 3, round \d+, fault/)
    assert.match(stderr, /client \d ok: \{"_tag":"(?:Overwrite|WriteBlocks|Append|Increment)"/)
  },
  300_000
)

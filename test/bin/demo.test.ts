/** Proves that `npm run demo` works in a checkout with Node alone: its output is checked, not the network. */
import { assert, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"

const checkout = fileURLToPath(new URL("../../", import.meta.url))

it(
  "npm run demo follows a link, goes on when the link's target ends, and needs only Node",
  { timeout: 60_000 },
  async () => {
    const { code, stdout } = await new Promise<{ readonly code: number; readonly stdout: string }>((resolve) => {
      // No other program of this machine can help: there is no PATH.
      const env = { PATH: "", HOME: process.env.HOME ?? "", NO_COLOR: "1" }
      execFile(
        process.execPath,
        ["demo/main.ts"],
        { cwd: checkout, env, timeout: 50_000 },
        (error, stdout, stderr) => resolve({ code: error === null ? 0 : 1, stdout: stdout + stderr })
      )
    })
    assert.strictEqual(code, 0, stdout)
    assert.match(stdout, /it is on 127\.0\.29\.32, SMB 3\.1\.1, signed/)
    assert.match(stdout, /now from 127\.0\.29\.31/)
    assert.match(stdout, /\$ npx effect-smb cat .*\n +Follow the links\./)
    assert.match(stdout, /resolved: +\\\\127\.0\.29\.31\\mirror\\LICENSE/)
  }
)

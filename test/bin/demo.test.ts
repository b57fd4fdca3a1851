import { assert, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"

const checkout = fileURLToPath(new URL("../../", import.meta.url))

it("npm run demo follows a link, survives its target, and needs no more than Node", { timeout: 60_000 }, async () => {
  const { code, stdout } = await new Promise<{ readonly code: number; readonly stdout: string }>((resolve) => {
    // Nothing of this machine's can help: no PATH, no rights are asked for.
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
})

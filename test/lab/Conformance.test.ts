/**
 * Proves that this project's server passes 60 quick tests of smbtorture from all suites, and those that ask for
 * persistent opens also on a continuously available share. `npm run conformance` runs the whole list.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Runner from "../conformance/Runner.ts"

const target = new Runner.Target("127.0.28.20")
const smbtorture = await Runner.find()

/** Tests that smbd passes quickly and that must pass here, some from each suite. */
describe("smbtorture", () => {
  afterAll(() => target.stop())

  // The last one needs such a share.
  for (
    const name of ["durable-v2-open.persistent-open-oplock", "durable-v2-open.persistent-open-lease", "replay.replay5"]
  ) {
    it(`smb2.${name} on a continuously available share`, async () => {
      const row = { test: `smb2.${name}`, smbd: "success", gate: "-", seconds: 1, share: "available" }
      const { output, result } = await Runner.run(smbtorture, row, target)
      assert.strictEqual(result, "pass", output)
    })
  }

  for (const row of Runner.quick(60, smbtorture.version)) {
    it(row.test, async () => {
      const { output, result } = await Runner.run(smbtorture, row, target)
      assert.strictEqual(result, "pass", output)
    })
  }
})

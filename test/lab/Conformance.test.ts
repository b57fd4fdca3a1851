/**
 * Proves that this project's server passes 60 quick tests of smbtorture from all suites. `npm run conformance` runs the
 * whole list.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Runner from "../conformance/Runner.ts"

const target = new Runner.Target("127.0.28.20")
const smbtorture = await Runner.find()

/** Tests that smbd passes quickly and that must pass here, some from each suite. */
describe("smbtorture", () => {
  afterAll(() => target.stop())

  for (const row of Runner.quick(60, smbtorture.version)) {
    it(row.test, async () => {
      const { output, result } = await Runner.run(smbtorture, row, target)
      assert.strictEqual(result, "pass", output)
    })
  }
})

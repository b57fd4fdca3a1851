import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Runner from "../conformance/Runner.ts"

const target = new Runner.Target("127.0.28.20")

/** What takes smbd no time and must pass here, of every suite some; the whole is `npm run conformance`. */
describe("smbtorture", () => {
  afterAll(() => target.stop())

  for (const row of Runner.quick(60)) {
    it(row.test, async () => {
      const { output, result } = await Runner.run(row, target)
      assert.strictEqual(result, "pass", output)
    })
  }
})

/**
 * Proves that no decoder and no parser throws, hangs or takes more memory than its bytes justify, for recorded inputs,
 * inputs that broke it once, inputs that reach rare code, and changes of all of them with a fixed seed; and that what
 * was decoded stays the same when it is encoded and decoded again. `npm run fuzz` goes on from there.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Corpus from "./Corpus.ts"
import { fuzz } from "./Engine.ts"
import { decoders, targets } from "./targets/index.ts"

/** Few enough for an ordinary run of the tests. */
const executions = 4000

/** Those that wait for the system get fewer inputs. */
const slow = ["stores", "kerberos"]

describe("a decoder that gets changed bytes", () => {
  it.each(decoders.map((target) => [target.name, target] as const))("%s keeps its promises", async (_, target) => {
    const report = await fuzz(target, {
      seed: 20_261_130,
      executions: slow.includes(target.name) ? executions / 10 : executions,
      coverage: false,
      corpus: Corpus.read(target)
    })
    const [first] = report.findings
    if (first !== undefined) assert.fail(`${first.error}\n${Corpus.format(target, first.input)}`)
    assert.isAtLeast(report.executions, executions / 10)
  })
})

describe("an input that broke a promise once", () => {
  it.each(Corpus.found.map(({ input, target, was }) => [was, target, input] as const))(
    "%s: is kept now",
    async (_, name, line) => {
      const target = targets.find((one) => one.name === name) ?? assert.fail(`no target has the name ${name}`)
      const running = await target.open()
      await running.run(Corpus.parse(target, line) ?? assert.fail(`no decoder of ${name} is in ${line}`), 0)
      await running.close?.()
    }
  )
})

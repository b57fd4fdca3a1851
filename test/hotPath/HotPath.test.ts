/**
 * Guards the hot path by what does not vary with the machine: the bytes that a request allocates in client and server
 * together, the packets that the client sends, and the turns of the event loop. Time is measured by `npm run bench`.
 *
 * A limit is a fifth above what was measured. If a change needs more for a good reason, raise the limit in that change.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { beforeAll } from "vitest"

type Costs = Readonly<Record<string, { heap: number; external: number; packets: number; turns: number }>>

/** No collection may happen while it measures: the space for new objects is larger than all that is allocated. */
const flags = ["--min-semi-space-size=512", "--max-semi-space-size=512"]

const measure = () =>
  new Promise<Costs>((resolve, reject) => {
    const child = spawn(process.execPath, [...flags, fileURLToPath(new URL("measured.ts", import.meta.url))], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString()
    })
    child.on("error", reject)
    child.on("close", (code) => {
      if (code === 0) resolve(JSON.parse(output.slice(output.lastIndexOf("\n") + 1)))
      else reject(new Error(`the measurement ended with exit code ${code}`))
    })
  })

const kib = 1024

/** Bytes of the heap, bytes outside of it, packets of the client, and turns of the event loop: the most of each. */
const limits: Costs = {
  read: { heap: 56 * kib, external: 16 * kib, packets: 1, turns: 2.5 },
  write: { heap: 54 * kib, external: 16 * kib, packets: 1, turns: 2.5 },
  readLarge: { heap: 54 * kib, external: 4 * kib, packets: 1, turns: 4 },
  writeLarge: { heap: 54 * kib, external: 4 * kib, packets: 1, turns: 8 },
  stat: { heap: 136 * kib, external: 4 * kib, packets: 1, turns: 2.5 },
  readFile: { heap: 155 * kib, external: 5 * kib, packets: 1, turns: 2.5 }
}

describe("one request, in client and server together", () => {
  let costs: Costs
  beforeAll(async () => {
    costs = await measure()
  }, 120_000)

  for (const [name, most] of Object.entries(limits)) {
    it(`${name} allocates no more than ${most.heap / kib} KiB, and sends one packet`, () => {
      const cost = costs[name]!
      // Below zero: something was collected.
      assert.isAbove(cost.heap, 0)
      assert.isAtMost(cost.heap, most.heap)
      assert.isAtMost(cost.external, most.external)
      // A measurement of nothing would pass all limits.
      assert.strictEqual(cost.packets, most.packets)
      assert.isAtMost(cost.turns, most.turns)
    })
  }
})

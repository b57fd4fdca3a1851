/** The lines of a transfer's progress: what they say, that they fit into the terminal, and how they are overwritten. */
import { assert, describe, it, vi } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Progress from "../../src/Cli/Progress.ts"
import type { TransferEvent } from "../../src/Transfer/TransferEvent.ts"

const mib = 1024 * 1024

/** Events with the counts of a run. */
const transfer = (total: { readonly files: number; readonly bytes: number }, isTotalKnown = true) => {
  const done = { files: 0, bytes: 0 }
  const event = (given: object): TransferEvent =>
    ({ ...given, progress: { done: { ...done }, total, isTotalKnown } }) as TransferEvent
  const to = "to"
  return {
    started: (from: string, size: number | undefined, offset = 0) => {
      done.bytes += offset
      return event({ _tag: "Started", from, to, size, offset })
    },
    moved: (from: string, count: number) => {
      done.bytes += count
      return event({ _tag: "Moved", from, to, count })
    },
    copied: (from: string) => {
      done.files++
      return event({ _tag: "Copied", from, to, size: 0n })
    },
    failed: (path: string) => event({ _tag: "Failed", path, error: undefined })
  }
}

const lines = (events: ReadonlyArray<TransferEvent>, now: number, columns = 79, rows = 24) => {
  const status = new Progress.Status(0)
  for (const event of events) status.take(event)
  return status.lines(now, columns, rows)
}

describe("the progress", () => {
  it("of one file has its part, the rate without the bytes of an earlier run, and the time that is left", () => {
    const { moved, started } = transfer({ files: 1, bytes: 10 * mib })
    const from = "\\\\nas\\media\\film.mkv"
    assert.deepStrictEqual(lines([started(from, 10 * mib, 4 * mib), moved(from, mib)], 1000), [
      "film.mkv   50%  5.0 MiB of 10.0 MiB  1.0 MiB/s  0:05 left"
    ])
    const pipe = transfer({ files: 1, bytes: 0 })
    assert.deepStrictEqual(lines([pipe.started("/dev/stdin", undefined), pipe.moved("/dev/stdin", mib)], 2000), [
      "stdin  1.0 MiB  512.0 KiB/s"
    ])
    const empty = transfer({ files: 1, bytes: 0 })
    assert.match(lines([empty.started("a", 0)], 1000)[0]!, /^a {2}100% {2}0 B of 0 B {2}0 B\/s$/)
  })

  it("of several has a line for each file under way, and totals; complete and failed files have none", () => {
    const { copied, failed, moved, started } = transfer({ files: 12, bytes: 120 * mib })
    const events = [
      started("/d/a.bin", 10 * mib),
      started("/d/b.bin", 10 * mib),
      started("/d/c.bin", 10 * mib),
      started("/d/pipe", undefined),
      moved("/d/a.bin", 10 * mib),
      copied("/d/a.bin"),
      moved("/d/b.bin", 5 * mib),
      failed("/d/c.bin")
    ]
    assert.deepStrictEqual(lines(events, 1000), [
      `  b.bin${" ".repeat(42)} 50%       5.0 MiB of 10.0 MiB`,
      `  pipe${" ".repeat(70)}0 B`,
      "1 of 12 files  12%  15.0 MiB of 120.0 MiB  15.0 MiB/s  0:07 left"
    ])
    // While files are still looked for, nothing depends on the total.
    const search = transfer({ files: 12, bytes: 120 * mib }, false)
    const found = lines([search.started("/d/a.bin", 10 * mib), search.moved("/d/a.bin", mib)], 1000)
    assert.strictEqual(found.at(-1), "0 of 12+ files  1.0 MiB of 120.0 MiB+  1.0 MiB/s")
  })

  it("has at most four files, and fewer in a low terminal", () => {
    const { started } = transfer({ files: 20, bytes: 200 })
    const all = Array.from({ length: 9 }, (_, i) => started(`/d/f${i}`, 10))
    const high = lines(all, 1000)
    assert.lengthOf(high, 5)
    assert.strictEqual(high[3], "  and 6 more")
    assert.lengthOf(lines(all, 1000, 79, 5), 3)
    assert.lengthOf(lines(all, 1000, 79, 2), 1)
  })

  it("fits into the terminal, with any name, and keeps what matters most", () => {
    for (
      const name of ["short", "n".repeat(300), "漢".repeat(200), "e\u0301".repeat(100), "📁".repeat(60), "a\u001b[2J"]
    ) {
      for (const columns of [19, 40, 60, 79, 200]) {
        const total = { files: 99_999, bytes: 2 ** 40 }
        for (
          const { moved, started } of [transfer({ files: 1, bytes: 2 ** 40 }), transfer(total), transfer(total, false)]
        ) {
          for (const line of lines([started(`/d/${name}`, 2 ** 40), moved(`/d/${name}`, 2 ** 30)], 1000, columns)) {
            assert.isAtMost(Progress.widthOf(line), columns, line)
            assert.notInclude(line, "\u001b")
          }
        }
      }
    }
    assert.strictEqual(Progress.widthOf("a漢é📁"), 6)
    const { moved, started } = transfer({ files: 100, bytes: 2 ** 40 })
    assert.match(
      lines([started("/d/a", 9), moved("/d/a", 2 ** 30)], 1000, 40).at(-1)!,
      /^1\.0 GiB of 1\.0 TiB {2}\d+:\d\d left$/
    )
  })

  it("has the rate of the last seconds, and none left after a stop", () => {
    const status = new Progress.Status(0)
    const { moved, started } = transfer({ files: 1, bytes: 100 * mib })
    status.take(started("a", 100 * mib))
    for (let second = 1; second <= 10; second++) {
      status.take(moved("a", mib))
      status.rate(second * 1000)
    }
    assert.strictEqual(status.rate(10_000), mib)
    assert.strictEqual(status.rate(16_000), 0)
    assert.notMatch(status.lines(16_000, 79, 24)[0]!, /left/)
  })

  it("says how long in hours and days", () => {
    assert.deepStrictEqual([0.2, 59, 60, 3599, 3600, 172_799, 172_800, 360_000].map(Progress.span), [
      "0:01",
      "0:59",
      "1:00",
      "59:59",
      "1:00:00",
      "47:59:59",
      "2d 0h",
      "4d 4h"
    ])
  })

  it.effect("is overwritten as a block, also in a terminal that has become narrower, moves on its own, and is erased", () =>
    Effect.gen(function*() {
      const written: Array<string> = []
      const columns = process.stderr.columns
      const write = vi.spyOn(process.stderr, "write").mockImplementation((chunk, ...rest) => {
        written.push(String(chunk))
        for (const done of rest) if (typeof done === "function") (done as () => void)()
        return true
      })
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          write.mockRestore()
          process.stderr.columns = columns
        })
      )
      process.stderr.columns = 80
      const progress = yield* Progress.make
      yield* progress.wipe
      const { moved, started } = transfer({ files: 2, bytes: 2000 })
      yield* progress.take(started("/d/first", 1000))
      yield* progress.take(started("/d/second", 1000))
      assert.deepStrictEqual(written, [])
      const ticking = yield* Effect.forkChild(progress.tick)
      yield* TestClock.adjust("500 millis")
      assert.lengthOf(written, 1)
      assert.lengthOf(written[0]!.split("\n"), 3)
      yield* TestClock.adjust("100 millis")
      yield* progress.take(moved("/d/first", 500))
      assert(written[1]!.startsWith("\u001b[2A\r\u001b[J"), JSON.stringify(written[1]))
      // Each of the three lines has become two rows.
      process.stderr.columns = 50
      yield* TestClock.adjust("1 second")
      assert(written[2]!.startsWith("\u001b[5A\r\u001b[J"), JSON.stringify(written[2]))
      yield* Fiber.interrupt(ticking)
      const before = written.length
      yield* progress.wipe
      yield* progress.wipe
      assert.deepStrictEqual(written.slice(before), ["\u001b[2A\r\u001b[J"])
    }))
})

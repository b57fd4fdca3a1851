/** Shows that the rows of the bench say what was measured: medians, ratios in the right direction, goals, and tables. */
import { describe, expect, it } from "@effect/vitest"
import * as Curve from "../../bench/Curve.ts"
import { median } from "../../bench/Measure.ts"
import * as Row from "../../bench/Row.ts"

const measured = (name: string, seconds: ReadonlyArray<number>) => ({
  name,
  seconds,
  processor: seconds.map((one) => one / 2)
})

const ours = measured("effect-smb", [2, 1, 4])
const peer = measured("smbclient", [3, 4, 2])

describe("Row", () => {
  it("the median of an unsorted list is the value in the middle", () => {
    expect(median([9, 1, 5])).toBe(5)
  })

  it("a rate divides the amount by the median, and its ratio is above 1 if ours took less time", () => {
    const row = Row.rate("read", { amount: 100, unit: "MB", goal: 1.5 }, [ours, peer])
    expect(row.ours).toBe(50)
    expect(row.peer).toEqual({ name: "smbclient", value: 100 / 3 })
    expect(row.ratio).toBe(1.5)
    // Round by round: 3/2, 4/1, 2/4.
    expect(row.spread).toEqual([0.5, 4])
    expect(Row.reaches(row)).toBe(true)
  })

  it("processor seconds are those of a GiB", () => {
    const row = Row.rate("read", { amount: 1, unit: "MB", bytes: 512 * 1024 ** 2 }, [ours, peer])
    expect(row.processor).toEqual({ ours: 2, peer: 3 })
  })

  it("a goal of a ratio is missed below it and without a peer, a goal of a value above it", () => {
    const goal = { ratio: 1 }
    expect(Row.reaches({ name: "a", unit: "s", ours: 1, ratio: 0.99, goal })).toBe(false)
    expect(Row.reaches({ name: "a", unit: "s", ours: 1, goal })).toBe(false)
    expect(Row.reaches({ name: "a", unit: "MB", ours: 150, goal: { most: 150 } })).toBe(true)
    expect(Row.reaches({ name: "a", unit: "MB", ours: 151, goal: { most: 150 } })).toBe(false)
    expect(Row.reaches({ name: "a", unit: "MB", ours: 151 })).toBe(true)
  })

  it("a table says whether a goal was missed", () => {
    const row = Row.rate("read", { amount: 100, unit: "MB", goal: 2 }, [ours, peer])
    expect(Row.markdown([row]).split("\n").at(-1)).toBe(
      "| read | 50.0 MB/s | smbclient 33.3 | 1.50 (0.50 to 4.00) | ≥ 2 | missed |  |"
    )
    expect(Row.text(row)).toContain("goal ≥ 2: missed")
  })
})

describe("Curve", () => {
  const curve = (f: (x: number) => number) => [1, 10, 100, 1000, 10_000].map((x) => ({ x, seconds: f(x) }))

  it("the exponent is 1 for linear growth, 2 for quadratic growth and 0 for none", () => {
    expect(Curve.exponent(curve((x) => x * 3))).toBeCloseTo(1)
    expect(Curve.exponent(curve((x) => x * x / 7))).toBeCloseTo(2)
    expect(Curve.exponent(curve(() => 5))).toBeCloseTo(0)
  })

  it("a fixed cost of small numbers does not hide how the large ones grow", () => {
    expect(Curve.exponent(curve((x) => 1e-3 + x * 1e-3))).toBeGreaterThan(0.95)
  })

  it("a picture has each series with its name, and one dot for each point", () => {
    const picture = Curve.svg({
      name: "files",
      title: "a < b & c",
      x: "bytes",
      series: [{ name: "one", points: curve((x) => x) }, { name: "two", points: curve((x) => x * x) }]
    })
    expect(picture.match(/<circle /g)).toHaveLength(10)
    expect(picture).toContain("a &lt; b &amp; c")
    expect(picture).not.toContain("NaN")
  })

  it("a picture over time begins both axes at 0, and shows a flat value as a flat line, also if it is 0", () => {
    const points = [0, 1, 2, 3].map((x) => ({ x, y: 7 }))
    const none = points.map(({ x }) => ({ x, y: 0 }))
    const picture = Curve.overTime({
      title: "MiB",
      x: "minutes",
      series: [{ name: "heap", points }, { name: "opens", points: none }]
    })
    const [heap = [], opens = []] = [...picture.matchAll(/<path d="([^"]*)" fill="none"/g)].map(([, path]) =>
      [...path!.matchAll(/ ([\d.]+)/g)].map(([, y]) => y)
    )
    expect(new Set(heap).size).toBe(1)
    // The bottom of the picture.
    expect(opens).toEqual(["350.0", "350.0", "350.0", "350.0"])
    expect(picture).not.toContain("NaN")
    expect(picture).toContain(">0</text>")
  })
})

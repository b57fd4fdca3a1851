/** Curves of growth: how much longer something takes if there is more of it. A curve becomes a picture in SVG. No effects. */

/** One point: how many or how large, and the seconds. */
export interface Point {
  readonly x: number
  readonly seconds: number
}

/** A curve with its labels. */
export interface Curve {
  /** The name of its file in docs/speed, without `.svg`. */
  readonly name: string
  readonly title: string
  readonly x: string
  readonly series: ReadonlyArray<{ readonly name: string; readonly points: ReadonlyArray<Point> }>
}

/**
 * The exponent of growth in the upper half of a curve: 1 is linear, 0 does not grow. It is the slope of the line through
 * the logarithms that has the least squared errors.
 */
export const exponent = (points: ReadonlyArray<Point>): number => {
  const upper = points.slice(Math.floor((points.length - 1) / 2)).map(({ seconds, x }) => ({
    x: Math.log(x),
    y: Math.log(seconds)
  }))
  const mean = (values: ReadonlyArray<number>) => values.reduce((sum, one) => sum + one, 0) / values.length
  const x = mean(upper.map((one) => one.x))
  const y = mean(upper.map((one) => one.y))
  return upper.reduce((sum, one) => sum + (one.x - x) * (one.y - y), 0) /
    upper.reduce((sum, one) => sum + (one.x - x) ** 2, 0)
}

const width = 640
const height = 400
const left = 70
const right = 20
const top = 40
const bottom = 50
const colours = ["#1f5fa8", "#c2571a", "#3a7d44", "#7a3b91"]

const escape = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

/** Where values are on an axis, and which of them are written there. */
interface Axis {
  /** From 0 to 1. */
  readonly place: (value: number) => number
  readonly ticks: ReadonlyArray<{ readonly value: number; readonly label: string }>
}

/** An axis from the power of ten below the smallest value to the one above the largest. */
const logarithmic = (values: ReadonlyArray<number>, label: (power: number) => string): Axis => {
  const first = Math.floor(Math.log10(Math.min(...values)))
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...values))))
  return {
    place: (value) => (Math.log10(value) - first) / (last - first),
    ticks: Array.from({ length: last - first + 1 }, (_, i) => ({ value: 10 ** (first + i), label: label(first + i) }))
  }
}

/** An axis from 0 to beyond the largest value, in steps of 1, 2 or 5 times a power of ten. */
const linear = (values: ReadonlyArray<number>): Axis => {
  const most = Math.max(...values, 1e-9)
  const power = 10 ** Math.floor(Math.log10(most / 5))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => most / size <= 8)!
  const count = Math.max(1, Math.ceil(most / step))
  return {
    place: (value) => value / (count * step),
    ticks: Array.from(
      { length: count + 1 },
      (_, i) => ({ value: i * step, label: String(Number((i * step).toPrecision(6))) })
    )
  }
}

const amount = (power: number) => (power < 6 ? String(10 ** power) : `10^${power}`)

const duration = (power: number) =>
  power >= 0 ? `${10 ** power} s` : power >= -3 ? `${10 ** (power + 3)} ms` : `${10 ** (power + 6)} µs`

interface Series {
  readonly name: string
  readonly points: ReadonlyArray<{ readonly x: number; readonly y: number }>
}

const draw = (
  title: string,
  x: string,
  series: ReadonlyArray<Series>,
  columns: Axis,
  rows: Axis,
  dots: boolean
): string => {
  const toX = (value: number) => (left + columns.place(value) * (width - left - right)).toFixed(1)
  const toY = (value: number) => (height - bottom - rows.place(value) * (height - top - bottom)).toFixed(1)
  const grid = [
    ...columns.ticks.map(({ label, value }) => {
      const at = toX(value)
      return `<path d="M${at} ${top}V${height - bottom}" stroke="#ddd"/>` +
        `<text x="${at}" y="${height - bottom + 18}" text-anchor="middle">${label}</text>`
    }),
    ...rows.ticks.map(({ label, value }) => {
      const at = toY(value)
      return `<path d="M${left} ${at}H${width - right}" stroke="#ddd"/>` +
        `<text x="${left - 8}" y="${Number(at) + 4}" text-anchor="end">${label}</text>`
    })
  ]
  const lines = series.map(({ name, points }, index) => {
    const colour = colours[index % colours.length]!
    const path = points.map(({ x, y }, i) => `${i === 0 ? "M" : "L"}${toX(x)} ${toY(y)}`).join("")
    const marks = dots
      ? points.map(({ x, y }) => `<circle cx="${toX(x)}" cy="${toY(y)}" r="3" fill="${colour}"/>`).join("")
      : ""
    const label = `<text x="${left + 12}" y="${top + 18 + index * 18}" fill="${colour}">${escape(name)}</text>`
    return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"/>${marks}${label}`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${escape(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${left}" y="24" font-size="15">${escape(title)}</text>`,
    ...grid,
    ...lines,
    `<text x="${(left + width - right) / 2}" y="${height - 12}" text-anchor="middle">${escape(x)}</text>`,
    "</svg>",
    ""
  ].join("\n")
}

/** The picture: both axes are logarithmic, so that linear growth is a straight line at 45 degrees. */
export const svg = ({ series, title, x }: Curve): string => {
  const all = series.map(({ name, points }) => ({ name, points: points.map(({ seconds, x }) => ({ x, y: seconds })) }))
  const points = all.flatMap((one) => one.points)
  const columns = logarithmic(points.map((point) => point.x), amount)
  return draw(title, x, all, columns, logarithmic(points.map((point) => point.y), duration), true)
}

/** The picture of values over time, both axes from 0: what does not grow is a flat line. */
export const overTime = (
  { series, title, x }: { readonly title: string; readonly x: string; readonly series: ReadonlyArray<Series> }
): string => {
  const points = series.flatMap((one) => one.points)
  return draw(title, x, series, linear(points.map((point) => point.x)), linear(points.map((point) => point.y)), false)
}

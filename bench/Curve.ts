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

/** The powers of ten that contain all values. */
const decades = (values: ReadonlyArray<number>) => {
  const first = Math.floor(Math.log10(Math.min(...values)))
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...values))))
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

const amount = (power: number) => (power < 6 ? String(10 ** power) : `10^${power}`)

const duration = (power: number) =>
  power >= 0 ? `${10 ** power} s` : power >= -3 ? `${10 ** (power + 3)} ms` : `${10 ** (power + 6)} µs`

/** The picture: both axes are logarithmic, so that linear growth is a straight line at 45 degrees. */
export const svg = ({ series, title, x }: Curve): string => {
  const points = series.flatMap((one) => one.points)
  const columns = decades(points.map((point) => point.x))
  const rows = decades(points.map(({ seconds }) => seconds))
  const place = (all: ReadonlyArray<number>, value: number) => (Math.log10(value) - all[0]!) / (all.at(-1)! - all[0]!)
  const toX = (value: number) => (left + place(columns, value) * (width - left - right)).toFixed(1)
  const toY = (value: number) => (height - bottom - place(rows, value) * (height - top - bottom)).toFixed(1)
  const grid = [
    ...columns.map((power) => {
      const at = toX(10 ** power)
      return `<path d="M${at} ${top}V${height - bottom}" stroke="#ddd"/>` +
        `<text x="${at}" y="${height - bottom + 18}" text-anchor="middle">${amount(power)}</text>`
    }),
    ...rows.map((power) => {
      const at = toY(10 ** power)
      return `<path d="M${left} ${at}H${width - right}" stroke="#ddd"/>` +
        `<text x="${left - 8}" y="${Number(at) + 4}" text-anchor="end">${duration(power)}</text>`
    })
  ]
  const lines = series.map(({ name, points }, index) => {
    const colour = colours[index % colours.length]!
    const path = points.map(({ seconds, x }, i) => `${i === 0 ? "M" : "L"}${toX(x)} ${toY(seconds)}`).join("")
    const dots = points.map(({ seconds, x }) => `<circle cx="${toX(x)}" cy="${toY(seconds)}" r="3" fill="${colour}"/>`)
    const label = `<text x="${left + 12}" y="${top + 18 + index * 18}" fill="${colour}">${escape(name)}</text>`
    return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"/>${dots.join("")}${label}`
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

/**
 * The progress of a transfer on standard error, if that is a terminal: a line for each file under way if there are
 * several, and a line with totals, rate and time left. The lines are overwritten, and erased at the end.
 *
 * It is no library's, because the names come from servers: they are made printable, and measured by the columns that
 * their characters take, before a line is cut to the width of the terminal.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { basename } from "node:path"
import type { TransferEvent } from "../Transfer/TransferEvent.ts"
import { printable } from "./Failure.ts"
import * as Output from "./Output.ts"

/** Shows the progress of a transfer. */
export interface Progress {
  /** Takes what the transfer tells. */
  readonly take: (event: TransferEvent) => Effect.Effect<void>
  /** Erases the lines: before other output, or at the end. */
  readonly wipe: Effect.Effect<void>
  /** Shows the passing of time, also while nothing moves. Never ends. */
  readonly tick: Effect.Effect<never>
}

/** Shows no progress. */
export const none: Progress = { take: () => Effect.void, wipe: Effect.void, tick: Effect.never }

/** The least time between two changes of the lines, in milliseconds. */
const interval = 100

/** How often the lines change while nothing moves, in milliseconds. */
const pulse = 500

/** The rate is that of the last seconds, in milliseconds. */
const window = 5000

/** Characters that take two columns on a terminal, and characters that take none. */
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u
const narrow = /[\p{M}\p{Cf}]/u

const columnsOf = (character: string): number => narrow.test(character) ? 0 : wide.test(character) ? 2 : 1

/** The columns that a text takes on a terminal. */
export const widthOf = (text: string): number => [...text].reduce((sum, character) => sum + columnsOf(character), 0)

/** A text in at most this many columns; an ellipsis stands for its end. */
const shorten = (text: string, columns: number): string => {
  if (widthOf(text) <= columns) return text
  let result = ""
  let left = columns - 1
  for (const character of text) {
    left -= columnsOf(character)
    if (left < 0) break
    result += character
  }
  return `${result}…`
}

/** The least columns that a name gets. */
const leastName = 8

/** The most files under way that have a line. */
const mostFiles = 4

/** A file under way. */
interface Active {
  readonly name: string
  /** In bytes, those included that existed before. */
  done: number
  readonly size: number | undefined
}

/** The last name of a path of either kind. */
const nameOf = (path: string): string =>
  path.startsWith("\\\\") ? path.slice(path.lastIndexOf("\\") + 1) : basename(path)

/** `0:07`, `1:02:03`, `3d 4h`. */
export const span = (seconds: number): string => {
  const two = (value: number) => String(value).padStart(2, "0")
  const whole = Math.ceil(seconds)
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  if (hours >= 48) return `${Math.floor(hours / 24)}d ${hours % 24}h`
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

const percent = (done: number, total: number): string =>
  `${total === 0 ? 100 : Math.min(100, Math.floor((done * 100) / total))}%`

/** The parts with two blanks between them; the ones that matter least go first if the columns do not suffice. */
const fit = (parts: ReadonlyArray<readonly [text: string | undefined, weight: number]>, columns: number): string => {
  let kept = parts.filter(([text]) => text !== undefined)
  for (;;) {
    const text = kept.map(([text]) => text).join("  ")
    if (text.length <= columns || kept.length <= 1) return text
    const least = Math.min(...kept.map(([, weight]) => weight))
    kept = kept.filter(([, weight]) => weight > least)
  }
}

/** What is known of a transfer. Times are in milliseconds. */
export class Status {
  readonly #active = new Map<string, Active>()
  readonly #samples: Array<readonly [time: number, moved: number]>
  #moved = 0
  #latest: TransferEvent["progress"] = {
    done: { files: 0, bytes: 0 },
    total: { files: 0, bytes: 0 },
    isTotalKnown: false
  }
  /** Whether the size of the only file is unknown: a pipe. */
  #isEndless = false

  constructor(start: number) {
    this.#samples = [[start, 0]]
  }

  take(event: TransferEvent): void {
    this.#latest = event.progress
    switch (event._tag) {
      case "Started":
        this.#active.set(event.from, { name: nameOf(event.from), done: event.offset, size: event.size })
        this.#isEndless = event.size === undefined
        break
      case "Moved": {
        this.#moved += event.count
        const file = this.#active.get(event.from)
        if (file !== undefined) file.done += event.count
        break
      }
      case "Copied":
      case "Skipped":
        this.#active.delete(event.from)
        break
      case "Failed":
        this.#active.delete(event.path)
    }
  }

  /** Bytes a second, over the last seconds. */
  rate(now: number): number {
    const samples = this.#samples
    while (samples.length > 1 && samples[1]![0] <= now - window) samples.shift()
    if (now - samples.at(-1)![0] >= interval) samples.push([now, this.#moved])
    const [time, moved] = samples[0]!
    return now > time ? ((this.#moved - moved) * 1000) / (now - time) : 0
  }

  /** The lines, none wider than `columns`; the last one has the totals. */
  lines(now: number, columns: number, rows: number): ReadonlyArray<string> {
    const { done, isTotalKnown, total } = this.#latest
    const rate = this.rate(now)
    const left = total.bytes - done.bytes
    const figures = [
      [rate > 0 || now > this.#samples[0]![0] ? `${Output.bytes(Math.round(rate))}/s` : undefined, 3],
      [isTotalKnown && rate > 0 && left > 0 ? `${span(left / rate)} left` : undefined, 4]
    ] as const
    const files = [...this.#active.values()]
    if (total.files <= 1 && files.length <= 1) {
      const name = files[0]?.name ?? ""
      const text = fit(
        this.#isEndless
          ? [[Output.bytes(done.bytes), 5], ...figures]
          : [
            [percent(done.bytes, total.bytes).padStart(4), 2],
            [`${Output.bytes(done.bytes)} of ${Output.bytes(total.bytes)}`, 5],
            ...figures
          ],
        Math.max(0, columns - leastName - 2)
      )
      return [shorten(`${shorten(printable(name), Math.max(leastName, columns - text.length - 2))}  ${text}`, columns)]
    }
    const more = isTotalKnown ? "" : "+"
    const sum = fit([
      [`${done.files} of ${total.files}${more} files`, 2],
      [isTotalKnown ? percent(done.bytes, total.bytes) : undefined, 1],
      [`${Output.bytes(done.bytes)} of ${Output.bytes(total.bytes)}${more}`, 5],
      ...figures
    ], columns)
    const room = Math.max(0, Math.min(mostFiles, rows - 3))
    const shown = files.slice(0, files.length > room ? Math.max(0, room - 1) : room)
    return [
      ...shown.map((file) => fileLine(file, columns)),
      ...shown.length > 0 && shown.length < files.length ? [`  and ${files.length - shown.length} more`] : [],
      shorten(sum, columns)
    ]
  }
}

/** A file under way: its name at the start, its figures at the end. */
const fileLine = ({ done, name, size }: Active, columns: number): string => {
  const width = Math.min(columns, 100)
  const figures = size === undefined
    ? Output.bytes(done)
    : `${percent(done, size).padStart(4)}  ${`${Output.bytes(done)} of ${Output.bytes(size)}`.padStart(24)}`
  const text = shorten(`  ${printable(name)}`, Math.max(leastName, width - figures.length - 2))
  const gap = Math.max(2, width - widthOf(text) - figures.length)
  return shorten(`${text}${" ".repeat(gap)}${figures}`, columns)
}

/** How many rows of a terminal the lines take, if it has become narrower after they were written. */
const rowsOf = (widths: ReadonlyArray<number>, columns: number): number =>
  widths.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0)

/** Goes back to the start of the lines, and erases them. */
const erase = (widths: ReadonlyArray<number>, columns: number): string => {
  const up = rowsOf(widths, columns) - 1
  return `${up > 0 ? `\u001b[${up}A` : ""}\r\u001b[J`
}

/** Shows the progress on the terminal. */
export const make: Effect.Effect<Progress> = Effect.gen(function*() {
  const start = yield* Clock.currentTimeMillis
  const status = new Status(start)
  let shown = start
  /** The widths of the lines on the terminal. */
  let drawn: ReadonlyArray<number> = []
  const columnsNow = () => Math.max(20, Output.columnsOf(process.stderr))
  const show = (least: number) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (now - shown < least) return Effect.void
      shown = now
      const columns = columnsNow()
      // A line as wide as the terminal would begin another one.
      const lines = status.lines(now, columns - 1, process.stderr.rows ?? 24)
      const back = drawn.length === 0 ? "" : erase(drawn, columns)
      drawn = lines.map(widthOf)
      return Output.writeError(`${back}${lines.join("\n")}`)
    })
  return {
    take: (event) =>
      Effect.suspend(() => {
        status.take(event)
        return event._tag === "Started" || event._tag === "Moved" || event._tag === "Copied"
          ? show(interval)
          : Effect.void
      }),
    tick: Effect.forever(Effect.andThen(Effect.sleep(pulse), show(pulse))),
    wipe: Effect.suspend(() => {
      if (drawn.length === 0) return Effect.void
      const back = erase(drawn, columnsNow())
      drawn = []
      return Output.writeError(back)
    })
  }
})

/** Shows the progress if standard error is a terminal. */
export const auto = (quiet: boolean): Effect.Effect<Progress> =>
  quiet || process.stderr.isTTY !== true ? Effect.succeed(none) : make

/** The flags of all copies: what is left out, what happens to existing files, how fast. */
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { TransferOptions } from "../../Transfer/Transfer.ts"
import { UsageError } from "../Failure.ts"
import { size } from "./Quantities.ts"

const boolean = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

const count = (name: string, least: number, description: string) =>
  Flag.Int(name).pipe(
    Flag.filter((value) => value >= least, (value) => `--${name}: a number from ${least}, not ${value}`),
    Flag.withMetavar("N"),
    Flag.withDescription(description),
    Flag.optional
  )

const patterns = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar("PATTERN"),
    Flag.withDescription(description),
    Flag.filter((text) => text.replace(/\/$/, "") !== "", (text) => `--${name}: a pattern, not "${text}"`),
    Flag.atLeast(0)
  )

/** What is left out. */
export const filter = {
  include: patterns("include", "Only files with such a name, or such a path below the start; may be repeated"),
  exclude: patterns("exclude", "No files and folders with such a name or path; with / at its end only folders"),
  minimumSize: size("min-size", "Only files of at least this size"),
  maximumSize: size("max-size", "Only files of at most this size")
}

/** How files of the same name are compared. */
export const comparison = {
  sizeOnly: boolean("size-only", "Files of the same size are the same, also with other times"),
  checksum: boolean("checksum", "Compare the content of files of the same size: reads both"),
  window: Flag.Finite("modify-window").pipe(
    Flag.filter((seconds) => seconds >= 0, (seconds) => `--modify-window: seconds from 0, not ${seconds}`),
    Flag.withMetavar("SECONDS"),
    Flag.withDescription("Times that differ by no more are equal; FAT needs 2. Default: 0.002"),
    Flag.optional
  )
}

/** How a copy runs. */
export const running = {
  update: boolean("update", "Skip files that are newer at the target, or as old and as large"),
  existing: boolean("skip-existing", "Skip files that the target has"),
  noTimes: boolean("no-times", "Do not give copies the time of their original; with --resume they still get it"),
  dryRun: boolean("dry-run", "Change nothing; print what would be copied and removed"),
  transfers: count("transfers", 1, "How many files are copied at once. Default: 8"),
  retries: count("retries", 0, "How often a file is tried again after a failure that may pass. Default: 2"),
  bandwidth: size("bwlimit", "The most bytes a second, such as 2M; 0: no limit")
}

/** The flags of a copy. */
export const copy = { ...filter, ...comparison, ...running }

type Parsed<Flags> = { readonly [K in keyof Flags]: Flags[K] extends Flag.Flag<infer A> ? A : never }

const given = <K extends string, A>(key: K, value: Option.Option<A>): { readonly [P in K]?: A } =>
  Option.isSome(value) ? { [key]: value.value } as { readonly [P in K]: A } : {}

/** The options for the flags of a comparison. */
export const comparing = (
  flags: Parsed<typeof filter & typeof comparison>
): Effect.Effect<TransferOptions, UsageError> =>
  flags.sizeOnly && flags.checksum
    ? Effect.fail(new UsageError({ detail: "either --size-only or --checksum, not both" }))
    : Effect.succeed({
      include: flags.include,
      exclude: flags.exclude,
      ...given("minimumSize", flags.minimumSize),
      ...given("maximumSize", flags.maximumSize),
      ...(flags.sizeOnly ? { compare: "size" } : flags.checksum ? { compare: "checksum" } : {}),
      ...(Option.isSome(flags.window) ? { modifyWindow: flags.window.value * 1000 } : {})
    })

/** The options for the flags of a copy. Absent flags have the defaults of the transfer. */
export const options = Effect.fnUntraced(function*(
  flags: Parsed<typeof copy>
): Effect.fn.Return<TransferOptions, UsageError> {
  if (flags.update && flags.existing) {
    return yield* new UsageError({ detail: "either --update or --skip-existing, not both" })
  }
  const compared = yield* comparing(flags)
  const compares = flags.sizeOnly || flags.checksum
  return {
    ...compared,
    ...(flags.update
      ? { existing: "update" }
      : flags.existing
      ? { existing: "skip" }
      : compares
      ? { existing: "different" }
      : {}),
    ...(flags.noTimes ? { times: false } : {}),
    ...(flags.dryRun ? { dryRun: true } : {}),
    ...given("concurrency", flags.transfers),
    ...given("retries", flags.retries),
    ...given("bandwidth", Option.map(flags.bandwidth, Number))
  }
})

/** Which files a transfer copies: the rules, as plain functions. */
import * as Duration from "effect/Duration"
import type { SkipReason } from "../TransferEvent.ts"

/** What is compared. Times in ticks of 100 ns since 1601; absent if a file has no such time. */
export interface Facts {
  readonly size: bigint
  readonly lastWriteTime: bigint | undefined
}

/** What to do with a file that exists at the target: see `TransferOptions.existing`. */
export type Existing = "replace" | "skip" | "update" | "different"

/** How two files are compared: see `TransferOptions.compare`. */
export type Compare = "time" | "size" | "checksum"

/** The rules of one transfer. */
export interface Rules {
  readonly existing: Existing
  readonly compare: Compare
  /** The largest difference of two times that count as equal, in ticks. */
  readonly window: bigint
}

/** The rules, with their defaults. */
export const rules = (
  options: {
    readonly existing?: Existing | undefined
    readonly compare?: Compare | undefined
    readonly modifyWindow?: Duration.Input | undefined
  },
  existing: Existing
): Rules => ({
  existing: options.existing ?? existing,
  compare: options.compare ?? "time",
  // Node's files have times in milliseconds.
  window: BigInt(Math.round(Duration.toMillis(options.modifyWindow ?? "2 millis") * 10_000))
})

const difference = (a: bigint, b: bigint): bigint => a > b ? a - b : b - a

/** Whether two times count as equal. A file without a time is as old as any. */
const areClose = (a: Facts, b: Facts, window: bigint): boolean =>
  a.lastWriteTime !== undefined && b.lastWriteTime !== undefined &&
  difference(a.lastWriteTime, b.lastWriteTime) <= window

const isNewer = ({ lastWriteTime: a }: Facts, { lastWriteTime: b }: Facts): boolean =>
  a !== undefined && b !== undefined && a > b

/** Why a file is not copied; `copy` if it is, `checksum` if the content of both has to be compared. */
export const choose = (
  source: Facts,
  target: Facts | undefined,
  { compare, existing, window }: Rules
): SkipReason | "copy" | "checksum" => {
  if (target === undefined || existing === "replace") return "copy"
  if (existing === "skip") return "Exists"
  if (existing === "update") {
    if (areClose(source, target, window)) return source.size === target.size ? "Same" : "copy"
    return isNewer(target, source) ? "Newer" : "copy"
  }
  if (source.size !== target.size) return "copy"
  if (compare === "size") return "Same"
  if (compare === "checksum") return "checksum"
  return areClose(source, target, window) ? "Same" : "copy"
}

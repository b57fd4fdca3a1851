/**
 * Inputs in files: those that coverage has found, in `corpus`, and those that once broke a promise, in `found.json`.
 *
 * A line is the name of the decoder and the bytes. The name stays right when a target gets further decoders; the first
 * byte of an input, which is a number, would not.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import type { Target } from "./Engine.ts"

/** Bytes of a corpus, and of one input in it: what a test runs in little time. */
const largestCorpus = 24 * 1024
const largestInput = 1024

const pathOf = ({ name }: Target): URL => new URL(`corpus/${name}.txt`, import.meta.url)

/** An input as a line. */
export const format = ({ members }: Target, input: Uint8Array): string => {
  const [member, bytes] = members === undefined || input.length === 0
    ? ["-", input]
    : [members[input[0]! % members.length]!, input.subarray(1)]
  return `${Buffer.from(bytes).toString("base64")} ${member}`
}

/** The input of a line; `undefined` if its decoder no longer exists. */
export const parse = ({ members }: Target, line: string): Uint8Array | undefined => {
  const cut = line.indexOf(" ")
  const bytes = Buffer.from(line.slice(0, cut), "base64")
  const member = line.slice(cut + 1)
  if (member === "-") return new Uint8Array(bytes)
  const index = members?.indexOf(member) ?? -1
  return index < 0 ? undefined : new Uint8Array(Buffer.concat([Uint8Array.of(index), bytes]))
}

/** The kept inputs of a target. */
export const read = (target: Target): ReadonlyArray<Uint8Array> => {
  const path = pathOf(target)
  if (!existsSync(path)) return []
  return readFileSync(path, "utf8").split("\n").flatMap((line) => line === "" ? [] : parse(target, line) ?? [])
}

/** Keeps inputs of a target, the smallest ones first, as far as there is room. Returns how many there are. */
export const write = (target: Target, inputs: ReadonlyArray<Uint8Array>): number => {
  const lines = new Set<string>()
  let size = 0
  for (const input of inputs.filter(({ length }) => length <= largestInput).sort((a, b) => a.length - b.length)) {
    const line = format(target, input)
    if (lines.has(line)) continue
    if (size + line.length > largestCorpus) break
    size += line.length + 1
    lines.add(line)
  }
  mkdirSync(new URL(".", pathOf(target)), { recursive: true })
  writeFileSync(pathOf(target), `${[...lines].join("\n")}\n`)
  return lines.size
}

/** An input that broke a promise, and what it was. */
export interface Found {
  readonly target: string
  readonly input: string
  readonly was: string
}

/** All inputs that broke a promise once. */
export const found = JSON.parse(readFileSync(new URL("found.json", import.meta.url), "utf8")) as ReadonlyArray<Found>

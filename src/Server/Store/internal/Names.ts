/**
 * Names as Windows compares them, and what no store takes for a name.
 *
 * Windows compares names by a table that maps single UTF-16 code units to upper case, without regard to language. That is
 * the simple mapping of Unicode, apart from a few letters whose upper case is another alphabet's or an ASCII letter: they
 * stay as they are, or `ſ` and `S` would name one file. Whether names are normalised is left to who makes them: `é` in one
 * code point and in two are two names, as on NTFS.
 */
import { StoreError } from "../../ShareStore.ts"
import type { StorePath } from "../../ShareStore.ts"

/** UTF-16 code units in one component. */
export const maximumComponentLength = 255

/** MICRO SIGN, DOTLESS I, LONG S, and what Unicode maps to a letter that is not its pair: Windows maps none of them. */
const fixed = new Set([0x00b5, 0x0131, 0x017f, 0x0345, 0x1e9b, 0x1fbe])

const upperUnit = (unit: number): number => {
  if (fixed.has(unit) || (unit >= 0xd800 && unit <= 0xdfff)) return unit
  const upper = String.fromCharCode(unit).toUpperCase()
  return upper.length === 1 ? upper.charCodeAt(0) : unit
}

/** Filled as units are met: 128 KiB at most. */
const table = new Uint16Array(0x1_0000)

// oxlint-disable-next-line no-control-regex
const ascii = /^[\0-\x7f]*$/

/**
 * What names have in common that differ in case alone.
 *
 * @category conversions
 */
export const fold = (name: string): string => {
  if (ascii.test(name)) return name.toUpperCase()
  let folded = ""
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i)
    let upper = table[unit]!
    if (upper === 0) {
      upper = upperUnit(unit)
      table[unit] = upper
    }
    folded += String.fromCharCode(upper)
  }
  return folded
}

/** Whether this could lead out of a directory, or is no name at all. */
export const isComponent = (name: string): boolean =>
  name.length > 0 && name.length <= maximumComponentLength && name !== "." && name !== ".." && !/[/\\\0]/.test(name)

/**
 * The path, if each of its components names something within the one before. Throws a `StoreError`: `InvalidName` for the
 * others.
 */
export const confined = (path: StorePath): StorePath => {
  for (const name of path) if (!isComponent(name)) throw new StoreError({ reason: "InvalidName" })
  return path
}

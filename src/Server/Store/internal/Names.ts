/**
 * Names as Windows compares them, and what no store takes for a name.
 *
 * Windows compares names by a table that maps single UTF-16 code units to upper case, without regard to language; what it
 * does not know, such as `ſ` and `ı`, stays as it is. Whether names are normalised is left to who makes them: `é` in one code point
 * and in two are two names, as on NTFS.
 */
import { StoreError } from "../../ShareStore.ts"
import type { StorePath } from "../../ShareStore.ts"

export { fold } from "../../../Codec/UpCase.ts"

/** UTF-16 code units in one component. */
export const maximumComponentLength = 255

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

/**
 * Names as Windows compares them, and names that every store refuses.
 *
 * Windows compares names by a table that maps single UTF-16 code units to upper case, without regard to language. Code
 * units that are not in the table, such as `ſ` and `ı`, stay unchanged. Names are not normalised: `é` in one code point
 * and in two code points are two names, as on NTFS.
 */
import { storeError, type StorePath } from "../../ShareStore.ts"

export { fold } from "../../../Codec/UpCase.ts"

/** Most UTF-16 code units in one component. */
export const maximumComponentLength = 255

/** Whether a text is a name that cannot lead out of a directory. */
export const isComponent = (name: string): boolean =>
  name.length > 0 && name.length <= maximumComponentLength && name !== "." && name !== ".." && !/[/\\\0]/.test(name)

/**
 * The path, if no component can lead out of the one before. Throws a `StoreError` `InvalidName` otherwise.
 */
export const confined = (path: StorePath): StorePath => {
  for (const name of path) if (!isComponent(name)) throw storeError("InvalidName")
  return path
}

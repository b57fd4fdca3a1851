/** The names of paths in messages. */
import * as UncPath from "../UncPath.ts"

/** A path as a text. */
export const text = (path: UncPath.PathInput): string => typeof path === "string" ? path : UncPath.format(path)

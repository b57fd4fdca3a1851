/** The names of paths in messages. */
import * as UncPath from "../UncPath.ts"

/** A path as a text. The text is in errors, so it has no user and no password of a URL. */
export const text = (path: UncPath.PathInput): string => UncPath.shown(path)

/** The local files that transfers are writing, under their temporary names. It imports nothing that takes time to load. */
import { rmSync } from "node:fs"

const paths = new Set<string>()

/**
 * Notes the path of an incomplete file.
 *
 * @since 0.2.0
 */
export const add = (path: string): void => void paths.add(path)

/**
 * Forgets a path: its file is complete, or was removed.
 *
 * @since 0.2.0
 */
export const forget = (path: string): void => void paths.delete(path)

/**
 * Whether a path is that of an incomplete file.
 *
 * @since 0.2.0
 */
export const has = (path: string): boolean => paths.has(path)

/**
 * Removes the incomplete files of all transfers at once, for a process that ends without its finalizers.
 *
 * @since 0.2.0
 */
export const removeAll = (): void => {
  for (const path of paths) rmSync(path, { force: true })
}

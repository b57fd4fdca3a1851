/**
 * Paths as the DFS algorithm handles them: the components of `\\server\share\rest`, compared by whole components and
 * without regard to case.
 *
 * What a user types is the client's `UncPath`; this module takes names as they stand in referrals and requests.
 */

/**
 * Server, share, and what lies below; never an empty component.
 *
 * @category models
 */
export type DfsPath = ReadonlyArray<string>

/** The components of a name with any number of leading backslashes. */
export const fromString = (text: string): DfsPath => text.split("\\").filter((component) => component !== "")

/** As users write it: `\\server\share\rest`. */
export const toString = (path: DfsPath): string => `\\\\${path.join("\\")}`

/** As a referral request carries it: one leading backslash. */
export const toRequest = (path: DfsPath): string => `\\${path.join("\\")}`

/**
 * One component in the case in which it is compared. Windows maps code unit to code unit, so what would grow in upper
 * case (such as "ß") stays as it is.
 */
export const fold = (component: string): string => {
  const upper = component.toUpperCase()
  if (upper.length === component.length) return upper
  let folded = ""
  for (const character of component) {
    const one = character.toUpperCase()
    folded += one.length === character.length ? one : character
  }
  return folded
}

/** Equal keys are the same path. */
export const key = (path: DfsPath): string => path.map(fold).join("\\")

/** Is `prefix` a whole-component prefix of `path`, or the path itself? */
export const startsWith = (path: DfsPath, prefix: DfsPath): boolean =>
  path.length >= prefix.length && prefix.every((component, i) => fold(component) === fold(path[i]!))

// oxlint-disable-next-line no-control-regex
const illegal = /[\u0000-\u001f"*/<>?|]/

/** Can it be a target: a server and a share at least, and no component that is not a name? */
export const isTarget = (path: DfsPath): boolean =>
  path.length >= 2 && path.every((component) => component !== "." && component !== ".." && !illegal.test(component))

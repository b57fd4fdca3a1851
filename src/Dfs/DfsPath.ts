/**
 * Paths as the DFS algorithm handles them: the components of `\\server\share\rest`, compared by whole components and
 * without regard to case.
 *
 * What a user types is the client's `UncPath`; this module takes names as they stand in referrals and requests.
 */
import * as UpCase from "../Codec/UpCase.ts"
import * as UncName from "../Protocol/UncName.ts"

/**
 * Server, share, and the components below; no component is empty.
 *
 * @category models
 * @since 0.1.0
 */
export type DfsPath = ReadonlyArray<string>

/**
 * The components of a name with any number of leading backslashes.
 *
 * @since 0.1.0
 */
export const fromString = (text: string): DfsPath => text.split("\\").filter((component) => component !== "")

/**
 * As users write it: `\\server\share\rest`.
 *
 * @since 0.1.0
 */
export const toString = (path: DfsPath): string => `\\\\${path.join("\\")}`

/**
 * As a referral request carries it: one leading backslash.
 *
 * @since 0.1.0
 */
export const toRequest = (path: DfsPath): string => `\\${path.join("\\")}`

/**
 * One component in the case in which it is compared: Windows' own table.
 *
 * @since 0.1.0
 */
export const fold = (component: string): string => UpCase.fold(component)

/**
 * Equal keys are the same path.
 *
 * @since 0.1.0
 */
export const key = (path: DfsPath): string => path.map(fold).join("\\")

/**
 * Is `prefix` a whole-component prefix of `path`, or the path itself?
 *
 * @since 0.1.0
 */
export const startsWith = (path: DfsPath, prefix: DfsPath): boolean =>
  path.length >= prefix.length && prefix.every((component, i) => fold(component) === fold(path[i]!))

// oxlint-disable-next-line no-control-regex
const illegal = /[\u0000-\u001f"*/<>?|]/

/**
 * Is a component a name at all?
 *
 * @since 0.1.0
 */
export const isName = (component: string): boolean =>
  component !== "." && component !== ".." && !illegal.test(component)

/**
 * The host to connect to for a first component: without the brackets of an IPv6 address, or from Windows' name for it.
 *
 * @since 0.1.0
 */
export const host = UncName.host

/**
 * Is a first component an address rather than a name?
 *
 * @since 0.1.0
 */
export const isAddress = (component: string): boolean =>
  host(component).includes(":") || /^\d{1,3}(?:\.\d{1,3}){3}$/.test(component)

/**
 * Does a path lead to the shares that every domain controller has, SYSVOL and NETLOGON?
 *
 * @since 0.1.0
 */
export const isSysvol = (path: DfsPath): boolean => {
  const share = fold(path[1] ?? "")
  return share === "SYSVOL" || share === "NETLOGON"
}

/**
 * Can it be a target: a server and a share at least, and no component that is not a name?
 *
 * @since 0.1.0
 */
export const isTarget = (path: DfsPath): boolean => path.length >= 2 && path.every(isName)

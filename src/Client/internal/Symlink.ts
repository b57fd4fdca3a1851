/**
 * Follows the symbolic links that a server leaves to its clients (MS-SMB2 2.2.2.2.1.1): Windows stops at each link, and
 * says where it leads. Links that a server follows itself, as Samba does with its own, do not get here.
 *
 * Only links within their share are followed. A link to another server or share could lead anywhere, with the user's
 * credentials, so it is not followed. A link to a drive of the server is not followed either. In both cases the error
 * tells the target.
 */
import { fold } from "../../Codec/UpCase.ts"
import type { SmbError, SymbolicLink } from "../../Protocol/Errors.ts"
import type { Target } from "../Locator.ts"
import * as PreviousVersion from "../PreviousVersion.ts"
import { normal } from "./PathComponents.ts"

/** The most links that are followed on one path, one after another. */
export const maximumHops = 8

const split = (path: string): ReadonlyArray<string> => path.split(/[\\/]/)

/** The path below the share that an absolute target names, if the target names this share. */
const withinShare = (target: string, place: Target): string | undefined => {
  const match = /^(?:\\\?\?\\UNC|\\)\\([^\\]+)\\([^\\]+)(?:\\(.*))?$/isu.exec(target)
  if (match === null) return undefined
  const named = fold(`${match[1]}\\${match[2]}`)
  return [place, place.dfsName].some((name) => name !== undefined && named === fold(`${name.server}\\${name.share}`))
    ? match[3] ?? ""
    : undefined
}

const follow = (link: SymbolicLink, place: Target): string | undefined => {
  const end = link.path.length - link.unparsed
  const after = split(link.path.slice(end))
  if (link.relative) {
    const directory = split(link.path.slice(0, end)).filter((part) => part !== "").slice(0, -1)
    return normal([...directory, ...split(link.target), ...after])?.join("\\")
  }
  const below = withinShare(link.target, place)
  return below === undefined ? undefined : normal([...split(below), ...after])?.join("\\")
}

/**
 * The path to try instead of the target's, after an operation on it failed with `error`. `undefined` if no link on
 * exactly this path caused the error, or the link is not followed. A previous version's token stays in front.
 */
export const resolve = (error: SmbError, place: Target): string | undefined => {
  const link = error.reason._tag === "StoppedOnSymlink" ? error.reason.symbolicLink : undefined
  if (link === undefined) return undefined
  const { path: plain, time } = PreviousVersion.split(place.path)
  if (link.path !== plain) return undefined
  const target = follow(link, place)
  if (target === undefined || time === undefined) return target
  return target === "" ? PreviousVersion.format(time) : `${PreviousVersion.format(time)}\\${target}`
}

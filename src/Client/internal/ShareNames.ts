/** Whether two names are of the same share or file. Names that differ only by case count as the same. */
import { fold } from "../../Codec/UpCase.ts"
import type * as Share from "../../Protocol/Share.ts"
import type * as Locator from "../Locator.ts"

/** The full name of a file, for comparison. */
export const fileKey = (share: Share.Share, path: string): string =>
  fold(`${share.server}:${share.port}\\${share.name}\\${path}`)

/** Whether the target is on this share. */
export const isOnShare = (share: Share.Share, target: Locator.Target): boolean =>
  fold(share.server) === fold(target.server) && share.port === target.port &&
  fold(share.name) === fold(target.share)

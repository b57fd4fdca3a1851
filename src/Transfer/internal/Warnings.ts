/** The warnings of transfers, in words. */
import * as Duration from "effect/Duration"
import type { Entry } from "../../Client/Entry.ts"
import type { Move } from "../../Client/Operations.ts"
import type { EntryError, Warning } from "../TransferEvent.ts"

const warning = (kind: Warning["kind"], path: string, what: string): Warning => ({
  kind,
  path,
  message: `${path}: ${what}`
})

/** A symbolic link could lead anywhere, and its target has no meaning on another machine. */
export const symbolicLink = (path: string): Warning =>
  warning("SymbolicLink", path, "this is a symbolic link, and was not copied")

export const noFile = (path: string): Warning =>
  warning("NoFile", path, "this is neither a file nor a folder, and was not copied")

export const intoItself = (path: string): Warning =>
  warning("IntoItself", path, "the copy is written to this folder, so the folder was not copied")

export const loop = ({ path }: Entry): Warning =>
  warning("Loop", path, "this folder leads back to a folder above it, and its content is not listed again")

export const notContinued = (path: string): Warning =>
  warning(
    "NotContinued",
    path,
    "this is not a part that an upload of this file has left, so it stays as it is, and the file is sent from its start. " +
      "Another user may have put it there: look at it, and remove it"
  )

export const targetChanged = ({ cause, from, offset, path, to }: Move): Warning => ({
  kind: "TargetChanged",
  path,
  message: `${from} went away at byte ${offset} (${cause.message}): reading on at ${to}`,
  move: { from, to, offset }
})

/** `attempt` is the number of the next attempt after the first one, from 1 to `times`. */
export const triedAgain = (
  path: string,
  { message }: EntryError,
  pause: Duration.Duration,
  attempt: number,
  times: number
): Warning => ({
  kind: "TriedAgain",
  path,
  message: `${message.includes(path) ? "" : `${path}: `}${message}. Trying again in ${
    Duration.toSeconds(pause)
  } s (${attempt} of ${times})`
})

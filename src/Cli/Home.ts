/**
 * The user's own folder, where there is one: a container's user may have neither HOME nor an entry among the users.
 */
import { homedir } from "node:os"

/** What is below it is not there, and cannot be made. */
const none = "/dev/null"

/** The folder, or nothing. */
export const known = (): string | undefined => {
  try {
    return homedir()
  } catch {
    return undefined
  }
}

/** The folder; a place that holds nothing where there is none. */
export const folder = (): string => known() ?? none

/** The user's home folder, if it exists: a container's user may have neither HOME nor an entry in the user database. */
import { homedir } from "node:os"

/** A path below it does not exist, and cannot be created. */
export const none = "/dev/null"

/** The folder, or `undefined`. */
export const known = (): string | undefined => {
  try {
    return homedir()
  } catch {
    return undefined
  }
}

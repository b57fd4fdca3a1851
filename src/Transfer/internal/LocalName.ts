/**
 * Which names from a server can be names of local files, and which local names can be names on a server.
 *
 * A listing comes from a peer. A name in it must stay one component below the folder that the user named, no matter how
 * this machine reads it: no separator, no way up, and on Windows no drive, stream or device. In the other direction a
 * backslash would be a separator, and the text after a colon would be a stream of another file.
 */
import { createHash } from "node:crypto"
import { cut, longestName } from "../../Client/PartNames.ts"

/** The devices that Windows finds in every folder, with any extension. */
const device = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i

/** Why a name cannot be used; `undefined` if it can. */
export const objection = (name: string, platform: NodeJS.Platform): string | undefined => {
  if (name === "" || name === "." || name === "..") return "it leads out of its folder"
  if (/[\\/]/.test(name)) return "it contains a separator"
  if (name.includes("\0")) return "it contains a NUL"
  if (platform !== "win32") return undefined
  // oxlint-disable-next-line no-control-regex
  if (/[:*?"<>|\u0001-\u001f]/.test(name)) return "Windows allows no such name"
  if (/[. ]$/.test(name)) return "Windows drops the dot or blank at its end"
  return device.test(name.trimEnd()) ? "it is a device on Windows" : undefined
}

/**
 * Why a local name cannot be a name on a server (MS-FSCC 2.1.5.2); `undefined` if it can. With `mapped` the client sends
 * other characters for most of those that no name on a server has.
 */
export const objectionThere = (name: string, mapped = false): string | undefined => {
  // oxlint-disable-next-line no-control-regex
  const wrong = (mapped ? /[/\\\u0000]/ : /["*/:<>?\\|\u0000-\u001f]/).exec(name)?.[0]
  if (wrong !== undefined) {
    return `no name on a server has ${wrong < " " ? "a control character" : `the character ${wrong}`} in it`
  }
  return name.length > longestThere ? `names on a server have at most ${longestThere} UTF-16 code units` : undefined
}

/** The most that a component of a path can have, in UTF-16 code units (MS-FSCC 2.1.5.2). */
const longestThere = 255

/** The local name of a file until it is complete: `.name.tag.part` next to `name`. */
export const partial = (name: string, tag: string): string => {
  const end = `.${tag}.part`
  return `.${cut(name, longestName - 1 - end.length)}${end}`
}

/** The tag of a download that can be resumed: another file, or a changed version of the same file, has another tag. */
export const resumeTag = (path: string, size: bigint, lastWriteTime: bigint): string =>
  createHash("sha256").update(`${path}\0${size}\0${lastWriteTime}`).digest("hex").slice(0, 12)

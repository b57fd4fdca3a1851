/**
 * Which names from a server may become names of files here, and which from here names there.
 *
 * A listing is a peer's word. A name in it must stay one component below the folder that the user named, whatever
 * this machine makes of it: no separator, no way up, and on Windows no drive, stream or device either. The other way
 * round a backslash would be a separator, and what follows a colon a stream of another file.
 */
import { createHash } from "node:crypto"

/** Devices that Windows finds in every folder, with any extension. */
const device = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i

/** Why a name may not be used; `undefined` where it may. */
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

/** Why a name here may not become one on a server (MS-FSCC 2.1.5.2); `undefined` where it may. */
export const objectionThere = (name: string): string | undefined => {
  // oxlint-disable-next-line no-control-regex
  const wrong = /["*/:<>?\\|\u0000-\u001f]/.exec(name)?.[0]
  if (wrong !== undefined) {
    return `no name on a server has ${wrong < " " ? "a control character" : `the character ${wrong}`} in it`
  }
  return name.length > longestThere ? `names on a server have at most ${longestThere} UTF-16 code units` : undefined
}

/** What a component of a path may have, in UTF-16 code units (MS-FSCC 2.1.5.2). */
const longestThere = 255

/** Most file systems allow names of 255 bytes. */
const longestName = 255

/** Cuts a text at whole characters, so that it takes no more than `bytes` in UTF-8. */
const cut = (text: string, bytes: number): string => {
  let result = ""
  let left = bytes
  for (const character of text) {
    left -= Buffer.byteLength(character)
    if (left < 0) break
    result += character
  }
  return result
}

/** Where a file is written here until it is whole: `.name.tag.part` beside `name`. */
export const partial = (name: string, tag: string): string => {
  const end = `.${tag}.part`
  return `.${cut(name, longestName - 1 - end.length)}${end}`
}

/** What the usual name of a part on a server ends in. */
export const partEnd = ".part"

/**
 * What a file is called on a server until it is whole, most welcome first: `name.tag.part`, and where such endings are
 * refused `name.tag`.
 *
 * Administrators veto names that begin with a dot, and above all with `._`, as macOS names its resource forks; Samba
 * counts them as hidden. So the name has none in front. An ending of the file's own is no choice: who watches a folder for
 * `*.pdf` is not to meet half of one.
 */
export const parts = (name: string, tag: string): readonly [string, string] => {
  const visible = name.replace(/^\.+/, "") || "file"
  return [
    `${cut(visible, longestName - 1 - tag.length - partEnd.length)}.${tag}${partEnd}`,
    `${cut(visible, longestName - 1 - tag.length)}.${tag}`
  ]
}

/** The tag of a download that may be resumed: another file, or the same one changed meanwhile, has another tag. */
export const resumeTag = (path: string, size: bigint, lastWriteTime: bigint): string =>
  createHash("sha256").update(`${path}\0${size}\0${lastWriteTime}`).digest("hex").slice(0, 12)

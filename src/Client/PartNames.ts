/** The names of files that are not complete yet, and how such a file is shared with other opens. */
import { randomBytes } from "node:crypto"
import { ShareAccess } from "../Smb2/Message/Constants.ts"

/**
 * The longest name of such a file, in bytes of UTF-8: most file systems allow 255.
 *
 * @since 0.2.0
 */
export const longestName = 255

/**
 * Cuts a text at whole characters, to at most `bytes` bytes of UTF-8.
 *
 * @since 0.2.0
 */
export const cut = (text: string, bytes: number): string => {
  let result = ""
  let left = bytes
  for (const character of text) {
    left -= Buffer.byteLength(character)
    if (left < 0) break
    result += character
  }
  return result
}

/**
 * The end of the usual name of a part on a server.
 *
 * @since 0.2.0
 */
export const partEnd = ".part"

/**
 * The names of a file on a server until it is complete, the preferred one first: `name.tag.part`, and `name.tag` if the
 * server refuses such endings.
 *
 * Administrators veto names that begin with a dot, and most often those with `._`, as macOS names its resource forks;
 * Samba treats them as hidden. So the name does not begin with a dot. It also does not have the file's own ending: a
 * program that watches a folder for `*.pdf` must not find an incomplete file.
 *
 * @since 0.2.0
 */
export const parts = (name: string, tag: string): readonly [string, string] => {
  const visible = name.replace(/^\.+/, "") || "file"
  return [
    `${cut(visible, longestName - 1 - tag.length - partEnd.length)}.${tag}${partEnd}`,
    `${cut(visible, longestName - 1 - tag.length)}.${tag}`
  ]
}

/**
 * The tag of a part: 12 hexadecimal digits.
 *
 * @since 0.2.0
 */
export const randomTag = (): string => randomBytes(6).toString("hex")

/** What ends the name of a part that has its preferred name. */
const endOfPart = /\.[0-9a-f]{12}\.part$/

/**
 * Whether a name is that of a part of a file, and of no other file. The name of a part can be cut, and can then be that of
 * several files.
 *
 * @since 0.2.0
 */
export const isPartOf = (part: string, name: string): boolean => {
  const end = endOfPart.exec(part)?.[0]
  return end !== undefined && part === `${name.replace(/^\.+/, "") || "file"}${end}`
}

/**
 * How a part is shared: other opens can read it, and none can write, delete or rename it. So a client that removes parts
 * of earlier transfers is refused while a part is written.
 *
 * @since 0.2.0
 */
export const shareAccess = ShareAccess.FILE_SHARE_READ

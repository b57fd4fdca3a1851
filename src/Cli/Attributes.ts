/** The attributes of files by name and by letter (MS-FSCC 2.6), and changes of them. Pure. */
import { FileAttributes } from "../Smb2/Message/Constants.ts"

/** The attributes that a client can set, by the letters of Windows' `attrib`; `t` and `e` are smbclient's. */
export const settable = {
  r: FileAttributes.FILE_ATTRIBUTE_READONLY,
  h: FileAttributes.FILE_ATTRIBUTE_HIDDEN,
  s: FileAttributes.FILE_ATTRIBUTE_SYSTEM,
  a: FileAttributes.FILE_ATTRIBUTE_ARCHIVE,
  t: FileAttributes.FILE_ATTRIBUTE_TEMPORARY,
  o: FileAttributes.FILE_ATTRIBUTE_OFFLINE,
  i: FileAttributes.FILE_ATTRIBUTE_NOT_CONTENT_INDEXED
} as const

export type Letter = keyof typeof settable

const isLetter = (letter: string): letter is Letter => Object.hasOwn(settable, letter)

/** Whether a word of the command line is a change such as `+rh`. */
export const isChange = (word: string): boolean => word.startsWith("+")

/** The letters of `+rh`; `undefined` if a letter is unknown. */
export const lettersOf = (word: string): ReadonlyArray<Letter> | undefined => {
  const letters = [...word.slice(1).toLowerCase()]
  return letters.length > 0 && letters.every(isLetter) ? letters : undefined
}

/** The names of the attributes of a file: `readonly`, `not content indexed`. A bit without a name is a number. */
export const names = (flags: number): ReadonlyArray<string> => {
  const known = Object.entries(FileAttributes).filter(([, flag]) => (flags & flag) !== 0)
  const rest = known.reduce((left, [, flag]) => left & ~flag, flags) >>> 0
  const all = known.map(([name]) => name.slice("FILE_ATTRIBUTE_".length).toLowerCase().replaceAll("_", " "))
  return rest === 0 ? all : [...all, `0x${rest.toString(16)}`]
}

const mask = Object.values(settable).reduce<number>((all, flag) => all | flag, FileAttributes.FILE_ATTRIBUTE_DIRECTORY)

/**
 * The attributes after a change, in the form in which a server takes them: without those that no client can set, and
 * FILE_ATTRIBUTE_NORMAL instead of 0, which would mean no change (MS-FSCC 2.4.7).
 */
export const changed = (flags: number, set: ReadonlyArray<Letter>, clear: ReadonlyArray<Letter>): number => {
  const bits = (letters: ReadonlyArray<Letter>) => letters.reduce((all, letter) => all | settable[letter], 0)
  const next = ((flags & mask) | bits(set)) & ~bits(clear)
  return next === 0 ? FileAttributes.FILE_ATTRIBUTE_NORMAL : next
}

/** `-r--a--`: a letter for each attribute that can be set. */
export const line = (flags: number): string =>
  Object.entries(settable).map(([letter, flag]) => (flags & flag) === 0 ? "-" : letter).join("")

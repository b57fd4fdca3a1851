/**
 * The extended attributes of a file, as a store keeps them: one list (MS-FSCC 2.4.16), whose names are in upper case and
 * which takes up to 64 KiB.
 */
import * as Codec from "../../../Codec/Codec.ts"
import * as FileInformation from "../../../Codec/FileInformation.ts"

type All = FileInformation.FileFullEaInformation

/** Bytes of a file's list. */
export const most = 65_536

const decodeList = Codec.decode("FILE_FULL_EA_INFORMATION", FileInformation.FileFullEaInformation)

/** What a client sent; undefined where it is no list. */
export const read = (bytes: Uint8Array): All | undefined => {
  const decoded = decodeList(bytes)
  return decoded._tag === "Success" ? decoded.success : undefined
}

/** What a store keeps; nothing where that makes no sense. */
export const decode = (bytes: Uint8Array | undefined): All => bytes === undefined ? [] : read(bytes) ?? []

export const encode = Codec.encode(FileInformation.FileFullEaInformation)

/** By name: names that differ in case alone are one. They are of ASCII (MS-FSCC 2.4.15). */
export const byName = (all: All): Map<string, All[number]> => new Map(all.map((one) => [one.eaName.toUpperCase(), one]))

/**
 * What is there, after changes: a value of no bytes takes an attribute away. A name keeps the case in which it was first
 * given: Linux's client compares names with regard to case.
 */
export const changed = (before: All, changes: All): All => {
  const all = byName(before)
  for (const change of changes) {
    const key = change.eaName.toUpperCase()
    if (change.eaValue.length === 0) all.delete(key)
    else all.set(key, { ...change, eaName: all.get(key)?.eaName ?? change.eaName })
  }
  return [...all.values()]
}

/**
 * The extended attributes of a file, as a store keeps them: one list (MS-FSCC 2.4.16) of up to 64 KiB, with names in
 * upper case.
 */
import * as Codec from "../../../Codec/Codec.ts"
import * as FileInformation from "../../../Codec/FileInformation.ts"

type All = FileInformation.FileFullEaInformation

/** The most bytes of a file's list. */
export const most = 65_536

const decodeList = Codec.decode("FILE_FULL_EA_INFORMATION", FileInformation.FileFullEaInformation)

/** Decodes a client's list; undefined if the bytes are not a list. */
export const read = (bytes: Uint8Array): All | undefined => {
  const decoded = decodeList(bytes)
  return decoded._tag === "Success" ? decoded.success : undefined
}

/** Decodes the list that a store keeps; an empty list if the bytes are not valid. */
export const decode = (bytes: Uint8Array | undefined): All => bytes === undefined ? [] : read(bytes) ?? []

export const encode = Codec.encode(FileInformation.FileFullEaInformation)

/** By name: names that differ only in case are the same. They are ASCII (MS-FSCC 2.4.15). */
export const byName = (all: All): Map<string, All[number]> => new Map(all.map((one) => [one.eaName.toUpperCase(), one]))

/**
 * The list after changes: a value of no bytes removes an attribute. A name keeps the case in which it was first given:
 * Linux's client compares names with regard to case.
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

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

/** What is there, after changes: a value of no bytes takes an attribute away. */
export const changed = (before: All, changes: All): All => {
  const all = new Map(before.map((one) => [one.eaName.toUpperCase(), one]))
  for (const change of changes) {
    const eaName = change.eaName.toUpperCase()
    if (change.eaValue.length === 0) all.delete(eaName)
    else all.set(eaName, { ...change, eaName })
  }
  return [...all.values()]
}

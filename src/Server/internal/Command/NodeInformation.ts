/**
 * The values that a client is shown for a node of a store, under the names that CREATE, CLOSE (MS-SMB2) and the file
 * information classes (MS-FSCC) share. Times are FILETIMEs (100 ns ticks since 1601), sizes bytes.
 */
import * as FileTime from "../../../Codec/FileTime.ts"
import { FileAttributes } from "../../../Smb2/Message/Constants.ts"
import type { StoreNode } from "../../ShareStore.ts"

/** Its attributes: with DIRECTORY for a directory, and NORMAL if it has no others. */
export const attributes = (node: StoreNode): number => {
  const without = node.fileAttributes & ~FileAttributes.FILE_ATTRIBUTE_NORMAL
  const all = node.type === "directory"
    ? without | FileAttributes.FILE_ATTRIBUTE_DIRECTORY
    : without & ~FileAttributes.FILE_ATTRIBUTE_DIRECTORY
  return all === 0 ? FileAttributes.FILE_ATTRIBUTE_NORMAL : all
}

/** The largest size that the signed fields of 64 bits hold. */
const largest = (1n << 63n) - 1n

/** Bytes, or another count of 64 bits, limited to the range that the wire's field holds. */
export const size = (count: bigint): bigint => (count < 0n ? 0n : count > largest ? largest : count)

/** The number of a file as FILE_ID_128 (MS-FSCC 2.1.9). */
export const fileId128 = ({ id }: StoreNode): Uint8Array => {
  const bytes = new Uint8Array(16)
  new DataView(bytes.buffer).setBigUint64(0, id, true)
  return bytes
}

/** How many names a file has. */
export const links = (count: number): number => Math.min(Math.max(count, 0), 0xffff_ffff)

/** Its times and attributes: FileBasicInformation. */
export const basic = (node: StoreNode) => ({
  creationTime: FileTime.clamp(node.creationTime),
  lastAccessTime: FileTime.clamp(node.lastAccessTime),
  lastWriteTime: FileTime.clamp(node.lastWriteTime),
  changeTime: FileTime.clamp(node.changeTime),
  fileAttributes: attributes(node)
})

/** Its times, attributes and sizes: FileNetworkOpenInformation, and the fields of CREATE and CLOSE responses. */
export const networkOpen = (node: StoreNode) => ({
  ...basic(node),
  allocationSize: size(node.allocationSize),
  endOfFile: size(node.size)
})

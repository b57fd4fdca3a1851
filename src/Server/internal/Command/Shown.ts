/**
 * What a client is shown of a node of a store, under the names that CREATE, CLOSE (MS-SMB2) and the file information
 * classes (MS-FSCC) share. Times are FILETIMEs (100 ns ticks since 1601), sizes bytes.
 */
import { FileAttributes } from "../../../Smb2/Message/Constants.ts"
import type { StoreNode } from "../../ShareStore.ts"

/** Its attributes: DIRECTORY as it is one, NORMAL where there are no others. */
export const attributes = (node: StoreNode): number => {
  const without = node.fileAttributes & ~FileAttributes.FILE_ATTRIBUTE_NORMAL
  const all = node.type === "directory"
    ? without | FileAttributes.FILE_ATTRIBUTE_DIRECTORY
    : without & ~FileAttributes.FILE_ATTRIBUTE_DIRECTORY
  return all === 0 ? FileAttributes.FILE_ATTRIBUTE_NORMAL : all
}

/** Its times and attributes: FileBasicInformation. */
export const basic = (node: StoreNode) => ({
  creationTime: node.creationTime,
  lastAccessTime: node.lastAccessTime,
  lastWriteTime: node.lastWriteTime,
  changeTime: node.changeTime,
  fileAttributes: attributes(node)
})

/** And its sizes: FileNetworkOpenInformation, and what CREATE and CLOSE answer. */
export const networkOpen = (node: StoreNode) => ({
  ...basic(node),
  allocationSize: node.allocationSize,
  endOfFile: node.size
})

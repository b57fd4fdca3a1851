/**
 * What an open asks for so that it can outlive its connection: a durable handle, with the lease or the batch oplock that
 * a server wants with it (MS-SMB2 3.2.4.3.2 to 3.2.4.3.8), and the identifiers of its file.
 *
 * The client caches nothing, and acknowledges each break at once. A break of the handle caching ends the durability:
 * then the file is opened again by its name, and must prove that it is the same.
 */
import type * as Share from "../../Protocol/Share.ts"
import { AccessMask, CreateDisposition, CreateOptions, LeaseState, OplockLevel } from "../../Smb2/Message/Constants.ts"

const readsData = AccessMask.FILE_READ_DATA | AccessMask.GENERIC_READ | AccessMask.GENERIC_ALL |
  AccessMask.MAXIMUM_ALLOWED
const writesData = AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA | AccessMask.GENERIC_WRITE |
  AccessMask.GENERIC_ALL | AccessMask.MAXIMUM_ALLOWED

/** Whether an open can write data. */
export const writes = ({ desiredAccess }: Share.OpenOptions): boolean => (desiredAccess & writesData) !== 0

const changesFile = writesData | AccessMask.FILE_WRITE_EA | AccessMask.FILE_WRITE_ATTRIBUTES |
  AccessMask.FILE_DELETE_CHILD | AccessMask.DELETE | AccessMask.WRITE_DAC | AccessMask.WRITE_OWNER

/** Whether an open can change its file: the data, the name, the attributes or the rights. */
export const changes = ({ desiredAccess }: Share.OpenOptions): boolean => (desiredAccess & changesFile) !== 0

/** Whether the caller has not decided about it, and the open is one of a file's data. */
const isEligible = (share: Share.Share, options: Share.OpenOptions): boolean =>
  share.type === "disk" && share.dialect !== "NT1" &&
  options.durable === undefined && options.lease === undefined && options.oplockLevel === undefined &&
  options.timewarp === undefined &&
  (options.createOptions & (CreateOptions.FILE_DIRECTORY_FILE | CreateOptions.FILE_DELETE_ON_CLOSE)) === 0 &&
  (options.desiredAccess & (readsData | writesData)) !== 0

const { SMB2_LEASE_HANDLE_CACHING, SMB2_LEASE_READ_CACHING, SMB2_LEASE_WRITE_CACHING } = LeaseState

/**
 * The options with a durable handle, if the share may give one. A file that is written asks for write caching too: a
 * server keeps the locks of an absent client only if no other client could have changed the file. `identity`
 * names the CREATE.
 */
export const asking = (
  share: Share.Share,
  options: Share.OpenOptions,
  identity: Share.CreateIdentity
): Share.OpenOptions => {
  if (share.type !== "disk" || share.dialect === "NT1") return options
  const identified: Share.OpenOptions = { ...options, queryOnDiskId: true, identity }
  if (!isEligible(share, options)) return identified
  const durable = { timeout: 0, persistent: share.continuouslyAvailable === true }
  if (share.dialect === "2.0.2") {
    return { ...identified, durable, oplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH }
  }
  const reading = SMB2_LEASE_READ_CACHING | SMB2_LEASE_HANDLE_CACHING
  const leaseState = writes(options) ? reading | SMB2_LEASE_WRITE_CACHING : reading
  return { ...identified, durable, lease: { leaseState } }
}

/** The options that open the same file again: it must exist, and nothing of it is changed. */
export const again = (options: Share.OpenOptions): Share.OpenOptions => {
  const { allocationSize: _a, deleteIfAbandoned: _d, extendedAttributes: _e, securityDescriptor: _s, ...rest } = options
  return { ...rest, createDisposition: CreateDisposition.FILE_OPEN }
}

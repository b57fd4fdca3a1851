/**
 * Parameters and setup of the subcommands of NT_TRANSACT (MS-CIFS 2.2.7, MS-SMB 2.2.7).
 */
import * as Codec from "../../Codec/Codec.ts"
import { either, text } from "./Block.ts"
import { openedFields } from "./NtCreate.ts"

/**
 * NT_TRANSACT_CREATE (2.2.7.1): NT_CREATE_ANDX with a security descriptor and extended attributes, which are its data.
 *
 * @category models
 * @since 0.1.0
 */
export const CreateRequest = either((unicode) =>
  Codec.struct({
    flags: Codec.u32,
    rootDirectoryFid: Codec.u32,
    desiredAccess: Codec.u32,
    allocationSize: Codec.u64,
    extFileAttributes: Codec.u32,
    shareAccess: Codec.u32,
    createDisposition: Codec.u32,
    createOptions: Codec.u32,
    securityDescriptorLength: Codec.u32,
    eaLength: Codec.u32,
    nameLength: Codec.u32,
    impersonationLevel: Codec.u32,
    securityFlags: Codec.u8,
    fileName: text(unicode)
  })
)

/**
 * The response's parameters.
 *
 * @since 0.1.0
 */
export const CreateResponse = Codec.struct({
  opLockLevel: Codec.u8,
  reserved: Codec.reserved(Codec.u8),
  fid: Codec.u16,
  createDisposition: Codec.u32,
  eaErrorOffset: Codec.u32,
  ...openedFields
})

/**
 * NT_TRANSACT_IOCTL's setup (2.2.7.2).
 *
 * @since 0.1.0
 */
export const IoctlSetup = Codec.struct({
  functionCode: Codec.u32,
  fid: Codec.u16,
  isFsctl: Codec.boolean8,
  isFlags: Codec.u8
})

/**
 * NT_TRANSACT_NOTIFY_CHANGE's setup (2.2.7.4); the changes come as parameters.
 *
 * @since 0.1.0
 */
export const NotifyChangeSetup = Codec.struct({
  /** FILE_NOTIFY_CHANGE_*. */
  completionFilter: Codec.u32,
  fid: Codec.u16,
  watchTree: Codec.boolean8,
  reserved: Codec.reserved(Codec.u8)
})

/**
 * Parameters of NT_TRANSACT_QUERY_SECURITY_DESC and NT_TRANSACT_SET_SECURITY_DESC (2.2.7.3, 2.2.7.6).
 *
 * @since 0.1.0
 */
export const SecurityDescriptorRequest = Codec.struct({
  fid: Codec.u16,
  reserved: Codec.reserved(Codec.u16),
  /** *_SECURITY_INFORMATION. */
  securityInformation: Codec.u32
})

/**
 * A structure of setup as words.
 *
 * @since 0.1.0
 */
export const setupWords = (bytes: Uint8Array): ReadonlyArray<number> =>
  Array.from({ length: bytes.length / 2 }, (_, i) => bytes[i * 2]! | (bytes[i * 2 + 1]! << 8))

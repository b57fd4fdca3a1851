/**
 * CREATE (MS-SMB2 2.2.13, 2.2.14): opens a file, directory, pipe or printer.
 *
 * Create contexts are defined in `CreateContext`.
 */
import * as Codec from "../../Codec/Codec.ts"
import { FileId, fromHeader } from "./Common.ts"
import * as CreateContext from "./CreateContext.ts"

/**
 * The request. `name` is relative to the share and has no leading backslash; with SMB2_FLAGS_DFS_OPERATIONS in the
 * header it is `server\share\path`.
 *
 * @category models
 * @since 0.1.0
 */
export const Request = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 57),
  securityFlags: Codec.reserved(Codec.u8),
  requestedOplockLevel: Codec.u8,
  impersonationLevel: Codec.u32,
  smbCreateFlags: Codec.reserved(Codec.u64),
  reserved: Codec.reserved(Codec.u64),
  desiredAccess: Codec.u32,
  fileAttributes: Codec.u32,
  shareAccess: Codec.u32,
  createDisposition: Codec.u32,
  createOptions: Codec.u32,
  nameOffset: Codec.offsetOf("name", Codec.u16),
  nameLength: Codec.lengthOf("name", Codec.u16),
  createContextsOffset: Codec.offsetOf("createContexts"),
  createContextsLength: Codec.lengthOf("createContexts"),
  name: Codec.buffer(Codec.utf16, { align: 8, placed: true }),
  createContexts: Codec.buffer(CreateContext.Requests, { align: 8 })
}, { origin: fromHeader, atLeast: 57 })
export type Request = Codec.Type<typeof Request>

/**
 * The response. Times are 100 ns ticks since 1601, sizes bytes.
 *
 * @category models
 * @since 0.1.0
 */
export const Response = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 89),
  oplockLevel: Codec.u8,
  /** SMB2_CREATE_FLAG_REPARSEPOINT. */
  flags: Codec.u8,
  createAction: Codec.u32,
  creationTime: Codec.u64,
  lastAccessTime: Codec.u64,
  lastWriteTime: Codec.u64,
  changeTime: Codec.u64,
  allocationSize: Codec.u64,
  endOfFile: Codec.u64,
  fileAttributes: Codec.u32,
  reserved2: Codec.reserved(Codec.u32),
  fileId: FileId,
  createContextsOffset: Codec.offsetOf("createContexts"),
  createContextsLength: Codec.lengthOf("createContexts"),
  createContexts: Codec.buffer(CreateContext.Responses, { align: 8 })
}, { origin: fromHeader })
export type Response = Codec.Type<typeof Response>

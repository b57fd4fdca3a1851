/**
 * The calls of the server service that list who uses the server (MS-SRVS 3.1.4): connections to shares, open files, and
 * sessions.
 *
 * Requests and responses are stubs for `DceRpc.ts`, both ways. `Srvsvc.Operation` has the numbers of the calls. Clients
 * send an empty list of the level that they want. Times are in seconds.
 */
import type * as Codec from "../Codec.ts"
import * as Ndr from "./Ndr.ts"

const text = Ndr.pointer(Ndr.string)

/**
 * `fileInfo3.permissions` (MS-SRVS 2.2.4.7).
 *
 * @since 0.2.0
 */
export const Permissions = { PERM_FILE_READ: 1, PERM_FILE_WRITE: 2, PERM_FILE_CREATE: 4 } as const

/**
 * `userFlags` of a session (MS-SRVS 2.2.4.12).
 *
 * @since 0.2.0
 */
export const UserFlags = { SESS_GUEST: 1, SESS_NOENCRYPTION: 2 } as const

/** CONNECTION_INFO_0 (2.2.4.1) and CONNECTION_INFO_1 (2.2.4.2). */
const ConnectionInfo0 = Ndr.struct({ id: Ndr.u32 })
const ConnectionInfo1 = Ndr.struct({
  id: Ndr.u32,
  type: Ndr.u32,
  opens: Ndr.u32,
  users: Ndr.u32,
  time: Ndr.u32,
  userName: text,
  netName: text
})

/** CONNECT_ENUM_STRUCT (2.2.4.5). */
const ConnectEnumStruct = Ndr.leveled(Ndr.union(Ndr.u32, {
  0: Ndr.pointer(Ndr.counted(ConnectionInfo0)),
  1: Ndr.pointer(Ndr.counted(ConnectionInfo1))
}))
export type Connections = Ndr.Value<typeof ConnectEnumStruct>

/** FILE_INFO_2 (2.2.4.6) and FILE_INFO_3 (2.2.4.7). */
const FileInfo2 = Ndr.struct({ id: Ndr.u32 })
const FileInfo3 = Ndr.struct({ id: Ndr.u32, permissions: Ndr.u32, locks: Ndr.u32, pathName: text, userName: text })

/** FILE_ENUM_STRUCT (2.2.4.10). */
const FileEnumStruct = Ndr.leveled(Ndr.union(Ndr.u32, {
  2: Ndr.pointer(Ndr.counted(FileInfo2)),
  3: Ndr.pointer(Ndr.counted(FileInfo3))
}))
export type Files = Ndr.Value<typeof FileEnumStruct>

const sessionInfo1 = {
  clientName: text,
  userName: text,
  opens: Ndr.u32,
  time: Ndr.u32,
  idleTime: Ndr.u32,
  userFlags: Ndr.u32
}

/** SESSION_ENUM_STRUCT (2.2.4.21), of SESSION_INFO_0, 1, 2, 10 and 502 (2.2.4.11 to 2.2.4.15). */
const SessionEnumStruct = Ndr.leveled(Ndr.union(Ndr.u32, {
  0: Ndr.pointer(Ndr.counted(Ndr.struct({ clientName: text }))),
  1: Ndr.pointer(Ndr.counted(Ndr.struct(sessionInfo1))),
  2: Ndr.pointer(Ndr.counted(Ndr.struct({ ...sessionInfo1, clientType: text }))),
  10: Ndr.pointer(Ndr.counted(Ndr.struct({ clientName: text, userName: text, time: Ndr.u32, idleTime: Ndr.u32 }))),
  502: Ndr.pointer(Ndr.counted(Ndr.struct({ ...sessionInfo1, clientType: text, transport: text })))
}))
export type Sessions = Ndr.Value<typeof SessionEnumStruct>

const asked = { preferredMaximumLength: Ndr.u32, resumeHandle: Ndr.pointer(Ndr.u32) }
const answered = { totalEntries: Ndr.u32, resumeHandle: Ndr.pointer(Ndr.u32), returnValue: Ndr.u32 }

/**
 * NetrConnectionEnum's request (3.1.4.1). `qualifier` is the name of a share, or two backslashes and the name of a client.
 *
 * @category codecs
 * @since 0.2.0
 */
export const ConnectionEnumRequest = Ndr.parameters({
  serverName: text,
  qualifier: text,
  info: ConnectEnumStruct,
  ...asked
})
export type ConnectionEnumRequest = Codec.Type<typeof ConnectionEnumRequest>

/**
 * @category codecs
 * @since 0.2.0
 */
export const ConnectionEnumResponse = Ndr.parameters({ info: ConnectEnumStruct, ...answered })

/**
 * NetrFileEnum's request (3.1.4.2): only files below `basePath`, and of one user, if they are given.
 *
 * @category codecs
 * @since 0.2.0
 */
export const FileEnumRequest = Ndr.parameters({
  serverName: text,
  basePath: text,
  userName: text,
  info: FileEnumStruct,
  ...asked
})
export type FileEnumRequest = Codec.Type<typeof FileEnumRequest>

/**
 * @category codecs
 * @since 0.2.0
 */
export const FileEnumResponse = Ndr.parameters({ info: FileEnumStruct, ...answered })

/**
 * NetrSessionEnum's request (3.1.4.5): only those of one client, and of one user, if they are given.
 *
 * @category codecs
 * @since 0.2.0
 */
export const SessionEnumRequest = Ndr.parameters({
  serverName: text,
  clientName: text,
  userName: text,
  info: SessionEnumStruct,
  ...asked
})
export type SessionEnumRequest = Codec.Type<typeof SessionEnumRequest>

/**
 * @category codecs
 * @since 0.2.0
 */
export const SessionEnumResponse = Ndr.parameters({ info: SessionEnumStruct, ...answered })

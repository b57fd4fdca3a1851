/**
 * NT_CREATE_ANDX (MS-CIFS 2.2.4.64, MS-SMB 2.2.4.9): opens a file, directory, pipe or printer.
 */
import * as Codec from "../../Codec/Codec.ts"
import { FileTime } from "../../Codec/FileTime.ts"
import { andX, either, message, noBytes, text } from "./Block.ts"

/**
 * The request. `nameLength` counts the bytes of the name without its NUL. The name begins with a backslash; with
 * SMB_FLAGS2_DFS it is `\server\share\path`.
 *
 * @category models
 * @since 0.1.0
 */
export const Request = either((unicode) =>
  message(
    [24],
    Codec.struct({
      andX,
      reserved: Codec.reserved(Codec.u8),
      nameLength: Codec.u16,
      /** NT_CREATE_*. */
      flags: Codec.u32,
      rootDirectoryFid: Codec.u32,
      desiredAccess: Codec.u32,
      /** Bytes. */
      allocationSize: Codec.u64,
      extFileAttributes: Codec.u32,
      shareAccess: Codec.u32,
      createDisposition: Codec.u32,
      createOptions: Codec.u32,
      impersonationLevel: Codec.u32,
      securityFlags: Codec.u8
    }),
    Codec.struct({ fileName: text(unicode) })
  )
)
export type Request = Codec.Type<ReturnType<typeof Request>>

/**
 * What a response tells of the file that was opened; also in the response of NT_TRANSACT_CREATE (MS-CIFS 2.2.7.1.2).
 *
 * @since 0.2.0
 */
export const openedFields = {
  createTime: FileTime,
  lastAccessTime: FileTime,
  lastWriteTime: FileTime,
  lastChangeTime: FileTime,
  extFileAttributes: Codec.u32,
  allocationSize: Codec.u64,
  endOfFile: Codec.u64,
  /** 0 a file or directory, 1 a byte pipe, 2 a message pipe, 3 a printer. */
  resourceType: Codec.u16,
  nmPipeStatus: Codec.u16,
  directory: Codec.boolean8
}

const basic = Codec.struct({
  andX,
  /** 0 none, 1 exclusive, 2 batch, 3 level II. */
  opLockLevel: Codec.u8,
  fid: Codec.u16,
  createDisposition: Codec.u32,
  ...openedFields
})

const extension = Codec.struct({
  volumeGuid: Codec.fixedBytes(16),
  fileId: Codec.u64,
  maximalAccessRights: Codec.u32,
  guestMaximalAccessRights: Codec.u32
})

type Basic = Codec.Type<typeof basic>
/**
 * The response; it has the last fields if the client asked for the extended response.
 *
 * @since 0.1.0
 */
export interface Response extends Basic {
  readonly extended: Codec.Type<typeof extension> | undefined
}

const basicMessage = message([34], basic, noBytes)

/**
 * The response. The extended response (MS-SMB 2.2.4.9.2) states 42 words, but has 50: Windows did so, and all others
 * do.
 *
 * @category models
 * @since 0.1.0
 */
export const Response: Codec.Codec<Response> = Codec.make<Response>(
  3 + 68,
  (r) => {
    const at = r.offset
    const count = r.u8()
    r.offset = at
    if (count !== 42 && count !== 50) return { ...basicMessage.read(r), extended: undefined }
    r.claim(1)
    const value = basic.read(r.window(r.claim(68), 68))
    return { ...value, extended: extension.read(r.window(r.claim(32), 32)) }
  },
  (w, value) => {
    if (value.extended === undefined) return basicMessage.write(w, value)
    w.u8(42)
    basic.write(w, value)
    extension.write(w, value.extended)
    w.u16(0)
  }
)

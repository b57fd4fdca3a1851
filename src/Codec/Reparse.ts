/**
 * Reparse points (MS-FSCC 2.1.2): the output of FSCTL_GET_REPARSE_POINT and the input of FSCTL_SET_REPARSE_POINT.
 *
 * Symbolic links, mount points and the NFS server's special files are read into fields; all others keep their data as
 * bytes, a view of the buffer that was read. Other modules decide where a link leads, and whether to follow it.
 */
import * as Codec from "./Codec.ts"
import type { Reader } from "./Cursor.ts"
import { Guid } from "./Guid.ts"

/**
 * Tags (2.1.2.1). Tags with the highest bit are Microsoft's; after any other tag a GUID names its owner.
 *
 * @since 0.1.0
 */
export const ReparseTag = {
  IO_REPARSE_TAG_MOUNT_POINT: 0xa0000003,
  IO_REPARSE_TAG_HSM: 0xc0000004,
  IO_REPARSE_TAG_SIS: 0x80000007,
  IO_REPARSE_TAG_WIM: 0x80000008,
  IO_REPARSE_TAG_CSV: 0x80000009,
  IO_REPARSE_TAG_DFS: 0x8000000a,
  IO_REPARSE_TAG_SYMLINK: 0xa000000c,
  IO_REPARSE_TAG_DFSR: 0x80000012,
  IO_REPARSE_TAG_DEDUP: 0x80000013,
  IO_REPARSE_TAG_NFS: 0x80000014,
  IO_REPARSE_TAG_LX_SYMLINK: 0xa000001d,
  IO_REPARSE_TAG_AF_UNIX: 0x80000023,
  IO_REPARSE_TAG_LX_FIFO: 0x80000024,
  IO_REPARSE_TAG_LX_CHR: 0x80000025,
  IO_REPARSE_TAG_LX_BLK: 0x80000026
} as const

/**
 * The bit N of a tag (2.1.2): the reparse point stands for another file or folder, as symbolic links and junctions do.
 */
const nameSurrogate = 0x2000_0000

/**
 * Whether a reparse point of this kind stands for another file or folder, and has no content of its own.
 *
 * @since 0.1.0
 */
export const isNameSurrogate = (tag: number): boolean =>
  (tag & nameSurrogate) !== 0 || tag === ReparseTag.IO_REPARSE_TAG_DFS

/**
 * Flags of a symbolic link: the target is relative to the link's directory.
 *
 * @since 0.1.0
 */
export const SYMLINK_FLAG_RELATIVE = 1

/**
 * NfsType (2.1.2.6): letters in a 64-bit number.
 *
 * @since 0.1.0
 */
export const NfsType = {
  NFS_SPECFILE_LNK: 0x014b4e4cn,
  NFS_SPECFILE_CHR: 0x00524843n,
  NFS_SPECFILE_BLK: 0x004b4c42n,
  NFS_SPECFILE_FIFO: 0x4f464946n,
  NFS_SPECFILE_SOCK: 0x4b434f53n
} as const

/**
 * A reparse point's data.
 *
 * - `SymbolicLink` (2.1.2.4): `substituteName` is the target, absolute in NT's form (`\??\C:\x`) unless `flags` has
 *   SYMLINK_FLAG_RELATIVE; `printName` is for people.
 * - `MountPoint` (2.1.2.5): likewise, and always absolute.
 * - `NfsLink`, `NfsDevice`, `NfsOther` (2.1.2.6).
 * - `Microsoft`, `Guid` (2.1.2.2, 2.1.2.3): all other tags.
 *
 * @category models
 * @since 0.1.0
 */
export type ReparseData =
  | {
    readonly _tag: "SymbolicLink"
    readonly substituteName: string
    readonly printName: string
    readonly flags: number
  }
  | { readonly _tag: "MountPoint"; readonly substituteName: string; readonly printName: string }
  | { readonly _tag: "NfsLink"; readonly target: string }
  | { readonly _tag: "NfsDevice"; readonly nfsType: bigint; readonly major: number; readonly minor: number }
  | { readonly _tag: "NfsOther"; readonly nfsType: bigint; readonly data: Uint8Array }
  | { readonly _tag: "Microsoft"; readonly reparseTag: number; readonly data: Uint8Array }
  | { readonly _tag: "Guid"; readonly reparseTag: number; readonly reparseGuid: Guid; readonly data: Uint8Array }

// The offsets of both names count from PathBuffer, which comes after them. A struct cannot express that.
const names = (r: Reader, withFlags: boolean) => {
  const [substituteOffset, substituteLength, printOffset, printLength] = [r.u16(), r.u16(), r.u16(), r.u16()]
  const flags = withFlags ? r.u32() : 0
  const name = (offset: number, length: number) =>
    Codec.utf16.read(r.window(r.offset + offset, length, "a link's name inside its PathBuffer"))
  return { substituteName: name(substituteOffset, substituteLength), printName: name(printOffset, printLength), flags }
}

const read = (r: Reader, reparseTag: number): ReparseData => {
  switch (reparseTag) {
    case ReparseTag.IO_REPARSE_TAG_SYMLINK:
      return { _tag: "SymbolicLink", ...names(r, true) }
    case ReparseTag.IO_REPARSE_TAG_MOUNT_POINT: {
      const { printName, substituteName } = names(r, false)
      return { _tag: "MountPoint", substituteName, printName }
    }
    case ReparseTag.IO_REPARSE_TAG_NFS: {
      const nfsType = r.u64()
      switch (nfsType) {
        case NfsType.NFS_SPECFILE_LNK:
          return { _tag: "NfsLink", target: Codec.utf16.read(r) }
        case NfsType.NFS_SPECFILE_CHR:
        case NfsType.NFS_SPECFILE_BLK:
          return { _tag: "NfsDevice", nfsType, major: r.u32(), minor: r.u32() }
        default:
          return { _tag: "NfsOther", nfsType, data: r.rest() }
      }
    }
    default:
      return { _tag: "Microsoft", reparseTag, data: r.rest() }
  }
}

const tagOf = (value: ReparseData): number => {
  switch (value._tag) {
    case "SymbolicLink":
      return ReparseTag.IO_REPARSE_TAG_SYMLINK
    case "MountPoint":
      return ReparseTag.IO_REPARSE_TAG_MOUNT_POINT
    case "NfsLink":
    case "NfsDevice":
    case "NfsOther":
      return ReparseTag.IO_REPARSE_TAG_NFS
    default:
      return value.reparseTag
  }
}

/**
 * REPARSE_DATA_BUFFER, and REPARSE_GUID_DATA_BUFFER for tags that are not Microsoft's.
 *
 * @category codecs
 * @since 0.1.0
 */
export const ReparseDataBuffer: Codec.Codec<ReparseData> = Codec.make<ReparseData>(
  8,
  (r) => {
    const reparseTag = r.u32()
    const length = r.u16()
    r.u16()
    if (reparseTag >>> 31 === 0) {
      const reparseGuid = Guid.read(r)
      return { _tag: "Guid", reparseTag, reparseGuid, data: r.take(length) }
    }
    const data = r.window(r.offset, length, "ReparseDataLength inside the buffer")
    r.offset = data.end
    return read(data, reparseTag)
  },
  (w, value) => {
    const start = w.offset
    w.u32(tagOf(value))
    w.u32(0)
    if (value._tag === "Guid") Guid.write(w, value.reparseGuid)
    const from = w.offset
    switch (value._tag) {
      case "SymbolicLink":
      case "MountPoint": {
        const substitute = value.substituteName.length * 2
        w.u16(0)
        w.u16(substitute)
        // A NUL follows each name of a mount point; Windows requires it (2.1.2.5).
        const gap = value._tag === "MountPoint" ? 2 : 0
        w.u16(substitute + gap)
        w.u16(value.printName.length * 2)
        if (value._tag === "SymbolicLink") w.u32(value.flags)
        Codec.utf16.write(w, value.substituteName)
        w.zeros(gap)
        Codec.utf16.write(w, value.printName)
        w.zeros(gap)
        break
      }
      case "NfsLink":
        w.u64(NfsType.NFS_SPECFILE_LNK)
        Codec.utf16.write(w, value.target)
        break
      case "NfsDevice":
        w.u64(value.nfsType)
        w.u32(value.major)
        w.u32(value.minor)
        break
      case "NfsOther":
        w.u64(value.nfsType)
        w.put(value.data)
        break
      default:
        w.put(value.data)
    }
    const length = w.offset - from
    if (length > 0x4000) throw new RangeError(`a reparse point has at most 16384 bytes, not ${length}`)
    w.patch(start + 4, (patch) => patch.u16(length))
  }
)
export type ReparseDataBuffer = ReparseData

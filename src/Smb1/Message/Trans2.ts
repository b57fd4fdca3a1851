/**
 * Parameters of the subcommands of TRANSACTION2 (MS-CIFS 2.2.6). `src/Codec` defines the content of their data blocks,
 * by the levels of `Constants`.
 */
import * as Codec from "../../Codec/Codec.ts"
import type * as FileInformation from "../../Codec/FileInformation.ts"
import { either, text } from "./Block.ts"

/**
 * TRANS2_FIND_FIRST2 (2.2.6.2).
 *
 * @category models
 * @since 0.1.0
 */
export const FindFirst2Request = either((unicode) =>
  Codec.struct({
    searchAttributes: Codec.u16,
    /** The most entries of one response. */
    searchCount: Codec.u16,
    /** SMB_FIND_*. */
    flags: Codec.u16,
    informationLevel: Codec.u16,
    searchStorageType: Codec.reserved(Codec.u32),
    fileName: text(unicode)
  })
)

/**
 * The response's parameters.
 *
 * @since 0.1.0
 */
export const FindFirst2Response = Codec.struct({
  sid: Codec.u16,
  searchCount: Codec.u16,
  endOfSearch: Codec.u16,
  eaErrorOffset: Codec.u16,
  /** The offset of the last entry in the data. */
  lastNameOffset: Codec.u16
})

/**
 * TRANS2_FIND_NEXT2 (2.2.6.3): continues after `fileName`, or after the last entry of the previous response.
 *
 * @category models
 * @since 0.1.0
 */
export const FindNext2Request = either((unicode) =>
  Codec.struct({
    sid: Codec.u16,
    searchCount: Codec.u16,
    informationLevel: Codec.u16,
    resumeKey: Codec.u32,
    flags: Codec.u16,
    fileName: text(unicode)
  })
)

/**
 * The response's parameters.
 *
 * @since 0.1.0
 */
export const FindNext2Response = Codec.struct({
  searchCount: Codec.u16,
  endOfSearch: Codec.u16,
  eaErrorOffset: Codec.u16,
  lastNameOffset: Codec.u16
})

/**
 * TRANS2_QUERY_FS_INFORMATION (2.2.6.4).
 *
 * @since 0.1.0
 */
export const QueryFsInformationRequest = Codec.struct({ informationLevel: Codec.u16 })

/**
 * TRANS2_SET_FS_INFORMATION (MS-SMB 2.2.6.2).
 *
 * @since 0.1.0
 */
export const SetFsInformationRequest = Codec.struct({ fid: Codec.u16, informationLevel: Codec.u16 })

/**
 * TRANS2_QUERY_FILE_INFORMATION (2.2.6.8).
 *
 * @since 0.1.0
 */
export const QueryFileInformationRequest = Codec.struct({ fid: Codec.u16, informationLevel: Codec.u16 })

/**
 * TRANS2_SET_FILE_INFORMATION (2.2.6.9).
 *
 * @since 0.1.0
 */
export const SetFileInformationRequest = Codec.struct({
  fid: Codec.u16,
  informationLevel: Codec.u16,
  reserved: Codec.reserved(Codec.u16)
})

/**
 * TRANS2_QUERY_PATH_INFORMATION and TRANS2_SET_PATH_INFORMATION (2.2.6.6, 2.2.6.7).
 *
 * @since 0.1.0
 */
export const PathInformationRequest = either((unicode) =>
  Codec.struct({ informationLevel: Codec.u16, reserved: Codec.reserved(Codec.u32), fileName: text(unicode) })
)

/**
 * SMB_FILE_RENAME_INFORMATION and SMB_FILE_LINK_INFORMATION: the classes 10 and 11 with a root of 32 bits, as SMB 1
 * passes them through (MS-FSCC 2.4.42.1).
 *
 * @since 0.1.0
 */
export const FileRenameInformation = Codec.struct({
  replaceIfExists: Codec.boolean8,
  reserved: Codec.reservedBytes(3),
  rootDirectory: Codec.u32,
  fileNameLength: Codec.lengthOf("fileName"),
  fileName: Codec.buffer(Codec.utf16)
})

const Fea = Codec.make<FileInformation.FullEa>(
  5,
  (r) => {
    const flags = r.u8()
    const nameLength = r.u8()
    const valueLength = r.u16()
    const name = r.take(nameLength + 1)
    return { flags, eaName: Buffer.from(name.subarray(0, nameLength)).toString("latin1"), eaValue: r.take(valueLength) }
  },
  (w, { eaName, eaValue, flags }) => {
    w.u8(flags)
    w.u8(eaName.length)
    w.u16(eaValue.length)
    w.put(Buffer.from(`${eaName}\0`, "latin1"))
    w.put(eaValue)
  }
)

/**
 * SMB_FEA_LIST (MS-CIFS 2.2.1.2.2.1): the length of the list in bytes, this field included, and extended attributes.
 *
 * @category models
 * @since 0.1.0
 */
export const FeaList: Codec.Codec<ReadonlyArray<FileInformation.FullEa>> = Codec.make<
  ReadonlyArray<FileInformation.FullEa>
>(
  4,
  (r) => {
    const size = r.u32()
    if (size < 4) r.fail(`a list of at least 4 bytes, not ${size}`)
    return Codec.many(Fea).read(r.window(r.offset, size - 4, "a list inside the data"))
  },
  (w, list) => {
    const at = w.offset
    w.u32(0)
    Codec.writeMany(w, Fea, list)
    const size = w.offset - at
    w.patch(at, (patch) => patch.u32(size))
  }
)

/**
 * Reading and changing an open file in SMB 1: information of the file and of its volume, security descriptors (MS-CIFS
 * 2.2.6, MS-SMB 2.2.6). `RenameAndDelete` changes its name.
 *
 * The classes of MS-FSCC are sent unchanged if the server passes them through (CAP_INFOLEVEL_PASSTHRU). Otherwise the
 * level with the same layout is used, if there is one.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import * as FileInformation from "../Codec/FileInformation.ts"
import type * as Operation from "../Protocol/Operation.ts"
import {
  NtTransactSubcommand,
  QueryFileLevel,
  QueryFsLevel,
  SMB_INFO_QUERY_ALL_EAS,
  SMB_INFO_SET_EAS,
  Trans2Subcommand
} from "./Message/Constants.ts"
import * as NtTransact from "./Message/NtTransact.ts"
import * as Trans2 from "./Message/Trans2.ts"
import { type OpenFile, refusesPassing, type Running } from "./OpenFile.ts"
import type { RenameAndDelete } from "./RenameAndDelete.ts"
import * as TreeRequests from "./TreeRequests.ts"

const { encode } = TreeRequests

/** The classes of FileAllInformation, in their order. SMB 1's own level of that name has another structure. */
const allInformation = [4, 5, 6, 7, 8, 14, 16, 17, 9]
const FileNameInformation = 9
const FileRenameInformation = 10
const FileLinkInformation = 11
const FileDispositionInformation = 13
const FileAllInformation = 18
const FileFullEaInformation = 15

const decodeFeaList = Codec.decode("SMB_FEA_LIST", Trans2.FeaList)
const decodeFullEa = Codec.decode("FileFullEaInformation", FileInformation.FileFullEaInformation)
const decodeRename = Codec.decode("FileRenameInformation", FileInformation.FileRenameInformation)

/**
 * The information of one open file.
 *
 * @category models
 * @since 0.1.0
 */
export class Information {
  private readonly file: OpenFile
  private readonly renaming: RenameAndDelete

  constructor(file: OpenFile, renaming: RenameAndDelete) {
    this.file = file
    this.renaming = renaming
  }

  query(operation: Operation.QueryInfo<unknown>): Running<Uint8Array> {
    const { information, maximum } = operation
    switch (information._tag) {
      case "File":
        return information.fileInformationClass === FileAllInformation
          ? Effect.map(
            Effect.forEach(allInformation, (number) => this.queryFile(number, maximum)),
            (parts) => Uint8Array.from(Buffer.concat(parts))
          )
          : this.queryFile(information.fileInformationClass, maximum)
      case "FileSystem": {
        return this.file.atLevel(
          "QUERY_FS_INFORMATION",
          information.fileSystemInformationClass,
          QueryFsLevel,
          (level) =>
            this.file.answered(
              this.file.tree.trans2(Trans2Subcommand.TRANS2_QUERY_FS_INFORMATION, {
                parameters: encode(Trans2.QueryFsInformationRequest, { informationLevel: level }),
                maxDataCount: maximum
              }),
              "QUERY_FS_INFORMATION"
            )
        )
      }
      case "Security":
        return this.file.answered(
          this.file.tree.ntTransact(NtTransactSubcommand.NT_TRANSACT_QUERY_SECURITY_DESC, {
            parameters: encode(NtTransact.SecurityDescriptorRequest, {
              fid: this.file.target.fid,
              securityInformation: information.securityInformation
            }),
            maxParameterCount: 4,
            maxDataCount: maximum
          }),
          "QUERY_SECURITY_DESC"
        )
    }
  }

  private askFile(informationLevel: number, maxDataCount: number) {
    return this.file.answered(
      this.file.tree.trans2(Trans2Subcommand.TRANS2_QUERY_FILE_INFORMATION, {
        parameters: encode(Trans2.QueryFileInformationRequest, { fid: this.file.target.fid, informationLevel }),
        maxDataCount
      }),
      "QUERY_FILE_INFORMATION"
    )
  }

  private queryFile(number: number, maximum: number): Running<Uint8Array> {
    if (number === FileFullEaInformation) return this.queryEas(maximum)
    const ask = (level: number) => this.askFile(level, maximum)
    // Servers pass names through differently; the level is the same on all servers.
    const request = number === FileNameInformation
      ? ask(QueryFileLevel[number]!)
      : this.file.atLevel("QUERY_FILE_INFORMATION", number, QueryFileLevel, ask)
    // A level can lack the padding at the end of its structure, which the class has.
    const size = number === 4 ? 40 : number === 5 ? 24 : 0
    return size === 0 ? request : Effect.map(request, (bytes) => {
      if (bytes.length >= size) return bytes
      const whole = new Uint8Array(size)
      whole.set(bytes)
      return whole
    })
  }

  /** Extended attributes: smbd has its own list of them in SMB 1, which is converted to that of MS-FSCC. */
  private queryEas(maximum: number): Running<Uint8Array> {
    return Effect.flatMap(
      this.askFile(SMB_INFO_QUERY_ALL_EAS, maximum),
      (data) =>
        Effect.fromResult(
          Result.map(decodeFeaList(data), (list) => encode(FileInformation.FileFullEaInformation, list))
        )
    )
  }

  set(operation: Operation.SetInfo): Running<void> {
    const { data, information } = operation
    switch (information._tag) {
      case "File":
        switch (information.fileInformationClass) {
          case FileRenameInformation:
            return Effect.flatMap(
              Effect.fromResult(decodeRename(data)),
              ({ fileName, replaceIfExists }) => this.renaming.rename(fileName, replaceIfExists)
            )
          case FileLinkInformation:
            return Effect.flatMap(
              Effect.fromResult(decodeRename(data)),
              ({ fileName, replaceIfExists }) => this.renaming.link(fileName, replaceIfExists)
            )
          case FileDispositionInformation:
            return this.dispose(data)
          case FileFullEaInformation:
            return this.file.passed(
              "SET_FILE_INFORMATION",
              FileFullEaInformation,
              (level) => this.file.setLevel(level, data),
              this.setEas(data)
            )
          default:
            return this.file.setFile(information.fileInformationClass, data)
        }
      case "FileSystem": {
        return this.file.atLevel(
          "SET_FS_INFORMATION",
          information.fileSystemInformationClass,
          {},
          (level) =>
            Effect.asVoid(this.file.answered(
              this.file.tree.trans2(Trans2Subcommand.TRANS2_SET_FS_INFORMATION, {
                parameters: encode(Trans2.SetFsInformationRequest, {
                  fid: this.file.target.fid,
                  informationLevel: level
                }),
                data
              }, { mutates: true }),
              "SET_FS_INFORMATION"
            ))
        )
      }
      case "Security":
        return Effect.asVoid(this.file.answered(
          this.file.tree.ntTransact(NtTransactSubcommand.NT_TRANSACT_SET_SECURITY_DESC, {
            parameters: encode(NtTransact.SecurityDescriptorRequest, {
              fid: this.file.target.fid,
              securityInformation: information.securityInformation
            }),
            data
          }, { mutates: true }),
          "SET_SECURITY_DESC"
        ))
    }
  }

  private setEas(data: Uint8Array): Running<void> {
    return Effect.flatMap(
      Effect.fromResult(decodeFullEa(data)),
      (list) => this.file.setLevel(SMB_INFO_SET_EAS, encode(Trans2.FeaList, list))
    )
  }

  /** Marks the open for deletion, or removes the mark. If the server cannot, deletes by name, and at once. */
  private dispose(data: Uint8Array): Running<void> {
    const marked = this.file.setFile(FileDispositionInformation, data)
    return data[0] === 0 ? marked : Effect.catchTag(
      marked,
      "SmbError",
      (error) => refusesPassing(error) ? this.renaming.remove() : Effect.fail(error)
    )
  }
}

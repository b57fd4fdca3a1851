/**
 * What SMB 1 tells and changes of an open file: information of the file and of its volume, security descriptors, names
 * (MS-CIFS 2.2.6, MS-SMB 2.2.6).
 *
 * The classes of MS-FSCC go through as they are where the server passes them (CAP_INFOLEVEL_PASSTHRU), else as the level
 * that has the same layout, where there is one.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import * as FileInformation from "../Codec/FileInformation.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import type * as Operation from "../Protocol/Operation.ts"
import {
  Capabilities,
  Command,
  everything,
  NtTransactSubcommand,
  QueryFileLevel,
  QueryFsLevel,
  SetFileLevel,
  SMB_INFO_PASSTHROUGH,
  SMB_INFO_QUERY_ALL_EAS,
  Trans2Subcommand
} from "./Message/Constants.ts"
import * as NtTransact from "./Message/NtTransact.ts"
import * as Simple from "./Message/Simple.ts"
import * as Trans2 from "./Message/Trans2.ts"
import type { OpenFile, Running } from "./OpenFile.ts"
import * as Requests from "./Requests.ts"

const { encode } = Requests

/** The classes of FileAllInformation, in their order. SMB 1's own level of that name is another structure. */
const allInformation = [4, 5, 6, 7, 8, 14, 16, 17, 9]
const FileNameInformation = 9
const FileRenameInformation = 10
const FileLinkInformation = 11
const FileAllInformation = 18
const FileFullEaInformation = 15

const decodeFeaList = Codec.decode("SMB_FEA_LIST", Trans2.FeaList)
const decodeRename = Codec.decode("FileRenameInformation", FileInformation.FileRenameInformation)

/** How the same file is let go and opened again, for a rename that wants nobody to have it open. */
export interface Reopen {
  readonly close: (fid: number) => Running<void>
  readonly open: (path: string, name: Requests.WireName) => Running<number>
}

/**
 * The information of one open file.
 *
 * @category models
 */
export class Information {
  private readonly file: OpenFile
  private readonly reopen: Reopen

  constructor(file: OpenFile, reopen: Reopen) {
    this.file = file
    this.reopen = reopen
  }

  private get passes(): boolean {
    return (this.file.tree.session.negotiated.capabilities & Capabilities.CAP_INFOLEVEL_PASSTHRU) !== 0
  }

  /** The level of a class: passed through, or one of SMB 1's own. */
  private level(number: number, own: { readonly [number: number]: number }): number | undefined {
    return this.passes ? SMB_INFO_PASSTHROUGH + number : own[number]
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
        const level = this.level(information.fileSystemInformationClass, QueryFsLevel)
        if (level === undefined) return this.file.failed(NtStatus.STATUS_INVALID_INFO_CLASS, "QUERY_FS_INFORMATION")
        return this.file.answered(
          this.file.tree.trans2(Trans2Subcommand.TRANS2_QUERY_FS_INFORMATION, {
            parameters: encode(Trans2.QueryFsInformationRequest, { informationLevel: level }),
            maxDataCount: maximum
          }),
          "QUERY_FS_INFORMATION"
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

  private queryFile(number: number, maximum: number): Running<Uint8Array> {
    if (number === FileFullEaInformation) return this.queryEas(maximum)
    // Names pass through differently from server to server; the level is the same everywhere.
    const level = number === FileNameInformation ? QueryFileLevel[number] : this.level(number, QueryFileLevel)
    if (level === undefined) return this.file.failed(NtStatus.STATUS_INVALID_INFO_CLASS, "QUERY_FILE_INFORMATION")
    const request = this.file.answered(
      this.file.tree.trans2(Trans2Subcommand.TRANS2_QUERY_FILE_INFORMATION, {
        parameters: encode(Trans2.QueryFileInformationRequest, { fid: this.file.target.fid, informationLevel: level }),
        maxDataCount: maximum
      }),
      "QUERY_FILE_INFORMATION"
    )
    // A level may leave out the padding at the end of its structure, which the class has.
    const size = number === 4 ? 40 : number === 5 ? 24 : 0
    return size === 0 ? request : Effect.map(request, (bytes) => {
      if (bytes.length >= size) return bytes
      const whole = new Uint8Array(size)
      whole.set(bytes)
      return whole
    })
  }

  /** Extended attributes: smbd has a list of its own for them in SMB 1, which is turned into that of MS-FSCC. */
  private queryEas(maximum: number): Running<Uint8Array> {
    return Effect.flatMap(
      this.file.answered(
        this.file.tree.trans2(Trans2Subcommand.TRANS2_QUERY_FILE_INFORMATION, {
          parameters: encode(Trans2.QueryFileInformationRequest, {
            fid: this.file.target.fid,
            informationLevel: SMB_INFO_QUERY_ALL_EAS
          }),
          maxDataCount: maximum
        }),
        "QUERY_FILE_INFORMATION"
      ),
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
              ({ fileName, replaceIfExists }) => this.rename(fileName, replaceIfExists)
            )
          case FileLinkInformation:
            return Effect.flatMap(
              Effect.fromResult(decodeRename(data)),
              ({ fileName, replaceIfExists }) =>
                this.setFile(
                  FileLinkInformation,
                  encode(Trans2.FileRenameInformation, { replaceIfExists, rootDirectory: 0, fileName })
                )
            )
          default:
            return this.setFile(information.fileInformationClass, data)
        }
      case "FileSystem":
        return Effect.asVoid(this.file.answered(
          this.file.tree.trans2(Trans2Subcommand.TRANS2_SET_FS_INFORMATION, {
            parameters: encode(Trans2.SetFsInformationRequest, {
              fid: this.file.target.fid,
              informationLevel: SMB_INFO_PASSTHROUGH + information.fileSystemInformationClass
            }),
            data
          }),
          "SET_FS_INFORMATION"
        ))
      case "Security":
        return Effect.asVoid(this.file.answered(
          this.file.tree.ntTransact(NtTransactSubcommand.NT_TRANSACT_SET_SECURITY_DESC, {
            parameters: encode(NtTransact.SecurityDescriptorRequest, {
              fid: this.file.target.fid,
              securityInformation: information.securityInformation
            }),
            data
          }),
          "SET_SECURITY_DESC"
        ))
    }
  }

  private setFile(number: number, data: Uint8Array): Running<void> {
    const level = this.level(number, SetFileLevel)
    if (level === undefined) return this.file.failed(NtStatus.STATUS_INVALID_INFO_CLASS, "SET_FILE_INFORMATION")
    return Effect.asVoid(this.file.answered(
      this.file.tree.trans2(Trans2Subcommand.TRANS2_SET_FILE_INFORMATION, {
        parameters: encode(Trans2.SetFileInformationRequest, { fid: this.file.target.fid, informationLevel: level }),
        data
      }),
      "SET_FILE_INFORMATION"
    ))
  }

  /**
   * Renames within the directory by the open, and into another one by RENAME, which never replaces: to replace, the file
   * goes there under a name that nobody has, and then takes the other's place, whole or not at all.
   */
  private rename(to: string, replace: boolean): Running<void> {
    const { path } = this.file.target
    const directory = (of: string): string => of.slice(0, Math.max(0, of.lastIndexOf("\\")))
    if (directory(path).toLowerCase() === directory(to).toLowerCase() && this.renamesHere) {
      return this.renameHere(to.slice(to.lastIndexOf("\\") + 1), replace)
    }
    const moved = this.move(to)
    if (!replace || !this.renamesHere) return moved
    return Effect.catchTag(moved, "SmbError", (error) => {
      if (error.reason !== "ObjectNameCollision") return Effect.fail(error)
      const parent = directory(to)
      const random = this.file.tree.session.entropy.bytes(8, "temporary name")
      const unique = `${parent === "" ? "" : `${parent}\\`}~${Buffer.from(random).toString("hex")}.tmp`
      return Effect.uninterruptible(Effect.andThen(
        this.move(unique),
        Effect.tapError(
          this.renameHere(to.slice(to.lastIndexOf("\\") + 1), true),
          () => Effect.ignore(this.move(path))
        )
      ))
    })
  }

  /**
   * Renames by name. smbd takes our own open for somebody else's: then the file is let go, and opened again under
   * whatever name it has afterwards.
   */
  private move(to: string): Running<void> {
    const named = Effect.suspend(() => this.renameTo(this.file.target.path, to))
    const settle = (path: string): Running<void> =>
      Effect.suspend(() => {
        const name = Requests.renamed(this.file.target.name, this.file.target.path, path)
        this.file.target = { ...this.file.target, path, name }
        return Effect.map(this.reopen.open(path, name), (fid) => {
          this.file.target = { fid, path, name }
        })
      })
    return Effect.uninterruptible(Effect.catchTag(
      Effect.andThen(
        named,
        Effect.sync(() => {
          const { name, path } = this.file.target
          this.file.target = { ...this.file.target, path: to, name: Requests.renamed(name, path, to) }
        })
      ),
      "SmbError",
      (error) =>
        error.reason !== "SharingViolation" ? Effect.fail(error) : Effect.andThen(
          this.reopen.close(this.file.fid),
          Effect.flatMap(
            Effect.result(named),
            (result): Running<void> =>
              Result.isSuccess(result)
                ? settle(to)
                : Effect.andThen(Effect.ignore(settle(this.file.target.path)), Effect.fail(result.failure))
          )
        )
    ))
  }

  /** In an OEM code page, servers do not agree on what the name in the class is in. */
  private get renamesHere(): boolean {
    return this.passes && this.file.tree.unicode
  }

  private renameHere(fileName: string, replaceIfExists: boolean): Running<void> {
    return this.setFile(
      FileRenameInformation,
      encode(Trans2.FileRenameInformation, { replaceIfExists, rootDirectory: 0, fileName })
    )
  }

  private renameTo(from: string, to: string): Running<void> {
    const { name, path } = this.file.target
    return this.file.simple(
      Command.SMB_COM_RENAME,
      encode(Simple.Rename(this.file.tree.unicode), {
        searchAttributes: everything,
        oldFileName: Requests.renamed(name, path, from).text,
        newFileName: Requests.renamed(name, path, to).text
      }),
      "RENAME",
      name.flags2
    )
  }
}

/**
 * Operations as SMB 1 has them: some are one request, some several, and directories are listed by their name.
 *
 * The classes of MS-FSCC go through as they are where the server passes them (CAP_INFOLEVEL_PASSTHRU), else as the level
 * that has the same layout, where there is one.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { randomBytes } from "node:crypto"
import * as Codec from "../Codec/Codec.ts"
import * as FileInformation from "../Codec/FileInformation.ts"
import * as NotifyInformation from "../Codec/NotifyInformation.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import { fromStatus, type RequestError, type SmbError } from "../Protocol/Errors.ts"
import type * as Operation from "../Protocol/Operation.ts"
import * as Header from "./Header.ts"
import * as Listing from "./Listing.ts"
import {
  Capabilities,
  Command,
  FindFlags,
  FindLevel,
  NtTransactSubcommand,
  QueryFileLevel,
  QueryFsLevel,
  SearchAttributes,
  SetFileLevel,
  SMB_INFO_PASSTHROUGH,
  SMB_INFO_QUERY_ALL_EAS,
  Trans2Subcommand,
  TransSubcommand,
  TypeOfLock,
  WriteMode
} from "./Message/Constants.ts"
import * as NtTransact from "./Message/NtTransact.ts"
import * as ReadWrite from "./Message/ReadWrite.ts"
import * as Simple from "./Message/Simple.ts"
import * as Trans2 from "./Message/Trans2.ts"
import * as Requests from "./Requests.ts"

const nothing = new Uint8Array(0)
const { encode } = Requests

const everything = SearchAttributes.SMB_FILE_ATTRIBUTE_HIDDEN | SearchAttributes.SMB_FILE_ATTRIBUTE_SYSTEM |
  SearchAttributes.SMB_FILE_ATTRIBUTE_DIRECTORY

/** Control codes that SMB 1 has other words for. */
const FSCTL_DFS_GET_REFERRALS = 0x0006_0194
const FSCTL_PIPE_TRANSCEIVE = 0x0011_c017

/** The classes of FileAllInformation, in their order. SMB 1's own level of that name is another structure. */
const allInformation = [4, 5, 6, 7, 8, 14, 16, 17, 9]
const FileNameInformation = 9
const FileRenameInformation = 10
const FileLinkInformation = 11
const FileAllInformation = 18
const FileFullEaInformation = 15

/** The PID of every request, which a lock belongs to. */
const pid = 0xfeff

/** The most entries of one answer. */
const searchCount = 1366

const decodeWrite = Codec.decode("SMB1 WRITE_ANDX Response", Codec.at(Header.size, ReadWrite.WriteResponse))
const decodeRead = Codec.decode("SMB1 READ_ANDX Response", Codec.at(Header.size, ReadWrite.ReadResponse))
const decodeChanges = Codec.decode("FILE_NOTIFY_INFORMATION", NotifyInformation.FileNotifyInformations)
const decodeFirst = Codec.decode("SMB1 FIND_FIRST2 Response", Trans2.FindFirst2Response)
const decodeNext = Codec.decode("SMB1 FIND_NEXT2 Response", Trans2.FindNext2Response)
const decodeFeaList = Codec.decode("SMB_FEA_LIST", Trans2.FeaList)
const decodeRename = Codec.decode("FileRenameInformation", FileInformation.FileRenameInformation)

/** What the operations of one open need to know of it. */
export interface Target {
  readonly fid: number
  /** Below the share. */
  readonly path: string
  readonly name: Requests.WireName
}

/** How the same file is let go and opened again, for a rename that wants nobody to have it open. */
export interface Reopen {
  readonly close: (fid: number) => Effect.Effect<void, RequestError>
  readonly open: (path: string, name: Requests.WireName) => Effect.Effect<number, RequestError>
}

interface Search {
  readonly sid: number
  readonly lastName: string
  readonly ended: boolean
}

type Running<A> = Effect.Effect<A, RequestError>

/**
 * The operations on one open file.
 *
 * @category models
 */
export class Commands {
  private readonly tree: Requests.Tree
  private target: Target
  private readonly reopen: Reopen
  private search: Search | undefined

  constructor(tree: Requests.Tree, target: Target, reopen: Reopen) {
    this.tree = tree
    this.target = target
    this.reopen = reopen
  }

  /** The open as it is now: a rename may have opened the file anew. */
  get fid(): number {
    return this.target.fid
  }

  readonly run = <O extends Operation.Any>(operation: O): Running<Operation.Output<O>> =>
    this.start(operation) as Running<any>

  private start(operation: Operation.Any): Running<unknown> {
    switch (operation._tag) {
      case "Read":
        return this.read(operation)
      case "Write":
        return this.write(operation)
      case "Flush":
        return this.simple(Command.SMB_COM_FLUSH, encode(Simple.Flush, { fid: this.target.fid }), "FLUSH")
      case "QueryInfo":
        return Effect.flatMap(this.query(operation), (bytes) => Effect.fromResult(operation.decode(bytes)))
      case "SetInfo":
        return this.set(operation)
      case "QueryDirectory":
        return this.list(operation)
      case "ChangeNotify":
        return this.changes(operation)
      case "Lock":
        return this.lock(operation)
      case "Unlock":
        return this.locking({ unlocks: operation.ranges, locks: [], type: 0, timeout: 0, waits: false })
      case "Ioctl":
        return this.ioctl(operation)
    }
  }

  private failed(status: number, command: string): Effect.Effect<never, SmbError> {
    return Effect.fail(fromStatus(status, command, this.tree.full(this.target.path)))
  }

  private simple(command: number, body: Uint8Array, name: string, flags2 = 0): Running<void> {
    return Effect.flatMap(
      this.tree.request({ command, body, flags2 }),
      ({ header }) => header.status === 0 ? Effect.void : this.failed(header.status, name)
    )
  }

  // ---------------------------------------------------------------------------
  // data
  // ---------------------------------------------------------------------------

  private read(operation: Operation.Read): Running<Uint8Array> {
    const length = Math.min(operation.length, this.tree.limits.read)
    return Effect.flatMap(
      this.tree.request({
        command: Command.SMB_COM_READ_ANDX,
        body: encode(ReadWrite.ReadRequest, {
          fid: this.target.fid,
          offset: operation.offset,
          maxCount: length,
          minCount: 0
        }),
        readLength: length,
        ...(operation.destination === undefined ? {} : { destination: operation.destination })
      }),
      (reply): Running<Uint8Array> => {
        const { status } = reply.header
        if (status === NtStatus.STATUS_END_OF_FILE) return Effect.succeed(nothing)
        // On a named pipe: more of the message follows with the next READ.
        if (status !== 0 && status !== NtStatus.STATUS_BUFFER_OVERFLOW) return this.failed(status, "READ")
        if (reply.data !== undefined) return Effect.succeed(reply.data)
        return Effect.map(Effect.fromResult(decodeRead(reply.packet)), ({ data }) => {
          const some = data.subarray(0, length)
          if (operation.destination === undefined) return some
          operation.destination.set(some)
          return operation.destination.subarray(0, some.length)
        })
      }
    )
  }

  /** All of the data, in as many requests as it takes. */
  private write(operation: Operation.Write): Running<number> {
    const { data, offset } = operation
    const limit = this.tree.limits.write
    if (data.length <= limit) return this.writeSome(operation, offset, data, data.length)
    return Effect.gen({ self: this }, function*() {
      let written = 0
      while (written < data.length) {
        const some = data.subarray(written, written + limit)
        const count = yield* this.writeSome(operation, offset + BigInt(written), some, data.length)
        if (count === 0) return written
        written += count
      }
      return written
    })
  }

  private writeSome(operation: Operation.Write, offset: bigint, data: Uint8Array, whole: number): Running<number> {
    const isPipe = this.tree.type === "pipe"
    return Effect.flatMap(
      this.tree.request({
        command: Command.SMB_COM_WRITE_ANDX,
        body: ReadWrite.writeHead({
          fid: this.target.fid,
          offset,
          writeMode: (operation.writeThrough === true ? WriteMode.WritethroughMode : 0) |
            (isPipe ? WriteMode.NAMED_PIPE_MSG_START : 0),
          remaining: isPipe ? whole : 0
        }, data.length),
        ...(data.length === 0 ? {} : { payload: data })
      }),
      (reply): Running<number> =>
        reply.header.status === 0
          ? Effect.fromResult(Result.map(decodeWrite(reply.packet), ({ count }) => count))
          : this.failed(reply.header.status, "WRITE")
    )
  }

  // ---------------------------------------------------------------------------
  // information
  // ---------------------------------------------------------------------------

  private get passes(): boolean {
    return (this.tree.session.negotiated.capabilities & Capabilities.CAP_INFOLEVEL_PASSTHRU) !== 0
  }

  /** The level of a class: passed through, or one of SMB 1's own. */
  private level(number: number, own: { readonly [number: number]: number }): number | undefined {
    return this.passes ? SMB_INFO_PASSTHROUGH + number : own[number]
  }

  private query(operation: Operation.QueryInfo<unknown>): Running<Uint8Array> {
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
        if (level === undefined) return this.failed(NtStatus.STATUS_INVALID_INFO_CLASS, "QUERY_FS_INFORMATION")
        return this.answered(
          this.tree.trans2(Trans2Subcommand.TRANS2_QUERY_FS_INFORMATION, {
            parameters: encode(Trans2.QueryFsInformationRequest, { informationLevel: level }),
            maxDataCount: maximum
          }),
          "QUERY_FS_INFORMATION"
        )
      }
      case "Security":
        return this.answered(
          this.tree.ntTransact(NtTransactSubcommand.NT_TRANSACT_QUERY_SECURITY_DESC, {
            parameters: encode(NtTransact.SecurityDescriptorRequest, {
              fid: this.target.fid,
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
    if (level === undefined) return this.failed(NtStatus.STATUS_INVALID_INFO_CLASS, "QUERY_FILE_INFORMATION")
    const request = this.answered(
      this.tree.trans2(Trans2Subcommand.TRANS2_QUERY_FILE_INFORMATION, {
        parameters: encode(Trans2.QueryFileInformationRequest, { fid: this.target.fid, informationLevel: level }),
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
      this.answered(
        this.tree.trans2(Trans2Subcommand.TRANS2_QUERY_FILE_INFORMATION, {
          parameters: encode(Trans2.QueryFileInformationRequest, {
            fid: this.target.fid,
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

  /** The data of a transaction that must succeed. A level that the server does not know is a class that it lacks. */
  private answered(answer: Running<Requests.Answer>, command: string): Running<Uint8Array> {
    return Effect.flatMap(answer, ({ data, status }) =>
      status === 0
        ? Effect.succeed(data)
        : this.failed(status === NtStatus.STATUS_INVALID_LEVEL ? NtStatus.STATUS_INVALID_INFO_CLASS : status, command))
  }

  private set(operation: Operation.SetInfo): Running<void> {
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
        return Effect.asVoid(this.answered(
          this.tree.trans2(Trans2Subcommand.TRANS2_SET_FS_INFORMATION, {
            parameters: encode(Trans2.SetFsInformationRequest, {
              fid: this.target.fid,
              informationLevel: SMB_INFO_PASSTHROUGH + information.fileSystemInformationClass
            }),
            data
          }),
          "SET_FS_INFORMATION"
        ))
      case "Security":
        return Effect.asVoid(this.answered(
          this.tree.ntTransact(NtTransactSubcommand.NT_TRANSACT_SET_SECURITY_DESC, {
            parameters: encode(NtTransact.SecurityDescriptorRequest, {
              fid: this.target.fid,
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
    if (level === undefined) return this.failed(NtStatus.STATUS_INVALID_INFO_CLASS, "SET_FILE_INFORMATION")
    return Effect.asVoid(this.answered(
      this.tree.trans2(Trans2Subcommand.TRANS2_SET_FILE_INFORMATION, {
        parameters: encode(Trans2.SetFileInformationRequest, { fid: this.target.fid, informationLevel: level }),
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
    const { path } = this.target
    const directory = (of: string): string => of.slice(0, Math.max(0, of.lastIndexOf("\\")))
    if (directory(path).toLowerCase() === directory(to).toLowerCase() && this.renamesHere) {
      return this.renameHere(to.slice(to.lastIndexOf("\\") + 1), replace)
    }
    const moved = this.move(to)
    if (!replace || !this.renamesHere) return moved
    return Effect.catchTag(moved, "SmbError", (error) => {
      if (error.reason !== "ObjectNameCollision") return Effect.fail(error)
      const parent = directory(to)
      const unique = `${parent === "" ? "" : `${parent}\\`}~${randomBytes(8).toString("hex")}.tmp`
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
    const named = Effect.suspend(() => this.renameTo(this.target.path, to))
    const settle = (path: string): Running<void> =>
      Effect.suspend(() => {
        const name = Requests.renamed(this.target.name, this.target.path, path)
        this.target = { ...this.target, path, name }
        return Effect.map(this.reopen.open(path, name), (fid) => {
          this.target = { fid, path, name }
        })
      })
    return Effect.uninterruptible(Effect.catchTag(
      Effect.andThen(
        named,
        Effect.sync(() => {
          const { name, path } = this.target
          this.target = { ...this.target, path: to, name: Requests.renamed(name, path, to) }
        })
      ),
      "SmbError",
      (error) =>
        error.reason !== "SharingViolation" ? Effect.fail(error) : Effect.andThen(
          this.reopen.close(this.fid),
          Effect.flatMap(
            Effect.result(named),
            (result): Running<void> =>
              Result.isSuccess(result)
                ? settle(to)
                : Effect.andThen(Effect.ignore(settle(this.target.path)), Effect.fail(result.failure))
          )
        )
    ))
  }

  /** In an OEM code page, servers do not agree on what the name in the class is in. */
  private get renamesHere(): boolean {
    return this.passes && this.tree.unicode
  }

  private renameHere(fileName: string, replaceIfExists: boolean): Running<void> {
    return this.setFile(
      FileRenameInformation,
      encode(Trans2.FileRenameInformation, { replaceIfExists, rootDirectory: 0, fileName })
    )
  }

  private renameTo(from: string, to: string): Running<void> {
    const { name, path } = this.target
    return this.simple(
      Command.SMB_COM_RENAME,
      encode(Simple.Rename(this.tree.unicode), {
        searchAttributes: everything,
        oldFileName: Requests.renamed(name, path, from).text,
        newFileName: Requests.renamed(name, path, to).text
      }),
      "RENAME",
      name.flags2
    )
  }

  // ---------------------------------------------------------------------------
  // directories
  // ---------------------------------------------------------------------------

  private list(operation: Operation.QueryDirectory<unknown>): Running<ReadonlyArray<unknown>> {
    return Effect.suspend(() => {
      const level = FindLevel[operation.fileInformationClass]
      if (level === undefined) return this.failed(NtStatus.STATUS_INVALID_INFO_CLASS, "FIND_FIRST2")
      const { search } = this
      if (!operation.restart && search !== undefined) {
        return search.ended ? Effect.succeed([]) : this.findNext(operation, level, search)
      }
      // The server ends a search by itself when it has told all; one that is left is ended here.
      const ended = search !== undefined && !search.ended ? this.endSearch(search.sid) : Effect.void
      this.search = undefined
      return Effect.andThen(ended, this.findFirst(operation, level))
    })
  }

  private endSearch(sid: number): Running<void> {
    return Effect.ignore(
      this.simple(Command.SMB_COM_FIND_CLOSE2, encode(Simple.FindClose2, { searchHandle: sid }), "FIND_CLOSE2")
    )
  }

  /** Ends a search that has not come to its end. To be done before the open is closed. */
  readonly endSearches: Running<void> = Effect.suspend(() => {
    const { search } = this
    this.search = undefined
    return search === undefined || search.ended ? Effect.void : this.endSearch(search.sid)
  })

  private findFirst(
    operation: Operation.QueryDirectory<unknown>,
    level: number
  ): Running<ReadonlyArray<unknown>> {
    const { name, path } = this.target
    const pattern = Requests.renamed(name, path, path === "" ? operation.pattern : `${path}\\${operation.pattern}`)
    return Effect.flatMap(
      this.tree.trans2(
        Trans2Subcommand.TRANS2_FIND_FIRST2,
        {
          parameters: encode(Trans2.FindFirst2Request(this.tree.unicode), {
            searchAttributes: everything,
            searchCount,
            flags: FindFlags.SMB_FIND_CLOSE_AT_EOS,
            informationLevel: level,
            fileName: pattern.text
          }),
          maxDataCount: operation.maximum
        },
        name.flags2
      ),
      (answer): Running<ReadonlyArray<unknown>> => {
        if (isEnd(answer.status)) return Effect.succeed([])
        if (answer.status !== 0) return this.failed(answer.status, "FIND_FIRST2")
        return Effect.flatMap(
          Effect.fromResult(decodeFirst(answer.parameters)),
          (found) => this.found(operation, answer.data, found, found.sid)
        )
      }
    )
  }

  private findNext(
    operation: Operation.QueryDirectory<unknown>,
    level: number,
    { lastName, sid }: Search
  ): Running<ReadonlyArray<unknown>> {
    return Effect.flatMap(
      this.tree.trans2(Trans2Subcommand.TRANS2_FIND_NEXT2, {
        parameters: encode(Trans2.FindNext2Request(this.tree.unicode), {
          sid,
          searchCount,
          informationLevel: level,
          resumeKey: 0,
          flags: FindFlags.SMB_FIND_CLOSE_AT_EOS | FindFlags.SMB_FIND_CONTINUE_FROM_LAST,
          fileName: lastName
        }),
        maxDataCount: operation.maximum
      }, this.target.name.flags2),
      (answer): Running<ReadonlyArray<unknown>> => {
        if (isEnd(answer.status)) {
          this.search = { sid, lastName, ended: true }
          return Effect.succeed([])
        }
        if (answer.status !== 0) return this.failed(answer.status, "FIND_NEXT2")
        return Effect.flatMap(
          Effect.fromResult(decodeNext(answer.parameters)),
          (found) => this.found(operation, answer.data, found, sid)
        )
      }
    )
  }

  private found(
    operation: Operation.QueryDirectory<unknown>,
    data: Uint8Array,
    found: { readonly searchCount: number; readonly endOfSearch: number },
    sid: number
  ): Running<ReadonlyArray<unknown>> {
    return Effect.flatMap(
      Effect.fromResult(
        Listing.read(operation.fileInformationClass, data, found.searchCount, this.tree.unicode)
      ),
      ({ bytes, lastName }): Running<ReadonlyArray<unknown>> => {
        // An answer without an entry is the end, whatever it says: a search must not go on for ever.
        this.search = { sid, lastName, ended: found.endOfSearch !== 0 || found.searchCount === 0 }
        return found.searchCount === 0 ? Effect.succeed([]) : Effect.fromResult(operation.decode(bytes))
      }
    )
  }

  private changes(operation: Operation.ChangeNotify): Running<ReadonlyArray<Operation.Change>> {
    return Effect.flatMap(
      this.tree.ntTransact(NtTransactSubcommand.NT_TRANSACT_NOTIFY_CHANGE, {
        setup: NtTransact.setupWords(encode(NtTransact.NotifyChangeSetup, {
          completionFilter: operation.completionFilter,
          fid: this.target.fid,
          watchTree: operation.recursive
        })),
        maxParameterCount: operation.maximum
      }, { waits: true }),
      ({ parameters, status }): Running<ReadonlyArray<Operation.Change>> =>
        status === 0 ? Effect.fromResult(decodeChanges(parameters)) : this.failed(status, "NOTIFY_CHANGE")
    )
  }

  // ---------------------------------------------------------------------------
  // locks and controls
  // ---------------------------------------------------------------------------

  private lock(operation: Operation.Lock): Running<void> {
    const type = operation.exclusive ? TypeOfLock.READ_WRITE_LOCK : TypeOfLock.SHARED_LOCK
    return this.locking({
      unlocks: [],
      locks: operation.ranges,
      type,
      timeout: operation.wait ? 0xffff_ffff : 0,
      waits: operation.wait
    })
  }

  private locking(request: {
    readonly unlocks: ReadonlyArray<Operation.Range>
    readonly locks: ReadonlyArray<Operation.Range>
    readonly type: number
    readonly timeout: number
    readonly waits: boolean
  }): Running<void> {
    const range = ({ length, offset }: Operation.Range): Simple.LockingRange64 => ({ pid, offset, length })
    return Effect.flatMap(
      this.tree.request({
        command: Command.SMB_COM_LOCKING_ANDX,
        body: encode(Simple.Locking, {
          fid: this.target.fid,
          typeOfLock: request.type | TypeOfLock.LARGE_FILES,
          newOpLockLevel: 0,
          timeout: request.timeout,
          unlocks: request.unlocks.map(range),
          locks: request.locks.map(range)
        }),
        waits: request.waits
      }),
      ({ header: { status } }) => {
        if (status === 0) return Effect.void
        // What SMB 2 has one status for, SMB 1 calls the second refusal by another.
        const refused = request.locks.length > 0 && status === NtStatus.STATUS_FILE_LOCK_CONFLICT
        return this.failed(refused ? NtStatus.STATUS_LOCK_NOT_GRANTED : status, "LOCK")
      }
    )
  }

  private ioctl(operation: Operation.Ioctl): Running<Uint8Array> {
    const { fid } = this.target
    if (operation.ctlCode === FSCTL_PIPE_TRANSCEIVE) {
      return this.answered(
        this.tree.transact({
          kind: "TRANSACTION",
          name: "\\PIPE\\",
          setup: [TransSubcommand.TRANS_TRANSACT_NMPIPE, fid],
          parameters: nothing,
          data: operation.input,
          maxParameterCount: 0,
          maxDataCount: Math.min(operation.maximum, 0xffff)
        }),
        "IOCTL"
      )
    }
    return this.answered(
      this.tree.ntTransact(NtTransactSubcommand.NT_TRANSACT_IOCTL, {
        setup: NtTransact.setupWords(
          encode(NtTransact.IoctlSetup, { functionCode: operation.ctlCode, fid, isFsctl: true, isFlags: 0 })
        ),
        data: operation.input,
        maxDataCount: operation.maximum
      }),
      "IOCTL"
    )
  }
}

const isEnd = (status: number): boolean =>
  status === NtStatus.STATUS_NO_MORE_FILES || status === NtStatus.STATUS_NO_SUCH_FILE

/**
 * A control on the share itself. SMB 1 knows but one: the DFS referral, which is a transaction of its own, its request the
 * parameters and its response the data (MS-CIFS 2.2.6.16).
 */
export const control = (tree: Requests.Tree, operation: Operation.Ioctl): Running<Uint8Array> => {
  const failed = (status: number) => Effect.fail(fromStatus(status, "IOCTL", tree.uncPath))
  if (operation.ctlCode !== FSCTL_DFS_GET_REFERRALS) return failed(NtStatus.STATUS_INVALID_DEVICE_REQUEST)
  return Effect.flatMap(
    tree.trans2(Trans2Subcommand.TRANS2_GET_DFS_REFERRAL, {
      parameters: operation.input,
      maxParameterCount: 0,
      maxDataCount: operation.maximum
    }),
    ({ data, status }) => status === 0 ? Effect.succeed(data) : failed(status)
  )
}

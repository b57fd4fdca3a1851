/**
 * Operations as SMB 1 requests: some are one request, some several. `Information` has those on information and names,
 * `Directory` the listing of a directory.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Codec from "../Codec/Codec.ts"
import { Malformed } from "../Codec/Malformed.ts"
import * as NotifyInformation from "../Codec/NotifyInformation.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import * as Changes from "../Protocol/Changes.ts"
import { fromStatus } from "../Protocol/Errors.ts"
import type * as Operation from "../Protocol/Operation.ts"
import { Directory } from "./Directory.ts"
import * as Header from "./Header.ts"
import { Information } from "./Information.ts"
import {
  Command,
  NtTransactSubcommand,
  Trans2Subcommand,
  TransSubcommand,
  TypeOfLock,
  WriteMode
} from "./Message/Constants.ts"
import * as NtTransact from "./Message/NtTransact.ts"
import * as ReadWrite from "./Message/ReadWrite.ts"
import * as Simple from "./Message/Simple.ts"
import { OpenFile, type Running, type Target } from "./OpenFile.ts"
import { RenameAndDelete, type Reopen } from "./RenameAndDelete.ts"
import * as TreeRequests from "./TreeRequests.ts"

const nothing = new Uint8Array(0)
const { encode } = TreeRequests

/** Control codes for which SMB 1 has other requests. */
const FSCTL_DFS_GET_REFERRALS = 0x0006_0194
const FSCTL_PIPE_TRANSCEIVE = 0x0011_c017

/** The time between two attempts at a lock, if the server must not wait for it. */
const lockInterval = "250 millis"

/** The PID of every request, which is the owner of a lock. */
const pid = 0xfeff

const decodeWrite = Codec.decode("SMB1 WRITE_ANDX Response", Codec.at(Header.size, ReadWrite.WriteResponse))
const decodeRead = Codec.decode("SMB1 READ_ANDX Response", Codec.at(Header.size, ReadWrite.ReadResponse))
const decodeChanges = Codec.decode("FILE_NOTIFY_INFORMATION", NotifyInformation.FileNotifyInformations)

interface LockingRequest {
  readonly unlocks: ReadonlyArray<Operation.Range>
  readonly locks: ReadonlyArray<Operation.Range>
  readonly type: number
  readonly timeout: number
  readonly waits: boolean
}

/**
 * The operations on one open file.
 *
 * @category models
 * @since 0.1.0
 */
export class Commands {
  private readonly file: OpenFile
  private readonly information: Information
  private readonly directory: Directory

  constructor(tree: TreeRequests.Tree, target: Target, reopen: Reopen) {
    this.file = new OpenFile(tree, target)
    this.information = new Information(this.file, new RenameAndDelete(this.file, reopen))
    this.directory = new Directory(this.file)
  }

  /** The current FID: a rename may have closed the file and opened it again. */
  get fid(): number {
    return this.file.fid
  }

  /** Whether the file is closed. */
  get gone(): boolean {
    return this.file.gone
  }

  /** Must be called when the open is closed: nothing more is sent on it. */
  leave(): void {
    this.file.gone = true
  }

  /** Ends an unfinished search. Run it before the open is closed. */
  get endSearches(): Running<void> {
    return this.directory.endSearches
  }

  /** Ends an unfinished search without waiting, if the caller no longer waits. */
  endSearchesLater(): void {
    this.directory.endSearchesLater()
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
        return this.file.simple(Command.SMB_COM_FLUSH, encode(Simple.Flush, { fid: this.file.target.fid }), "FLUSH", {
          mutates: false
        })
      case "QueryInfo":
        return Effect.flatMap(this.information.query(operation), (bytes) => Effect.fromResult(operation.decode(bytes)))
      case "SetInfo":
        return this.information.set(operation)
      case "QueryDirectory":
        return this.directory.list(operation)
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

  // ---------------------------------------------------------------------------
  // data
  // ---------------------------------------------------------------------------

  private read(operation: Operation.Read): Running<Uint8Array> {
    const length = Math.min(operation.length, this.file.tree.limits.read)
    return Effect.flatMap(
      this.file.tree.request({
        command: Command.SMB_COM_READ_ANDX,
        body: encode(ReadWrite.ReadRequest, {
          fid: this.file.target.fid,
          offset: operation.offset,
          maxCount: length,
          minCount: 0
        }),
        fid: this.file.target.fid,
        readLength: length,
        ...(operation.destination === undefined ? {} : { destination: operation.destination })
      }),
      (reply): Running<Uint8Array> => {
        const { status } = reply.header
        if (status === NtStatus.STATUS_END_OF_FILE) return Effect.succeed(nothing)
        // On a named pipe: more of the message follows with the next READ.
        if (status !== 0 && status !== NtStatus.STATUS_BUFFER_OVERFLOW) return this.file.failed(status, "READ")
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

  /** Writes all of the data, in as many requests as needed: a server can write less than it was given. */
  private write(operation: Operation.Write): Running<number> {
    const { data, offset } = operation
    const { limits } = this.file.tree
    const from = (written: number): Running<number> =>
      Effect.flatMap(
        this.writeSome(
          operation,
          offset + BigInt(written),
          data.subarray(written, written + limits.write),
          data.length
        ),
        (count) => written + count < data.length ? from(written + count) : Effect.succeed(data.length)
      )
    return from(0)
  }

  private writeSome(operation: Operation.Write, offset: bigint, data: Uint8Array, whole: number): Running<number> {
    const isPipe = this.file.tree.type === "pipe"
    return Effect.flatMap(
      this.file.tree.request({
        command: Command.SMB_COM_WRITE_ANDX,
        body: ReadWrite.writeHead({
          fid: this.file.target.fid,
          offset,
          writeMode: (operation.writeThrough === true ? WriteMode.WritethroughMode : 0) |
            (isPipe ? WriteMode.NAMED_PIPE_MSG_START : 0),
          remaining: isPipe ? whole : 0
        }, data.length),
        fid: this.file.target.fid,
        ...(data.length === 0 ? {} : { payload: data }),
        mutates: true
      }),
      (reply): Running<number> =>
        reply.header.status !== 0
          ? this.file.failed(reply.header.status, "WRITE")
          : Effect.flatMap(Effect.fromResult(decodeWrite(reply.packet)), (response): Running<number> => {
            // Some servers leave random bits in the high half, which a small write does not need.
            const count = data.length > 0xffff ? response.count : response.count & 0xffff
            if (count > data.length) {
              const expected = `a count of at most the ${data.length} bytes sent`
              return Effect.fail(
                new Malformed({ structure: "SMB1 WRITE_ANDX Response", offset: Header.size + 5, expected })
              )
            }
            // The response of some servers when the disk is full.
            return count === 0 && data.length > 0
              ? this.file.failed(NtStatus.STATUS_DISK_FULL, "WRITE")
              : Effect.succeed(count)
          })
    )
  }

  private changes(operation: Operation.ChangeNotify): Running<ReadonlyArray<Operation.Change>> {
    if (this.file.tree.oneAtATime) return this.file.failed(NtStatus.STATUS_NOT_SUPPORTED, "NOTIFY_CHANGE")
    return Effect.flatMap(
      this.file.tree.ntTransact(NtTransactSubcommand.NT_TRANSACT_NOTIFY_CHANGE, {
        setup: NtTransact.setupWords(encode(NtTransact.NotifyChangeSetup, {
          completionFilter: operation.completionFilter,
          fid: this.file.target.fid,
          watchTree: operation.recursive
        })),
        maxParameterCount: operation.maximum
      }, { waits: true }),
      ({ parameters, status }): Running<ReadonlyArray<Operation.Change>> =>
        status === 0 ? Effect.fromResult(decodeChanges(parameters)) : this.file.failed(status, "NOTIFY_CHANGE")
    )
  }

  // ---------------------------------------------------------------------------
  // locks and controls
  // ---------------------------------------------------------------------------

  private lock(operation: Operation.Lock): Running<void> {
    const asksAgain = operation.wait && this.file.tree.oneAtATime
    const waits = operation.wait && !asksAgain
    const locked = this.locking({
      unlocks: [],
      locks: operation.ranges,
      type: operation.exclusive ? TypeOfLock.READ_WRITE_LOCK : TypeOfLock.SHARED_LOCK,
      timeout: waits ? 0xffff_ffff : 0,
      waits
    })
    return !asksAgain ? locked : Effect.retry(locked, {
      schedule: Schedule.spaced(lockInterval),
      while: (error) => error._tag === "SmbError" && error.reason._tag === "LockNotGranted"
    })
  }

  private locking(request: LockingRequest): Running<void> {
    return Effect.flatMap(
      this.file.tree.request({
        command: Command.SMB_COM_LOCKING_ANDX,
        body: this.lockingBody(request),
        waits: request.waits,
        // A lock that is granted after its caller has stopped waiting would keep all others out until the file is
        // closed.
        ...(request.locks.length === 0 ? {} : { orphan: () => this.unlockLater(request.locks) })
      }),
      ({ header: { status } }) => {
        if (status === 0) return Effect.void
        // SMB 2 has one status for a refused lock; SMB 1 has another one for the second refusal.
        const refused = request.locks.length > 0 && status === NtStatus.STATUS_FILE_LOCK_CONFLICT
        return this.file.failed(refused ? NtStatus.STATUS_LOCK_NOT_GRANTED : status, "LOCK")
      }
    )
  }

  private lockingBody(request: LockingRequest): Uint8Array {
    const range = ({ length, offset }: Operation.Range): Simple.LockingRange64 => ({ pid, offset, length })
    return encode(Simple.Locking, {
      fid: this.file.target.fid,
      typeOfLock: request.type | TypeOfLock.LARGE_FILES,
      newOpLockLevel: 0,
      timeout: request.timeout,
      unlocks: request.unlocks.map(range),
      locks: request.locks.map(range)
    })
  }

  /** Unlocks without waiting. If the open is gone, so are its locks. */
  private unlockLater(ranges: ReadonlyArray<Operation.Range>): void {
    if (this.file.gone) return
    const body = this.lockingBody({ unlocks: ranges, locks: [], type: 0, timeout: 0, waits: false })
    const { tree } = this.file
    tree.connection.submit(tree.outgoing({ command: Command.SMB_COM_LOCKING_ANDX, body }), () => {})
  }

  private ioctl(operation: Operation.Ioctl): Running<Uint8Array> {
    const { fid } = this.file.target
    if (operation.ctlCode === FSCTL_PIPE_TRANSCEIVE) {
      return Effect.flatMap(
        this.file.tree.transact({
          kind: "TRANSACTION",
          name: "\\PIPE\\",
          setup: [TransSubcommand.TRANS_TRANSACT_NMPIPE, fid],
          parameters: nothing,
          data: operation.input,
          maxParameterCount: 0,
          maxDataCount: Math.min(operation.maximum, 0xffff)
        }, { mutates: true }),
        // READ may give more of the message in the response.
        ({ data, status }) =>
          status === 0 || status === NtStatus.STATUS_BUFFER_OVERFLOW
            ? Effect.succeed(data)
            : this.file.failed(status, "IOCTL")
      )
    }
    return this.file.answered(
      this.file.tree.ntTransact(NtTransactSubcommand.NT_TRANSACT_IOCTL, {
        setup: NtTransact.setupWords(
          encode(NtTransact.IoctlSetup, { functionCode: operation.ctlCode, fid, isFsctl: true, isFlags: 0 })
        ),
        data: operation.input,
        maxDataCount: operation.maximum
      }, { mutates: Changes.operation(operation) }),
      "IOCTL"
    )
  }
}

/**
 * A control on the share itself. SMB 1 has only one: the DFS referral, which is its own transaction. The request is its
 * parameters and the response its data (MS-CIFS 2.2.6.16).
 *
 * @since 0.1.0
 */
export const control = (tree: TreeRequests.Tree, operation: Operation.Ioctl): Running<Uint8Array> => {
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

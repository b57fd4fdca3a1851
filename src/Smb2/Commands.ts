/**
 * Operations as SMB 2 commands: the request's body, and what its response means (MS-SMB2 2.2.15 to 2.2.40).
 *
 * READ and WRITE are written by hand: they are the hot path.
 */
import * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import * as FileInformation from "../Codec/FileInformation.ts"
import { Malformed } from "../Codec/Malformed.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import * as Changes from "../Protocol/Changes.ts"
import { fromStatus, type ProtocolError, type SmbError } from "../Protocol/Errors.ts"
import type * as Operation from "../Protocol/Operation.ts"
import * as Header from "./Header.ts"
import * as LockSequences from "./LockSequences.ts"
import * as ChangeNotify from "./Message/ChangeNotify.ts"
import type { FileId } from "./Message/Common.ts"
import {
  ChangeNotifyFlags,
  Command,
  InfoType,
  IoctlFlags,
  LockFlags,
  QueryDirectoryFlags
} from "./Message/Constants.ts"
import * as Flush from "./Message/Flush.ts"
import { Fsctl } from "./Message/Fsctl.ts"
import * as Ioctl from "./Message/Ioctl.ts"
import * as Lock from "./Message/Lock.ts"
import * as QueryDirectory from "./Message/QueryDirectory.ts"
import * as QueryInfo from "./Message/QueryInfo.ts"
import * as SetInfo from "./Message/SetInfo.ts"
import type { Outgoing, Reply } from "./RequestInFlight.ts"

/**
 * The errors of an operation's response.
 *
 * @since 0.1.0
 */
export type CommandError = SmbError | Malformed | ProtocolError

type Encoded = Pick<
  Outgoing,
  | "command"
  | "body"
  | "payload"
  | "creditCharge"
  | "readLength"
  | "destination"
  | "mutates"
  | "waits"
  | "waitsForOthers"
>

/**
 * Credits for a request that sends or asks for this number of bytes (MS-SMB2 3.2.4.1.5).
 *
 * @since 0.1.0
 */
export const creditsFor = (bytes: number): number => Math.max(1, Math.ceil(bytes / 65536))

const readBody = (operation: Operation.Read, fileId: FileId): Uint8Array => {
  const body = new Uint8Array(49)
  const view = Header.view(body)
  view.setUint16(0, 49, true)
  // The data right behind the response's fixed part, where the frame reader looks for it.
  body[2] = Header.size + 16
  view.setUint32(4, operation.length, true)
  view.setBigUint64(8, operation.offset, true)
  view.setBigUint64(16, fileId.persistent, true)
  view.setBigUint64(24, fileId.volatile, true)
  return body
}

const writeBody = (operation: Operation.Write, fileId: FileId): Uint8Array => {
  const body = new Uint8Array(operation.data.length === 0 ? 49 : 48)
  const view = Header.view(body)
  view.setUint16(0, 49, true)
  view.setUint16(2, Header.size + 48, true)
  view.setUint32(4, operation.data.length, true)
  view.setBigUint64(8, operation.offset, true)
  view.setBigUint64(16, fileId.persistent, true)
  view.setBigUint64(24, fileId.volatile, true)
  view.setUint32(44, operation.writeThrough === true ? 1 : 0, true)
  return body
}

const information = (info: Operation.Information) => {
  switch (info._tag) {
    case "File":
      return { infoType: InfoType.SMB2_0_INFO_FILE, fileInfoClass: info.fileInformationClass, additionalInformation: 0 }
    case "FileSystem":
      return {
        infoType: InfoType.SMB2_0_INFO_FILESYSTEM,
        fileInfoClass: info.fileSystemInformationClass,
        additionalInformation: 0
      }
    case "Security":
      return {
        infoType: InfoType.SMB2_0_INFO_SECURITY,
        fileInfoClass: 0,
        additionalInformation: info.securityInformation
      }
  }
}

const { FileRenameInformation, FileRenameInformationEx } = FileInformation.classes

const isRename = (info: Operation.Information): boolean =>
  info._tag === "File" && (info.fileInformationClass === FileRenameInformation.number ||
    info.fileInformationClass === FileRenameInformationEx.number)

const lockFlags = (operation: Operation.Lock): number =>
  (operation.exclusive ? LockFlags.SMB2_LOCKFLAG_EXCLUSIVE_LOCK : LockFlags.SMB2_LOCKFLAG_SHARED_LOCK) |
  (operation.wait ? 0 : LockFlags.SMB2_LOCKFLAG_FAIL_IMMEDIATELY)

const nothing = new Uint8Array(0)

/**
 * The request of an operation on an open. `lockSequence` is the place of a LOCK among those of its open; default: none.
 *
 * @since 0.1.0
 */
export const encode = (
  operation: Operation.Any,
  fileId: FileId,
  lockSequence: LockSequences.LockSequence = LockSequences.none
): Encoded => {
  switch (operation._tag) {
    case "Read":
      return {
        command: Command.READ,
        body: readBody(operation, fileId),
        creditCharge: creditsFor(operation.length),
        readLength: operation.length,
        ...(operation.destination === undefined ? {} : { destination: operation.destination })
      }
    case "Write":
      return {
        command: Command.WRITE,
        body: writeBody(operation, fileId),
        creditCharge: creditsFor(operation.data.length),
        mutates: Changes.operation(operation),
        ...(operation.data.length === 0 ? {} : { payload: operation.data })
      }
    case "Flush":
      return { command: Command.FLUSH, body: Codec.encode(Flush.Request)({ fileId }) }
    case "QueryInfo":
      return {
        command: Command.QUERY_INFO,
        body: Codec.encode(QueryInfo.Request)({
          ...information(operation.information),
          outputBufferLength: operation.maximum,
          flags: 0,
          fileId,
          inputBuffer: operation.input ?? nothing
        }),
        creditCharge: creditsFor(operation.maximum)
      }
    case "SetInfo":
      return {
        command: Command.SET_INFO,
        body: Codec.encode(SetInfo.Request)({ ...information(operation.information), fileId, buffer: operation.data }),
        creditCharge: creditsFor(operation.data.length),
        mutates: Changes.operation(operation),
        waitsForOthers: isRename(operation.information)
      }
    case "QueryDirectory":
      return {
        command: Command.QUERY_DIRECTORY,
        body: Codec.encode(QueryDirectory.Request)({
          fileInformationClass: operation.fileInformationClass,
          flags: operation.restart ? QueryDirectoryFlags.SMB2_RESTART_SCANS : 0,
          fileIndex: 0,
          fileId,
          outputBufferLength: operation.maximum,
          fileName: operation.pattern
        }),
        creditCharge: creditsFor(operation.maximum)
      }
    case "ChangeNotify":
      return {
        command: Command.CHANGE_NOTIFY,
        body: Codec.encode(ChangeNotify.Request)({
          flags: operation.recursive ? ChangeNotifyFlags.SMB2_WATCH_TREE : 0,
          outputBufferLength: operation.maximum,
          fileId,
          completionFilter: operation.completionFilter
        }),
        creditCharge: creditsFor(operation.maximum),
        waits: true
      }
    case "Lock":
    case "Unlock": {
      const flags = operation._tag === "Lock" ? lockFlags(operation) : LockFlags.SMB2_LOCKFLAG_UNLOCK
      return {
        command: Command.LOCK,
        waits: operation._tag === "Lock" && operation.wait,
        body: Codec.encode(Lock.Request)({
          lockSequence,
          fileId,
          locks: operation.ranges.map(({ length, offset }) => ({ offset, length, flags }))
        })
      }
    }
    case "Ioctl":
      return {
        command: Command.IOCTL,
        body: Codec.encode(Ioctl.Request)({
          ctlCode: operation.ctlCode,
          fileId,
          maxInputResponse: 0,
          maxOutputResponse: operation.maximum,
          flags: IoctlFlags.SMB2_0_IOCTL_IS_FSCTL,
          input: operation.input,
          output: nothing
        }),
        creditCharge: creditsFor(Math.max(operation.maximum, operation.input.length)),
        mutates: Changes.operation(operation)
      }
  }
}

const names = Object.fromEntries(Object.entries(Command).map(([name, number]) => [number, name]))

/**
 * The name of a command number, for errors.
 *
 * @since 0.1.0
 */
export const commandName = (command: number): string => names[command] ?? `command ${command}`

const body = <A>(name: string, codec: Codec.Codec<A>) => {
  const decode = Codec.decode(name, Codec.at(Header.size, codec))
  return (reply: Reply): Result.Result<A, Malformed> => decode(reply.packet)
}

const decodeIoctl = body("SMB2 IOCTL Response", Ioctl.Response)
const decodeQueryInfo = body("SMB2 QUERY_INFO Response", QueryInfo.Response)
const decodeQueryDirectory = body("SMB2 QUERY_DIRECTORY Response", QueryDirectory.Response)
const decodeChangeNotify = body("SMB2 CHANGE_NOTIFY Response", ChangeNotify.Response)
const decodeChanges = Codec.decode("FILE_NOTIFY_INFORMATION", ChangeNotify.FileNotifyInformations)

/** The data of a READ response: in the caller's memory, or a view of its packet. */
const readData = (operation: Operation.Read, reply: Reply): Result.Result<Uint8Array, Malformed> => {
  if (reply.data !== undefined) return Result.succeed(reply.data)
  const { packet } = reply
  const fail = (offset: number, expected: string) =>
    Result.fail(new Malformed({ structure: "SMB2 READ Response", offset, expected }))
  if (packet.length < Header.size + 16) return fail(packet.length, "16 bytes of READ response")
  const view = Header.view(packet)
  const offset = packet[Header.size + 2]!
  const length = view.getUint32(Header.size + 4, true)
  if (length > operation.length) return fail(Header.size + 4, `at most the ${operation.length} bytes asked for`)
  if (length === 0) return Result.succeed(nothing)
  if (offset < Header.size + 16 || offset + length > packet.length) {
    return fail(Header.size + 2, "data inside the packet")
  }
  const data = packet.subarray(offset, offset + length)
  if (operation.destination === undefined) return Result.succeed(data)
  operation.destination.set(data)
  return Result.succeed(operation.destination.subarray(0, length))
}

/** Whether a READ gives more of a named pipe's response to a transaction. */
const isPartOfMessage = ({ ctlCode }: Operation.Ioctl, status: number): boolean =>
  ctlCode === Fsctl.FSCTL_PIPE_TRANSCEIVE && status === NtStatus.STATUS_BUFFER_OVERFLOW

/**
 * The meaning of the response to an operation. `path` is for the error.
 *
 * @since 0.1.0
 */
export const decode = (operation: Operation.Any, reply: Reply, path: string): Result.Result<any, CommandError> => {
  const { status } = reply.header
  const failed = () => Result.fail(fromStatus(status, commandName(reply.header.command), path))
  switch (operation._tag) {
    case "Read":
      if (reply.distrust !== undefined) return Result.fail(reply.distrust)
      if (status === NtStatus.STATUS_END_OF_FILE) return Result.succeed(nothing)
      // On a named pipe: more of the message follows with the next READ.
      if (status !== 0 && status !== NtStatus.STATUS_BUFFER_OVERFLOW) return failed()
      return readData(operation, reply)
    case "Write": {
      if (status !== 0) return failed()
      if (reply.packet.length < Header.size + 16) {
        return Result.fail(
          new Malformed({ structure: "SMB2 WRITE Response", offset: reply.packet.length, expected: "16 bytes" })
        )
      }
      const count = Header.view(reply.packet).getUint32(Header.size + 4, true)
      if (count > operation.data.length) {
        const expected = `a count of at most the ${operation.data.length} bytes sent`
        return Result.fail(new Malformed({ structure: "SMB2 WRITE Response", offset: Header.size + 4, expected }))
      }
      // The response of some servers when the disk is full.
      return count === 0 && operation.data.length > 0
        ? Result.fail(fromStatus(NtStatus.STATUS_DISK_FULL, "WRITE", path))
        : Result.succeed(count)
    }
    case "Flush":
    case "SetInfo":
    case "Lock":
    case "Unlock":
      return status === 0 ? Result.succeed(undefined) : failed()
    case "QueryInfo":
      if (status !== 0) return failed()
      return Result.flatMap(decodeQueryInfo(reply), (response) => operation.decode(response.buffer))
    case "QueryDirectory":
      if (status === NtStatus.STATUS_NO_MORE_FILES || status === NtStatus.STATUS_NO_SUCH_FILE) return Result.succeed([])
      if (status !== 0) return failed()
      return Result.flatMap(decodeQueryDirectory(reply), (response) => operation.decode(response.buffer))
    case "ChangeNotify":
      if (status !== 0) return failed()
      return Result.flatMap(decodeChangeNotify(reply), (response) => decodeChanges(response.buffer))
    case "Ioctl":
      if (status !== 0 && !isPartOfMessage(operation, status)) return failed()
      return Result.map(decodeIoctl(reply), (response) => response.output)
  }
}

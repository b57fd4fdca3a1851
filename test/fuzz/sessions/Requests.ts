/** Requests that mean something, as decisions choose them: a changed one gets further than random bytes. */
import * as Codec from "../../../src/Codec/Codec.ts"
import * as DirectoryInformation from "../../../src/Codec/DirectoryInformation.ts"
import * as FileInformation from "../../../src/Codec/FileInformation.ts"
import * as FileSystemInformation from "../../../src/Codec/FileSystemInformation.ts"
import { anyFileId, type FileId } from "../../../src/Smb2/Message/Common.ts"
import {
  AccessMask,
  Command,
  CreateDisposition,
  CreateOptions,
  IoctlFlags,
  LockFlags,
  ShareAccess
} from "../../../src/Smb2/Message/Constants.ts"
import type * as CreateContext from "../../../src/Smb2/Message/CreateContext.ts"
import { Fsctl } from "../../../src/Smb2/Message/Fsctl.ts"
import type * as Message from "../../../src/Smb2/Message/Message.ts"
import { descriptors } from "../targets/Information.ts"
import { pdus } from "../targets/Rpc.ts"
import { packets } from "../targets/Smb2.ts"
import type { Outgoing } from "./Client.ts"
import type { Decisions } from "./Decisions.ts"

const nothing = new Uint8Array(0)

const hex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, "hex"))

const descriptor = hex(descriptors[0]!.bytes)

export const shares = ["data", "disk", "data", "IPC$", "sealed", "public", "fixed", "disk", "missing"]

const goodNames = ["a", "b", "folder", "folder\\c", "a:s", "srvsvc", "lsarpc"]

const names = [
  "",
  "a:s:$DATA",
  "folder\\",
  "folder::$INDEX_ALLOCATION",
  "missing\\x",
  "..\\x",
  "a*",
  "A",
  "LONGNA~1.TXT",
  "long name.text",
  "@GMT-2026.11.30-00.00.00\\a",
  "\\a",
  "a:",
  "link\\x",
  "x".repeat(300),
  "docs\\x",
  "wkssvc",
  "a:$DATA",
  "a:s:$BITMAP",
  "CON",
  "a ",
  "a.",
  "folder:s"
]

const accesses = [
  AccessMask.MAXIMUM_ALLOWED,
  AccessMask.GENERIC_ALL,
  AccessMask.GENERIC_READ,
  AccessMask.DELETE,
  AccessMask.FILE_WRITE_DATA | AccessMask.DELETE,
  AccessMask.FILE_READ_ATTRIBUTES,
  AccessMask.ACCESS_SYSTEM_SECURITY,
  0x0011_0080,
  0
]

const options = [
  0,
  0,
  CreateOptions.FILE_DIRECTORY_FILE,
  CreateOptions.FILE_NON_DIRECTORY_FILE,
  CreateOptions.FILE_DELETE_ON_CLOSE,
  CreateOptions.FILE_OPEN_REPARSE_POINT,
  CreateOptions.FILE_DIRECTORY_FILE |
  CreateOptions.FILE_DELETE_ON_CLOSE,
  0x0000_4000
]

const guidOf = (number: number): Uint8Array => new Uint8Array(16).fill(number + 1)

const READ = 1
const HANDLE = 2
const WRITE = 4

const context = (decisions: Decisions, files: ReadonlyArray<FileId>): CreateContext.Request => {
  const leaseState = decisions.pick([READ, READ | HANDLE, READ | HANDLE | WRITE, 0])
  const lease = { leaseKey: guidOf(decisions.next(3)), leaseState, leaseFlags: decisions.pick([0, 4]) }
  const fileId = decisions.pick([...files, anyFileId])
  switch (decisions.next(14)) {
    case 0:
      return { _tag: "RequestLease", ...lease }
    case 1:
      return { _tag: "RequestLeaseV2", ...lease, parentLeaseKey: guidOf(7), epoch: decisions.next(256) }
    case 2:
      return { _tag: "DurableHandleRequest" }
    case 3:
      return {
        _tag: "DurableHandleRequestV2",
        timeout: 0,
        flags: decisions.pick([0, 2]),
        createGuid: guidOf(decisions.next(3))
      }
    case 4:
      return { _tag: "DurableHandleReconnect", fileId }
    case 5:
      return { _tag: "DurableHandleReconnectV2", fileId, createGuid: guidOf(decisions.next(3)), flags: 0 }
    case 6:
      return { _tag: "QueryMaximalAccessRequest", timestamp: decisions.pick([undefined, 0n, 1n << 60n]) }
    case 7:
      return { _tag: "QueryOnDiskId" }
    case 8:
      return { _tag: "AllocationSize", allocationSize: decisions.pick([0n, 4096n, 1n << 40n, (1n << 64n) - 1n]) }
    case 9:
      return { _tag: "SdBuffer", sdBuffer: descriptor.slice() }
    case 10:
      return { _tag: "EaBuffer", eaBuffer: hex("00000000000102004e0076" + "7600") }
    case 11:
      return { _tag: "TimewarpToken", timestamp: 134_000_000_000_000_000n }
    case 12:
      return { _tag: "AppInstanceId", appInstanceId: guidOf(decisions.next(2)) }
    default:
      return { _tag: "Unknown", name: Buffer.from("Abcd"), data: decisions.take(decisions.next(16)) }
  }
}

const create = (decisions: Decisions, files: ReadonlyArray<FileId>): Message.Request => ({
  _tag: "CREATE",
  body: {
    name: decisions.usually(goodNames, names),
    createDisposition: decisions.usually([CreateDisposition.FILE_OPEN_IF], [0, 1, 2, 4, 5, 6]),
    createOptions: decisions.usually([0], options),
    desiredAccess: decisions.usually([AccessMask.MAXIMUM_ALLOWED, AccessMask.GENERIC_ALL], accesses),
    shareAccess: decisions.usually([7], [ShareAccess.FILE_SHARE_READ, 0, 0xff]),
    fileAttributes: decisions.usually([0x80], [0, 0x21, 0xffff_ffff]),
    impersonationLevel: decisions.usually([2], [0, 1, 3, 9]),
    requestedOplockLevel: decisions.pick([0, 0xff, 9, 8, 1]),
    createContexts: Array.from({ length: decisions.usually([0, 0, 1], [2, 3, 6]) }, () => context(decisions, files))
  }
})

const offsets = [0n, 1n, 100n, 4096n, 1n << 20n, 1n << 40n, (1n << 63n) - 1n, (1n << 64n) - 1n]
const lengths = [16, 0, 1, 4096, 65_536, 65_537, 0xffff_ffff]

const fsctls = Object.values(Fsctl)

/** The fields of any structure, such as it is after it was made of zeros; encoded. */
const zeros = (structure: Codec.Codec<any>): Uint8Array => {
  for (const length of [structure.minimumSize, 8, 24, 40, 64, 128]) {
    const decoded = Codec.decode("zeros", structure)(new Uint8Array(length))
    if (decoded._tag === "Success") return Codec.encode(structure)(decoded.success)
  }
  return new Uint8Array(structure.minimumSize)
}

const classes = [
  ...Object.values(FileInformation.classes).map((one) => [1, one.number, zeros(one.codec)] as const),
  ...Object.values(FileSystemInformation.classes).map((one) => [2, one.number, zeros(one.codec)] as const),
  [3, 0, descriptor] as const,
  [4, 0, nothing] as const
]

const renames = ["b", "a", "folder\\d", "", "missing\\y", ":t", "a:s", "..\\z"]

const information = (decisions: Decisions): readonly [number, number, Uint8Array] => {
  switch (decisions.next(6)) {
    case 0: {
      const fileName = decisions.pick(renames)
      const rename = { replaceIfExists: decisions.next(2) === 1, rootDirectory: 0n, fileName }
      return [1, decisions.pick([10, 11]), Codec.encode(FileInformation.FileRenameInformation)(rename)]
    }
    case 1:
      return [1, 13, Uint8Array.of(decisions.next(2))]
    case 2:
      return [1, decisions.pick([20, 19]), Codec.encode(Codec.u64)(decisions.pick(offsets))]
    case 3:
      return [1, 64, Codec.encode(Codec.u32)(decisions.next(32))]
    default:
      return decisions.pick(classes)
  }
}

/** A request of any command. */
const meaningful = (decisions: Decisions, files: ReadonlyArray<FileId>): Message.Request => {
  const fileId = () => decisions.usually(files.length === 0 ? [anyFileId] : files.slice(-4), [anyFileId, ...files])
  switch (decisions.next(files.length === 0 ? 90 : 24)) {
    default:
    case 0:
    case 1:
    case 2:
    case 3:
      return create(decisions, files)
    case 4:
      return { _tag: "CLOSE", body: { flags: decisions.next(2), fileId: fileId() } }
    case 5:
      return {
        _tag: "READ",
        body: {
          padding: 0,
          flags: 0,
          length: decisions.pick(lengths),
          offset: decisions.pick(offsets),
          fileId: fileId(),
          minimumCount: 0,
          channel: 0,
          remainingBytes: 0,
          readChannelInfo: nothing
        }
      }
    case 6:
      return {
        _tag: "WRITE",
        body: {
          offset: decisions.pick(offsets),
          fileId: fileId(),
          channel: 0,
          remainingBytes: 0,
          flags: 0,
          writeChannelInfo: nothing,
          // Half of them go on a pipe.
          buffer: decisions.next(2) === 0 ? decisions.take(decisions.next(64)) : decisions.pick(pdus).slice()
        }
      }
    case 7:
    case 8:
      return {
        _tag: "LOCK",
        body: {
          lockSequence: { lockSequenceNumber: decisions.next(16), lockSequenceIndex: decisions.next(70) },
          fileId: fileId(),
          locks: Array.from({ length: 1 + decisions.next(3) }, () => ({
            offset: decisions.pick(offsets),
            length: decisions.pick(offsets),
            flags: decisions.pick([
              LockFlags.SMB2_LOCKFLAG_EXCLUSIVE_LOCK | LockFlags.SMB2_LOCKFLAG_FAIL_IMMEDIATELY,
              LockFlags.SMB2_LOCKFLAG_SHARED_LOCK,
              LockFlags.SMB2_LOCKFLAG_UNLOCK,
              LockFlags.SMB2_LOCKFLAG_EXCLUSIVE_LOCK
            ])
          }))
        }
      }
    case 9:
    case 10:
    case 11: {
      const ctlCode = decisions.pick(fsctls)
      const isPipe = ctlCode === Fsctl.FSCTL_PIPE_TRANSCEIVE
      return {
        _tag: "IOCTL",
        body: {
          ctlCode,
          fileId: fileId(),
          maxInputResponse: 0,
          maxOutputResponse: decisions.pick([4096, 0, 16, 65_536, 0xffff_ffff]),
          flags: decisions.pick([IoctlFlags.SMB2_0_IOCTL_IS_FSCTL, 0]),
          input: isPipe ? decisions.pick(pdus).slice() : decisions.take(decisions.next(64)),
          output: nothing
        }
      }
    }
    case 12:
    case 13: {
      const [infoType, fileInfoClass] = decisions.pick(classes)
      return {
        _tag: "QUERY_INFO",
        body: {
          infoType,
          fileInfoClass,
          outputBufferLength: decisions.pick([4096, 0, 8, 100, 65_536, 0xffff_ffff]),
          additionalInformation: decisions.pick([7, 15, 0, 0xffff_ffff]),
          flags: 0,
          fileId: fileId(),
          inputBuffer: decisions.take(decisions.pick([0, 0, 16]))
        }
      }
    }
    case 14:
    case 15:
    case 16: {
      const [infoType, fileInfoClass, buffer] = information(decisions)
      return {
        _tag: "SET_INFO",
        body: {
          infoType,
          fileInfoClass,
          additionalInformation: decisions.pick([4, 0, 7, 15]),
          fileId: fileId(),
          buffer: buffer.slice()
        }
      }
    }
    case 17:
      return {
        _tag: "QUERY_DIRECTORY",
        body: {
          fileInformationClass: decisions.pick(Object.values(DirectoryInformation.classes)).number,
          flags: decisions.next(32),
          fileIndex: 0,
          fileId: fileId(),
          outputBufferLength: decisions.pick([65_536, 0, 64, 200, 0xffff_ffff]),
          fileName: decisions.pick(["*", "a", "<.\"", "????>>>", "", "*a*b*c*d*e", "x".repeat(200)])
        }
      }
    case 18:
      return {
        _tag: "CHANGE_NOTIFY",
        body: {
          flags: decisions.next(2),
          outputBufferLength: decisions.pick([4096, 0, 16, 0xffff_ffff]),
          fileId: fileId(),
          completionFilter: decisions.pick([0xfff, 1, 0, 0xffff_ffff])
        }
      }
    case 19:
      return {
        _tag: "OPLOCK_BREAK",
        body: decisions.next(2) === 0
          ? { _tag: "OplockBreakAcknowledgment", oplockLevel: decisions.pick([0, 1, 8, 9]), fileId: fileId() }
          : {
            _tag: "LeaseBreakAcknowledgment",
            leaseKey: guidOf(decisions.next(3)),
            leaseState: decisions.next(8)
          }
      }
    case 20:
      return {
        _tag: "TREE_CONNECT",
        body: { flags: decisions.next(4), path: `\\\\server\\${decisions.pick(shares)}`, treeConnectContexts: [] }
      }
    case 21:
      return decisions.usually<Message.Request>(
        [{ _tag: "CANCEL", body: {} }],
        [{ _tag: "ECHO", body: {} }, { _tag: "TREE_DISCONNECT", body: {} }, { _tag: "LOGOFF", body: {} }]
      )
    case 22:
      // It often ends the session.
      if (decisions.next(8) !== 0) return { _tag: "FLUSH", body: { fileId: fileId() } }
      return {
        _tag: "SESSION_SETUP",
        body: {
          flags: decisions.pick([0, 1]),
          securityMode: 1,
          capabilities: 0,
          previousSessionId: decisions.pick([0n, 1n, (1n << 64n) - 1n]),
          securityBuffer: decisions.take(decisions.next(48))
        }
      }
    case 23:
      return { _tag: "FLUSH", body: { fileId: fileId() } }
  }
}

const recorded = packets.filter(({ way }) => way === "request").map(({ packet }) => packet)

/** A recorded request of another client, which names none of this server's files. */
const captured = (decisions: Decisions): Outgoing => {
  const packet = decisions.pick(recorded)
  return { command: packet[12]!, body: packet.slice(64) }
}

/** Encodes a request, as this client would send it. */
export const request = (
  decisions: Decisions,
  files: ReadonlyArray<FileId>,
  encode: (request: Message.Request) => Uint8Array
): Outgoing => {
  if (decisions.next(8) === 7) return captured(decisions)
  const made = meaningful(decisions, files)
  return { command: Command[made._tag], body: encode(made) }
}

/**
 * A decoded message in TShark's terms: the names of its fields (without `smb2.`), each with its values in TShark's
 * order. A field is absent when TShark's text is not comparable.
 */
import { Result } from "effect"
import * as Codec from "../../../src/Codec/Codec.ts"
import * as ChangeNotify from "../../../src/Smb2/Message/ChangeNotify.ts"
import { FileId } from "../../../src/Smb2/Message/Common.ts"
import type * as CreateContext from "../../../src/Smb2/Message/CreateContext.ts"
import * as Fsctl from "../../../src/Smb2/Message/Fsctl.ts"
import type * as Message from "../../../src/Smb2/Message/Message.ts"
import type * as Negotiate from "../../../src/Smb2/Message/Negotiate.ts"

type Dissected = Record<string, ReadonlyArray<bigint | string>>

const numbers = (...values: ReadonlyArray<number | bigint>): ReadonlyArray<bigint> => values.map(BigInt)

const guid = (bytes: Uint8Array): string => {
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
  const text = Buffer.from(order.map((at) => bytes[at]!)).toString("hex")
  return text.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
}

const fileId = (value: FileId): string => guid(Codec.encode(FileId)(value))

const colons = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":")

const fsctl = <A>(codec: Codec.Codec<A>, bytes: Uint8Array): A => Result.getOrThrow(Codec.decode("fsctl", codec)(bytes))

/** Without the empty lists: TShark does not name missing fields. */
const present = (fields: Dissected): Dissected =>
  Object.fromEntries(Object.entries(fields).filter(([, values]) => values.length > 0))

const contexts = (values: ReadonlyArray<Negotiate.NegotiateContext>): Dissected => ({
  "negotiate_context.hash_algorithm": values.flatMap((context) =>
    context._tag === "PreauthIntegrityCapabilities" ? numbers(...context.hashAlgorithms) : []
  ),
  "negotiate_context.cipher_id": values.flatMap((context) =>
    context._tag === "EncryptionCapabilities" ? numbers(...context.ciphers) : []
  ),
  "negotiate_context.signing_id": values.flatMap((context) =>
    context._tag === "SigningCapabilities" ? numbers(...context.signingAlgorithms) : []
  ),
  "negotiate_context.netname": values.flatMap((context) =>
    context._tag === "NetnameNegotiateContextId" ? [context.netName] : []
  )
})

const tags: Record<CreateContext.Request["_tag"] | CreateContext.Response["_tag"], string> = {
  EaBuffer: "ExtA",
  SdBuffer: "SecD",
  DurableHandleRequest: "DHnQ",
  DurableHandleReconnect: "DHnC",
  AllocationSize: "AlSi",
  QueryMaximalAccessRequest: "MxAc",
  TimewarpToken: "TWrp",
  QueryOnDiskId: "QFid",
  RequestLease: "RqLs",
  RequestLeaseV2: "RqLs",
  DurableHandleRequestV2: "DH2Q",
  DurableHandleReconnectV2: "DH2C",
  AppInstanceId: "6aa6bc45-a7ef-4af7-9008-fa462e144d74",
  AppInstanceVersion: "",
  SvhdxOpenDeviceContext: "",
  DurableHandleResponse: "DHnQ",
  QueryMaximalAccessResponse: "MxAc",
  QueryOnDiskIdResponse: "QFid",
  ResponseLease: "RqLs",
  ResponseLeaseV2: "RqLs",
  DurableHandleResponseV2: "DH2Q",
  SvhdxOpenDeviceContextResponse: "",
  Unknown: ""
}

const createContexts = (values: ReadonlyArray<CreateContext.Request | CreateContext.Response>): Dissected => ({
  tag: values.map((context) => tags[context._tag]),
  twrp_timestamp: values.flatMap((context) => context._tag === "TimewarpToken" ? numbers(context.timestamp) : []),
  "dh2x.timeout": values.flatMap((context) => "timeout" in context ? numbers(context.timeout) : []),
  "dh2x.create_guid": values.flatMap((context) => "createGuid" in context ? [guid(context.createGuid)] : []),
  "app_instance.app_guid": values.flatMap((context) =>
    context._tag === "AppInstanceId" ? [guid(context.appInstanceId)] : []
  ),
  "lease.lease_key": values.flatMap((context) => "leaseKey" in context ? [guid(context.leaseKey)] : []),
  "lease.lease_state": values.flatMap((context) => "leaseState" in context ? numbers(context.leaseState) : []),
  "lease.lease_flags": values.flatMap((context) => "leaseFlags" in context ? numbers(context.leaseFlags) : []),
  "lease.parent_lease_key": values.flatMap((context) =>
    "parentLeaseKey" in context ? [guid(context.parentLeaseKey)] : []
  ),
  "lease.lease_oplock": values.flatMap((context) => "epoch" in context ? numbers(context.epoch) : [])
})

const ofRequest = (message: Message.Request): Dissected => {
  switch (message._tag) {
    case "NEGOTIATE":
      return {
        sec_mode: numbers(message.body.securityMode),
        capabilities: numbers(message.body.capabilities),
        client_guid: [guid(message.body.clientGuid)],
        dialect_count: numbers(message.body.dialects.length),
        dialect: numbers(...message.body.dialects),
        ...contexts(message.body.negotiateContexts)
      }
    case "SESSION_SETUP":
      return {
        sec_mode: numbers(message.body.securityMode),
        capabilities: numbers(message.body.capabilities),
        previous_sesid: numbers(message.body.previousSessionId)
      }
    case "TREE_CONNECT":
      return { "tc.flags": numbers(message.body.flags), tree: [message.body.path] }
    case "CREATE":
      return {
        "create.oplock": numbers(message.body.requestedOplockLevel),
        "impersonation.level": numbers(message.body.impersonationLevel),
        file_attribute: numbers(message.body.fileAttributes),
        "create.disposition": numbers(message.body.createDisposition),
        filename: [message.body.name],
        allocation_size: message.body.createContexts.flatMap((context) =>
          context._tag === "AllocationSize" ? numbers(context.allocationSize) : []
        ),
        ...createContexts(message.body.createContexts)
      }
    case "CLOSE":
      return { "close.flags": numbers(message.body.flags), fid: [fileId(message.body.fileId)] }
    case "FLUSH":
      return { fid: [fileId(message.body.fileId)] }
    case "READ":
      return {
        read_padding: numbers(message.body.padding),
        read_length: numbers(message.body.length),
        file_offset: numbers(message.body.offset),
        fid: [fileId(message.body.fileId)],
        min_count: numbers(message.body.minimumCount)
      }
    case "WRITE":
      return {
        write_length: numbers(message.body.buffer.length),
        file_offset: numbers(message.body.offset),
        fid: [fileId(message.body.fileId)],
        "write.flags": numbers(message.body.flags)
      }
    case "LOCK":
      return {
        lock_count: numbers(message.body.locks.length),
        fid: [fileId(message.body.fileId)],
        file_offset: numbers(...message.body.locks.map((lock) => lock.offset)),
        lock_length: numbers(...message.body.locks.map((lock) => lock.length)),
        lock_flags: numbers(...message.body.locks.map((lock) => lock.flags))
      }
    case "IOCTL":
      return {
        "ioctl.function": numbers(message.body.ctlCode),
        fid: [fileId(message.body.fileId)],
        max_ioctl_in_size: numbers(message.body.maxInputResponse),
        max_ioctl_out_size: numbers(message.body.maxOutputResponse),
        "ioctl.flags": numbers(message.body.flags),
        ...ofInput(message.body.ctlCode, message.body.input)
      }
    case "QUERY_DIRECTORY":
      return {
        "find.infolevel": numbers(message.body.fileInformationClass),
        fid: [fileId(message.body.fileId)],
        output_buffer_len: numbers(message.body.outputBufferLength),
        "find.pattern": [message.body.fileName]
      }
    case "CHANGE_NOTIFY":
      return {
        "notify.flags": numbers(message.body.flags),
        output_buffer_len: numbers(message.body.outputBufferLength),
        fid: [fileId(message.body.fileId)]
      }
    case "QUERY_INFO":
      return {
        class: numbers(message.body.infoType),
        max_response_size: numbers(message.body.outputBufferLength),
        getsetinfo_additional: message.body.infoType === 3 ? [] : numbers(message.body.additionalInformation),
        fid: [fileId(message.body.fileId)]
      }
    case "SET_INFO":
      return {
        class: numbers(message.body.infoType),
        getsetinfo_additional: message.body.infoType === 3 ? [] : numbers(message.body.additionalInformation),
        fid: [fileId(message.body.fileId)]
      }
    case "OPLOCK_BREAK":
      return message.body._tag === "OplockBreakAcknowledgment"
        ? { "create.oplock": numbers(message.body.oplockLevel), fid: [fileId(message.body.fileId)] }
        : {
          "lease.lease_key": [guid(message.body.leaseKey)],
          "lease.lease_state": numbers(message.body.leaseState)
        }
    default:
      return {}
  }
}

const ofResponse = (message: Message.Response): Dissected => {
  switch (message._tag) {
    case "ERROR":
      return {
        "error.context_count": numbers(message.body.errorContextCount),
        "error.byte_count": numbers(message.body.errorData.length)
      }
    case "NEGOTIATE":
      return {
        sec_mode: numbers(message.body.securityMode),
        dialect: numbers(message.body.dialectRevision),
        server_guid: [guid(message.body.serverGuid)],
        capabilities: numbers(message.body.capabilities),
        max_trans_size: numbers(message.body.maxTransactSize),
        max_read_size: numbers(message.body.maxReadSize),
        max_write_size: numbers(message.body.maxWriteSize),
        current_time: numbers(message.body.systemTime),
        ...contexts(message.body.negotiateContexts)
      }
    case "SESSION_SETUP":
      return { session_flags: numbers(message.body.sessionFlags) }
    case "TREE_CONNECT":
      return {
        share_type: numbers(message.body.shareType),
        share_flags: numbers(message.body.shareFlags),
        share_caps: numbers(message.body.capabilities)
      }
    case "CREATE":
      return {
        "create.oplock": numbers(message.body.oplockLevel),
        "create.action": numbers(message.body.createAction),
        "create.time": numbers(message.body.creationTime),
        "last_change.time": numbers(message.body.changeTime),
        allocation_size: numbers(message.body.allocationSize),
        eof: numbers(message.body.endOfFile),
        file_attribute: numbers(message.body.fileAttributes),
        fid: [fileId(message.body.fileId)],
        ...createContexts(message.body.createContexts)
      }
    case "CLOSE":
      return {
        "close.flags": numbers(message.body.flags),
        allocation_size: numbers(message.body.allocationSize),
        eof: numbers(message.body.endOfFile),
        file_attribute: numbers(message.body.fileAttributes),
        // TShark shows a time of 0 as the year 1970.
        "create.time": numbers(message.body.creationTime).map((time) => time === 0n ? 116_444_736_000_000_000n : time)
      }
    case "WRITE":
      return { "write.count": numbers(message.body.count) }
    case "IOCTL":
      return {
        "ioctl.function": numbers(message.body.ctlCode),
        fid: [fileId(message.body.fileId)],
        ...ofOutput(message.body.ctlCode, message.body.output)
      }
    case "CHANGE_NOTIFY": {
      const changes = fsctl(ChangeNotify.FileNotifyInformations, message.body.buffer)
      return {
        "notify.action": numbers(...changes.map((change) => change.action)),
        filename: changes.map((change) => change.fileName)
      }
    }
    case "OPLOCK_BREAK":
      switch (message.body._tag) {
        case "OplockBreak":
          return { "create.oplock": numbers(message.body.oplockLevel), fid: [fileId(message.body.fileId)] }
        case "LeaseBreakResponse":
          return {
            "lease.lease_key": [guid(message.body.leaseKey)],
            "lease.lease_state": numbers(message.body.leaseState)
          }
        case "LeaseBreakNotification":
          return {
            "lease.lease_oplock": numbers(message.body.newEpoch),
            "lease.lease_flags": numbers(message.body.flags),
            "lease.lease_key": [guid(message.body.leaseKey)],
            "lease.lease_state": numbers(message.body.currentLeaseState, message.body.newLeaseState)
          }
      }
      return {}
    default:
      return {}
  }
}

const ofInput = (ctlCode: number, input: Uint8Array): Dissected => {
  switch (ctlCode) {
    case Fsctl.Fsctl.FSCTL_VALIDATE_NEGOTIATE_INFO: {
      const value = fsctl(Fsctl.ValidateNegotiateInfoRequest, input)
      return {
        capabilities: numbers(value.capabilities),
        client_guid: [guid(value.guid)],
        sec_mode: numbers(value.securityMode),
        dialect: numbers(...value.dialects)
      }
    }
    case Fsctl.Fsctl.FSCTL_SRV_COPYCHUNK:
    case Fsctl.Fsctl.FSCTL_SRV_COPYCHUNK_WRITE: {
      const value = fsctl(Fsctl.SrvCopychunkCopy, input)
      return {
        "fsctl.cchunk.resume_key": [colons(value.sourceKey)],
        "fsctl.cchunk.count": numbers(value.chunks.length),
        "fsctl.cchunk.src_offset": numbers(...value.chunks.map((chunk) => chunk.sourceOffset)),
        "fsctl.cchunk.dst_offset": numbers(...value.chunks.map((chunk) => chunk.targetOffset)),
        "fsctl.cchunk.xfer_len": numbers(...value.chunks.map((chunk) => chunk.length))
      }
    }
    case Fsctl.Fsctl.FSCTL_QUERY_ALLOCATED_RANGES: {
      const value = fsctl(Fsctl.FileAllocatedRangeBuffer, input)
      return { "fsctl.range_offset": numbers(value.fileOffset), "fsctl.range_length": numbers(value.length) }
    }
    case Fsctl.Fsctl.FSCTL_SET_SPARSE:
      return input.length === 0 ? {} : { "fsctl.set_sparse": numbers(fsctl(Fsctl.FileSetSparseBuffer, input) ? 1 : 0) }
    default:
      return {}
  }
}

const ofOutput = (ctlCode: number, output: Uint8Array): Dissected => {
  switch (ctlCode) {
    case Fsctl.Fsctl.FSCTL_VALIDATE_NEGOTIATE_INFO: {
      const value = fsctl(Fsctl.ValidateNegotiateInfoResponse, output)
      return {
        capabilities: numbers(value.capabilities),
        server_guid: [guid(value.guid)],
        sec_mode: numbers(value.securityMode),
        dialect: numbers(value.dialect)
      }
    }
    case Fsctl.Fsctl.FSCTL_SRV_REQUEST_RESUME_KEY:
      return { "fsctl.cchunk.resume_key": [colons(fsctl(Fsctl.SrvRequestResumeKey, output).resumeKey)] }
    case Fsctl.Fsctl.FSCTL_SRV_COPYCHUNK:
    case Fsctl.Fsctl.FSCTL_SRV_COPYCHUNK_WRITE: {
      const value = fsctl(Fsctl.SrvCopychunkResponse, output)
      return {
        "fsctl.cchunk.chunks_written": numbers(value.chunksWritten),
        "fsctl.cchunk.bytes_written": numbers(value.chunkBytesWritten),
        "fsctl.cchunk.total_written": numbers(value.totalBytesWritten)
      }
    }
    case Fsctl.Fsctl.FSCTL_QUERY_ALLOCATED_RANGES: {
      const value = fsctl(Fsctl.FileAllocatedRangeBuffers, output)
      return {
        "fsctl.range_offset": numbers(...value.map((range) => range.fileOffset)),
        "fsctl.range_length": numbers(...value.map((range) => range.length))
      }
    }
    default:
      return {}
  }
}

export const dissectRequest = (message: Message.Request): Dissected => present(ofRequest(message))
export const dissectResponse = (message: Message.Response): Dissected => present(ofResponse(message))

/**
 * Opening a file: NT_CREATE_ANDX, or NT_TRANSACT_CREATE with a security descriptor or extended attributes (MS-CIFS
 * 2.2.4.64, 2.2.7.1, MS-SMB 2.2.4.9).
 *
 * Leases and durable handles exist in SMB 2 only: a request for one is ignored here.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import { hasWildcards } from "../Codec/DosWildcard.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import * as Changes from "../Protocol/Changes.ts"
import { fromStatus, type RequestError } from "../Protocol/Errors.ts"
import type * as Share from "../Protocol/Share.ts"
import { oplockLevels } from "./Breaks.ts"
import * as Header from "./Header.ts"
import { Command, NtCreateFlags, NtTransactSubcommand } from "./Message/Constants.ts"
import * as NtCreate from "./Message/NtCreate.ts"
import * as NtTransact from "./Message/NtTransact.ts"
import * as Simple from "./Message/Simple.ts"
import { isUnknown } from "./OpenFile.ts"
import type * as TreeRequests from "./TreeRequests.ts"

/** Numbers of CREATE (MS-CIFS 2.2.4.64.1): dispositions, options, and the action of the server. */
const FILE_OPEN = 1
const FILE_CREATE = 2
const FILE_DIRECTORY_FILE = 0x0000_0001
const FILE_CREATED = 2

/**
 * An open as the server keeps it.
 *
 * @since 0.1.0
 */
export interface Open {
  readonly fid: number
  readonly opened: Share.Opened
}

const oplockFlags = (tree: TreeRequests.Tree, level: number | undefined): number => {
  // With one request at a time, the client could not acknowledge a break (MS-CIFS 2.2.4.52.2).
  switch (tree.oneAtATime ? undefined : level) {
    case 8:
      return NtCreateFlags.NT_CREATE_REQUEST_OPLOCK
    case 9:
      return NtCreateFlags.NT_CREATE_REQUEST_OPLOCK | NtCreateFlags.NT_CREATE_REQUEST_OPBATCH
    default:
      return 0
  }
}

type Granted = Omit<NtCreate.Response, "extended"> & { readonly extended?: NtCreate.Response["extended"] }

const toOpen = (response: Granted, options: Share.OpenOptions): Open => {
  const { extended } = response
  const onDiskId = new Uint8Array(32)
  if (extended !== undefined) {
    Header.view(onDiskId).setBigUint64(0, extended.fileId, true)
    onDiskId.set(extended.volumeGuid, 8)
  }
  return {
    fid: response.fid,
    opened: {
      creationTime: response.createTime,
      lastAccessTime: response.lastAccessTime,
      lastWriteTime: response.lastWriteTime,
      changeTime: response.lastChangeTime,
      allocationSize: response.allocationSize,
      endOfFile: response.endOfFile,
      fileAttributes: response.extFileAttributes,
      createAction: response.createDisposition,
      oplockLevel: oplockLevels[response.opLockLevel] ?? 0,
      ...(extended !== undefined && options.queryMaximalAccess === true
        ? { maximalAccess: extended.maximalAccessRights }
        : {}),
      ...(extended !== undefined && options.queryOnDiskId === true ? { onDiskId } : {})
    }
  }
}

const decodeCreate = Codec.decode("SMB1 NT_CREATE_ANDX Response", Codec.at(Header.size, NtCreate.Response))
const decodeTransactCreate = Codec.decode("SMB1 NT_TRANSACT_CREATE Response", NtTransact.CreateResponse)

const refuse = (tree: TreeRequests.Tree, path: string, status: number) =>
  Effect.fail(fromStatus(status, "CREATE", tree.full(path)))

const fields = (tree: TreeRequests.Tree, name: TreeRequests.WireName, options: Share.OpenOptions) => ({
  flags: oplockFlags(tree, options.oplockLevel),
  rootDirectoryFid: 0,
  desiredAccess: options.desiredAccess,
  allocationSize: options.allocationSize ?? 0n,
  extFileAttributes: options.fileAttributes ?? 0,
  shareAccess: options.shareAccess,
  createDisposition: options.createDisposition,
  createOptions: options.createOptions,
  impersonationLevel: options.impersonationLevel ?? 2,
  // SMB_SECURITY_CONTEXT_TRACKING and SMB_SECURITY_EFFECTIVE_ONLY: the flags of all clients.
  securityFlags: 3,
  nameLength: name.text.length * (tree.unicode ? 2 : 1),
  fileName: name.text
})

const encode = (tree: TreeRequests.Tree, name: TreeRequests.WireName, options: Share.OpenOptions): Uint8Array => {
  const wantsMore = options.queryMaximalAccess === true || options.queryOnDiskId === true
  const common = fields(tree, name, options)
  return Codec.encode(NtCreate.Request(tree.unicode))({
    ...common,
    flags: common.flags | (wantsMore ? NtCreateFlags.NT_CREATE_REQUEST_EXTENDED_RESPONSE : 0)
  })
}

/** Whether an open has parts that only a transaction can carry. */
const carriesMore = (options: Share.OpenOptions): boolean =>
  options.extendedAttributes !== undefined || options.securityDescriptor !== undefined

const transactCreate = (
  tree: TreeRequests.Tree,
  name: TreeRequests.WireName,
  path: string,
  options: Share.OpenOptions,
  orphan: (open: Open) => void
): Effect.Effect<Open, RequestError> => {
  const descriptor = options.securityDescriptor ?? new Uint8Array(0)
  const attributes = options.extendedAttributes ?? new Uint8Array(0)
  const padding = attributes.length === 0 ? 0 : -descriptor.length & 3
  const data = new Uint8Array(descriptor.length + padding + attributes.length)
  data.set(descriptor)
  data.set(attributes, descriptor.length + padding)
  const decode = (parameters: Uint8Array) =>
    Result.map(decodeTransactCreate(parameters), (response) => toOpen(response, options))
  return Effect.flatMap(
    tree.ntTransact(NtTransactSubcommand.NT_TRANSACT_CREATE, {
      parameters: Codec.encode(NtTransact.CreateRequest(tree.unicode))({
        ...fields(tree, name, options),
        securityDescriptorLength: descriptor.length,
        eaLength: attributes.length
      }),
      data,
      maxParameterCount: 128,
      maxDataCount: 0
    }, {
      flags2: name.flags2,
      mutates: Changes.opens(options),
      orphan: ({ parameters }) => {
        const created = decode(parameters)
        if (Result.isSuccess(created)) orphan(created.success)
      }
    }),
    ({ parameters, status }): Effect.Effect<Open, RequestError> =>
      status === 0 ? Effect.fromResult(decode(parameters)) : refuse(tree, path, status)
  )
}

/** Makes a directory by CREATE_DIRECTORY, which takes a pattern as its name (MS-CIFS 2.2.4.1). */
const createDirectory = (
  tree: TreeRequests.Tree,
  name: TreeRequests.WireName,
  path: string
): Effect.Effect<void, RequestError> => {
  const refused = (status: number) => Effect.fail(fromStatus(status, "CREATE_DIRECTORY", tree.full(path)))
  return hasWildcards(path) ? refused(NtStatus.STATUS_OBJECT_NAME_INVALID) : Effect.flatMap(
    tree.request({
      command: Command.SMB_COM_CREATE_DIRECTORY,
      body: Codec.encode(Simple.DirectoryName(tree.unicode))({ fileName: name.text }),
      flags2: name.flags2,
      mutates: true
    }),
    ({ header: { status } }) => status === 0 ? Effect.void : refused(status)
  )
}

/** Makes a directory by its name and then opens it: for servers that cannot make one by an open. */
const makeDirectory = (
  tree: TreeRequests.Tree,
  name: TreeRequests.WireName,
  path: string,
  options: Share.OpenOptions,
  orphan: (open: Open) => void
): Effect.Effect<Open, RequestError> =>
  Effect.andThen(
    createDirectory(tree, name, path),
    Effect.map(
      open(tree, name, path, { ...options, createDisposition: FILE_OPEN }, orphan),
      ({ fid, opened }) => ({ fid, opened: { ...opened, createAction: FILE_CREATED } })
    )
  )

/**
 * Opens a file. Calls `orphan` with a file that was opened after the caller stopped waiting.
 *
 * @since 0.1.0
 */
export const open = (
  tree: TreeRequests.Tree,
  name: TreeRequests.WireName,
  path: string,
  options: Share.OpenOptions,
  orphan: (open: Open) => void
): Effect.Effect<Open, RequestError> => {
  if (!tree.canSay(name.text)) return refuse(tree, path, NtStatus.STATUS_OBJECT_NAME_INVALID)
  const decode = (packet: Uint8Array) => Result.map(decodeCreate(packet), (response) => toOpen(response, options))
  if (carriesMore(options)) return transactCreate(tree, name, path, options, orphan)
  return Effect.flatMap(
    tree.request({
      command: Command.SMB_COM_NT_CREATE_ANDX,
      body: encode(tree, name, options),
      flags2: name.flags2,
      mutates: Changes.opens(options),
      orphan: (reply) => {
        const created = decode(reply.packet)
        if (Result.isSuccess(created)) orphan(created.success)
      }
    }),
    (reply): Effect.Effect<Open, RequestError> => {
      const { status } = reply.header
      if (status === 0) return Effect.fromResult(decode(reply.packet))
      const makes = options.createDisposition === FILE_CREATE && (options.createOptions & FILE_DIRECTORY_FILE) !== 0
      return makes && isUnknown(status)
        ? makeDirectory(tree, name, path, options, orphan)
        : refuse(tree, path, status)
    }
  )
}

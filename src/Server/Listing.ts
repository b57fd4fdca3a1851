/**
 * QUERY_DIRECTORY (MS-SMB2 3.3.5.18, MS-FSA 2.1.5.6.3): a directory's entries in each class, as many as fit.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Codec from "../Codec/Codec.ts"
import * as DirectoryInformation from "../Codec/DirectoryInformation.ts"
import * as DosWildcard from "../Codec/DosWildcard.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import { AccessMask as A, FileAttributes as F, QueryDirectoryFlags as Q } from "../Smb2/Message/Constants.ts"
import type * as Message from "../Smb2/Message/QueryDirectory.ts"
import * as Access from "./Access.ts"
import type { Incoming } from "./Incoming.ts"
import type { FileOpen } from "./Open.ts"
import { fromStoreError, type Refusal, refuse, type Reply, reply, stored } from "./Reply.ts"
import type { Identity } from "./Session.ts"
import { type ShareState, shownAttributes } from "./ShareState.ts"
import type { StoreNode, StorePath } from "./ShareStore.ts"

/** Where an open directory's listing is. */
export interface DirectoryCursor {
  readonly pattern: string
  readonly entries: Array<StoreNode>
  next: number
  found: boolean
}

const has = (flags: number, flag: number): boolean => (flags & flag) !== 0

/** Handles QUERY_DIRECTORY. */
export const handle = Effect.fnUntraced(function*(
  incoming: Incoming,
  body: Message.Request
): Effect.fn.Return<Reply, Refusal> {
  const { open } = incoming
  if (open?._tag !== "File" || !open.directory) return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  const { connection } = incoming
  if (
    body.outputBufferLength > connection.negotiated.maxTransactSize ||
    !connection.allows(incoming, body.outputBufferLength)
  ) return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  const known = DirectoryInformation.byNumber(body.fileInformationClass)
  if (known === undefined) return yield* refuse(NtStatus.STATUS_INVALID_INFO_CLASS)
  if (!open.may(A.FILE_LIST_DIRECTORY)) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  const restarts = has(body.flags, Q.SMB2_RESTART_SCANS | Q.SMB2_REOPEN)
  let { cursor } = open
  if (cursor === undefined || has(body.flags, Q.SMB2_REOPEN)) {
    if (body.fileName === "") return yield* refuse(NtStatus.STATUS_OBJECT_NAME_INVALID)
    cursor = yield* scan(open, body.fileName, incoming.session!.user!)
  } else if (restarts) {
    cursor = yield* scan(open, body.fileName === "" ? cursor.pattern : body.fileName, incoming.session!.user!)
  }
  open.cursor = cursor
  const limit = body.outputBufferLength
  const parts: Array<Uint8Array> = []
  let size = 0
  const encode = Codec.encode(known.codec)
  const wide = known.name === "FileIdExtdDirectoryInformation" || known.name === "FileIdExtdBothDirectoryInformation"
  while (cursor.next < cursor.entries.length) {
    const node = cursor.entries[cursor.next]!
    const bytes = encode([entryOf(node, wide)])
    const start = size + 7 & ~7
    if (start + bytes.length > limit) {
      if (parts.length === 0) return yield* refuse(NtStatus.STATUS_INFO_LENGTH_MISMATCH)
      break
    }
    if (parts.length > 0) {
      // The one before says where this one begins.
      const before = parts[parts.length - 1]!
      const padded = new Uint8Array(before.length + start - size)
      padded.set(before)
      new DataView(padded.buffer).setUint32(0, padded.length, true)
      parts[parts.length - 1] = padded
    }
    parts.push(bytes)
    size = start + bytes.length
    cursor.next++
    cursor.found = true
    if (has(body.flags, Q.SMB2_RETURN_SINGLE_ENTRY)) break
  }
  if (parts.length === 0) {
    return yield* refuse(cursor.found ? NtStatus.STATUS_NO_MORE_FILES : NtStatus.STATUS_NO_SUCH_FILE)
  }
  return reply({ _tag: "QUERY_DIRECTORY", body: { buffer: Buffer.concat(parts) } })
})

const scan = (open: FileOpen, pattern: string, user: Identity): Effect.Effect<DirectoryCursor, Refusal> =>
  Effect.gen(function*() {
    const { share } = open.stream.file
    const { path } = open.stream.file
    const entries: Array<StoreNode> = []
    if (DosWildcard.matches(pattern, ".")) entries.push({ ...yield* stored(open.file.stat), name: "." })
    if (DosWildcard.matches(pattern, "..")) {
      entries.push({ ...yield* stored(share.store.stat(path.slice(0, -1))), name: ".." })
    }
    const all = yield* stored(Stream.runCollect(share.store.list(path)))
    const filters = share.options.accessBasedEnumeration === true && share.volume.supports.securityDescriptors
    for (const node of all) {
      if (!DosWildcard.matches(pattern, node.name)) continue
      if (!filters || (yield* mayRead(share, [...path, node.name], node, user))) entries.push(node)
    }
    return { pattern, entries, next: 0, found: false }
  })

/** Whether a listing by access shows an entry: to who may read it. What vanished meanwhile is shown to nobody. */
const mayRead = (
  { store }: ShareState,
  path: StorePath,
  { type }: StoreNode,
  user: Identity
): Effect.Effect<boolean, Refusal> =>
  Effect.scoped(
    Effect.flatMap(store.open(path, { mode: "existing", type }), ({ file }) => file.getBlob("SecurityDescriptor"))
  ).pipe(
    Effect.map((bytes) => (Access.maximal(Access.decode(bytes), user) & Access.generic.read) === Access.generic.read),
    Effect.catch((error) =>
      error.reason === "NotFound" || error.reason === "PathNotFound" || error.reason === "AccessDenied"
        ? Effect.succeed(false)
        : Effect.fail(fromStoreError(error))
    )
  )

const entryOf = (node: StoreNode, wide: boolean) => {
  const directory = node.type === "directory"
  const fileId = new Uint8Array(16)
  new DataView(fileId.buffer).setBigUint64(0, node.id, true)
  const reparse = has(node.fileAttributes, F.FILE_ATTRIBUTE_REPARSE_POINT)
  return {
    fileIndex: 0,
    creationTime: node.creationTime,
    lastAccessTime: node.lastAccessTime,
    lastWriteTime: node.lastWriteTime,
    changeTime: node.changeTime,
    endOfFile: directory ? 0n : node.size,
    allocationSize: directory ? 0n : node.allocationSize,
    fileAttributes: shownAttributes(node.fileAttributes, directory),
    eaSize: reparse ? node.reparseTag : 0,
    shortName: "",
    reparsePointTag: node.reparseTag,
    fileId: wide ? fileId : node.id,
    fileName: node.name
  }
}

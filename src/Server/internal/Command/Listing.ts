/**
 * QUERY_DIRECTORY (MS-SMB2 3.3.5.18, MS-FSA 2.1.5.6.3): a directory's entries in each information class, as many as
 * fit.
 *
 * The store is asked for entries as they are needed, a few at a time: the memory for a listing does not grow with the
 * directory. The store's part of a listing ends with the listing, or with the open.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as Codec from "../../../Codec/Codec.ts"
import * as DirectoryInformation from "../../../Codec/DirectoryInformation.ts"
import * as DosWildcard from "../../../Codec/DosWildcard.ts"
import { has } from "../../../Codec/Flags.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import * as ReservedCharacters from "../../../Codec/ReservedCharacters.ts"
import * as ShortName from "../../../Codec/ShortName.ts"
import { AccessMask as A, FileAttributes as F, QueryDirectoryFlags as Q } from "../../../Smb2/Message/Constants.ts"
import type * as Message from "../../../Smb2/Message/QueryDirectory.ts"
import type { StoreNode, StorePath } from "../../ShareStore.ts"
import * as Access from "../State/Access.ts"
import { DirectoryCursor } from "../State/DirectoryCursor.ts"
import type { Identity } from "../State/Identity.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { FileOpen, Share } from "../State/Model.ts"
import { fromStoreError, kept, type Refusal, refuse, type Reply, reply, stored } from "../Wire/Reply.ts"
import * as NodeInformation from "./NodeInformation.ts"
import * as ShortNames from "./ShortNames.ts"

/** UTF-16 code units of a pattern: no name is longer (MS-FSCC 2.1.5.2). */
const longestPattern = 255

/** Steps of comparing names with a pattern, after which other requests can run: some milliseconds. */
const turn = 1_000_000

/** Handles QUERY_DIRECTORY. */
export const handle = (incoming: Incoming, body: Message.Request): Effect.Effect<Reply, Refusal> => {
  const { open } = incoming
  if (open?._tag !== "File" || !open.directory) return refuse(NtStatus.STATUS_INVALID_PARAMETER)
  open.listing ??= Semaphore.makeUnsafe(1)
  return open.listing.withPermit(query(incoming, body, open))
}

const query = Effect.fnUntraced(function*(
  incoming: Incoming,
  body: Message.Request,
  open: FileOpen
): Effect.fn.Return<Reply, Refusal> {
  const { connection } = incoming
  const user = incoming.session!.user!
  if (
    body.outputBufferLength > connection.negotiated.maxTransactSize ||
    !connection.allows(incoming, body.outputBufferLength)
  ) return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  const known = DirectoryInformation.byNumber(body.fileInformationClass)
  if (known === undefined) return yield* refuse(NtStatus.STATUS_INVALID_INFO_CLASS)
  if (!open.may(A.FILE_LIST_DIRECTORY)) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  if (body.fileName.length > longestPattern) return yield* refuse(NtStatus.STATUS_OBJECT_NAME_INVALID)
  const restarts = has(body.flags, Q.SMB2_RESTART_SCANS | Q.SMB2_REOPEN)
  let { cursor } = open
  if (cursor === undefined || has(body.flags, Q.SMB2_REOPEN)) {
    if (body.fileName === "") return yield* refuse(NtStatus.STATUS_OBJECT_NAME_INVALID)
    cursor = yield* scan(open, body.fileName)
  } else if (restarts) {
    cursor = yield* scan(open, body.fileName === "" ? cursor.pattern : body.fileName)
  }
  const { path, share } = open
  const filters = share.options.accessBasedEnumeration === true && share.volume.supports.securityDescriptors
  const hasShortNames = ShortNames.areOn(share)
  const limit = body.outputBufferLength
  const parts: Array<Uint8Array> = []
  let size = 0
  const encode = Codec.encode(known.codec)
  const wide = known.name === "FileIdExtdDirectoryInformation" || known.name === "FileIdExtdBothDirectoryInformation"
  const showsShort = known.name.includes("Both")
  for (;;) {
    const node = cursor.next
    if (node === undefined) {
      if (cursor.ended) break
      const asked = yield* Effect.exit(cursor.more())
      if (asked._tag === "Success") continue
      // A failure after some entries shows again when the client asks for the next ones.
      if (parts.length > 0) break
      // If no entry was shown, the client's next request begins the listing again.
      if (!cursor.found) open.cursor = undefined
      return yield* stored(Effect.failCause(asked.cause))
    }
    const isDot = node.name === "." || node.name === ".."
    if (!isDot && !matchesLong(share, cursor, node) && !(hasShortNames && matchesShort(cursor, node))) {
      cursor.taken()
      if (cursor.matcher.steps > turn) {
        cursor.matcher.steps = 0
        yield* Effect.yieldNow
      }
      continue
    }
    if (!isDot && filters && !(yield* mayRead(share, [...path, node.name], node, user))) {
      cursor.taken()
      continue
    }
    const short = showsShort && hasShortNames && !isDot ? ShortName.generate(node.name) : ""
    const bytes = encode([entryOf(node, wide, short)])
    const start = size + 7 & ~7
    if (start + bytes.length > limit) {
      if (parts.length === 0) return yield* refuse(NtStatus.STATUS_INFO_LENGTH_MISMATCH)
      break
    }
    if (parts.length > 0) {
      // Each entry holds the offset of the next one.
      const before = parts[parts.length - 1]!
      const padded = new Uint8Array(before.length + start - size)
      padded.set(before)
      new DataView(padded.buffer).setUint32(0, padded.length, true)
      parts[parts.length - 1] = padded
    }
    parts.push(bytes)
    size = start + bytes.length
    cursor.taken()
    cursor.found = true
    if (has(body.flags, Q.SMB2_RETURN_SINGLE_ENTRY)) break
  }
  if (parts.length === 0) {
    return yield* refuse(cursor.found ? NtStatus.STATUS_NO_MORE_FILES : NtStatus.STATUS_NO_SUCH_FILE)
  }
  return reply({ _tag: "QUERY_DIRECTORY", body: { buffer: Buffer.concat(parts) } })
})

/**
 * Whether a pattern finds a name: as it is shown, or as the storage has it, whose characters a wildcard can stand for. So
 * `?"` (DOS_DOT) finds `a.`, which is shown with another character for its final dot.
 */
const matchesLong = ({ store }: Share, { matcher }: DirectoryCursor, { name }: StoreNode): boolean => {
  if (matcher.matches(name)) return true
  if (store.canonicalName === undefined) return false
  const plain = ReservedCharacters.toPlain(name)
  return plain !== name && matcher.matches(plain)
}

/** Begins a listing again from the start. A pattern without wildcards is a name. */
const scan = (open: FileOpen, sent: string): Effect.Effect<DirectoryCursor, Refusal> =>
  Effect.gen(function*() {
    const { path, share, stream: { file: { identity } } } = open
    const { canonicalName } = share.store
    // No store has a name for the directory itself and its parent.
    const isName = sent !== "." && sent !== ".." && !DosWildcard.hasWildcards(sent)
    const pattern = canonicalName === undefined || !isName ? sent : canonicalName(sent)
    const first: Array<StoreNode> = []
    if (DosWildcard.matches(pattern, ".")) first.push({ ...yield* stored(open.file.stat), name: "." })
    if (DosWildcard.matches(pattern, "..")) {
      const lease = path.length === 0 ? undefined : open.file.parent
      first.push({ ...yield* stored(lease ?? share.store.stat(path.slice(0, -1))), name: ".." })
    }
    const scope = Scope.forkUnsafe(open.scope)
    const pieces = yield* Scope.provide(Stream.toPull(share.store.list(path, { expected: identity })), scope)
    if (open.cursor !== undefined) yield* open.cursor.end()
    return open.cursor = new DirectoryCursor(pattern, first, pieces, scope)
  })

/**
 * Whether an access-based listing shows an entry: only to users who may read it. An entry that has vanished is not
 * shown.
 */
const mayRead = (
  { store }: Share,
  path: StorePath,
  { type }: StoreNode,
  user: Identity
): Effect.Effect<boolean, Refusal> =>
  Effect.scoped(
    Effect.flatMap(store.open(path, { mode: "existing", type }), ({ file }) => kept(file, "SecurityDescriptor"))
  ).pipe(
    Effect.map((bytes) => (Access.maximal(Access.decode(bytes), user) & Access.generic.read) === Access.generic.read),
    Effect.catch((error) =>
      error.reason._tag === "NotFound" || error.reason._tag === "PathNotFound" || error.reason._tag === "AccessDenied"
        ? Effect.succeed(false)
        : Effect.fail(fromStoreError(error))
    )
  )

/** Whether the pattern matches the short name of an entry, as on Windows. */
const matchesShort = ({ matcher }: DirectoryCursor, { name }: StoreNode): boolean => {
  const short = ShortName.generate(name)
  return short !== "" && matcher.matches(short)
}

const entryOf = (node: StoreNode, wide: boolean, shortName: string) => {
  const directory = node.type === "directory"
  const reparse = has(node.fileAttributes, F.FILE_ATTRIBUTE_REPARSE_POINT)
  return {
    fileIndex: 0,
    ...NodeInformation.networkOpen(node),
    ...directory ? { allocationSize: 0n, endOfFile: 0n } : {},
    // A class with a field for the tag has the size here, also for a reparse point (MS-FSA 2.1.5.6.3.5).
    eaSize: reparse && !wide ? node.reparseTag : node.eaSize ?? 0,
    shortName,
    reparsePointTag: node.reparseTag,
    // NTFS has no number for `..`. Here it has one: a client that removes a tree sees from it that a directory is a link
    // of the storage, and leaves what is behind the link (`Client/internal/ServerLinks`).
    fileId: wide ? NodeInformation.fileId128(node) : node.id,
    fileName: node.name
  }
}

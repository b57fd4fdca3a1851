/**
 * QUERY_DIRECTORY (MS-SMB2 3.3.5.18, MS-FSA 2.1.5.6.3): a directory's entries in each information class, as many as
 * fit.
 *
 * The store is asked for entries as they are needed, a few at a time: the memory for a listing does not grow with the
 * directory. The store's part of a listing ends with the listing, or with the open.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as Codec from "../../../Codec/Codec.ts"
import * as DirectoryInformation from "../../../Codec/DirectoryInformation.ts"
import * as DosWildcard from "../../../Codec/DosWildcard.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { AccessMask as A, FileAttributes as F, QueryDirectoryFlags as Q } from "../../../Smb2/Message/Constants.ts"
import type * as Message from "../../../Smb2/Message/QueryDirectory.ts"
import type { StoreError, StoreNode, StorePath } from "../../ShareStore.ts"
import * as Names from "../../Store/internal/Names.ts"
import type { Incoming } from "../Connection/Incoming.ts"
import { fromStoreError, kept, type Refusal, refuse, type Reply, reply, stored } from "../Connection/Reply.ts"
import * as Access from "../State/Access.ts"
import type { FileOpen } from "../State/Open.ts"
import type { Identity } from "../State/Session.ts"
import type { ShareState } from "../State/ShareState.ts"
import * as Shown from "./Shown.ts"

type Pieces = Effect.Effect<ReadonlyArray<StoreNode>, StoreError | Cause.Done>

/** How many entries a store may have read before the listing asks for them. */
const ahead = 256

/** UTF-16 code units of a pattern: no name is longer (MS-FSCC 2.1.5.2). */
const longestPattern = 255

/** Steps of comparing names with a pattern, after which other requests can run: some milliseconds. */
const turn = 1_000_000

/** The most names of removed entries that are kept. */
const mostGone = 4096

/** The position of an open directory's listing. */
export class DirectoryCursor {
  readonly pattern: string
  readonly matcher: DosWildcard.Matcher
  /** Whether it has shown an entry. */
  found = false
  /** Entries from the store that are in no response yet. */
  private entries: Array<StoreNode> = []
  private at = 0
  /** How many entries the store has given. */
  private count = 0
  /** Names that were removed during the listing, with `count` at that time: the store may have read them before. */
  private readonly gone = new Map<string, number>()
  /** Undefined after the store has given all entries. */
  private pieces: Pieces | undefined
  private readonly scope: Scope.Closeable

  constructor(pattern: string, first: Array<StoreNode>, pieces: Pieces, scope: Scope.Closeable) {
    this.pattern = pattern
    this.matcher = new DosWildcard.Matcher(pattern)
    this.entries = first
    this.pieces = pieces
    this.scope = scope
  }

  /** The next existing entry. It stays the next until it is `taken`. */
  get next(): StoreNode | undefined {
    return this.entries[this.at]
  }

  /** Whether the store has given all entries. */
  get ended(): boolean {
    return this.pieces === undefined
  }

  /** Asks the store for more entries. After a failure the store is not asked again. */
  more(): Effect.Effect<void, StoreError> {
    return Effect.suspend(() => {
      if (this.pieces === undefined) return Effect.void
      return Pull.catchDone(this.pieces, () => Effect.succeed(undefined)).pipe(
        Effect.tapError((error) => Effect.andThen(this.end(), Effect.sync(() => this.pieces = Effect.fail(error)))),
        Effect.flatMap((piece) => {
          this.at = 0
          this.entries = []
          if (piece === undefined) return this.end()
          this.entries = piece.filter(({ name }) => !this.gone.has(Names.fold(name)))
          this.count += piece.length
          this.prune()
          return Effect.void
        })
      )
    })
  }

  taken(): void {
    this.at++
  }

  /** A name was removed: the listing does not show it any more. The name is folded. */
  forget(name: string): void {
    if (!this.ended) {
      this.gone.set(name, this.count)
      this.prune()
    }
    const at = this.entries.findIndex((entry, i) => i >= this.at && Names.fold(entry.name) === name)
    if (at >= 0) this.entries.splice(at, 1)
  }

  /** The store can no longer give names that were removed long ago. */
  private prune(): void {
    for (const [name, count] of this.gone) {
      if (count + ahead >= this.count && this.gone.size <= mostGone) return
      this.gone.delete(name)
    }
  }

  /** Ends the store's part of the listing. */
  end(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.pieces = undefined
      this.gone.clear()
      return Scope.close(this.scope, Exit.void)
    })
  }
}

const has = (flags: number, flag: number): boolean => (flags & flag) !== 0

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
  const limit = body.outputBufferLength
  const parts: Array<Uint8Array> = []
  let size = 0
  const encode = Codec.encode(known.codec)
  const wide = known.name === "FileIdExtdDirectoryInformation" || known.name === "FileIdExtdBothDirectoryInformation"
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
    if (!isDot && !cursor.matcher.matches(node.name)) {
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
    const bytes = encode([entryOf(node, wide)])
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

/** Begins a listing again from the start. */
const scan = (open: FileOpen, pattern: string): Effect.Effect<DirectoryCursor, Refusal> =>
  Effect.gen(function*() {
    const { path, share, stream: { file: { identity } } } = open
    const first: Array<StoreNode> = []
    if (DosWildcard.matches(pattern, ".")) first.push({ ...yield* stored(open.file.stat), name: "." })
    if (DosWildcard.matches(pattern, "..")) {
      const holder = path.length === 0 ? undefined : open.file.parent
      first.push({ ...yield* stored(holder ?? share.store.stat(path.slice(0, -1))), name: ".." })
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
  { store }: ShareState,
  path: StorePath,
  { type }: StoreNode,
  user: Identity
): Effect.Effect<boolean, Refusal> =>
  Effect.scoped(
    Effect.flatMap(store.open(path, { mode: "existing", type }), ({ file }) => kept(file, "SecurityDescriptor"))
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
    ...Shown.networkOpen(node),
    ...directory ? { allocationSize: 0n, endOfFile: 0n } : {},
    eaSize: reparse ? node.reparseTag : 0,
    shortName: Shown.shortName(node.name),
    reparsePointTag: node.reparseTag,
    fileId: wide ? fileId : node.id,
    fileName: node.name
  }
}

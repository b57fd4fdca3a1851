/**
 * CREATE (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1): makes an open for a name and the client's request, or gives the one status
 * that says why not.
 *
 * The store is asked first and can be slow. Then one synchronous step checks the opens of other clients and enters the
 * new one. If an oplock or a lease must be broken before that, the step is retried afterwards.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { has } from "../../../Codec/Flags.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import {
  AccessMask as A,
  CompletionFilter,
  CreateAction,
  CreateDisposition as D,
  CreateOptions as O,
  FileAttributes as F,
  NotifyAction
} from "../../../Smb2/Message/Constants.ts"
import type * as Message from "../../../Smb2/Message/Create.ts"
import type { StoreOpened } from "../../ShareStore.ts"
import * as Access from "../State/Access.ts"
import * as DirectoryCaching from "../State/DirectoryCaching.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { FileOpen, Share } from "../State/Model.ts"
import type { OpenReservation } from "../State/OpenReservation.ts"
import * as Watch from "../State/Watch.ts"
import { fromStoreError, kept, type Refusal, refuse, type Reply, stored } from "../Wire/Reply.ts"
import * as CreateCheck from "./CreateCheck.ts"
import * as CreateContexts from "./CreateContexts.ts"
import { type CreateRequest, enter, respond, settable } from "./CreateEnter.ts"
import { make } from "./CreateNew.ts"
import * as CreatePipe from "./CreatePipe.ts"
import * as CreatesAgain from "./CreatesAgain.ts"
import * as Durable from "./Durable.ts"
import * as FileRights from "./FileRights.ts"
import * as Names from "./Names.ts"
import * as OpenLimit from "./OpenLimit.ts"
import type { Name } from "./Pathname.ts"
import * as SymbolicLinks from "./SymbolicLinks.ts"
import * as Volumes from "./Volumes.ts"

/** Handles CREATE. */
export const create = (incoming: Incoming, body: Message.Request): Effect.Effect<Reply, Refusal> =>
  Effect.suspend(() => {
    const tree = incoming.tree!
    if (tree.share === undefined) {
      return Effect.flatMap(
        OpenLimit.reserve(incoming),
        (reservation) => CreatePipe.create(incoming, body, reservation)
      )
    }
    const contexts = CreateContexts.read(incoming, body)
    if (typeof contexts === "number") return refuse(contexts)
    if (contexts.reconnect !== undefined) {
      return incoming.session!.opens.size >= incoming.server.limits.opens
        ? refuse(NtStatus.STATUS_TOO_MANY_OPENED_FILES)
        : Durable.reconnect(incoming, body, contexts)
    }
    const name = CreateCheck.check(incoming, body)
    if (typeof name === "number") return refuse(name)
    const { share } = tree
    return Effect.flatMap(
      Durable.replay(incoming, body, contexts),
      (again) =>
        again === undefined
          ? Effect.flatMap(
            Names.resolve(incoming, share, name),
            (resolved) => createFile(incoming, body, resolved, contexts, share)
          )
          : Effect.succeed(again)
    )
  })

const overwrites = (disposition: number): boolean =>
  disposition === D.FILE_SUPERSEDE || disposition === D.FILE_OVERWRITE || disposition === D.FILE_OVERWRITE_IF

const creates = (disposition: number): boolean => disposition !== D.FILE_OPEN && disposition !== D.FILE_OVERWRITE

/** How often a name is looked up again because its file has gone or was renamed. */
const mostTurns = 100

const createFile = (
  incoming: Incoming,
  body: Message.Request,
  name: Name,
  contexts: CreateContexts.Asked,
  share: Share
): Effect.Effect<Reply, Refusal> =>
  Effect.suspend(() => {
    const scope = Scope.makeUnsafe()
    const again = CreatesAgain.find(incoming, contexts, name)
    const request = (reservation: OpenReservation): CreateRequest => ({
      incoming,
      // The file is there, and it is the one that this CREATE makes.
      body: again === undefined ? body : { ...body, createDisposition: D.FILE_OPEN_IF },
      name,
      contexts,
      share,
      scope,
      reservation,
      creating: again?.id,
      made: again?.identity,
      renames: 0
    })
    Durable.begin(incoming, contexts)
    return Effect.onExit(
      Effect.flatMap(OpenLimit.reserve(incoming), (reservation) =>
        Effect.ensuring(
          SymbolicLinks.onTheWay(
            incoming,
            share,
            name,
            has(body.createOptions, O.FILE_OPEN_REPARSE_POINT),
            Effect.suspend(() => {
              const one = request(reservation)
              return Effect.onError(attempt(one), () => Effect.sync(() => CreatesAgain.end(one)))
            })
          ),
          Effect.sync(() => reservation.release())
        )),
      (exit) =>
        exit._tag === "Success" ? Effect.void : Effect.suspend(() => {
          Durable.failed(incoming, contexts)
          return Scope.close(scope, Exit.void)
        })
    )
  })

/** The file that was looked up lost its name before it was open. */
const replaced = "replaced"

const attempt = Effect.fnUntraced(function*(request: CreateRequest): Effect.fn.Return<Reply, Refusal> {
  const { body, name, scope, share } = request
  const { createDisposition: disposition } = body
  if (name.stream !== undefined && !share.volume.supports.streams) {
    return yield* refuse(NtStatus.STATUS_OBJECT_NAME_INVALID)
  }
  for (let turn = 0;; turn++) {
    request.renames = share.table.renames
    if (disposition !== D.FILE_CREATE) {
      const found = yield* share.store.open(name.path, {
        mode: "existing",
        type: CreateCheck.makesDirectory(body, name) ? "directory" : "file",
        linkItself: disposition === D.FILE_OPEN && name.stream === undefined &&
          has(body.createOptions, O.FILE_OPEN_REPARSE_POINT),
        forData: (Access.mapGeneric(body.desiredAccess) & (A.FILE_READ_DATA | A.FILE_WRITE_DATA)) !== 0,
        ...name.stream === undefined ? {} : { stream: name.stream }
      }).pipe(
        Scope.provide(scope),
        Effect.map((opened): StoreOpened | typeof replaced | undefined => opened),
        Effect.catch((error) =>
          error.reason._tag === "NotFound" && creates(disposition)
            ? Effect.succeed(undefined)
            : error.reason._tag === "Stale" && turn < mostTurns
            ? Effect.succeed<typeof replaced>(replaced)
            : Effect.fail(fromStoreError(error))
        )
      )
      if (found !== undefined) {
        const reply = found === replaced ? undefined : yield* Effect.catchIf(
          existing(request, found),
          // The name stands for another file now: the client asked for that one.
          ({ status }) => status === NtStatus.STATUS_FILE_CLOSED && turn < mostTurns,
          () => Effect.succeed(undefined)
        )
        if (reply !== undefined) return reply
        // A name that changes faster than the server can look it up is in use by other clients or programs.
        if (turn > mostTurns) return yield* refuse(NtStatus.STATUS_SHARING_VIOLATION)
        continue
      }
    }
    const made = yield* make(request)
    if (made !== undefined) return made
    // Another client or program made it between the two lookups.
    if (turn > 3) return yield* refuse(NtStatus.STATUS_OBJECT_NAME_COLLISION)
  }
})

// -----------------------------------------------------------------------------
// the existing file
// -----------------------------------------------------------------------------

const existing = Effect.fnUntraced(function*(
  request: CreateRequest,
  found: StoreOpened
): Effect.fn.Return<Reply | undefined, Refusal> {
  const { body, contexts, name, share } = request
  const { node } = found
  const directory = node.type === "directory"
  const isStream = name.stream !== undefined
  if (SymbolicLinks.isLink(node) && !has(body.createOptions, O.FILE_OPEN_REPARSE_POINT)) {
    return yield* SymbolicLinks.stop(request.incoming, found.file, name.rests.at(-1) ?? "")
  }
  if (!isStream) {
    if (directory && (has(body.createOptions, O.FILE_NON_DIRECTORY_FILE) || name.type === "data")) {
      return yield* refuse(NtStatus.STATUS_FILE_IS_A_DIRECTORY)
    }
    if (!directory && CreateCheck.makesDirectory(body, name)) return yield* refuse(NtStatus.STATUS_NOT_A_DIRECTORY)
    if (!directory && name.endsInBackslash) return yield* refuse(NtStatus.STATUS_OBJECT_NAME_INVALID)
  }
  const overwrite = overwrites(body.createDisposition)
  if (overwrite && directory && !isStream) return yield* refuse(NtStatus.STATUS_FILE_IS_A_DIRECTORY)
  const descriptor = Access.decode(yield* stored(kept(found.file, "SecurityDescriptor")))
  let granted = CreateCheck.grant(request.incoming, body, node, descriptor, undefined, overwrite, isStream)
  if (name.path.length > 0 && CreateCheck.mattersAbove(granted, body, contexts)) {
    const parent = yield* FileRights.ofDirectory(share, name.path.slice(0, -1))
    granted = CreateCheck.grant(request.incoming, body, node, descriptor, parent, overwrite, isStream)
  }
  if ("refused" in granted) return yield* refuse(granted.refused)
  if (overwrite && !isStream) {
    const needed = node.fileAttributes & (F.FILE_ATTRIBUTE_HIDDEN | F.FILE_ATTRIBUTE_SYSTEM)
    if ((needed & ~body.fileAttributes) !== 0) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  }
  const { allocationSize = 0n } = contexts
  if (overwrite) yield* Volumes.checkFreeSpace(share, found.file, allocationSize, node.allocationSize)
  const entered = yield* enter(request, found, granted.access, directory && !isStream, overwrite, granted)
  if (entered === undefined) return undefined
  const { open } = entered
  if (!overwrite) {
    const action = node.identity === request.made ? CreateAction.FILE_CREATED : CreateAction.FILE_OPENED
    return yield* respond(request, open, entered, action, granted.maximal)
  }
  open.stream.reserved = allocationSize
  yield* Effect.onError(overwriteFile(request, open, contexts.extendedAttributes), () => entered.undo)
  const action = body.createDisposition === D.FILE_SUPERSEDE
    ? CreateAction.FILE_SUPERSEDED
    : CreateAction.FILE_OVERWRITTEN
  Watch.report(
    share.table,
    CompletionFilter.FILE_NOTIFY_CHANGE_ATTRIBUTES | CompletionFilter.FILE_NOTIFY_CHANGE_SIZE |
      CompletionFilter.FILE_NOTIFY_CHANGE_LAST_WRITE,
    [{ action: NotifyAction.FILE_ACTION_MODIFIED, path: open.path }]
  )
  DirectoryCaching.changed(share.table, open.path, open)
  return yield* respond(request, open, entered, action, granted.maximal)
})

const overwriteFile = (
  { body, name }: CreateRequest,
  open: FileOpen,
  extendedAttributes: Uint8Array | undefined
): Effect.Effect<void, Refusal> =>
  Effect.gen(function*() {
    yield* stored(open.file.truncate(0n))
    if (name.stream !== undefined) return
    yield* stored(open.file.set({ fileAttributes: (body.fileAttributes & settable) | F.FILE_ATTRIBUTE_ARCHIVE }))
    if (extendedAttributes !== undefined) yield* stored(open.file.setBlob("ExtendedAttributes", extendedAttributes))
  })

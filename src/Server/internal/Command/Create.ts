/**
 * CREATE (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1): from a name and wishes to an open, or to the one status that says why not.
 *
 * The store is asked first and may be slow; then, in one synchronous step, what others have open is looked at and the
 * open is entered. Where an oplock or a lease must be taken back before that, the step is tried again afterwards.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type * as Sd from "../../../Codec/SecurityDescriptor.ts"
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
import * as Events from "../../Events.ts"
import type { StoreChanges, StoreOpen, StoreOpened } from "../../ShareStore.ts"
import type { Incoming } from "../Connection/Incoming.ts"
import { fromStoreError, kept, type Refusal, refusal, refuse, type Reply, reply, stored } from "../Connection/Reply.ts"
import * as Pipe from "../Rpc/Pipe.ts"
import * as Access from "../State/Access.ts"
import * as Caching from "../State/Caching.ts"
import * as ChannelSequence from "../State/ChannelSequence.ts"
import * as DirectoryCaching from "../State/DirectoryCaching.ts"
import { FileOpen } from "../State/Open.ts"
import * as OutsideChanges from "../State/OutsideChanges.ts"
import type { ShareState } from "../State/ShareState.ts"
import * as Times from "../State/Times.ts"
import * as Watch from "../State/Watch.ts"
import * as CreateCheck from "./CreateCheck.ts"
import * as CreateContexts from "./CreateContexts.ts"
import * as Durable from "./Durable.ts"
import * as FileRights from "./FileRights.ts"
import * as Grant from "./Grant.ts"
import type { Name } from "./Names.ts"
import * as Security from "./Security.ts"
import * as Shown from "./Shown.ts"
import * as SymbolicLinks from "./SymbolicLinks.ts"

const has = (flags: number, flag: number): boolean => (flags & flag) !== 0

/** Attributes that a client may set. */
const settable = F.FILE_ATTRIBUTE_READONLY | F.FILE_ATTRIBUTE_HIDDEN | F.FILE_ATTRIBUTE_SYSTEM |
  F.FILE_ATTRIBUTE_ARCHIVE | F.FILE_ATTRIBUTE_TEMPORARY | F.FILE_ATTRIBUTE_OFFLINE |
  F.FILE_ATTRIBUTE_NOT_CONTENT_INDEXED

/** Handles CREATE. */
export const create = (incoming: Incoming, body: Message.Request): Effect.Effect<Reply, Refusal> =>
  Effect.suspend(() => {
    const session = incoming.session!
    const tree = incoming.tree!
    const { limits, opens } = incoming.server
    if (session.opens.size >= limits.opens || opens.size >= limits.serverOpens) {
      return refuse(NtStatus.STATUS_INSUFFICIENT_RESOURCES)
    }
    if (tree.share === undefined) return Pipe.create(incoming, body)
    const contexts = CreateContexts.read(incoming, body)
    if (typeof contexts === "number") return refuse(contexts)
    if (contexts.reconnect !== undefined) return Durable.reconnect(incoming, body, contexts)
    const name = CreateCheck.check(incoming, body)
    if (typeof name === "number") return refuse(name)
    const { share } = tree
    return Effect.flatMap(
      Durable.replay(incoming, body, contexts),
      (again) => (again === undefined ? createFile(incoming, body, name, contexts, share) : Effect.succeed(again))
    )
  })

const overwrites = (disposition: number): boolean =>
  disposition === D.FILE_SUPERSEDE || disposition === D.FILE_OVERWRITE || disposition === D.FILE_OVERWRITE_IF

const creates = (disposition: number): boolean => disposition !== D.FILE_OPEN && disposition !== D.FILE_OVERWRITE

/** How often a name is looked up again, since what it stood for has gone, or has another name. */
const mostTurns = 100

interface Wishes {
  readonly incoming: Incoming
  readonly body: Message.Request
  readonly name: Name
  readonly contexts: CreateContexts.Asked
  readonly share: ShareState
  readonly scope: Scope.Closeable
  /** `FileTable.renames` when the name was last looked up. */
  renames: number
}

const createFile = (
  incoming: Incoming,
  body: Message.Request,
  name: Name,
  contexts: CreateContexts.Asked,
  share: ShareState
): Effect.Effect<Reply, Refusal> =>
  Effect.suspend(() => {
    const scope = Scope.makeUnsafe()
    Durable.begin(incoming, contexts)
    return Effect.onExit(
      SymbolicLinks.onTheWay(
        incoming,
        share,
        name,
        attempt({ incoming, body, name, contexts, share, scope, renames: 0 })
      ),
      (exit) =>
        exit._tag === "Success" ? Effect.void : Effect.suspend(() => {
          Durable.failed(incoming, contexts)
          return Scope.close(scope, Exit.void)
        })
    )
  })

const attempt = Effect.fnUntraced(function*(wishes: Wishes): Effect.fn.Return<Reply, Refusal> {
  const { body, name, scope, share } = wishes
  const { createDisposition: disposition } = body
  if (name.stream !== undefined && !share.volume.supports.streams) {
    return yield* refuse(NtStatus.STATUS_OBJECT_NAME_INVALID)
  }
  for (let turn = 0;; turn++) {
    wishes.renames = share.table.renames
    if (disposition !== D.FILE_CREATE) {
      const found = yield* share.store.open(name.path, {
        mode: "existing",
        type: has(body.createOptions, O.FILE_DIRECTORY_FILE) ? "directory" : "file",
        forData: (Access.mapGeneric(body.desiredAccess) & (A.FILE_READ_DATA | A.FILE_WRITE_DATA)) !== 0,
        ...name.stream === undefined ? {} : { stream: name.stream }
      }).pipe(
        Scope.provide(scope),
        Effect.map((opened): StoreOpened | undefined => opened),
        Effect.catch((error) =>
          error.reason === "NotFound" && creates(disposition)
            ? Effect.succeed(undefined)
            : Effect.fail(fromStoreError(error))
        )
      )
      if (found !== undefined) {
        const reply = yield* existing(wishes, found)
        if (reply !== undefined) return reply
        // Names that change faster than they can be looked up are in use by somebody.
        if (turn > mostTurns) return yield* refuse(NtStatus.STATUS_SHARING_VIOLATION)
        continue
      }
    }
    const made = yield* make(wishes)
    if (made !== undefined) return made
    // Somebody made it between the two looks.
    if (turn > 3) return yield* refuse(NtStatus.STATUS_OBJECT_NAME_COLLISION)
  }
})

// -----------------------------------------------------------------------------
// what is there
// -----------------------------------------------------------------------------

const existing = Effect.fnUntraced(function*(
  wishes: Wishes,
  found: StoreOpened
): Effect.fn.Return<Reply | undefined, Refusal> {
  const { body, contexts, name, share } = wishes
  const { node } = found
  const directory = node.type === "directory"
  const isStream = name.stream !== undefined
  if (!isStream && SymbolicLinks.isLink(node) && !has(body.createOptions, O.FILE_OPEN_REPARSE_POINT)) {
    return yield* SymbolicLinks.stop(wishes.incoming, found.file, "")
  }
  if (!isStream) {
    if (directory ? has(body.createOptions, O.FILE_NON_DIRECTORY_FILE) || name.type === "data" : false) {
      return yield* refuse(NtStatus.STATUS_FILE_IS_A_DIRECTORY)
    }
    if (!directory && (has(body.createOptions, O.FILE_DIRECTORY_FILE) || name.type === "directory")) {
      return yield* refuse(NtStatus.STATUS_NOT_A_DIRECTORY)
    }
  } else if (has(body.createOptions, O.FILE_DIRECTORY_FILE)) {
    return yield* refuse(NtStatus.STATUS_NOT_A_DIRECTORY)
  }
  const overwrite = overwrites(body.createDisposition)
  if (overwrite && directory && !isStream) {
    return yield* refuse(
      has(body.createOptions, O.FILE_DIRECTORY_FILE)
        ? NtStatus.STATUS_INVALID_PARAMETER
        : NtStatus.STATUS_FILE_IS_A_DIRECTORY
    )
  }
  const descriptor = Access.decode(yield* stored(kept(found.file, "SecurityDescriptor")))
  let granted = CreateCheck.grant(wishes.incoming, body, node, descriptor, undefined, overwrite)
  if (name.path.length > 0 && CreateCheck.mattersAbove(granted, body, contexts)) {
    const parent = yield* FileRights.ofDirectory(share, name.path.slice(0, -1))
    granted = CreateCheck.grant(wishes.incoming, body, node, descriptor, parent, overwrite)
  }
  if ("refused" in granted) return yield* refuse(granted.refused)
  if (overwrite && !isStream) {
    const needed = node.fileAttributes & (F.FILE_ATTRIBUTE_HIDDEN | F.FILE_ATTRIBUTE_SYSTEM)
    if ((needed & ~body.fileAttributes) !== 0) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  }
  const entered = yield* enter(wishes, found, granted.access, directory && !isStream, overwrite, granted.checked)
  if (entered === undefined) return undefined
  const { open } = entered
  if (!overwrite) {
    return yield* respond(wishes, open, entered, CreateAction.FILE_OPENED, granted.maximal)
  }
  open.stream.reserved = contexts.allocationSize ?? 0n
  yield* Effect.onError(overwriteFile(wishes, open, contexts.extendedAttributes), () => entered.undo)
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
  return yield* respond(wishes, open, entered, action, granted.maximal)
})

const overwriteFile = (
  { body, name }: Wishes,
  open: FileOpen,
  extendedAttributes: Uint8Array | undefined
): Effect.Effect<void, Refusal> =>
  Effect.gen(function*() {
    yield* stored(open.file.truncate(0n))
    if (name.stream !== undefined) return
    yield* stored(open.file.set({ fileAttributes: (body.fileAttributes & settable) | F.FILE_ATTRIBUTE_ARCHIVE }))
    if (extendedAttributes !== undefined) yield* stored(open.file.setBlob("ExtendedAttributes", extendedAttributes))
  })

// -----------------------------------------------------------------------------
// what is not there
// -----------------------------------------------------------------------------

type Granted = Pick<Extract<CreateCheck.GrantedAccess, { readonly access: number }>, "access" | "maximal">

/** What is granted of the file that is to get a stream; undefined where it is not there yet. */
const grantedOfFile = Effect.fnUntraced(function*(
  { body, incoming, name, share }: Wishes,
  parent: Sd.SecurityDescriptor
): Effect.fn.Return<Granted | undefined, Refusal> {
  const found = yield* FileRights.lookUp(share, name.path)
  if (found === undefined) return undefined
  const granted = CreateCheck.grant(incoming, body, found.node, found.descriptor, parent, true)
  return "refused" in granted ? yield* refuse(granted.refused) : granted
})

/** Makes the file; undefined where somebody else was faster. */
const make = Effect.fnUntraced(function*(wishes: Wishes): Effect.fn.Return<Reply | undefined, Refusal> {
  const { body, contexts, incoming, name, scope, share } = wishes
  const user = incoming.session!.user!
  const directory = has(body.createOptions, O.FILE_DIRECTORY_FILE)
  if (share.readOnly) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  if (name.path.length === 0 && name.stream === undefined) return yield* refuse(NtStatus.STATUS_OBJECT_NAME_COLLISION)
  if (directory && has(body.fileAttributes, F.FILE_ATTRIBUTE_TEMPORARY)) {
    return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  }
  if (has(body.createOptions, O.FILE_DELETE_ON_CLOSE) && has(body.fileAttributes, F.FILE_ATTRIBUTE_READONLY)) {
    return yield* refuse(NtStatus.STATUS_CANNOT_DELETE)
  }
  if (contexts.extendedAttributes !== undefined && !share.volume.supports.extendedAttributes) {
    return yield* refuse(NtStatus.STATUS_EAS_NOT_SUPPORTED)
  }
  const { allocationSize = 0n } = contexts
  if (!directory && allocationSize > 0n && allocationSize > (yield* stored(share.store.volume)).free) {
    return yield* refuse(NtStatus.STATUS_DISK_FULL)
  }
  const path = name.path.slice(0, -1)
  const parent = yield* FileRights.ofDirectory(share, path)
  if (share.table.isPending(path)) return yield* refuse(NtStatus.STATUS_DELETE_PENDING)
  const { stream } = name
  // A new stream of a file that is there is a change to that file, for who may write to it.
  const ofFile = stream === undefined ? undefined : yield* grantedOfFile(wishes, parent)
  const asked = Access.mapGeneric(body.desiredAccess)
  if (ofFile === undefined) {
    yield* FileRights.checkAdding(parent, user, directory)
    if (has(asked, A.ACCESS_SYSTEM_SECURITY) && !user.administrator) {
      return yield* refuse(NtStatus.STATUS_PRIVILEGE_NOT_HELD)
    }
  }
  yield* Security.checkInitial(user, contexts.descriptor)
  const descriptor = Access.forChild(parent, contexts.descriptor, user, incoming.server.domainSid, directory)
  const attributes = (body.fileAttributes & settable) | (directory ? 0 : F.FILE_ATTRIBUTE_ARCHIVE)
  const initial: StoreChanges & { readonly securityDescriptor?: Uint8Array } = {
    fileAttributes: attributes,
    ...share.volume.supports.securityDescriptors ? { securityDescriptor: Access.encode(descriptor) } : {}
  }
  const type = directory ? "directory" : "file"
  // Where a part of the store keeps no descriptors (a stick that is mounted in a folder), what is made there has the default
  // one. That is all that is lost, if it would have been passed on from a directory that has it, and none was asked for.
  const isDefault = contexts.descriptor === undefined && parent === Access.defaultDescriptor
  const openNew = (how: Pick<StoreOpen, "mode" | "type" | "stream">) =>
    Effect.catchIf(
      share.store.open(name.path, { ...how, initial }),
      ({ reason }) => reason === "Unsupported" && isDefault && initial.securityDescriptor !== undefined,
      () => share.store.open(name.path, { ...how, initial: { fileAttributes: attributes } })
    )
  // A stream brings its file into being.
  if (stream !== undefined && ofFile === undefined) {
    const { created } = yield* stored(Effect.scoped(openNew({ mode: "either", type: "file" })))
    // Somebody made the file meanwhile: it is looked at anew.
    if (!created) return undefined
  }
  const opened = yield* openNew({
    mode: "new",
    type: stream === undefined ? type : "file",
    ...stream === undefined ? {} : { stream }
  }).pipe(
    Scope.provide(scope),
    Effect.map((one): StoreOpened | undefined => one),
    Effect.catch((error) => {
      if (error.reason !== "Exists") return Effect.fail(fromStoreError(error))
      if (body.createDisposition !== D.FILE_CREATE) return Effect.succeed(undefined)
      return Effect.fail(
        refusal(
          share.table.isPending(name.path) ? NtStatus.STATUS_DELETE_PENDING : NtStatus.STATUS_OBJECT_NAME_COLLISION
        )
      )
    })
  )
  if (opened === undefined) return undefined
  // What a client hears was not made is not left behind.
  return yield* Effect.onError(
    finish(wishes, opened, ofFile ?? grantedOfNew(wishes, descriptor)),
    () => unmake(wishes, opened)
  )
})

/** Who makes a file gets what they ask for of it. */
const grantedOfNew = ({ body, incoming }: Wishes, descriptor: Sd.SecurityDescriptor): Granted => {
  const asked = Access.mapGeneric(body.desiredAccess)
  return {
    access: has(asked, A.MAXIMUM_ALLOWED) ? (asked & ~A.MAXIMUM_ALLOWED) | Access.generic.all : asked,
    maximal: Access.maximal(descriptor, incoming.session!.user!)
  }
}

/** Fills in and enters what was just made; undefined where all must be looked up again. */
const finish = Effect.fnUntraced(function*(
  wishes: Wishes,
  opened: StoreOpened,
  { access, maximal }: Granted
): Effect.fn.Return<Reply | undefined, Refusal> {
  const { contexts, name: { path, stream }, share } = wishes
  const directory = opened.node.type === "directory" && stream === undefined
  if (contexts.extendedAttributes !== undefined) {
    yield* stored(opened.file.setBlob("ExtendedAttributes", contexts.extendedAttributes))
  }
  const entered = yield* enter(wishes, opened, access, directory, false, access)
  if (entered === undefined) return undefined
  const filter = stream !== undefined
    ? CompletionFilter.FILE_NOTIFY_CHANGE_STREAM_NAME
    : directory
    ? CompletionFilter.FILE_NOTIFY_CHANGE_DIR_NAME
    : CompletionFilter.FILE_NOTIFY_CHANGE_FILE_NAME
  Watch.report(share.table, filter, [{
    action: stream === undefined ? NotifyAction.FILE_ACTION_ADDED : NotifyAction.FILE_ACTION_ADDED_STREAM,
    path,
    ...stream === undefined ? {} : { stream }
  }])
  DirectoryCaching.changed(share.table, path, entered.open)
  if (!directory) entered.open.stream.reserved = contexts.allocationSize ?? 0n
  return yield* respond(wishes, entered.open, entered, CreateAction.FILE_CREATED, maximal)
})

/** Takes away what was made for a request that failed; not what another client has opened since. */
const unmake = ({ name: { path, stream }, share }: Wishes, { node }: StoreOpened): Effect.Effect<void> =>
  Effect.suspend(() => {
    for (const _ of share.table.files.get(node.identity)?.opens() ?? []) return Effect.void
    return share.store.remove(path, { expected: node.identity, ...stream === undefined ? {} : { stream } }).pipe(
      Effect.tapError((error) => Events.notDeleted(share.name, path, error)),
      Effect.ignore
    )
  })

// -----------------------------------------------------------------------------
// entering the open
// -----------------------------------------------------------------------------

interface Entered {
  readonly open: FileOpen
  readonly leaseResponse: Grant.Granted
  readonly undo: Effect.Effect<void>
}

/** Whether a name still stands for what was opened by it, after a rename that may have been its own. */
const isStillThere = (wishes: Wishes, { node }: StoreOpened): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const { name, share } = wishes
    const { renames } = share.table
    return Effect.match(share.store.stat(name.path), {
      onSuccess: ({ identity }) => {
        wishes.renames = renames
        return identity === node.identity
      },
      // What the store says to it is said when the name is looked up again.
      onFailure: () => false
    })
  })

/**
 * Enters the open beside others, once nobody's share mode or cache stands in its way. `undefined` where all must be looked
 * up again.
 */
const enter = Effect.fnUntraced(function*(
  wishes: Wishes,
  opened: StoreOpened,
  access: number,
  directory: boolean,
  overwrite: boolean,
  checked: number
): Effect.fn.Return<Entered | undefined, Refusal> {
  const { body, contexts, incoming, name, scope, share } = wishes
  const { server } = incoming
  const session = incoming.session!
  const same = Grant.findLease(incoming, contexts)
  const { table } = share
  for (;;) {
    if (!session.valid) return yield* refuse(NtStatus.STATUS_USER_SESSION_DELETED)
    if (table.renames !== wishes.renames && !(yield* isStillThere(wishes, opened))) return undefined
    const file = table.file(opened.node.identity, opened.node.type === "directory")
    const stream = file.stream(name.stream ?? "")
    const outcome = Grant.obstacles(server, stream, table.linkOf(file, name.path), same, {
      access: checked,
      shareAccess: body.shareAccess,
      overwrite,
      wantsDelete: has(body.createOptions, O.FILE_DELETE_ON_CLOSE)
    })
    if (outcome._tag === "Refused") {
      table.release(stream)
      return yield* refuse(outcome.status)
    }
    if (outcome._tag === "Wait") {
      yield* Caching.waitFor(incoming, outcome.holders)
      continue
    }
    if (outcome._tag === "Orphaned") {
      yield* Effect.forEach(outcome.opens, server.closeOpen, { discard: true })
      table.release(stream)
      // One of them may have been to be deleted: then what was found is no more.
      return undefined
    }
    if (same !== undefined && same.stream !== stream) {
      table.release(stream)
      return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
    }
    const open = new FileOpen(
      server,
      {
        id: server.newOpenId(),
        stream,
        path: name.path,
        file: opened.file,
        scope,
        grantedAccess: access,
        shareAccess: body.shareAccess,
        createOptions: body.createOptions,
        directory
      },
      session,
      incoming.tree!
    )
    open.outstanding.sequence = ChannelSequence.of(incoming)
    if (contexts.durable?.version === 2) {
      open.createGuid = contexts.durable.createGuid
      open.clientGuid = incoming.connection.negotiated.clientGuid
    }
    open.deleteOnClose = has(body.createOptions, O.FILE_DELETE_ON_CLOSE)
    session.opens.set(open.id, open)
    server.opens.set(open.id, open)
    if (overwrite) Caching.breakReaders(server, stream, same)
    const leaseResponse = Grant.grant(incoming, body, contexts, open, checked)
    OutsideChanges.forHolder(open)
    return {
      open,
      leaseResponse,
      undo: Effect.sync(() => forget(incoming, open))
    }
  }
})

const forget = (incoming: Incoming, open: FileOpen): void => {
  open.closed = true
  Caching.release(incoming.server, open)
  open.table.leave(open)
  incoming.session!.opens.delete(open.id)
  incoming.server.opens.delete(open.id)
  open.table.release(open.stream, open.link)
}

const respond = Effect.fnUntraced(function*(
  wishes: Wishes,
  open: FileOpen,
  entered: Entered,
  createAction: number,
  maximalAccess: number
): Effect.fn.Return<Reply, Refusal> {
  const { contexts, incoming, share } = wishes
  const node = yield* stored(open.file.stat).pipe(
    Effect.flatMap((found) => Times.shown(open.stream, found)),
    Effect.onError(() => entered.undo)
  )
  Durable.make(incoming, open, contexts)
  open.createAction = createAction
  if (open.createGuid !== undefined) incoming.server.replays.done(open.clientGuid, open.createGuid, open)
  const fileId = { persistent: open.id, volatile: open.id }
  return {
    ...reply({
      _tag: "CREATE",
      body: {
        oplockLevel: entered.leaseResponse.oplockLevel,
        flags: 0,
        createAction,
        ...Shown.networkOpen(node),
        fileId,
        createContexts: CreateContexts.answer(contexts, {
          maximalAccess: maximalAccess & open.tree.maximalAccess,
          node,
          volume: share.volume,
          lease: entered.leaseResponse.lease,
          durable: open.durable
        })
      }
    }),
    fileId
  }
})

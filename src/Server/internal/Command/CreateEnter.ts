/**
 * Enters an open next to others (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1.2), after the store has found or made its file. This
 * is one synchronous step, which is retried if an oplock or a lease has to be broken before.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { has } from "../../../Codec/Flags.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { CreateOptions as O, Dialect, FileAttributes as F } from "../../../Smb2/Message/Constants.ts"
import type * as Message from "../../../Smb2/Message/Create.ts"
import type { StoreOpened } from "../../ShareStore.ts"
import * as ChangesByOthers from "../State/ChangesByOthers.ts"
import * as FileTimes from "../State/FileTimes.ts"
import type { Incoming } from "../State/Incoming.ts"
import * as Locks from "../State/Locks.ts"
import { FileOpen, type Share } from "../State/Model.ts"
import type { OpenReservation } from "../State/OpenReservation.ts"
import * as OplocksAndLeases from "../State/OplocksAndLeases.ts"
import * as Watch from "../State/Watch.ts"
import { type Refusal, refuse, type Reply, reply, stored } from "../Wire/Reply.ts"
import * as AppInstances from "./AppInstances.ts"
import * as ChannelSequence from "./ChannelSequence.ts"
import * as CreateContexts from "./CreateContexts.ts"
import * as CreatesAgain from "./CreatesAgain.ts"
import * as Durable from "./Durable.ts"
import * as NodeInformation from "./NodeInformation.ts"
import * as OplockGrant from "./OplockGrant.ts"
import type { Name } from "./Pathname.ts"
import * as ShareModes from "./ShareModes.ts"
import * as Volumes from "./Volumes.ts"

/** A CREATE that is under way. */
export interface CreateRequest {
  readonly incoming: Incoming
  readonly body: Message.Request
  readonly name: Name
  readonly contexts: CreateContexts.Asked
  readonly share: Share
  readonly scope: Scope.Closeable
  readonly reservation: OpenReservation
  /** The number under which the `OpenStore` has this CREATE while it makes a file. */
  creating: bigint | undefined
  /** The file that this CREATE has made already, at the server before. */
  readonly made: string | undefined
  /** `FileTable.renames` when the name was last looked up. */
  renames: number
}

/** Attributes that a client may set. */
export const settable = F.FILE_ATTRIBUTE_READONLY | F.FILE_ATTRIBUTE_HIDDEN | F.FILE_ATTRIBUTE_SYSTEM |
  F.FILE_ATTRIBUTE_ARCHIVE | F.FILE_ATTRIBUTE_TEMPORARY | F.FILE_ATTRIBUTE_OFFLINE |
  F.FILE_ATTRIBUTE_NOT_CONTENT_INDEXED

/** An open that was entered, and how to undo that. */
export interface Entered {
  readonly open: FileOpen
  readonly leaseResponse: OplockGrant.Granted
  readonly undo: Effect.Effect<void>
}

/**
 * Whether a name still stands for the file that was opened by it. A rename since then may have been of this file
 * itself.
 */
const isStillThere = (request: CreateRequest, { node }: StoreOpened): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const { name, share } = request
    const { renames } = share.table
    return Effect.match(share.store.stat(name.path), {
      onSuccess: ({ identity }) => {
        request.renames = renames
        return identity === node.identity
      },
      // The next lookup of the name reports the store's error.
      onFailure: () => false
    })
  })

/**
 * Enters the open next to others, once no share mode and no cache of another client is in its way. Gives `undefined` if
 * everything must be looked up again.
 */
export const enter = Effect.fnUntraced(function*(
  request: CreateRequest,
  opened: StoreOpened,
  access: number,
  directory: boolean,
  overwrite: boolean,
  { checked, maximal }: { readonly checked: number; readonly maximal: number }
): Effect.fn.Return<Entered | undefined, Refusal> {
  const { body, contexts, incoming, name, scope, share } = request
  const { server } = incoming
  const session = incoming.session!
  const same = OplockGrant.findLease(incoming, contexts)
  const { table } = share
  const reports = OplockGrant.asksToCache(body, contexts)
    ? yield* ChangesByOthers.listen(server, share, name.path, opened)
    : undefined
  for (;;) {
    if (!session.valid) return yield* refuse(NtStatus.STATUS_USER_SESSION_DELETED)
    // The tree's opens are closed already: the client has no way to close this one.
    if (session.trees.get(incoming.tree!.id) !== incoming.tree) {
      return yield* refuse(NtStatus.STATUS_NETWORK_NAME_DELETED)
    }
    const replaced = table.replaced(opened.node.identity)
    if (replaced !== undefined) {
      yield* replaced
      return undefined
    }
    if (table.renames !== request.renames && !(yield* isStillThere(request, opened))) return undefined
    const file = table.file(opened.node.identity, opened.node.type === "directory")
    const stream = file.stream(name.stream ?? "")
    // A lease key names one file (3.3.5.9.8, 3.3.5.9.11). Such a request closes no open, and breaks no lease.
    if (same !== undefined && same.stream !== stream) {
      table.release(stream)
      return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
    }
    const earlier = AppInstances.earlier(
      contexts.appInstance,
      share,
      name.path,
      stream,
      maximal & incoming.tree!.maximalAccess
    )
    if (typeof earlier === "number") {
      table.release(stream)
      return yield* refuse(earlier)
    }
    if (earlier.length > 0) {
      yield* Effect.forEach(earlier, server.closeOpen, { concurrency: "unbounded", discard: true })
      table.release(stream)
      // As below: one of them may have been marked for deletion.
      return undefined
    }
    if (
      server.kept !== undefined && incoming.connection.dialect >= Dialect.SMB_3_0 && ShareModes.isUnavailable(stream)
    ) {
      return yield* refuse(NtStatus.STATUS_FILE_NOT_AVAILABLE)
    }
    const outcome = ShareModes.obstacles(server, stream, table.linkOf(file, name.path), same, {
      access: checked,
      shareAccess: body.shareAccess,
      overwrite
    })
    if (outcome._tag === "Refused") {
      table.release(stream)
      return yield* refuse(outcome.status)
    }
    if (outcome._tag === "Wait") {
      yield* OplocksAndLeases.waitFor(incoming, outcome.leases)
      continue
    }
    if (outcome._tag === "Orphaned") {
      yield* Effect.forEach(outcome.opens, server.closeOpen, { discard: true })
      table.release(stream)
      // One of them may have been marked for deletion: then the file that was found no longer exists.
      return undefined
    }
    const open = new FileOpen(
      server,
      {
        id: server.newOpenId(),
        stream,
        path: name.path,
        file: opened.file,
        scope,
        usage: request.reservation.use(),
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
    if (contexts.appInstance !== undefined) AppInstances.enter(open, contexts.appInstance)
    open.deleteOnClose = has(body.createOptions, O.FILE_DELETE_ON_CLOSE)
    session.opens.set(open.id, open)
    server.opens.set(open.id, open)
    if (overwrite) OplocksAndLeases.breakReaders(server, stream, same)
    const leaseResponse = OplockGrant.grant(incoming, body, contexts, open, reports)
    return {
      open,
      leaseResponse,
      undo: Effect.sync(() => forget(incoming, open))
    }
  }
})

/** The client may have guessed the open's identifier, and used it before the response. */
const forget = (incoming: Incoming, open: FileOpen): void => {
  open.closed = true
  incoming.server.kept?.forget(open)
  for (const pending of Array.from(open.waiting)) pending.abort(NtStatus.STATUS_FILE_CLOSED)
  Watch.end(open)
  Locks.releaseAll(open)
  OplocksAndLeases.release(incoming.server, open)
  open.table.leave(open)
  incoming.session!.opens.delete(open.id)
  incoming.server.opens.delete(open.id)
  open.usage.opens--
  open.usage.release()
  open.table.release(open.stream, open.link)
}

/** The response of a CREATE. */
export const respond = Effect.fnUntraced(function*(
  request: CreateRequest,
  open: FileOpen,
  entered: Entered,
  createAction: number,
  maximalAccess: number
): Effect.fn.Return<Reply, Refusal> {
  const { contexts, incoming, share } = request
  const node = yield* stored(open.file.stat).pipe(
    Effect.flatMap((found) => FileTimes.shown(open.stream, found)),
    Effect.onError(() => entered.undo)
  )
  const { serialNumber } = contexts.onDiskId
    ? yield* Effect.onError(Volumes.of(share, open.file), () => entered.undo)
    : share.volume
  open.createAction = createAction
  CreatesAgain.end(request)
  yield* Effect.onError(Durable.make(incoming, open, contexts), () => entered.undo)
  if (open.createGuid !== undefined) incoming.server.replays.done(open.clientGuid, open.createGuid, open)
  const fileId = { persistent: open.id, volatile: open.id }
  return {
    ...reply({
      _tag: "CREATE",
      body: {
        oplockLevel: entered.leaseResponse.oplockLevel,
        flags: 0,
        createAction,
        ...NodeInformation.networkOpen(node),
        fileId,
        createContexts: CreateContexts.answer(contexts, {
          maximalAccess: maximalAccess & open.tree.maximalAccess,
          node,
          serialNumber,
          lease: entered.leaseResponse.lease,
          durable: open.durable
        })
      }
    }),
    fileId
  }
})

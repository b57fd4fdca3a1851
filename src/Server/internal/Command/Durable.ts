/**
 * Durable and resilient opens (MS-SMB2 3.3.5.9.6, 3.3.5.9.7, 3.3.5.9.10, 3.3.5.9.12, 3.3.5.15.9): opens that wait for
 * their client after its connection, or its session, is lost.
 *
 * An open that waits keeps its place in the file: share mode, locks, oplock or lease. A client that conflicts with a
 * durable open wins: the open has no client that could acknowledge a break, so the server closes it. A resilient or
 * persistent open stays until its timeout: the other client is refused, and a break waits for the client to reconnect.
 * A persistent open also outlives the server: an `OpenStore` has it before the client is told so.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Codec from "../../../Codec/Codec.ts"
import { has } from "../../../Codec/Flags.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { Capabilities, CreateAction, Dialect, HeaderFlags } from "../../../Smb2/Message/Constants.ts"
import type * as Message from "../../../Smb2/Message/Create.ts"
import * as Fsctl from "../../../Smb2/Message/Fsctl.ts"
import { keyOf } from "../State/FileTable.ts"
import * as FileTimes from "../State/FileTimes.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { FileOpen, Server } from "../State/Model.ts"
import { kindOf } from "../State/OpenFields.ts"
import * as OplocksAndLeases from "../State/OplocksAndLeases.ts"
import * as Replay from "../State/ReplayTable.ts"
import { type Refusal, refuse, type Reply, reply, stored } from "../Wire/Reply.ts"
import * as ChannelSequence from "./ChannelSequence.ts"
import * as Close from "./Close.ts"
import * as CreateContexts from "./CreateContexts.ts"
import * as Names from "./Names.ts"
import * as NodeInformation from "./NodeInformation.ts"
import * as OplockGrant from "./OplockGrant.ts"
import * as Recording from "./Recording.ts"
import * as Volumes from "./Volumes.ts"

const { HANDLE, WRITE } = OplocksAndLeases

const decodeResiliency = Codec.decode("NETWORK_RESILIENCY_REQUEST", Fsctl.NetworkResiliencyRequest)

/** Milliseconds that a durable open waits if its client leaves the time to the server. */
const durableDefault = 60_000

/** Whether a CREATE may get a persistent open (3.3.5.9.10): the client, the share and the server are capable of it. */
export const mayPersist = ({ connection, server, session, tree }: Incoming): boolean =>
  server.kept !== undefined && tree!.share!.options.continuousAvailability === true &&
  has(connection.negotiated.capabilities, Capabilities.SMB2_GLOBAL_CAP_PERSISTENT_HANDLES) &&
  // Persistent opens always stay after a lost connection, so they count from the beginning.
  server.kept.size < server.limits.durables && (session!.usage?.kept ?? 0) < server.limits.userDurables &&
  // The server cannot prove that a guest who reconnects is the same guest.
  !session!.user!.guest

/**
 * Makes an open durable or persistent if it asks for that and qualifies. A durable open must be able to keep other
 * clients from changing the file. When this is done, the `OpenStore` has a persistent open, and everything else that has
 * changed before the response.
 */
export const make = Effect.fnUntraced(function*(
  incoming: Incoming,
  open: FileOpen,
  contexts: CreateContexts.Asked
): Effect.fn.Return<void, Refusal> {
  const { server } = incoming
  const { kept } = server
  const { durable } = contexts
  // The server cannot prove that a guest who reconnects is the same guest.
  if (durable === undefined || open.directory || incoming.session!.user!.guest) return yield* Recording.required(server)
  const values = {
    resilient: false,
    version: durable.version,
    createGuid: durable.version === 2 ? durable.createGuid : undefined,
    clientGuid: incoming.connection.negotiated.clientGuid,
    owner: incoming.session!.user!.sid
  }
  const timeoutOf = (limit: Duration.Input): number => {
    const asked = durable.version === 2 && durable.timeout > 0 ? durable.timeout : durableDefault
    return Math.min(asked, Duration.toMillis(Duration.fromInputUnsafe(limit)))
  }
  let unwritten = false
  if (durable.version === 2 && durable.persistent && mayPersist(incoming)) {
    const { supports } = yield* Volumes.of(open.share, open.file)
    if (supports.lastingIdentities === true && !open.closed) {
      open.durable = { ...values, persistent: true, timeout: timeoutOf(server.limits.persistentTime) }
      kept!.keep(open)
      const isKept = yield* Effect.match(kept!.flush, { onFailure: () => false, onSuccess: () => true })
      if (isKept) return
      // The client is told that its open is not persistent, and does not rely on it.
      kept!.forget(open)
      open.durable = undefined
      unwritten = true
    }
  }
  if (open.lease !== undefined && (open.lease.state & HANDLE) !== 0) {
    open.durable = { ...values, persistent: false, timeout: timeoutOf(server.limits.durableTime) }
  }
  // The lease of another client that was broken for this open must not come back after a restart.
  if (!unwritten || kept!.behind) yield* Recording.required(server)
})

/** Milliseconds that a resilient open waits if its client leaves the time to the server, as on Windows. */
const resilientDefault = 120_000

/** Handles FSCTL_LMR_REQUEST_RESILIENCY (2.2.31.3, 3.3.5.15.9). */
export const requestResiliency = (
  incoming: Incoming,
  open: FileOpen,
  input: Uint8Array
): Effect.Effect<void, Refusal> =>
  Effect.suspend(() => {
    const { connection, server, session } = incoming
    if (connection.dialect < Dialect.SMB_2_1) return refuse(NtStatus.STATUS_INVALID_DEVICE_REQUEST)
    // The server cannot prove that a guest who reconnects is the same guest.
    if (session!.user!.guest) return refuse(NtStatus.STATUS_NOT_SUPPORTED)
    const decoded = decodeResiliency(input)
    const most = Duration.toMillis(Duration.fromInputUnsafe(server.limits.resilientTime))
    if (decoded._tag === "Failure" || decoded.success.timeout > most) return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    const { timeout } = decoded.success
    // A persistent open stays what it is: it keeps its place in any case.
    if (open.durable?.persistent === true) return Effect.void
    open.durable = {
      resilient: true,
      persistent: false,
      version: open.durable?.version ?? 1,
      createGuid: open.durable?.createGuid,
      timeout: timeout === 0 ? Math.min(resilientDefault, most) : timeout,
      clientGuid: connection.negotiated.clientGuid,
      owner: session!.user!.sid
    }
    return Effect.void
  })

/**
 * Whether a durable open outlives its session: if it has an oplock or a lease that lets it cache handles. Byte-range
 * locks of a client that may not cache writes must not keep other clients from the file while that client is away.
 */
const isProtected = (open: FileOpen): boolean =>
  open.lease !== undefined && (open.lease.state & HANDLE) !== 0 &&
  ((open.lease.state & WRITE) !== 0 || open.locks === undefined || open.locks.size === 0) &&
  open.lease.breaking === undefined && !open.deletePending

/** Whether an open outlives its session (3.3.7.1). The client of a persistent open was told that it does. */
export const mayStay = (open: FileOpen): boolean =>
  open.durable?.persistent === true ||
  open.durable !== undefined && open.server.absent.size < open.server.limits.durables &&
    open.usage.durables < open.server.limits.userDurables && (open.durable.resilient || isProtected(open))

/** Takes an open out of its session. It then waits for its client. */
export const disconnect = (server: Server, open: FileOpen): void => {
  open.session?.opens.delete(open.id)
  open.session = undefined
  awaitClient(server, open)
}

/** An open without a session waits for its client until its timeout ends. */
export const awaitClient = (server: Server, open: FileOpen): void => {
  server.absent.add(open)
  open.usage.durables++
  open.stopWaiting = server.after(
    open.durable!.timeout,
    Effect.suspend(() => {
      open.stopWaiting = undefined
      server.meter.expired(kindOf(open.durable!))
      return Close.end(open, NtStatus.STATUS_NOTIFY_CLEANUP)
    })
  )
}

/** Reconnects a client to its open. */
export const reconnect = Effect.fnUntraced(function*(
  incoming: Incoming,
  body: Message.Request,
  contexts: CreateContexts.Asked
): Effect.fn.Return<Reply, Refusal> {
  const { server } = incoming
  const session = incoming.session!
  const asked = contexts.reconnect!
  const isCapable = incoming.tree!.share!.options.continuousAvailability === true &&
    has(incoming.connection.negotiated.capabilities, Capabilities.SMB2_GLOBAL_CAP_PERSISTENT_HANDLES)
  const open = server.opens.get(asked.id) ??
    (asked.persistent && isCapable ? server.kept?.find(asked.createGuid!) : undefined)
  if (
    open === undefined || open.closed || open.session !== undefined || open.durable === undefined ||
    open.durable.persistent && !asked.persistent ||
    asked.version === 2 && (open.durable.createGuid ?? "0".repeat(32)) !== asked.createGuid ||
    open.tree.share !== incoming.tree!.share
  ) return yield* refuse(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
  const lease = open.lease?.kind === "lease" ? open.lease : undefined
  if (lease === undefined ? contexts.lease !== undefined : contexts.lease === undefined) {
    return yield* refuse(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
  }
  if (lease !== undefined) {
    if (
      lease.clientGuid !== incoming.connection.negotiated.clientGuid ||
      Buffer.compare(lease.key, contexts.lease!.key) !== 0 || lease.version !== contexts.lease!.version
    ) return yield* refuse(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
    const name = Names.read(incoming, body.name)
    if (typeof name === "number") return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
    const { path } = yield* Names.resolve(incoming, open.share, name)
    if (keyOf(path) !== keyOf(open.path)) return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  }
  if (session.user!.guest || open.durable.owner !== session.user!.sid) {
    return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  }
  take(incoming, open)
  const answer = yield* respond(open, contexts, CreateAction.FILE_OPENED, undefined)
  // The break of an open that keeps its place waits for its client.
  return { ...answer, sent: () => OplocksAndLeases.tellReturned(server, open) }
})

/** An open that waits belongs to the session of its client's request from now on. */
const take = (incoming: Incoming, open: FileOpen): void => {
  const session = incoming.session!
  open.stopWaiting?.()
  open.stopWaiting = undefined
  open.endWaiting()
  // The client counts its channel sequence from here.
  open.outstanding = { sequence: ChannelSequence.of(incoming), present: 0, before: 0 }
  open.session = session
  open.tree = incoming.tree!
  session.opens.set(open.id, open)
  incoming.server.meter.reclaimed(kindOf(open.durable!))
}

/** Begins a CREATE that the client may send again: it continues even if its channel is lost. */
export const begin = (incoming: Incoming, { durable }: CreateContexts.Asked): void => {
  if (durable?.version !== 2) return
  incoming.outlivesChannel = true
  incoming.server.replays.begin(incoming.connection.negotiated.clientGuid, durable.createGuid)
}

/** The CREATE has failed. */
export const failed = (incoming: Incoming, { durable }: CreateContexts.Asked): void => {
  if (durable?.version !== 2) return
  incoming.server.replays.failed(incoming.connection.negotiated.clientGuid, durable.createGuid)
}

/**
 * The open that an earlier CREATE made, if this request is a replay of it because the response was lost (3.3.5.9.10).
 * `undefined` if the request is new.
 */
export const replay = (
  incoming: Incoming,
  body: Message.Request,
  contexts: CreateContexts.Asked
): Effect.Effect<Reply | undefined, Refusal> =>
  Effect.suspend((): Effect.Effect<Reply | undefined, Refusal> => {
    const { durable } = contexts
    if (durable?.version !== 2) return Effect.succeed(undefined)
    const open = incoming.server.replays.find(incoming.connection.negotiated.clientGuid, durable.createGuid)
    if (open === undefined) return Effect.succeed(undefined)
    const isReplay = (incoming.header.flags & HeaderFlags.SMB2_FLAGS_REPLAY_OPERATION) !== 0
    if (!isReplay) return refuse(NtStatus.STATUS_DUPLICATE_OBJECTID)
    if (open === Replay.pending) return refuse(NtStatus.STATUS_FILE_NOT_AVAILABLE)
    // A persistent open whose CREATE was not answered is given to the session in which its client asks again.
    const returns = open.session === undefined && open.durable?.persistent === true && durable.persistent
    if (returns && open.durable!.owner !== incoming.session!.user!.sid) return refuse(NtStatus.STATUS_ACCESS_DENIED)
    if (open.session !== incoming.session && !returns) return refuse(NtStatus.STATUS_DUPLICATE_OBJECTID)
    if (!open.mayBeReplayed) return Effect.succeed(undefined)
    const lease = open.lease?.kind === "lease" ? open.lease : undefined
    if (
      (lease === undefined) !== (contexts.lease === undefined) ||
      lease !== undefined && Buffer.compare(lease.key, contexts.lease!.key) !== 0
    ) return refuse(NtStatus.STATUS_ACCESS_DENIED)
    if (returns) {
      if (open.share !== incoming.tree!.share) return refuse(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
      take(incoming, open)
    }
    return respond(open, contexts, open.createAction, body.requestedOplockLevel)
  })

/** `replayed` is the oplock level that a replay asks for: the response has no higher level. */
const respond = Effect.fnUntraced(function*(
  open: FileOpen,
  contexts: CreateContexts.Asked,
  createAction: number,
  replayed: number | undefined
): Effect.fn.Return<Reply, Refusal> {
  const node = yield* FileTimes.shown(open.stream, yield* stored(open.file.stat))
  const { serialNumber } = contexts.onDiskId ? yield* Volumes.of(open.share, open.file) : open.share.volume
  const fileId = { persistent: open.id, volatile: open.id }
  const caching = OplockGrant.current(open)
  const least = caching.lease === undefined && replayed !== undefined && replayed < caching.oplockLevel
  const oplockLevel = least ? replayed : caching.oplockLevel
  return {
    ...reply({
      _tag: "CREATE",
      body: {
        oplockLevel,
        flags: 0,
        createAction,
        ...NodeInformation.networkOpen(node),
        fileId,
        createContexts: CreateContexts.answer(contexts, {
          maximalAccess: open.grantedAccess,
          node,
          serialNumber,
          lease: caching.lease,
          durable: replayed !== undefined && !least ? open.durable : undefined
        })
      }
    }),
    fileId
  }
})

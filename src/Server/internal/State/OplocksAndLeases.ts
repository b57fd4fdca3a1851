/**
 * Oplocks and leases (MS-SMB2 3.3.1.4, 3.3.1.12, 3.3.4.6, 3.3.4.7; MS-FSA 2.1.4.12): the rights of clients to cache,
 * and how these are broken.
 *
 * An oplock is a lease of one open: LEVEL_II is R, EXCLUSIVE is RW, BATCH is RWH. Both are a `Lease` of a stream.
 */
import * as Effect from "effect/Effect"
import { LeaseFlags, LeaseState, OplockLevel } from "../../../Smb2/Message/Constants.ts"
import type { Refusal } from "../Wire/Reply.ts"
import { isSamePerson } from "./Identity.ts"
import type { Connection, FileOpen, Lease, Server, Session, StreamNode } from "./Model.ts"
import { keepsPlace } from "./OpenFields.ts"
import type { Waiting } from "./Waiting.ts"

/** The rights of a lease, or of an oplock: to cache data that was read, handles, and writes. */
export const READ = LeaseState.SMB2_LEASE_READ_CACHING
export const HANDLE = LeaseState.SMB2_LEASE_HANDLE_CACHING
export const WRITE = LeaseState.SMB2_LEASE_WRITE_CACHING

/** Ends a break: the new state is the one that the break asked for, or less. */
export const settle = (server: Server, lease: Lease, state: number): void => {
  const { required } = lease
  lease.state = state
  server.kept?.leaseChanged(lease)
  lease.breaking = undefined
  lease.required = undefined
  lease.stopTimer?.()
  lease.stopTimer = undefined
  if (required !== undefined && (state & ~required) !== 0) {
    // Handles and writes are broken first, reads last.
    breakTo(server, lease, (state & ~READ) !== 0 ? required | READ : required, true)
    if (lease.breaking !== undefined) {
      lease.required = required
      return
    }
  }
  lease.wake()
}

/** The level of an oplock's state. */
export const levelOf = (state: number): number =>
  (state & HANDLE) !== 0
    ? OplockLevel.SMB2_OPLOCK_LEVEL_BATCH
    : (state & WRITE) !== 0
    ? OplockLevel.SMB2_OPLOCK_LEVEL_EXCLUSIVE
    : (state & READ) !== 0
    ? OplockLevel.SMB2_OPLOCK_LEVEL_II
    : OplockLevel.SMB2_OPLOCK_LEVEL_NONE

/** The state of an oplock's level. */
export const stateOf = (level: number): number =>
  level === OplockLevel.SMB2_OPLOCK_LEVEL_BATCH
    ? READ | WRITE | HANDLE
    : level === OplockLevel.SMB2_OPLOCK_LEVEL_EXCLUSIVE
    ? READ | WRITE
    : level === OplockLevel.SMB2_OPLOCK_LEVEL_II
    ? READ
    : 0

/** Takes an open out of its lease. With its last open a lease ends, together with a break that was not acknowledged. */
export const release = (server: Server, open: FileOpen): void => {
  const { lease } = open
  if (lease === undefined) return
  open.lease = undefined
  lease.opens.delete(open)
  const { leases } = open.usage
  const left = leases.get(lease)! - 1
  if (left === 0) leases.delete(lease)
  else leases.set(lease, left)
  if (lease.opens.size > 0) return
  lease.stream.leases.delete(lease)
  if (lease.kind === "lease") server.leases.remove(lease)
  else server.meter.oplocks--
  settle(server, lease, 0)
}

/** Whether all opens of a lease wait for their client to reconnect, and give way to other clients. */
export const isOrphan = (lease: Lease): boolean => {
  for (const { durable, session } of lease.opens) if (session !== undefined || keepsPlace(durable)) return false
  return lease.opens.size > 0
}

/** Whether a lease has an open that keeps its place: a break waits for its client (3.3.4.6, 3.3.4.7). */
const mayReturn = (lease: Lease): boolean => Array.from(lease.opens).some(({ durable }) => keepsPlace(durable))

/** A connection by which the client can be told of a break. */
interface Place {
  readonly connection: Connection
  readonly session: Session
  readonly open: FileOpen
}

/**
 * The connections for a lease's break, the best first. A lease belongs to a client, not to a connection: the client's
 * first connection is used, if the same user has logged on there and no message must be encrypted (3.3.4.7).
 */
function* placesOf(server: Server, lease: Lease): IterableIterator<Place> {
  for (const open of lease.opens) {
    const { session } = open
    if (session === undefined) continue
    if (lease.kind === "lease" && !session.encryptRequired) {
      for (const connection of server.connections) {
        if (connection.negotiated.clientGuid !== lease.clientGuid || connection.closed) continue
        for (const other of connection.sessions.values()) {
          if (other.valid && (other === session || isSamePerson(other.user, session.user))) {
            yield { connection, session: other, open }
          }
        }
      }
    }
    for (const connection of session.channels.keys()) if (!connection.closed) yield { connection, session, open }
  }
}

/** The best connection for a lease's break, without those of `except`. */
const placeOf = (server: Server, lease: Lease, except?: ReadonlySet<Connection>): Place | undefined => {
  for (const place of placesOf(server, lease)) if (except?.has(place.connection) !== true) return place
  return undefined
}

/** Sends the notification of a break. A break of only the right to cache reads is not acknowledged. */
const tell = ({ connection, open, session }: Place, lease: Lease, from: number, to: number): void => {
  const { encrypted } = open.tree
  if (lease.kind === "oplock") {
    return connection.notify(session, encrypted, {
      _tag: "OPLOCK_BREAK",
      body: { _tag: "OplockBreak", oplockLevel: levelOf(to), fileId: { persistent: open.id, volatile: open.id } }
    })
  }
  connection.notify(session, encrypted, {
    _tag: "OPLOCK_BREAK",
    body: {
      _tag: "LeaseBreakNotification",
      newEpoch: lease.version === 2 ? lease.epoch : 0,
      flags: from === READ ? 0 : LeaseFlags.SMB2_NOTIFY_BREAK_LEASE_FLAG_ACK_REQUIRED,
      leaseKey: lease.key,
      currentLeaseState: from,
      newLeaseState: to
    }
  })
}

/** The leases that were told of a break by a connection, and may not have received it. */
const told = new WeakMap<Connection, Set<Lease>>()

const remember = (connection: Connection, lease: Lease): void => {
  const known = told.get(connection)
  if (known === undefined) told.set(connection, new Set([lease]))
  else known.add(lease)
  lease.onSettled(() => void told.get(connection)?.delete(lease))
}

/** After a client has reconnected to an open: tells it of a break that has waited for it. */
export const tellReturned = (server: Server, { lease }: FileOpen): void => {
  if (lease?.breaking === undefined) return
  const place = placeOf(server, lease)
  if (place === undefined) return
  tell(place, lease, lease.state, lease.breaking)
  remember(place.connection, lease)
}

/**
 * After the loss of a connection: tells its clients of unacknowledged breaks by another one, if they have one (3.3.4.6,
 * 3.3.4.7).
 */
export const tellAgain = (server: Server, connection: Connection): void => {
  for (const lease of Array.from(told.get(connection) ?? [])) {
    const place = placeOf(server, lease)
    if (lease.breaking === undefined || place === undefined) continue
    tell(place, lease, lease.state, lease.breaking)
    remember(place.connection, lease)
  }
  told.delete(connection)
}

/** How long a client may take to acknowledge a break before it is told by its next channel. */
const channelTime = "2 seconds"

/**
 * Tells a client of its break by each further channel, one after the other, until it acknowledges (3.3.4.6, 3.3.4.7): the
 * network of the first channel may be lost, which its connection shows only much later. A client that is told twice
 * finds the same epoch, or its second acknowledgment is refused. Gives a function that stops it.
 */
const tellOthers = (server: Server, lease: Lease, toldBy: Set<Connection>): (() => void) | undefined => {
  if (placeOf(server, lease, toldBy) === undefined) return undefined
  let stop: (() => void) | undefined = server.after(
    channelTime,
    Effect.sync(() => {
      stop = undefined
      const place = placeOf(server, lease, toldBy)
      if (lease.breaking === undefined || place === undefined) return
      tell(place, lease, lease.state, lease.breaking)
      remember(place.connection, lease)
      toldBy.add(place.connection)
      stop = tellOthers(server, lease, toldBy)
    })
  )
  return () => stop?.()
}

/**
 * Tells a lease that it may keep at most `keep` of its state. If it could cache writes or handles, the break waits for
 * its acknowledgment; the right to cache reads ends at once. A break that `goesOn` after another one has the same
 * epoch.
 */
export const breakTo = (server: Server, lease: Lease, keep: number, goesOn = false): void => {
  if (lease.breaking !== undefined) {
    if (lease.kind === "lease") lease.required = (lease.required ?? lease.breaking) & keep
    return
  }
  let to = lease.state & keep
  if (lease.kind === "oplock") {
    to = (to & READ) !== 0
      ? (lease.state === READ ? READ : to === lease.state ? to : READ)
      : 0
  } else if ((to & READ) === 0) to = 0
  if (to === lease.state) return
  server.meter.broke(lease.kind)
  const from = lease.state
  const needsAck = from !== READ
  const place = placeOf(server, lease)
  if (lease.kind === "lease" && lease.version === 2 && !goesOn) lease.epoch = (lease.epoch + 1) & 0xffff
  server.kept?.leaseChanged(lease)
  const waits = needsAck && (place !== undefined || mayReturn(lease))
  if (waits) lease.breaking = to
  else lease.state = to
  if (place === undefined && !waits) {
    settle(server, lease, to)
    // Durable opens without a client: no client can acknowledge the break.
    if (needsAck) { for (const open of Array.from(lease.opens)) server.run(server.closeOpen(open)) }
    return
  }
  if (place !== undefined) tell(place, lease, from, to)
  if (!needsAck) return
  if (place !== undefined) remember(place.connection, lease)
  const stopTelling = place === undefined ? undefined : tellOthers(server, lease, new Set([place.connection]))
  const stopWaiting = server.after(
    server.limits.breakTime,
    Effect.sync(() => {
      stopTelling?.()
      lease.stopTimer = undefined
      if (lease.breaking === undefined) return
      server.meter.breakTimedOut(lease.kind)
      settle(server, lease, 0)
    })
  )
  lease.stopTimer = () => {
    stopWaiting()
    stopTelling?.()
  }
}

/** Waits until no lease has a break under way. */
export const waitFor = (request: Waiting, leases: ReadonlyArray<Lease>): Effect.Effect<void, Refusal> => {
  const breaking = leases.filter((lease) => lease.breaking !== undefined)
  if (breaking.length === 0) return Effect.void
  return request.wait<void>((resume) => {
    let left = breaking.length
    const forget = breaking.map((lease) =>
      lease.onSettled(() => {
        if (--left === 0) resume(undefined)
      })
    )
    return () => forget.forEach((one) => one())
  })
}

/** As `waitFor`, but only until the first of them has none. */
export const waitForOne = (request: Waiting, leases: ReadonlyArray<Lease>): Effect.Effect<void, Refusal> => {
  if (leases.some((lease) => lease.breaking === undefined)) return Effect.void
  return request.wait<void>((resume) => {
    const forget = leases.map((lease) => lease.onSettled(() => resume(undefined)))
    return () => forget.forEach((one) => one())
  })
}

/** Whether two leases are the same lease of one client. */
export const isSame = (lease: Lease | undefined, other: Lease | undefined): boolean =>
  lease !== undefined && lease === other

/** Breaks the right to cache reads of all leases but `except`, after a change that they could not see. */
export const breakReaders = (server: Server, stream: StreamNode, except: Lease | undefined): void => {
  for (const lease of Array.from(stream.leases)) {
    if (lease === except && lease.kind === "lease") continue
    if (lease === except && (lease.state & WRITE) !== 0) continue
    breakTo(server, lease, 0)
  }
}

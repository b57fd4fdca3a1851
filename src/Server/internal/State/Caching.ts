/**
 * Oplocks and leases (MS-SMB2 3.3.1.4, 3.3.1.12, 3.3.4.6, 3.3.4.7; MS-FSA 2.1.4.12): the rights of clients to cache,
 * and how these are broken.
 *
 * An oplock is a lease of one open: LEVEL_II is R, EXCLUSIVE is RW, BATCH is RWH. Both are a `Holder` of a stream.
 */
import * as Effect from "effect/Effect"
import { LeaseFlags, LeaseState, OplockLevel } from "../../../Smb2/Message/Constants.ts"
import type { Connection } from "../Connection/Connection.ts"
import type { Incoming } from "../Connection/Incoming.ts"
import type { Refusal } from "../Wire/Reply.ts"
import type { StreamNode } from "./FileTable.ts"
import type { Open } from "./Open.ts"
import type { ServerState } from "./ServerState.ts"
import { isSamePerson } from "./Session.ts"

/** The rights of a lease, or of an oplock: to cache data that was read, handles, and writes. */
export const READ = LeaseState.SMB2_LEASE_READ_CACHING
export const HANDLE = LeaseState.SMB2_LEASE_HANDLE_CACHING
export const WRITE = LeaseState.SMB2_LEASE_WRITE_CACHING

/** One client's right to cache a stream. */
export class Holder {
  readonly kind: "oplock" | "lease"
  readonly stream: StreamNode
  readonly opens = new Set<Open>()
  state: number
  /** The state that a break asks for, until it is acknowledged. */
  breaking: number | undefined
  /**
   * The state that other requests require now. The next break follows at once, before the waiting requests continue.
   */
  required: number | undefined
  /** For a lease. */
  readonly clientGuid: string
  readonly key: Uint8Array
  readonly keyText: string
  readonly version: 1 | 2
  readonly parentKey: Uint8Array | undefined
  epoch = 0
  private readonly waiting = new Set<() => void>()
  /** Stops the timeout of the client's acknowledgment, if one is running. */
  stopTimer: (() => void) | undefined

  constructor(
    kind: "oplock" | "lease",
    stream: StreamNode,
    state: number,
    lease?: {
      readonly clientGuid: string
      readonly key: Uint8Array
      readonly version: 1 | 2
      readonly parentKey: Uint8Array | undefined
      readonly epoch: number
    }
  ) {
    this.kind = kind
    this.stream = stream
    this.state = state
    this.clientGuid = lease?.clientGuid ?? ""
    this.key = lease?.key ?? new Uint8Array(16)
    this.keyText = lease === undefined ? "" : Buffer.from(lease.key).toString("hex")
    this.version = lease?.version ?? 1
    this.parentKey = lease?.parentKey
    this.epoch = lease?.epoch ?? 0
  }

  /** The oplock level that its state stands for. */
  get level(): number {
    if (this.kind === "lease") return OplockLevel.SMB2_OPLOCK_LEVEL_LEASE
    return levelOf(this.state)
  }

  /** Calls `then` when the break under way is over; gives a function that removes the callback. */
  onSettled(then: () => void): () => void {
    this.waiting.add(then)
    return () => void this.waiting.delete(then)
  }

  /** Calls the waiting callbacks. */
  wake(): void {
    for (const then of Array.from(this.waiting)) {
      this.waiting.delete(then)
      then()
    }
  }
}

/** Ends a break: the new state is the one that the break asked for, or less. */
export const settle = (server: ServerState, holder: Holder, state: number): void => {
  const { required } = holder
  holder.state = state
  holder.breaking = undefined
  holder.required = undefined
  holder.stopTimer?.()
  holder.stopTimer = undefined
  if (required !== undefined && (state & ~required) !== 0) {
    // Handles and writes are broken first, reads last.
    breakTo(server, holder, (state & ~READ) !== 0 ? required | READ : required, true)
    if (holder.breaking !== undefined) {
      holder.required = required
      return
    }
  }
  holder.wake()
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

/** Every lease of every client, by its client and key. */
export class LeaseTable {
  private readonly leases = new Map<string, Holder>()

  find(clientGuid: string, key: Uint8Array): Holder | undefined {
    return this.leases.get(`${clientGuid}/${Buffer.from(key).toString("hex")}`)
  }

  add(holder: Holder): void {
    this.leases.set(`${holder.clientGuid}/${holder.keyText}`, holder)
  }

  remove(holder: Holder): void {
    const key = `${holder.clientGuid}/${holder.keyText}`
    if (this.leases.get(key) === holder) this.leases.delete(key)
  }
}

/** Takes an open out of its holder. With its last open a holder ends, together with a break that was not acknowledged. */
export const release = (server: ServerState, open: Open): void => {
  const { holder } = open
  if (holder === undefined) return
  open.holder = undefined
  holder.opens.delete(open)
  const { holders } = open.usage
  const left = holders.get(holder)! - 1
  if (left === 0) holders.delete(holder)
  else holders.set(holder, left)
  if (holder.opens.size > 0) return
  holder.stream.holders.delete(holder)
  if (holder.kind === "lease") server.leases.remove(holder)
  settle(server, holder, 0)
}

/** Whether all opens of a holder wait for their client to reconnect. */
export const isOrphan = (holder: Holder): boolean => {
  for (const { session } of holder.opens) if (session !== undefined) return false
  return holder.opens.size > 0
}

/**
 * The connection for a holder's break. A lease belongs to a client, not to a connection: the client's first connection
 * is used, if the same user has logged on there and no message must be encrypted (3.3.4.7).
 */
const placeOf = (server: ServerState, holder: Holder) => {
  for (const open of holder.opens) {
    const { session } = open
    if (session === undefined) continue
    if (holder.kind === "lease" && !session.encryptRequired) {
      for (const connection of server.connections) {
        if (connection.negotiated.clientGuid !== holder.clientGuid || connection.closed) continue
        for (const other of connection.sessions.values()) {
          if (other.valid && (other === session || isSamePerson(other.user, session.user))) {
            return { connection, session: other, open }
          }
        }
      }
    }
    for (const connection of session.channels.keys()) if (!connection.closed) return { connection, session, open }
  }
  return undefined
}

type Place = Exclude<ReturnType<typeof placeOf>, undefined>

/** Sends the notification of a break. A break of only the right to cache reads is not acknowledged. */
const tell = ({ connection, open, session }: Place, holder: Holder, from: number, to: number): void => {
  const { encrypted } = open.tree
  if (holder.kind === "oplock") {
    return connection.notify(session, encrypted, {
      _tag: "OPLOCK_BREAK",
      body: { _tag: "OplockBreak", oplockLevel: levelOf(to), fileId: { persistent: open.id, volatile: open.id } }
    })
  }
  connection.notify(session, encrypted, {
    _tag: "OPLOCK_BREAK",
    body: {
      _tag: "LeaseBreakNotification",
      newEpoch: holder.version === 2 ? holder.epoch : 0,
      flags: from === READ ? 0 : LeaseFlags.SMB2_NOTIFY_BREAK_LEASE_FLAG_ACK_REQUIRED,
      leaseKey: holder.key,
      currentLeaseState: from,
      newLeaseState: to
    }
  })
}

/** The holders that were told of a break by a connection, and may not have received it. */
const told = new WeakMap<Connection, Set<Holder>>()

const remember = (connection: Connection, holder: Holder): void => {
  const known = told.get(connection)
  if (known === undefined) told.set(connection, new Set([holder]))
  else known.add(holder)
  holder.onSettled(() => void told.get(connection)?.delete(holder))
}

/**
 * After the loss of a connection: tells its clients of unacknowledged breaks by another one, if they have one (3.3.4.6,
 * 3.3.4.7).
 */
export const tellAgain = (server: ServerState, connection: Connection): void => {
  for (const holder of Array.from(told.get(connection) ?? [])) {
    const place = placeOf(server, holder)
    if (holder.breaking === undefined || place === undefined) continue
    tell(place, holder, holder.state, holder.breaking)
    remember(place.connection, holder)
  }
  told.delete(connection)
}

/**
 * Tells a holder that it may keep at most `keep` of its state. If it could cache writes or handles, the break waits for
 * its acknowledgment; the right to cache reads ends at once. A break that `goesOn` after another one has the same
 * epoch.
 */
export const breakTo = (server: ServerState, holder: Holder, keep: number, goesOn = false): void => {
  if (holder.breaking !== undefined) {
    if (holder.kind === "lease") holder.required = (holder.required ?? holder.breaking) & keep
    return
  }
  let to = holder.state & keep
  if (holder.kind === "oplock") {
    to = (to & READ) !== 0
      ? (holder.state === READ ? READ : to === holder.state ? to : READ)
      : 0
  } else if ((to & READ) === 0) to = 0
  if (to === holder.state) return
  const from = holder.state
  const needsAck = from !== READ
  const place = placeOf(server, holder)
  if (holder.kind === "lease" && holder.version === 2 && !goesOn) holder.epoch = (holder.epoch + 1) & 0xffff
  if (needsAck && place !== undefined) holder.breaking = to
  else holder.state = to
  if (place === undefined) {
    settle(server, holder, to)
    // Durable opens without a client: no client can acknowledge the break.
    if (needsAck) { for (const open of Array.from(holder.opens)) server.run(server.closeOpen(open)) }
    return
  }
  tell(place, holder, from, to)
  if (!needsAck) return
  remember(place.connection, holder)
  holder.stopTimer = server.after(
    server.limits.breakTime,
    Effect.sync(() => {
      holder.stopTimer = undefined
      if (holder.breaking !== undefined) settle(server, holder, 0)
    })
  )
}

/** Waits until no holder has a break under way. */
export const waitFor = (incoming: Incoming, holders: ReadonlyArray<Holder>): Effect.Effect<void, Refusal> => {
  const breaking = holders.filter((holder) => holder.breaking !== undefined)
  if (breaking.length === 0) return Effect.void
  return incoming.wait<void>((resume) => {
    let left = breaking.length
    const forget = breaking.map((holder) =>
      holder.onSettled(() => {
        if (--left === 0) resume(undefined)
      })
    )
    return () => forget.forEach((one) => one())
  })
}

/** As `waitFor`, but only until the first of them has none. */
export const waitForOne = (incoming: Incoming, holders: ReadonlyArray<Holder>): Effect.Effect<void, Refusal> => {
  if (holders.some((holder) => holder.breaking === undefined)) return Effect.void
  return incoming.wait<void>((resume) => {
    const forget = holders.map((holder) => holder.onSettled(() => resume(undefined)))
    return () => forget.forEach((one) => one())
  })
}

/** Whether two holders are the same lease of one client. */
export const isSame = (holder: Holder | undefined, other: Holder | undefined): boolean =>
  holder !== undefined && holder === other

/** Breaks the right to cache reads of all holders but `except`, after a change that they could not see. */
export const breakReaders = (server: ServerState, stream: StreamNode, except: Holder | undefined): void => {
  for (const holder of Array.from(stream.holders)) {
    if (holder === except && holder.kind === "lease") continue
    if (holder === except && (holder.state & WRITE) !== 0) continue
    breakTo(server, holder, 0)
  }
}

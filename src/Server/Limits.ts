/**
 * What a server grants a client at most. A peer can make nothing grow beyond these.
 */
import type * as Duration from "effect/Duration"

/**
 * The limits of a server.
 *
 * @category models
 */
export interface Limits {
  /** Connections at one time; further ones are closed at once. */
  readonly connections: number
  /** Sessions of one connection. */
  readonly sessions: number
  /** Tree connects of one session. */
  readonly trees: number
  /** Open files of one session. */
  readonly opens: number
  /** Open files of all sessions, those included that wait for their clients to come back. */
  readonly serverOpens: number
  /** Requests of one connection that wait: locks, notifications, opens that wait for a break. */
  readonly pending: number
  /** Credits of one connection (MS-SMB2 3.3.1.1). */
  readonly credits: number
  /** Bytes of one READ, WRITE or other transfer, at least 65,536. */
  readonly transfer: number
  /** Logons that may fail on one connection. */
  readonly logonAttempts: number
  /** How long a connection may stay without a logon. */
  readonly logonTime: Duration.Input
  /** How long a connection may be silent before the system asks whether its client is there still (TCP keep-alive). */
  readonly keepAlive: Duration.Input
  /** How long a client that has nothing open may say nothing; then its connection is ended, and it connects again. */
  readonly idleTime: Duration.Input
  /** How long the owner of an oplock or a lease may take to acknowledge a break. */
  readonly breakTime: Duration.Input
  /** How long a durable open outlives its connection, at most. */
  readonly durableTime: Duration.Input
  /** Durable opens of all clients that wait for them to come back; what is lost beyond is closed. */
  readonly durables: number
  /** How long a call of a store may take; then the client gets STATUS_IO_TIMEOUT, and the call is interrupted. */
  readonly storeTime: Duration.Input
  /** How long a server that stops may take to close files. */
  readonly stopTime: Duration.Input
  /** Byte-range locks of one open. */
  readonly locks: number
  /** Byte-range locks of one file, or of one of its streams: each is looked at for every READ, WRITE and LOCK there. */
  readonly fileLocks: number
  /** Byte-range locks of all opens. */
  readonly serverLocks: number
  /** Lock requests that wait for ranges of one file. */
  readonly waitingLocks: number
  /** Open directories of one session that are watched. */
  readonly watches: number
  /** Open directories of all sessions that are watched. */
  readonly serverWatches: number
  /** Bytes of changes that are kept for all of them; who misses more is told to list their directory again. */
  readonly serverNotifications: number
  /** Bytes of changes that are kept for an open directory until its client asks; with more, it is told to list it anew. */
  readonly notifications: number
  /** Bytes that wait in a socket before no more of its requests are read. */
  readonly unsent: number
}

/** What holds where `limits` says nothing. */
export const defaults: Limits = {
  connections: 1024,
  sessions: 256,
  trees: 1024,
  opens: 16_384,
  serverOpens: 131_072,
  pending: 512,
  credits: 8192,
  transfer: 1024 * 1024 * 8,
  logonAttempts: 8,
  logonTime: "45 seconds",
  keepAlive: "1 minute",
  idleTime: "15 minutes",
  breakTime: "35 seconds",
  durableTime: "5 minutes",
  durables: 16_384,
  storeTime: "1 minute",
  stopTime: "5 seconds",
  locks: 4096,
  fileLocks: 8192,
  serverLocks: 1_048_576,
  waitingLocks: 512,
  watches: 1024,
  serverWatches: 16_384,
  serverNotifications: 64 * 1024 * 1024,
  notifications: 64 * 1024,
  unsent: 32 * 1024 * 1024
}

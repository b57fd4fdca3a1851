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
  /** Connections by which somebody has logged on, at one time. While there are so many, further ones are closed at once. */
  readonly connections: number
  /**
   * Those of them that come from one address: of IPv4 a whole one, of IPv6 the first 64 bits. Behind a proxy, or a router
   * that translates addresses, all clients have one.
   */
  readonly addressConnections: number
  /** Those of them by which one user logged on first. Guests and callers without a name count as one for each address. */
  readonly userConnections: number
  /**
   * Connections by which nobody has logged on yet, beside the others. With one more the oldest gives way, of the address
   * that has the most.
   */
  readonly unauthenticatedConnections: number
  /** Sessions of one connection. By one that nobody has logged on by, `logonAttempts` logons are under way at most. */
  readonly sessions: number
  /** Tree connects of one session. */
  readonly trees: number
  /** Sessions of one user. */
  readonly userSessions: number
  /** Open files and pipes of one session. */
  readonly opens: number
  /** Open files and pipes of all sessions, those files included that wait for their clients to come back. */
  readonly serverOpens: number
  /** Those of one user. */
  readonly userOpens: number
  /** Requests of one connection that wait: locks, notifications, opens that wait for a break. */
  readonly pending: number
  /** Credits of one connection (MS-SMB2 3.3.1.1). */
  readonly credits: number
  /** Bytes of one READ, WRITE or other transfer, at least 65,536. */
  readonly transfer: number
  /** Logons that may fail on one connection. */
  readonly logonAttempts: number
  /**
   * Logons of one user name that may be refused from one address in a row; then the next one waits for its turn, 250
   * milliseconds after the last, and twice as long after each further refusal, up to `logonDelay`.
   */
  readonly refusedLogons: number
  /** Logons of whatever names that may be refused from one address; then the next one waits, up to one second. */
  readonly addressRefusedLogons: number
  /** How long a logon waits for its turn at most; one whose turn does not come by then is refused without a look at it. */
  readonly logonDelay: Duration.Input
  /** How long a refused logon is remembered. */
  readonly refusalTime: Duration.Input
  /** Addresses, and user names with an address, whose logons are remembered; with more, the oldest is forgotten. */
  readonly refusalEntries: number
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
  /** Those of one user. */
  readonly userDurables: number
  /** How long a call of a store may take; then the client gets STATUS_IO_TIMEOUT, and the call is interrupted. */
  readonly storeTime: Duration.Input
  /** How long a server that stops may take to close files. */
  readonly stopTime: Duration.Input
  /** Byte-range locks of one open, those included that it waits for, as in the limits that follow. */
  readonly locks: number
  /** Byte-range locks of one file, or of one of its streams: each is looked at for every READ, WRITE and LOCK there. */
  readonly fileLocks: number
  /** Byte-range locks of all opens. */
  readonly serverLocks: number
  /** Those of one user. */
  readonly userLocks: number
  /** Lock requests that wait for ranges of one file. */
  readonly waitingLocks: number
  /** Open directories of one session that are watched. */
  readonly watches: number
  /** Open directories of all sessions that are watched. */
  readonly serverWatches: number
  /** Those of one user. */
  readonly userWatches: number
  /** Bytes of changes that are kept for all of them; who misses more is told to list their directory again. */
  readonly serverNotifications: number
  /** Those for the directories of one user. */
  readonly userNotifications: number
  /** Bytes of changes that are kept for an open directory until its client asks; with more, it is told to list it anew. */
  readonly notifications: number
  /** Bytes that wait in a socket before no more of its requests are read; of who has not logged on, 128 KiB at most. */
  readonly unsent: number
}

/** What holds where `limits` says nothing. */
export const defaults: Limits = {
  connections: 1024,
  addressConnections: 768,
  userConnections: 512,
  unauthenticatedConnections: 256,
  sessions: 256,
  userSessions: 2048,
  trees: 1024,
  opens: 16_384,
  serverOpens: 131_072,
  userOpens: 65_536,
  pending: 512,
  credits: 8192,
  transfer: 1024 * 1024 * 8,
  logonAttempts: 8,
  refusedLogons: 3,
  addressRefusedLogons: 32,
  logonDelay: "8 seconds",
  refusalTime: "15 minutes",
  refusalEntries: 16_384,
  logonTime: "45 seconds",
  keepAlive: "1 minute",
  idleTime: "15 minutes",
  breakTime: "35 seconds",
  durableTime: "5 minutes",
  durables: 16_384,
  userDurables: 8192,
  storeTime: "1 minute",
  stopTime: "5 seconds",
  locks: 4096,
  fileLocks: 8192,
  serverLocks: 1_048_576,
  userLocks: 524_288,
  waitingLocks: 512,
  watches: 1024,
  serverWatches: 16_384,
  userWatches: 8192,
  serverNotifications: 64 * 1024 * 1024,
  userNotifications: 32 * 1024 * 1024,
  notifications: 64 * 1024,
  unsent: 32 * 1024 * 1024
}

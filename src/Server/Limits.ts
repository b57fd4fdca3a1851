/**
 * The limits of a server. No client can make it hold or do more than these allow.
 */
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Arguments from "../Protocol/Arguments.ts"
import type { Given } from "../Protocol/Defaults.ts"
import * as Environment from "../Protocol/Environment.ts"

/**
 * The limits of a server. A value that cannot be used, such as NaN or a fraction, is a defect when the server starts, an
 * `ArgumentError`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  /** Connections with a logon, at one time. While the server has this many, it closes further connections at once. */
  readonly connections: number
  /**
   * The same from one address: a whole IPv4 address, or the first 64 bits of an IPv6 address. Behind a proxy, or a
   * router that translates addresses, all clients share one address.
   */
  readonly addressConnections: number
  /**
   * The same for the user that logged on first. Guests and callers without a name count as one user for each address.
   */
  readonly userConnections: number
  /**
   * Connections without a logon yet, in addition to those above. With one more, the server closes the oldest connection
   * of the address that has the most of them.
   */
  readonly unauthenticatedConnections: number
  /** Sessions of one connection. Before its first logon, at most `logonAttempts` logons are under way. */
  readonly sessions: number
  /** Tree connects of one session. */
  readonly trees: number
  /** Sessions of one user. */
  readonly userSessions: number
  /** Open files and pipes of one session. */
  readonly opens: number
  /** Open files and pipes of all sessions, including files that wait for their clients to reconnect. */
  readonly serverOpens: number
  /** The same for one user. */
  readonly userOpens: number
  /**
   * Requests of one connection that wait: locks, notifications, opens that wait for a break. With more, a request that
   * would wait is refused. The default is the number of Windows.
   */
  readonly pending: number
  /** Credits of one connection (MS-SMB2 3.3.1.1). */
  readonly credits: number
  /** Bytes of one READ, WRITE or other transfer, at least 65,536. */
  readonly transfer: number
  /** Logons that may fail on one connection. */
  readonly logonAttempts: number
  /**
   * Logons of one user name that may be refused from one address in a row without a delay. The next one waits until 250
   * milliseconds after the last, and twice as long after each further refusal, up to `logonDelay`.
   */
  readonly refusedLogons: number
  /** Logons of any names that may be refused from one address without a delay. The next one waits, up to one second. */
  readonly addressRefusedLogons: number
  /** How long a logon waits for its turn at most. A logon that would wait longer is refused without being checked. */
  readonly logonDelay: Duration.Input
  /** How long a refused logon is remembered. */
  readonly refusalTime: Duration.Input
  /**
   * Addresses, and user names with an address, whose refused logons are remembered; with more, the oldest is forgotten.
   */
  readonly refusalEntries: number
  /** How long a connection may stay without a logon. */
  readonly logonTime: Duration.Input
  /**
   * How long a session lasts before its user must authenticate again (STATUS_NETWORK_SESSION_EXPIRED, MS-SMB2
   * 3.3.5.2.9). Its files stay open. A session by Kerberos lasts no longer than its ticket.
   */
  readonly sessionTime: Duration.Input
  /** How long a connection may be silent before the system checks whether its client still exists (TCP keep-alive). */
  readonly keepAlive: Duration.Input
  /** How long a client without open files may send nothing; then the server closes its connection. It can reconnect. */
  readonly idleTime: Duration.Input
  /** How long the owner of an oplock or a lease may take to acknowledge a break. */
  readonly breakTime: Duration.Input
  /** How long a durable open outlives its connection, at most. */
  readonly durableTime: Duration.Input
  /**
   * How long a persistent open outlives its connection, or its server, at most. During that time it keeps other clients
   * from the file. After a restart the time begins with the new server.
   */
  readonly persistentTime: Duration.Input
  /**
   * How long a resilient open outlives its connection, at most (MaxResiliencyTimeout, MS-SMB2 3.3.5.15.9). During that
   * time it keeps other clients from the file. A client that asks for more is refused.
   */
  readonly resilientTime: Duration.Input
  /**
   * Durable and resilient opens of all clients that wait for their clients to reconnect. Further opens are closed with their
   * connection. Also the number of persistent opens, waiting or not: no further open becomes persistent.
   */
  readonly durables: number
  /** The same for one user. */
  readonly userDurables: number
  /**
   * How long a call of a store may take; then the client gets STATUS_IO_TIMEOUT, and the call is interrupted. Also how
   * long the user store may take to find a user; then the client gets STATUS_NO_LOGON_SERVERS.
   */
  readonly storeTime: Duration.Input
  /** How long a stopping server may take to close files. */
  readonly stopTime: Duration.Input
  /** Byte-range locks of one open. This limit and the following ones include the locks that it waits for. */
  readonly locks: number
  /** Byte-range locks of one file, or of one of its streams: every READ, WRITE and LOCK there checks each of them. */
  readonly fileLocks: number
  /** Byte-range locks of all opens. */
  readonly serverLocks: number
  /** The same for one user. */
  readonly userLocks: number
  /** Lock requests that wait for ranges of one file. */
  readonly waitingLocks: number
  /** Watched open directories of one session. */
  readonly watches: number
  /** Watched open directories of all sessions. */
  readonly serverWatches: number
  /** The same for one user. */
  readonly userWatches: number
  /**
   * Bytes of changes that are kept for all of them. A client that misses changes is told to list the directory again.
   */
  readonly serverNotifications: number
  /** The same for the directories of one user. */
  readonly userNotifications: number
  /** The same for one open directory, until its client asks. With more, the client is told to list it again. */
  readonly notifications: number
  /** Unsent bytes of one connection; with more, its requests are not read. Before its first logon, at most 128 KiB. */
  readonly unsent: number
}

/**
 * The default of each limit.
 *
 * @since 0.1.0
 */
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
  pending: 511,
  credits: 8192,
  transfer: 1024 * 1024 * 8,
  logonAttempts: 8,
  refusedLogons: 3,
  addressRefusedLogons: 32,
  logonDelay: "8 seconds",
  refusalTime: "15 minutes",
  refusalEntries: 16_384,
  logonTime: "45 seconds",
  sessionTime: "365 days",
  keepAlive: "1 minute",
  idleTime: "15 minutes",
  breakTime: "35 seconds",
  durableTime: "5 minutes",
  persistentTime: "5 minutes",
  resilientTime: "5 minutes",
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

/**
 * The smallest value of a limit that is a number: a client needs 64 KiB for one transfer (MS-SMB2 3.3.5.4), and a limit
 * of 0 would let no client in.
 *
 * @since 0.2.0
 */
export const least = (name: keyof Limits): number => name === "transfer" ? 65_536 : 1

/**
 * The largest value of a limit that is a number. The length of a packet has 24 bits, and a transfer needs room for its
 * header (MS-SMB2 2.1).
 *
 * @since 0.2.0
 */
export const most = (name: keyof Limits): number => name === "transfer" ? 0xff_0000 : Number.MAX_SAFE_INTEGER

/**
 * What the values of limits have to be. A program may set a limit that is a number to `Infinity`, except for `transfer`.
 *
 * @since 0.2.0
 */
export const rules = (limits: Given<Limits>): Arguments.Given =>
  Object.fromEntries(
    (Object.keys(defaults) as Array<keyof Limits>).map((name) => [
      `limits.${name}`,
      [
        typeof defaults[name] !== "number"
          ? Arguments.duration
          : name === "transfer"
          ? Arguments.integer(least(name), most(name), "a whole number of bytes")
          : Arguments.count(0),
        limits[name]
      ]
    ])
  )

/**
 * The variable of a limit in the configuration: `SMB_SERVER_LIMIT_`, and the limit's name in capitals with `_` between
 * its words. `userOpens` is SMB_SERVER_LIMIT_USER_OPENS.
 *
 * @category config
 * @since 0.2.0
 */
export const variable = (name: keyof Limits): string =>
  `SMB_SERVER_LIMIT_${name.replace(/[A-Z]/g, "_$&").toUpperCase()}`

/**
 * Limits from the configuration, each by its `variable`: numbers without a fraction, and times with a unit, such as
 * `30 seconds`. A limit that the configuration does not have is `undefined`.
 *
 * @category config
 * @since 0.2.0
 */
export const config: Config.Config<Given<Limits>> = Config.all(
  Object.fromEntries(
    (Object.keys(defaults) as Array<keyof Limits>).map((name) => [
      name,
      typeof defaults[name] === "number"
        ? Environment.integer(variable(name), least(name), most(name))
        : Environment.positiveTime(variable(name))
    ])
  )
) as Config.Config<Given<Limits>>

/**
 * What a test tells the peers of `TestTransport`: files, users, security, faults and scripts, all as data.
 *
 * Types and small constructors only; `internal/` uses them.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as NtStatus from "../Codec/NtStatus.ts"
import type * as Namespace from "../Dfs/Namespace.ts"
import type * as Header from "../Smb2/Header.ts"
import type { Cipher, SigningAlgorithm } from "../Smb2/Message/Constants.ts"
import type * as Message from "../Smb2/Message/Message.ts"
import type { Smb2Dialect } from "../Smb2/Settings.ts"

/**
 * A symbolic link in a tree of files: the peer stops at it and names its target, as Windows does.
 *
 * @since 0.1.0
 */
export class Link {
  readonly target: string
  constructor(target: string) {
    this.target = target
  }
}

/**
 * A symbolic link to another path: relative to the link's directory (`..\other`), or absolute (`\\server\share\path`).
 *
 * @category constructors
 * @since 0.1.0
 */
export const link = (target: string): Link => new Link(target)

/**
 * What a name in a tree means: a file's text (UTF-8) or bytes, a link, or a directory.
 *
 * @since 0.1.0
 */
export type Content = string | Uint8Array | Link | Files

/**
 * A directory: its names and their contents.
 *
 * @since 0.1.0
 */
export interface Files {
  readonly [name: string]: Content
}

/**
 * A server's response to a referral request: targets in order, or an NTSTATUS, or any bytes as hexadecimal text. A path
 * with two components is a root, a longer one a link.
 *
 * @since 0.1.0
 */
export type Referral =
  | {
    readonly targets: ReadonlyArray<string>
    /** How long the client can keep the referral, in whole seconds on the wire. Default: 5 minutes. */
    readonly timeToLive?: Duration.Input | undefined
    /** 2 to 4, and never more than the client asked for. Default: 4. */
    readonly version?: 2 | 3 | 4 | undefined
    /** Indexes of the targets that begin a new set (version 4). */
    readonly boundaries?: ReadonlyArray<number> | undefined
    /** ReferralHeaderFlags instead of the usual ones. */
    readonly flags?: number | undefined
  }
  | { readonly status: NtStatus.Name }
  | { readonly hex: string }

/**
 * A request as the peer received it.
 *
 * @since 0.1.0
 */
export interface Received {
  readonly command: Message.CommandName
  readonly header: Header.Header
  /** The body, typed by the command. Its bytes are the peer's own. */
  readonly request: Message.Request
  /** Header and body as received, decrypted. */
  readonly packet: Uint8Array
  readonly signed: boolean
  readonly encrypted: boolean
}

/**
 * A response. An absent field is as in the peer's usual response: `{ delay: "5 seconds" }` is the usual response, late,
 * and `{ status: "STATUS_ACCESS_DENIED" }` is a refusal.
 *
 * @since 0.1.0
 */
export interface Answer {
  readonly status?: NtStatus.Name | number | undefined
  /** A whole body, encoded by the definitions that the client decodes with. */
  readonly response?: Message.Response | undefined
  /** A whole body as bytes. */
  readonly body?: Uint8Array | undefined
  /** The content of the frame, in place of header and body. */
  readonly packet?: Uint8Array | undefined
  /** Fields of the header. */
  readonly header?: Partial<Header.Header> | undefined
  readonly credits?: number | undefined
  /** Waits by Effect's Clock. The peer answers other requests while it waits. */
  readonly delay?: Duration.Input | undefined
  /** First an interim STATUS_PENDING at once, then, after `delay`, the final response. A CANCEL ends the wait. */
  readonly pending?: boolean | undefined
  /** A CANCEL does not end the wait: the response comes nevertheless, as from a server that can no longer cancel. */
  readonly uncancellable?: boolean | undefined
  readonly signature?: "wrong" | "none" | undefined
  /** Changes the packet on its way, after it was signed. */
  readonly tamper?: ((packet: Uint8Array) => Uint8Array) | undefined
  /** Sends this number of bytes of the response, with its frame's four, and closes the connection. */
  readonly cutAfter?: number | undefined
}

/**
 * What happens to a request: a response, or `drop` (the peer closes the connection), `silence` (it never responds) or
 * `garbage` (it sends bytes that are no SMB).
 *
 * @since 0.1.0
 */
export type Reaction = Answer | "drop" | "silence" | "garbage"

/**
 * A condition under which the peer does something else than its usual response.
 *
 * @since 0.1.0
 */
export interface Fault {
  /** The command. Default: any. */
  readonly on?: Message.CommandName | undefined
  readonly when?: ((received: Received) => boolean) | undefined
  /** Number of matching requests that get the usual response first. Default: 0. Counted over all connections. */
  readonly skip?: number | undefined
  /** How often it happens. Default: always. */
  readonly times?: number | undefined
  readonly is: Reaction | ((received: Received) => Reaction)
}

/**
 * The next request that a script expects, and the reaction to it. Default of `is`: the peer's usual response.
 *
 * @since 0.1.0
 */
export interface Step {
  /** The command. Default: any. */
  readonly on?: Message.CommandName | undefined
  /** A further condition on the request, for instance `(r) => r.header.treeId === 1`. */
  readonly when?: ((received: Received) => boolean) | undefined
  /** Accepts all following requests of the command too, such as the legs of a logon. */
  readonly repeated?: boolean | undefined
  readonly is?: Reaction | ((received: Received) => Reaction) | undefined
}

/**
 * A server in memory.
 *
 * @since 0.1.0
 */
export interface ServerOptions {
  /** Shares by name. IPC$ always exists. */
  readonly shares?: { readonly [share: string]: Files } | undefined
  /** The user that can log on. Default: `user`, unless `users` is set. */
  readonly user?: string | undefined
  /** Default: `password`. */
  readonly password?: string | Redacted.Redacted<string> | undefined
  /** Further users and their passwords. */
  readonly users?: { readonly [user: string]: string | Redacted.Redacted<string> } | undefined
  /** Unknown users log on as a guest. */
  readonly guest?: boolean | undefined
  /** Accepts anonymous logons. */
  readonly anonymous?: boolean | undefined
  /** The newest dialect of the server. Default: 3.1.1. */
  readonly dialect?: Smb2Dialect | undefined
  /** Its ciphers. Default: all. */
  readonly ciphers?: ReadonlyArray<keyof typeof Cipher> | undefined
  /** Its signing algorithms (3.1.1). Default: all. */
  readonly signingAlgorithms?: ReadonlyArray<keyof typeof SigningAlgorithm> | undefined
  /** Requires signing. */
  readonly signing?: "required" | undefined
  /** Requires encryption of every session, or of some shares. */
  readonly encryption?: "required" | { readonly shares: ReadonlyArray<string> } | undefined
  /** Credits in each response. Default: the number that the client asks for. */
  readonly credits?: number | undefined
  /** The largest READ, WRITE and other response in bytes. Default: 1 MiB. */
  readonly maximumTransfer?: number | undefined
  /** Referrals by path: `\\server\share` for a root, `\\server\share\link` for a link. */
  readonly referrals?: { readonly [path: string]: Referral } | undefined
  /**
   * The namespaces that it hosts, instead of `referrals`: it responds as a server of these namespaces does, with all
   * versions, sites and domains. A function is called for each request.
   */
  readonly namespace?: Namespace.Namespace | (() => Namespace.Namespace) | undefined
  /** Faults; the first one that matches is used. */
  readonly faults?: ReadonlyArray<Fault> | undefined
  /** The exact requests of a connection, in order. Any other request, or one after the last, ends the connection. */
  readonly script?: ReadonlyArray<Step> | undefined
}

/**
 * The requests to the peers, for assertions.
 *
 * @since 0.1.0
 */
export interface Logged {
  readonly server: string
  /** Counts the connections of all servers from 1. */
  readonly connection: number
  readonly command: Message.CommandName
  readonly header: Header.Header
  readonly request: Message.Request
  readonly signed: boolean
  readonly encrypted: boolean
}

/**
 * A table of hosts: for each, a server, or `down` for one that refuses connections.
 *
 * @since 0.1.0
 */
export type Hosts = { readonly [host: string]: ServerOptions | "down" }

/**
 * The test's view of the servers: their requests, their files, and their switches. Hosts are named as in `Hosts`.
 *
 * @since 0.1.0
 */
export interface Servers {
  /** Every request so far, over all connections, in the order of arrival. */
  readonly requests: Effect.Effect<ReadonlyArray<Logged>>
  /** The commands of `requests`. */
  readonly commands: Effect.Effect<ReadonlyArray<Message.CommandName>>
  /** Connections that are open now. */
  readonly connections: (host?: string) => Effect.Effect<number>
  /** How many connections were made in total. */
  readonly connected: Effect.Effect<number>
  /** The current bytes of a file; `undefined` if it does not exist. */
  readonly read: (host: string, share: string, path: string) => Effect.Effect<Uint8Array | undefined>
  /** Ends all connections of a host. */
  readonly drop: (host: string) => Effect.Effect<void>
  /** Ends all connections of a host, and refuses new ones until `up`. */
  readonly down: (host: string) => Effect.Effect<void>
  readonly up: (host: string) => Effect.Effect<void>
  /** Sends every client of a host an unsolicited message: an OPLOCK_BREAK. */
  readonly notify: (host: string, response: Message.Response) => Effect.Effect<void>
}

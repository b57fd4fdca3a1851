/**
 * What the peers of `TestTransport` are told: files, users, security, faults and scripts, all as data.
 *
 * Types and small constructors only; what is done with them stands in `internal/`.
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

/** A symbolic link in a tree of files: the peer stops at it and names its target, as Windows does. */
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
 */
export const link = (target: string): Link => new Link(target)

/** What a name in a tree stands for: a file's text (UTF-8) or bytes, a link, or a directory. */
export type Content = string | Uint8Array | Link | Files

/** A directory: names and what they stand for. */
export interface Files {
  readonly [name: string]: Content
}

/**
 * What a server answers to a request for a referral: targets in order, or an NTSTATUS, or any bytes at all as hexadecimal
 * text. A path with two components is a root, a longer one a link.
 */
export type Referral =
  | {
    readonly targets: ReadonlyArray<string>
    /** Seconds that the referral may be kept; 300 where left out. */
    readonly ttl?: number
    /** 2 to 4; 4 where left out, and never more than was asked for. */
    readonly version?: 2 | 3 | 4
    /** Which targets, by place, begin a set of their own (version 4). */
    readonly boundaries?: ReadonlyArray<number>
    /** ReferralHeaderFlags instead of the usual ones. */
    readonly flags?: number
  }
  | { readonly status: NtStatus.Name }
  | { readonly hex: string }

/** A request as the peer received it. */
export interface Received {
  readonly command: Message.CommandName
  readonly header: Header.Header
  /** The body, typed by the command. Its bytes are the peer's own. */
  readonly request: Message.Request
  /** Header and body as they came, decrypted. */
  readonly packet: Uint8Array
  readonly signed: boolean
  readonly encrypted: boolean
}

/**
 * What to answer. What is left out is as the peer would have answered by itself, so `{ delay: "5 seconds" }` is the usual
 * answer, late, and `{ status: "STATUS_ACCESS_DENIED" }` a refusal.
 */
export interface Answer {
  readonly status?: NtStatus.Name | number
  /** A whole body, encoded by the same definitions that the client decodes with. */
  readonly response?: Message.Response
  /** A whole body as bytes. */
  readonly body?: Uint8Array
  /** Instead of header and body: what stands in the frame. */
  readonly packet?: Uint8Array
  /** Fields of the header. */
  readonly header?: Partial<Header.Header>
  readonly credits?: number
  /** Waits by Effect's Clock. Other requests are answered meanwhile. */
  readonly delay?: Duration.Input
  /** First an interim STATUS_PENDING at once, then, after `delay`, the answer. A CANCEL ends the wait. */
  readonly pending?: boolean
  /** A CANCEL does not end the wait: the answer comes all the same, as from a server that had gone too far. */
  readonly uncancellable?: boolean
  readonly signature?: "wrong" | "none"
  /** Changes the packet on its way, after it was signed. */
  readonly tamper?: (packet: Uint8Array) => Uint8Array
  /** Sends so many bytes of the answer, its frame's four included, and hangs up. */
  readonly cutAfter?: number
}

/**
 * What happens to a request: an answer, or `drop` (the peer hangs up), `silence` (it never answers) or `garbage` (it
 * sends bytes that are no SMB).
 */
export type Reaction = Answer | "drop" | "silence" | "garbage"

/** When something else happens than the peer's own answer. */
export interface Fault {
  /** The command; any where left out. */
  readonly on?: Message.CommandName
  readonly when?: (received: Received) => boolean
  /** Lets so many pass that would fit; none where left out. Counted over all connections. */
  readonly skip?: number
  /** Happens so often; always where left out. */
  readonly times?: number
  readonly is: Reaction | ((received: Received) => Reaction)
}

/** The next request that a script expects, and what it answers: as the peer would by itself, where `is` is left out. */
export interface Step {
  /** The command; any where left out. */
  readonly on?: Message.CommandName
  /** What else the request must be, for instance `(r) => r.header.treeId === 1`. */
  readonly when?: (received: Received) => boolean
  /** Takes every following request of the command too, as the legs of a logon. */
  readonly repeated?: boolean
  readonly is?: Reaction | ((received: Received) => Reaction)
}

/** A server in memory. */
export interface ServerOptions {
  /** Shares by name. IPC$ is always there. */
  readonly shares?: { readonly [share: string]: Files }
  /** Who may log on; `user` where neither this nor `users` says. */
  readonly user?: string
  /** `password` where left out. */
  readonly password?: string | Redacted.Redacted<string>
  /** Further users and their passwords. */
  readonly users?: { readonly [user: string]: string | Redacted.Redacted<string> }
  /** Takes whoever it does not know for a guest. */
  readonly guest?: boolean
  /** Lets nobody in particular in. */
  readonly anonymous?: boolean
  /** The newest dialect that it speaks; 3.1.1 where left out. */
  readonly dialect?: Smb2Dialect
  /** What it can encrypt with; all where left out. */
  readonly ciphers?: ReadonlyArray<keyof typeof Cipher>
  /** What it can sign with (3.1.1); all where left out. */
  readonly signingAlgorithms?: ReadonlyArray<keyof typeof SigningAlgorithm>
  /** Demands signatures. */
  readonly signing?: "required"
  /** Demands encryption: of every session, or of some shares. */
  readonly encryption?: "required" | { readonly shares: ReadonlyArray<string> }
  /** Credits in each answer; what was asked for where left out. */
  readonly credits?: number
  /** The largest READ, WRITE and other answer in bytes; 1 MiB where left out. */
  readonly maximumTransfer?: number
  /** Referrals by path: `\\server\share` for a root, `\\server\share\link` for a link. */
  readonly referrals?: { readonly [path: string]: Referral }
  /**
   * The namespaces that it hosts, instead of `referrals`: answered as a server of theirs does, with all versions, sites
   * and domains. A function is asked with each request.
   */
  readonly namespace?: Namespace.Namespace | (() => Namespace.Namespace)
  /** What goes wrong; the first that fits. */
  readonly faults?: ReadonlyArray<Fault>
  /** The exact requests of a connection, in order. Another request, or one more, ends the connection. */
  readonly script?: ReadonlyArray<Step>
}

/** What the peers have been asked, for assertions. */
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

/** What stands in a table of hosts: a server, or `down` for one that refuses connections. */
export type Hosts = { readonly [host: string]: ServerOptions | "down" }

/** The servers from behind: what they were asked, what they hold, and their switches. Hosts are named as in `Hosts`. */
export interface Servers {
  /** Every request so far, over all connections, in the order in which they came. */
  readonly requests: Effect.Effect<ReadonlyArray<Logged>>
  /** The commands of `requests`. */
  readonly commands: Effect.Effect<ReadonlyArray<Message.CommandName>>
  /** Connections that are open now. */
  readonly connections: (host?: string) => Effect.Effect<number>
  /** How many connections have ever been made. */
  readonly connected: Effect.Effect<number>
  /** The bytes of a file as they are now; `undefined` where there is no such file. */
  readonly read: (host: string, share: string, path: string) => Effect.Effect<Uint8Array | undefined>
  /** Ends all connections of a host. */
  readonly drop: (host: string) => Effect.Effect<void>
  /** Ends all connections of a host, and refuses new ones until `up`. */
  readonly down: (host: string) => Effect.Effect<void>
  readonly up: (host: string) => Effect.Effect<void>
  /** Sends every client of a host an unsolicited message: an OPLOCK_BREAK. */
  readonly notify: (host: string, response: Message.Response) => Effect.Effect<void>
}

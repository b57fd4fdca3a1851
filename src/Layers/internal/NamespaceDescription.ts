/**
 * A world of `TestNamespace` as its tests describe it, and what happens in it.
 */
import type * as Duration from "effect/Duration"
import type * as NtStatus from "../../Codec/NtStatus.ts"
import type * as Namespace from "../../Dfs/Namespace.ts"
import type * as Message from "../../Smb2/Message/Message.ts"
import type { Content, Files, Reaction, ServerOptions } from "../TestServer.ts"

/**
 * In the order in which clients try them: paths, or `{ path, set, site, state }`. Sets of version 4 referrals
 * (TargetSetBoundary) are told apart by `set`; a client that says its `site` gets the targets there first. With none the
 * answer is STATUS_DFS_UNAVAILABLE.
 *
 * @category models
 */
export type Targets = ReadonlyArray<string | Namespace.Target>

/**
 * Where a root or a link leads.
 *
 * @category models
 */
export interface Folder {
  /** Of a root, where left out: where it is asked for, on the server or on the controllers of the domain. */
  readonly targets?: Targets
  /** For how long clients keep the referral: 5 minutes for a root and half an hour for a link where left out. */
  readonly ttl?: Duration.Input
  /** Clients go back to an earlier set when it answers again (version 4). */
  readonly targetFailback?: boolean
  /** Of a link: it leads into another namespace. */
  readonly interlink?: boolean
  /** Of a root: the highest version of its referrals; 4 where left out, and 3 as with Samba. */
  readonly maxReferralLevel?: 1 | 2 | 3 | 4
}

/**
 * A domain: its controllers answer for its names, its namespaces, SYSVOL and NETLOGON. The client finds them as by DNS.
 * Where the domain has a `netbiosName`, they go by their short names as well: `DC1` is `dc1.corp.test`.
 *
 * @category models
 */
export interface Domain {
  readonly netbiosName?: string
  /** Names of servers, best first. */
  readonly controllers: ReadonlyArray<string>
  /** For how long clients keep what they are told about the domain; 10 minutes where left out. */
  readonly ttl?: Duration.Input
  /** What lies in the SYSVOL of each controller. */
  readonly sysvol?: Files
  /** What lies in the NETLOGON of each controller. */
  readonly netlogon?: Files
}

/**
 * How a server is, apart from what it holds: dialect, signing, encryption, limits, users of its own.
 *
 * @category models
 */
export interface Server extends Omit<ServerOptions, "shares" | "referrals" | "namespace" | "faults" | "script"> {
  /** Whether it answers referral requests though it has no part in a namespace, as smbd does. */
  readonly dfs?: boolean
  /** Whether it knows the EX control code; true where left out. smbd does not. */
  readonly ex?: boolean
}

/** What can happen to a server. */
export type ServerFault =
  & { readonly server: string }
  & (
    | {
      /**
       * `down`: connections end, and new ones are refused. `unreachable`: nothing comes through, and a connect is given up
       * after `connectTimeout`. `hangs`: it accepts connections and never answers. `garbage`: it answers bytes that are no
       * SMB. `drops`: connections end, and new ones are welcome. `up`: all is well again, whatever had been before.
       */
      readonly is: "down" | "unreachable" | "hangs" | "garbage" | "drops" | "up"
    }
    /** Each answer takes so long. */
    | { readonly is: "slow"; readonly by: Duration.Input }
    /** Answers a command (everything, where left out) by a status, always or so many times. */
    | {
      readonly is: "refuses"
      readonly status: NtStatus.Name
      readonly command?: Message.CommandName
      readonly times?: number
    }
    /** Answers a command in any other way that `TestServer` knows. */
    | {
      readonly is: "answers"
      readonly with: Reaction
      readonly command?: Message.CommandName
      readonly times?: number
    }
  )

/** What can happen to a root or a link. */
export type FolderFault =
  & { readonly path: string }
  & (
    /** It is gone, or as described again. */
    | { readonly is: "withdrawn" | "restored" }
    /** It leads somewhere else. */
    | { readonly is: "changed"; readonly to: Folder | Targets }
    /** Referrals for it make no sense: these bytes, in hexadecimal, or half an entry. */
    | { readonly is: "malformed"; readonly hex?: string }
  )

/**
 * What goes wrong, and when: some time after the layer was built, or after so many requests; at once where neither is
 * said. What has begun lasts until the server is `up`, or the folder `restored`.
 *
 * @category models
 */
export type Fault =
  & {
    readonly at?: Duration.Input
    /**
     * After so many requests to the server, or referral requests for the folder; they are still answered as before, and
     * whatever comes next is not.
     */
    readonly after?: number
    /** Of `after`: counts only this command. */
    readonly on?: Message.CommandName
  }
  & (ServerFault | FolderFault)

/**
 * A world. Keys that begin with `\\` are folders of namespaces: `\\server\root`, `\\domain\root`, and links below them.
 * Servers and shares that targets name, those of later changes included, exist without being listed.
 *
 * @category models
 */
export interface Description {
  readonly [path: `\\\\${string}`]: Folder | Targets
  /** What the shares hold, by path: `\\server\share` with a directory, or `\\server\share\name` with a file. */
  readonly files?: { readonly [path: string]: Content }
  readonly servers?: { readonly [server: string]: Server }
  readonly domains?: { readonly [domain: string]: Domain }
  readonly faults?: ReadonlyArray<Fault>
  /** Who may log on, and who does; `user` with `password` where left out. */
  readonly account?: { readonly user: string; readonly password: string }
  /** How long a connect waits for a server that is unreachable; 10 seconds where left out, as over TCP. */
  readonly connectTimeout?: Duration.Input
  /** Where random bytes come of; always the same where left out. */
  readonly seed?: string
}

/**
 * Something that happened.
 *
 * @category models
 */
export interface Event {
  /** Milliseconds since the layer was built. */
  readonly at: number
  readonly what: "connect" | "request" | "answer" | "close" | "fault"
  readonly server: string
  /** Counts the connections of all servers from 1; absent where none came of a connect. */
  readonly connection?: number
  /** The SMB command; for referral requests `REFERRAL` and `REFERRAL_EX`. */
  readonly command?: string
  readonly path?: string
  /** The NTSTATUS of an answer; or why a connect has failed, `Interrupted` where the client gave it up. */
  readonly status?: string
  readonly detail?: string
}

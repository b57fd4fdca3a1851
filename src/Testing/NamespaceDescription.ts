/**
 * A world of `TestNamespace` as its tests describe it, and its events.
 */
import type * as Duration from "effect/Duration"
import type * as NtStatus from "../Codec/NtStatus.ts"
import type * as Namespace from "../Dfs/Namespace.ts"
import type * as Message from "../Smb2/Message/Message.ts"
import type { Content, Files, Reaction, ServerOptions } from "./TestServer.ts"

/**
 * Targets in the order in which clients try them: paths, or `{ path, set, site, state }`. `set` divides them into the
 * sets of version 4 referrals (TargetSetBoundary); a client that sends its `site` gets the targets of that site first.
 * Without targets the response is STATUS_DFS_UNAVAILABLE.
 *
 * @category models
 * @since 0.2.0
 */
export type Targets = ReadonlyArray<string | Namespace.Target>

/**
 * Where a root or a link leads.
 *
 * @category models
 * @since 0.2.0
 */
export interface Folder {
  /** Default for a root: the place where the client asks for it, on the server or on the controllers of the domain. */
  readonly targets?: Targets | undefined
  /** For how long clients keep the referral. Default: 5 minutes for a root and half an hour for a link. */
  readonly timeToLive?: Duration.Input | undefined
  /** Clients go back to an earlier set when it answers again (version 4). */
  readonly targetFailback?: boolean | undefined
  /** For a link: it leads into another namespace. */
  readonly interlink?: boolean | undefined
  /** For a root: the highest version of its referrals; 3 is that of Samba. Default: 4. */
  readonly maxReferralLevel?: 1 | 2 | 3 | 4 | undefined
}

/**
 * A domain: its controllers answer for its names, its namespaces, SYSVOL and NETLOGON. The client finds them as by DNS.
 * If the domain has a `netbiosName`, its controllers also answer to their NetBIOS names: `DC1` is `dc1.corp.test`.
 *
 * @category models
 * @since 0.2.0
 */
export interface Domain {
  readonly netbiosName?: string | undefined
  /** Names of servers, best first. */
  readonly controllers: ReadonlyArray<string>
  /** For how long clients keep the domain's referral. Default: 10 minutes. */
  readonly timeToLive?: Duration.Input | undefined
  /** The files in the SYSVOL of each controller. */
  readonly sysvol?: Files | undefined
  /** The files in the NETLOGON of each controller. */
  readonly netlogon?: Files | undefined
}

/**
 * The properties of a server without its files: dialect, signing, encryption, limits, its own users.
 *
 * @category models
 * @since 0.2.0
 */
export interface Server extends Omit<ServerOptions, "shares" | "referrals" | "namespace" | "faults" | "script"> {
  /** Whether it answers referral requests without being part of a namespace, as smbd does. */
  readonly dfs?: boolean | undefined
  /** Whether it knows the EX control code; smbd does not. Default: true. */
  readonly ex?: boolean | undefined
}

/**
 * What can happen to a server.
 *
 * @since 0.2.0
 */
export type ServerFault =
  & { readonly server: string }
  & (
    | {
      /**
       * `down`: connections end, and new ones are refused. `unreachable`: no data comes through, and a connect ends
       * after `connectTimeout`. `hangs`: it accepts connections and never responds. `garbage`: it responds with bytes
       * that are no SMB. `drops`: connections end, and new ones are accepted. `up`: ends all earlier faults.
       */
      readonly is: "down" | "unreachable" | "hangs" | "garbage" | "drops" | "up"
    }
    /** Each response takes this long. */
    | { readonly is: "slow"; readonly by: Duration.Input }
    /** Responds to a command (default: every command) with a status, always or this many times. */
    | {
      readonly is: "refuses"
      readonly status: NtStatus.Name
      readonly command?: Message.CommandName | undefined
      readonly times?: number | undefined
    }
    /** Reacts to a command in any other way that `TestServer` knows. */
    | {
      readonly is: "answers"
      readonly with: Reaction
      readonly command?: Message.CommandName | undefined
      readonly times?: number | undefined
    }
  )

/**
 * What can happen to a root or a link.
 *
 * @since 0.2.0
 */
export type FolderFault =
  & { readonly path: string }
  & (
    /** It is gone, or again as described. */
    | { readonly is: "withdrawn" | "restored" }
    /** It leads to another place. */
    | { readonly is: "changed"; readonly to: Folder | Targets }
    /** Its referrals make no sense: these bytes, in hexadecimal. Default: half an entry. */
    | { readonly is: "malformed"; readonly hex?: string | undefined }
  )

/**
 * A fault, and its time: some time after the layer was built, or after a number of requests. Default: at once. A fault
 * lasts until the server is `up`, or the folder is `restored`.
 *
 * @category models
 * @since 0.2.0
 */
export type Fault =
  & {
    readonly at?: Duration.Input | undefined
    /**
     * The number of requests to the server, or of referral requests for the folder, before the fault. They are still
     * answered as before; every later request meets the fault.
     */
    readonly after?: number | undefined
    /** The command that `after` counts. */
    readonly on?: Message.CommandName | undefined
  }
  & (ServerFault | FolderFault)

/**
 * A world. Keys that begin with `//` or `\\` are folders of namespaces: `//server/root`, `//domain/root`, and links
 * below them.
 * Servers and shares that targets name exist without being listed, also those of later changes.
 *
 * @category models
 * @since 0.2.0
 */
export interface Description {
  readonly [path: `\\\\${string}` | `//${string}`]: Folder | Targets
  /** The contents of the shares, by path: `\\server\share` with a directory, or `\\server\share\name` with a file. */
  readonly files?: { readonly [path: string]: Content } | undefined
  readonly servers?: { readonly [server: string]: Server } | undefined
  readonly domains?: { readonly [domain: string]: Domain } | undefined
  readonly faults?: ReadonlyArray<Fault> | undefined
  /** The account of the servers and of the client. Default: `user` with `password`. */
  readonly account?: { readonly user: string; readonly password: string } | undefined
  /** How long a connect waits for an unreachable server. Default: 10 seconds, as over TCP. */
  readonly connectTimeout?: Duration.Input | undefined
  /** The seed of random bytes. Default: always the same one. */
  readonly seed?: string | undefined
}

/**
 * An event of the world.
 *
 * @category models
 * @since 0.2.0
 */
export interface Event {
  /** Milliseconds since the layer was built. */
  readonly at: number
  readonly what: "connect" | "request" | "answer" | "close" | "fault"
  readonly server: string
  /** Counts the connections of all servers from 1; absent if a connect failed. */
  readonly connection?: number | undefined
  /** The SMB command; for referral requests `REFERRAL` and `REFERRAL_EX`. */
  readonly command?: string | undefined
  readonly path?: string | undefined
  /** The NTSTATUS of a response; or the reason why a connect failed, `Interrupted` if the client gave it up. */
  readonly status?: string | undefined
  readonly detail?: string | undefined
}

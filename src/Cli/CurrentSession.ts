/** The session that the lines of a shell share. */
import * as Context from "effect/Context"
import type * as Layer from "effect/Layer"
import type { Credential } from "../Auth/Credentials.ts"
import type { SmbClient } from "../Client/SmbClient.ts"
import type { DfsResolver } from "../Dfs/DfsResolver.ts"
import type { Shared } from "./Flags.ts"
import type { Found } from "./KnownServers.ts"

/** What the shell was started with, and its client. */
export interface Session {
  readonly options: Shared
  /** Where it began, and the entry of `servers.json` that it took its user, password and options from. */
  readonly start: { readonly server: string; readonly found: Found | undefined }
  readonly user: Credential
  readonly client: Layer.Layer<SmbClient>
  readonly clientAndResolver: Layer.Layer<SmbClient | DfsResolver>
}

/** The session; `undefined` outside a shell. */
export const CurrentSession: Context.Reference<Session | undefined> = Context.Reference(
  "effect-smb/Cli/CurrentSession",
  { defaultValue: (): Session | undefined => undefined }
)

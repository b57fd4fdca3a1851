/**
 * A client in one layer: TCP, the account, the client and DFS, with one set of options.
 *
 * The layers below stay for apps that need other parts, such as Kerberos, an account for each server, or the discovery
 * of a domain's controllers: `SmbClient`, `TcpTransport`, `Credentials` and `DfsAdapter`.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Credentials from "../Auth/Credentials.ts"
import * as SmbClient from "../Client/SmbClient.ts"
import * as DfsAdapter from "../Dfs/DfsAdapter.ts"
import * as TcpTransport from "../Layers/TcpTransport.ts"

/**
 * The options of the client and of TCP, and whether the client follows DFS.
 *
 * @category models
 * @since 0.2.0
 */
export interface ConnectionOptions extends SmbClient.Options, TcpTransport.Options {
  /**
   * `off`: the client sends no request for a referral. `fallback`: the client follows DFS, and uses a path as it is if
   * the server does not know DFS. `strict`: it fails with `NotDfsCapable` then. Options of DFS turn it on, unless
   * `enabled` is false. Default: `off`, since a referral leads the user's logon to other servers.
   */
  readonly dfs?: "off" | "fallback" | "strict" | Omit<DfsAdapter.DfsAdapterOptions, "discover"> | undefined
}

/**
 * A user with a password, for all servers.
 *
 * @category models
 * @since 0.2.0
 */
export interface UserOptions {
  /** `name`, `DOMAIN\name` or `name@domain`. */
  readonly user: string
  readonly password: Redacted.Redacted<string>
  /** For a `user` without a domain. */
  readonly domain?: string | undefined
  readonly credential?: undefined
}

/**
 * Another credential for all servers: a guest, an anonymous logon, or the hash of a password.
 *
 * @category models
 * @since 0.2.0
 */
export interface CredentialOptions {
  /** A `Credentials.kerberos` needs another authenticator: `SmbClient.layerWithAuthenticator`. */
  readonly credential: Credentials.Credential
  readonly user?: undefined
  readonly password?: undefined
  readonly domain?: undefined
}

/**
 * The options of `layer`: an account, and options that all have defaults.
 *
 * @category models
 * @since 0.2.0
 */
export type Options = ConnectionOptions & (UserOptions | CredentialOptions)

const toDfs = (dfs: ConnectionOptions["dfs"]): Omit<DfsAdapter.DfsAdapterOptions, "discover"> | undefined =>
  dfs === undefined || dfs === "off"
    ? undefined
    : typeof dfs === "string"
    ? { mode: dfs }
    : dfs.enabled === false
    ? undefined
    : dfs

/**
 * A client over TCP that logs on by NTLM as one user, and follows DFS if `dfs` says so. Signing is required unless the
 * options say otherwise.
 *
 * The client asks no DNS for the controllers of a domain: the domain's name has to lead to them, as it does in Active
 * Directory, or `dfs: { domainControllers }` names them. `DfsAdapter.layer` can look for them.
 *
 * @example
 * ```ts
 * const Client = Smb.layer({ user: "joe", password: Redacted.make("secret"), dfs: "fallback" })
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options): Layer.Layer<SmbClient.SmbClient> => {
  const { credential, dfs, domain, password, user, ...connection } = options
  const account = credential === undefined ? Credentials.password(user, password, { domain }) : credential
  const client = SmbClient.layer(connection).pipe(
    Layer.provide([TcpTransport.layer(connection), Credentials.layer(account)])
  )
  const given = toDfs(dfs)
  return given === undefined ? client : DfsAdapter.layerWithoutDiscovery(given).pipe(Layer.provide(client))
}

/**
 * Options from the configuration: the variables of `Credentials.config`, `SmbClient.config`, `TcpTransport.config` and
 * `DfsAdapter.config`, which begin with `prefix`. SMB_USER and SMB_PASSWORD are required. DFS is off unless SMB_DFS is
 * true.
 *
 * @category config
 * @since 0.2.0
 */
export const config = (prefix: string = "SMB"): Config.Config<Options> =>
  Config.map(
    Config.all({
      credential: Credentials.configWithPrefix(prefix),
      client: SmbClient.configWithPrefix(prefix),
      transport: TcpTransport.configWithPrefix(prefix),
      dfs: DfsAdapter.configWithPrefix(prefix)
    }),
    ({ client, credential, dfs, transport }): Options => ({
      ...client,
      ...transport,
      credential,
      dfs
    })
  )

/**
 * `layer` with options from the configuration. Default: `config()`. Fails with `ConfigError` when the layer is built.
 *
 * @example
 * ```ts
 * const FromConfig = Smb.layerConfig(Smb.config("NAS")) // NAS_USER, NAS_PASSWORD, NAS_DOMAIN, NAS_DFS ...
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layerConfig = (
  options: Config.Wrap<Options> = config()
): Layer.Layer<SmbClient.SmbClient, Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap<Options>(options), layer))

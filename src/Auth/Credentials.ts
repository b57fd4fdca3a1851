/**
 * Credentials to log on with, and the service that gives the credential for each server.
 *
 * Secrets are `Redacted`; a credential is safe to print.
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { AuthenticationError } from "./AuthenticationError.ts"

/**
 * A user with a password.
 *
 * @category models
 * @since 0.1.0
 */
export interface PasswordCredential {
  readonly _tag: "Password"
  readonly user: string
  /** NetBIOS or DNS name of the domain; empty for a local account. */
  readonly domain: string
  readonly password: Redacted.Redacted<string>
}

/**
 * A user with the NT hash of the password: 16 bytes.
 *
 * @category models
 * @since 0.1.0
 */
export interface NtHashCredential {
  readonly _tag: "NtHash"
  readonly user: string
  readonly domain: string
  readonly ntHash: Redacted.Redacted<Uint8Array>
}

/**
 * A Kerberos ticket, from a cache or by a keytab. Needs an authenticator of `Kerberos`.
 *
 * @category models
 * @since 0.1.0
 */
export interface KerberosCredential {
  readonly _tag: "Kerberos"
  /** `user@REALM`. Default: the first principal of the cache or the keytab. */
  readonly principal?: string | undefined
  /** The ticket cache, such as `/tmp/krb5cc_1000` or `KEYRING:...`. Default: KRB5CCNAME or the system's cache. */
  readonly ccache?: string | undefined
  /** A file of keys, to get tickets with. The tickets go into a cache in memory unless `ccache` names one. */
  readonly keytab?: string | undefined
  /**
   * The credential for NTLM if Kerberos is not possible, for `Kerberos.layerNegotiate`. Default: none, without NTLM.
   */
  readonly fallback?: PasswordCredential | NtHashCredential | undefined
}

/**
 * An anonymous logon, without a user. It has no session key: the session is neither signed nor encrypted.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnonymousCredential {
  readonly _tag: "Anonymous"
}

/**
 * A credential to log on with.
 *
 * @category models
 * @since 0.1.0
 */
export type Credential = PasswordCredential | NtHashCredential | KerberosCredential | AnonymousCredential

/**
 * Splits `DOMAIN\name` (also with `/`) and `name@domain`; anything else is a name without a domain.
 *
 * @category constructors
 * @since 0.1.0
 */
export const parseName = (name: string): { readonly user: string; readonly domain: string } => {
  const slash = /^([^\\/]*)[\\/](.*)$/su.exec(name)
  if (slash !== null) return { domain: slash[1]!, user: slash[2]! }
  const at = name.lastIndexOf("@")
  return at > 0 && at < name.length - 1
    ? { user: name.slice(0, at), domain: name.slice(at + 1) }
    : { user: name, domain: "" }
}

/**
 * A credential from a name, as `parseName` takes it, and a password. `options.domain` is for names that have none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const password = (
  name: string,
  password: Redacted.Redacted<string>,
  options?: { readonly domain?: string | undefined }
): PasswordCredential => {
  const { domain, user } = parseName(name)
  return { _tag: "Password", user, domain: domain === "" ? options?.domain ?? "" : domain, password }
}

/**
 * A credential from a name and the 16 bytes of an NT hash.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ntHash = (
  name: string,
  ntHash: Redacted.Redacted<Uint8Array>,
  options?: { readonly domain?: string | undefined }
): NtHashCredential => {
  const { domain, user } = parseName(name)
  return { _tag: "NtHash", user, domain: domain === "" ? options?.domain ?? "" : domain, ntHash }
}

/**
 * A credential for Kerberos: with nothing given, the tickets of `kinit`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const kerberos = (options: Omit<KerberosCredential, "_tag"> = {}): KerberosCredential => ({
  _tag: "Kerberos",
  ...options
})

/**
 * An anonymous logon. @category constructors
 *
 * @since 0.1.0
 */
export const anonymous: Credential = { _tag: "Anonymous" }

/**
 * The account Guest with an empty password, as servers with guest access have it. @category constructors
 *
 * @since 0.1.0
 */
export const guest: Credential = { _tag: "Password", user: "Guest", domain: "", password: Redacted.make("") }

/**
 * A request for a credential. DFS leads from one server to the next: each server has its own request.
 *
 * @category models
 * @since 0.1.0
 */
export interface CredentialRequest {
  /** The server's name as the user or a referral gave it. */
  readonly server: string
  readonly domain?: string | undefined
}

/**
 * Gives the credential for a server.
 *
 * @category services
 * @since 0.1.0
 */
export class CredentialProvider extends Context.Service<CredentialProvider, {
  /** Fails with `AuthenticationError`, reason `NoCredential`, if no credential exists for the server. */
  readonly get: (request: CredentialRequest) => Effect.Effect<Credential, AuthenticationError>
}>()("effect-smb/Auth/CredentialProvider") {}

/**
 * One credential for every server.
 *
 * @example
 * ```ts
 * export const Fixed = Credentials.layer(Credentials.password("joe@corp.example", Redacted.make("from a vault")))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (credential: Credential): Layer.Layer<CredentialProvider> =>
  Layer.succeed(CredentialProvider, CredentialProvider.of({ get: () => Effect.succeed(credential) }))

/**
 * A separate credential for each server: `get` decides.
 *
 * @example
 * ```ts
 * return Credentials.layerFrom(({ server }) => {
 *   if (server.toLowerCase().endsWith(".corp.example")) return Effect.succeed(corp)
 *   if (server.toLowerCase() === "nas") return Effect.succeed(nas)
 *   return Effect.fail(
 *     new AuthenticationError({ reason: { _tag: "NoCredential" }, detail: "no account there", server })
 *   )
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (
  get: (request: CredentialRequest) => Effect.Effect<Credential, AuthenticationError>
): Layer.Layer<CredentialProvider> => Layer.succeed(CredentialProvider, CredentialProvider.of({ get }))

/**
 * Anonymous logons to all servers. @category layers
 *
 * @since 0.1.0
 */
export const layerAnonymous: Layer.Layer<CredentialProvider> = layer(anonymous)

/**
 * `config` with another prefix than `SMB` in the names of its variables.
 *
 * @category config
 * @since 0.2.0
 */
export const configWithPrefix = (prefix: string): Config.Config<PasswordCredential> =>
  Config.map(
    Config.all({
      user: Config.String(`${prefix}_USER`),
      domain: Config.withDefault(Config.String(`${prefix}_DOMAIN`), ""),
      password: Config.Redacted(`${prefix}_PASSWORD`)
    }),
    (found) => password(found.user, found.password, { domain: found.domain })
  )

/**
 * Reads a credential from SMB_USER, SMB_DOMAIN and SMB_PASSWORD. The domain may also be part of the user's name.
 *
 * @category config
 * @since 0.1.0
 */
export const config: Config.Config<Credential> = configWithPrefix("SMB")

/**
 * One credential for every server, from the configuration. Default: `config`. Fails with `ConfigError` when the layer
 * is built.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Config<Credential> = config
): Layer.Layer<CredentialProvider, Config.ConfigError> => Layer.unwrap(Effect.map(options, layer))

/**
 * The names and the accounts of a server that accepts logons: what `Acceptor` asks its caller.
 */
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { AuthenticationError } from "./AuthenticationError.ts"
import type * as KerberosKeys from "./KerberosKeys.ts"

/**
 * The identity that the client claims, for `AcceptorOptions.lookup`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Caller {
  readonly user: string
  /** The client's NetBIOS name of the domain, or the proven realm of a ticket. */
  readonly domain: string
  readonly workstation: string
  readonly anonymous: boolean
}

/**
 * An account of the caller of this module: a user with the NT hash, which only NTLM needs, or a guest, whose proof is
 * not checked.
 *
 * @category models
 * @since 0.1.0
 */
export type Account =
  | { readonly _tag: "User"; readonly ntHash: Redacted.Redacted<Uint8Array> | undefined }
  | { readonly _tag: "Guest" }

/**
 * The names of the accepting side, and its accounts.
 *
 * @category models
 * @since 0.1.0
 */
export interface AcceptorOptions {
  /** NetBIOS name of the server, up to 15 characters. */
  readonly computerName: string
  /** NetBIOS name of its domain. Default: `computerName`. */
  readonly domainName?: string | undefined
  readonly dnsComputerName?: string | undefined
  readonly dnsDomainName?: string | undefined
  /**
   * The account of a caller; `undefined` if it does not exist. Also called for anonymous callers: guest or `undefined`.
   */
  readonly lookup: (caller: Caller) => Effect.Effect<Account | undefined, AuthenticationError>
  /**
   * Runs after `lookup`, with or without an account, and before a password's proof is checked: it can delay or refuse a
   * client that guesses passwords. It does not run for guests, anonymous callers or callers with a ticket.
   */
  readonly turn?: ((caller: Caller) => Effect.Effect<void, AuthenticationError>) | undefined
  /** With these keys, clients can log on by Kerberos. */
  readonly kerberos?: KerberosKeys.KerberosKeys | undefined
  /** The source of random bytes. Default: node:crypto. */
  readonly random?: ((length: number) => Uint8Array) | undefined
}

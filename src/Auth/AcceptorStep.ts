/**
 * The server's response to one token of a logon, as `Acceptor` gives it.
 */
import type * as Redacted from "effect/Redacted"
import type { Caller } from "./AcceptorOptions.ts"
import type { AuthenticationError } from "./AuthenticationError.ts"

/**
 * The server's response to a token.
 *
 * @category models
 * @since 0.1.0
 */
export type AcceptorStep =
  /**
   * STATUS_MORE_PROCESSING_REQUIRED. With `refused` the client's proof was refused, and the token tells the client why:
   * it can retry once in the same logon, as Windows does when the clocks differ.
   */
  | { readonly _tag: "Continue"; readonly token: Uint8Array; readonly refused?: AuthenticationError | undefined }
  /** Success. Guests have no session key, and the key of an anonymous caller is no secret. */
  | {
    readonly _tag: "Accepted"
    readonly token: Uint8Array
    readonly caller: Caller
    readonly guest: boolean
    readonly sessionKey: Redacted.Redacted<Uint8Array> | undefined
    /** Milliseconds until the client's ticket ends; `undefined` if its proof does not end. */
    readonly lifetime?: number | undefined
  }

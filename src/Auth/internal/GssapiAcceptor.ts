/**
 * A server's side of a logon by the system's GSSAPI library: its keytab, gss_accept_sec_context, and the principals.
 */
import * as Effect from "effect/Effect"
import type { AuthenticationError } from "../AuthenticationError.ts"
import {
  type BufferDescription,
  type Cell,
  Context,
  continueNeeded,
  describe,
  type Failure,
  indefinite,
  mechanisms,
  type Pointer,
  take,
  unavailable
} from "./Gssapi.ts"

const accept = 2

/** A failure, and its token for the client, which can be empty. */
export interface Refused extends Failure {
  readonly token: Uint8Array
}

/** A server's side of a logon. */
export class Acceptor extends Context {
  /** Gets the keys from a file, or those that the library finds by itself (KRB5_KTNAME, /etc/krb5.keytab). */
  acquire(keytab: string | undefined): Effect.Effect<void, Failure | AuthenticationError> {
    const { acquireFrom } = this.library
    if (acquireFrom === undefined) {
      return Effect.fail(unavailable("this Kerberos library does not let a keytab be chosen; install MIT's"))
    }
    const elements = keytab === undefined ? [] : [{ key: "keytab", value: keytab }]
    return this.callLater(
      "gss_acquire_cred_from",
      acquireFrom,
      [
        null,
        indefinite,
        mechanisms,
        accept,
        elements.length === 0 ? null : { count: elements.length, elements },
        this.credential,
        null,
        null
      ],
      () => {}
    )
  }

  /**
   * gss_accept_sec_context. `complete` says that the client has proven its identity. A failure can have a token too,
   * which tells the client why (RFC 4121 4.1): a KRB-ERROR. `lifetime`: milliseconds until the ticket ends, with the
   * difference of clocks that the library allows.
   */
  step(input: Uint8Array): Effect.Effect<
    { readonly token: Uint8Array; readonly complete: boolean; readonly lifetime: number | undefined },
    Refused
  > {
    return Effect.suspend(() => {
      const given: BufferDescription = { length: 0, value: null }
      let token: Uint8Array = new Uint8Array(0)
      const seconds: [number] = [0]
      return Effect.mapError(
        this.callLater(
          "gss_accept_sec_context",
          this.library.accept,
          [this.context, this.credential[0], describe(input), null, null, null, given, [0], seconds, null],
          (major) => {
            token = take(this.library, given)
            const lifetime = seconds[0] === indefinite ? undefined : seconds[0] * 1000
            return { token, complete: (major & continueNeeded) === 0, lifetime }
          }
        ),
        (failure): Refused => ({ ...failure, token })
      )
    })
  }

  /** The principals of an established context, as `name@REALM`: the client, and the server name that it asked for. */
  get principals(): Effect.Effect<{ readonly client: string; readonly server: string }, Failure> {
    return Effect.suspend(() => {
      const client: Cell = [null]
      const server: Cell = [null]
      const { inquireContext } = this.library
      return this.call("gss_inquire_context", inquireContext, this.context[0], client, server, ...none(5)).pipe(
        Effect.andThen(Effect.suspend(() => {
          this.names.push(client, server)
          return Effect.all({ client: this.#display(client[0]), server: this.#display(server[0]) })
        }))
      )
    })
  }

  #display(name: Pointer): Effect.Effect<string, Failure> {
    return Effect.suspend(() => {
      const given: BufferDescription = { length: 0, value: null }
      return Effect.map(
        this.call("gss_display_name", this.library.displayName, name, given, null),
        () => Buffer.from(take(this.library, given)).toString("utf8")
      )
    })
  }
}

const none = (count: number): ReadonlyArray<null> => Array.from({ length: count }, () => null)

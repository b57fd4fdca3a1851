/**
 * A client's side of a logon by the system's GSSAPI library: a credential, and gss_init_sec_context until both sides
 * have proven their identities.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { AuthenticationError } from "../AuthenticationError.ts"
import {
  type BufferDescription,
  type Cell,
  Context,
  continueNeeded,
  describe,
  type Failure,
  indefinite,
  kerberos,
  mechanisms,
  oidOf,
  type Pointer,
  take,
  unavailable
} from "./Gssapi.ts"

/** The identity to log on with. Default: the one that the library finds by itself: KRB5CCNAME, KRB5_CLIENT_KTNAME. */
export interface Identity {
  readonly principal?: string | undefined
  readonly ccache?: string | undefined
  readonly keytab?: string | undefined
  readonly password?: Redacted.Redacted<string> | undefined
}

/** GSS_C_NT_HOSTBASED_SERVICE. */
const hostBasedService = oidOf("1.2.840.113554.1.2.1.4")
/** GSS_KRB5_NT_PRINCIPAL_NAME. */
const principalName = oidOf("1.2.840.113554.1.2.2.1")
const initiate = 1
const mutual = 0x02
/** MUTUAL, REPLAY, SEQUENCE and INTEG; nothing is delegated. */
const wanted = mutual | 0x04 | 0x08 | 0x20

/** A client's side of a logon. */
export class Initiator extends Context {
  #target: Pointer

  /** A name that the library allocates, which is kept until `release`. */
  #import(text: string, type: typeof principalName): Effect.Effect<Pointer, Failure> {
    return Effect.suspend(() => {
      const name: Cell = [null]
      this.names.push(name)
      return Effect.map(
        this.call("gss_import_name", this.library.importName, describe(Buffer.from(text)), type, name),
        () => name[0]
      )
    })
  }

  /** Gets the credential: from a cache, by a keytab, or by a password. Without this call, the library chooses. */
  acquire(identity: Identity): Effect.Effect<void, Failure | AuthenticationError> {
    const { acquireFrom, acquireWithPassword } = this.library
    const { ccache, keytab, password, principal } = identity
    const name = principal === undefined ? Effect.succeed<Pointer>(null) : this.#import(principal, principalName)
    if (password !== undefined) {
      if (acquireWithPassword === undefined) {
        return Effect.fail(unavailable("this Kerberos library takes no passwords: run kinit first"))
      }
      const secret = Buffer.from(Redacted.value(password))
      return Effect.flatMap(name, (name) =>
        this.callLater(
          "gss_acquire_cred_with_password",
          acquireWithPassword,
          [name, describe(secret), indefinite, mechanisms, initiate, this.credential, null, null],
          () => {
            secret.fill(0)
          }
        ))
    }
    const elements = [
      ...(ccache === undefined ? [] : [{ key: "ccache", value: ccache }]),
      ...(keytab === undefined ? [] : [{ key: "client_keytab", value: keytab }])
    ]
    if (elements.length === 0 && principal === undefined) return Effect.void
    if (acquireFrom === undefined) {
      return Effect.fail(unavailable(
        "this Kerberos library does not let a cache or a keytab be chosen: set KRB5CCNAME, or install MIT's library"
      ))
    }
    return Effect.flatMap(name, (name) =>
      this.callLater(
        "gss_acquire_cred_from",
        acquireFrom,
        [
          name,
          indefinite,
          mechanisms,
          initiate,
          elements.length === 0 ? null : { count: elements.length, elements },
          this.credential,
          null,
          null
        ],
        () => {}
      ))
  }

  /**
   * gss_init_sec_context with mutual authentication, to the service `cifs` of a host. The first call has no input.
   * `complete` says that the server has proven its identity.
   */
  step(
    server: string,
    input: Uint8Array | undefined
  ): Effect.Effect<{ readonly token: Uint8Array; readonly complete: boolean }, Failure> {
    const { initialize } = this.library
    const given: BufferDescription = { length: 0, value: null }
    const flags: Cell<number> = [0]
    const name = this.#target === undefined
      ? Effect.tap(this.#import(`cifs@${server}`, hostBasedService), (name) =>
        Effect.sync(() => {
          this.#target = name
        }))
      : Effect.succeed(this.#target)
    return Effect.flatMap(name, (name) =>
      this.callLater(
        "gss_init_sec_context",
        initialize,
        [
          this.credential[0],
          this.context,
          name,
          kerberos,
          wanted,
          0,
          null,
          input === undefined ? null : describe(input),
          null,
          given,
          flags,
          null
        ],
        (major) => ({
          token: take(this.library, given),
          complete: (major & continueNeeded) === 0 && (flags[0] & mutual) !== 0
        })
      ))
  }
}

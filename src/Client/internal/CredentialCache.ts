/**
 * The credentials that the provider has given. The provider may ask a vault or a person, so the client does not ask it
 * for each operation: it keeps the answer for a server while the user's session there lives, or for the time that the
 * options say.
 *
 * A credential with which a logon has failed is not kept: the next operation asks the provider again.
 */
import * as Cache from "effect/Cache"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { AuthenticationError } from "../../Auth/AuthenticationError.ts"
import type { Credential, CredentialProvider, CredentialRequest } from "../../Auth/Credentials.ts"
import type { Key } from "./Key.ts"

/** A server and a domain, and the words in which the provider is asked about them. */
export type CredentialKey = Key<CredentialRequest>

/** An answer of the provider. */
export interface Answer {
  readonly credential: Credential
}

/** The kept credentials of one client. */
export interface CredentialCache {
  /** The credential for a server. Callers that need it at the same time ask the provider once. */
  readonly get: (key: CredentialKey) => Effect.Effect<Answer, AuthenticationError>
  /** A session with the credential has ended. Without a time to live, the credential ends with it. */
  readonly sessionEnded: (key: CredentialKey, answer: Answer) => Effect.Effect<void>
  /** A logon with the credential has failed, or the credential was refused before. */
  readonly failed: (key: CredentialKey, answer: Answer) => Effect.Effect<void>
  /** Forgets the credentials that are kept for a time. */
  readonly clear: Effect.Effect<void>
}

/** For how many servers a credential is kept; the one that was used least recently is dropped first. */
const capacity = 1000

/**
 * The kept credentials of one client.
 *
 * @category constructors
 */
export const make = (
  provider: CredentialProvider["Service"],
  timeToLive: Duration.Input | undefined
): Effect.Effect<CredentialCache> =>
  Effect.map(
    Cache.makeWith(
      (key: CredentialKey) => Effect.map(provider.get(key.from), (credential): Answer => ({ credential })),
      {
        capacity,
        timeToLive: (exit) => Exit.isSuccess(exit) ? timeToLive ?? Duration.infinity : Duration.zero
      }
    ),
    (cache) => {
      // A later answer stays: an old session can end after the next one has begun.
      const forget = (key: CredentialKey, answer: Answer) =>
        Effect.asVoid(Effect.ignore(Cache.invalidateWhen(cache, key, (kept) => kept === answer)))
      return {
        get: (key) => Cache.get(cache, key),
        sessionEnded: (key, answer) => timeToLive === undefined ? forget(key, answer) : Effect.void,
        failed: forget,
        clear: timeToLive === undefined ? Effect.void : Cache.invalidateAll(cache)
      }
    }
  )

/**
 * Where the client's random bytes come from: salts, GUIDs, challenges and session keys of every logon and connection.
 *
 * One seam, so that a test can make a run the same twice. Whatever is read here is read once for a connection, a logon or
 * an open; nonces of signing and encryption are counters, and come from no randomness. The default is `node:crypto`, and
 * nothing else is fit for use outside of a test: with bytes that somebody else can guess, so are the keys of a session.
 */
import * as Context from "effect/Context"
import { createHash, randomBytes } from "node:crypto"

/**
 * A source of bytes.
 *
 * @category models
 */
export interface Source {
  /**
   * So many new bytes, which are the caller's. `purpose` says what for, and for which server: a seeded source counts each
   * purpose by itself, so that what one connection draws does not depend on what another has drawn before.
   */
  readonly bytes: (length: number, purpose: string) => Uint8Array
}

/** The system's random bytes, from `node:crypto`. */
export const system: Source = { bytes: (length) => Uint8Array.from(randomBytes(length)) }

/**
 * The source that client code draws from; the system's where nobody says otherwise.
 *
 * @category settings
 */
export const Entropy: Context.Reference<Source> = Context.Reference("effect-smb/Auth/Entropy", {
  defaultValue: (): Source => system
})

/**
 * **For tests alone.** The same bytes in every run: SHA-256 of the seed, the purpose, and how often that was asked for.
 * Whoever knows the seed knows every key that a session is signed and encrypted with, so never use it with a server that
 * matters.
 *
 * @category testing
 */
export const seeded = (seed: string): Source => {
  const counts = new Map<string, number>()
  return {
    bytes: (length, purpose) => {
      const count = counts.get(purpose) ?? 0
      counts.set(purpose, count + 1)
      const bytes = new Uint8Array(length)
      for (let at = 0; at < length; at += 32) {
        const block = createHash("sha256").update(JSON.stringify([seed, purpose, count, at])).digest()
        bytes.set(block.subarray(0, Math.min(32, length - at)), at)
      }
      return bytes
    }
  }
}

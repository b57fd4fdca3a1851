/**
 * The source of the client's random bytes: salts, GUIDs, challenges and session keys of every logon and connection.
 *
 * There is one source, so that a test can repeat a run exactly. Bytes are read once for a connection, a logon or an
 * open; nonces of signing and encryption are counters, and use no random bytes. The default is `node:crypto`, and no
 * other source is safe outside of a test: an attacker who can guess the bytes can guess the keys of a session.
 */
import * as Context from "effect/Context"
import { createHash, randomBytes } from "node:crypto"

/**
 * A source of bytes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Source {
  /**
   * `length` new bytes, which the caller owns. `purpose` names their use and the server: a seeded source counts each
   * purpose separately, so that the bytes of one connection do not depend on those of another.
   */
  readonly bytes: (length: number, purpose: string) => Uint8Array
}

/**
 * The system's random bytes, from `node:crypto`.
 *
 * @since 0.1.0
 */
export const system: Source = { bytes: (length) => Uint8Array.from(randomBytes(length)) }

/**
 * The source that client code uses. Default: `system`.
 *
 * @category settings
 * @since 0.1.0
 */
export const Entropy: Context.Reference<Source> = Context.Reference("effect-smb/Auth/Entropy", {
  defaultValue: (): Source => system
})

/**
 * **For tests only.** The same bytes in every run: SHA-256 of the seed, the purpose, and the number of earlier calls
 * with that purpose. A person with the seed can compute every signing and encryption key of a session, so never use it
 * with a real server.
 *
 * @category testing
 * @since 0.1.0
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

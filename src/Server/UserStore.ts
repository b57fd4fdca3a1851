/**
 * Who may log on to a server. Passwords are kept as NT hashes, which are as good as passwords: always `Redacted`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as NtlmCrypto from "../Auth/NtlmCrypto.ts"

/**
 * A user as a server knows it.
 *
 * @category models
 */
export interface User {
  /** As it was registered. */
  readonly name: string
  readonly ntHash: Redacted.Redacted<Uint8Array>
  /** The user's SID; by default one that the server makes of `id`. */
  readonly sid?: string
  /** The last number of the SID that the server makes up. */
  readonly id: number
  /** SIDs of groups beyond those of everybody who has logged on. */
  readonly groups?: ReadonlyArray<string>
  /** May take ownership and read what its descriptor does not let it read. */
  readonly administrator?: boolean
}

/**
 * Finds users by name, without regard to case.
 *
 * @category services
 */
export class UserStore extends Context.Service<UserStore, {
  readonly find: (name: string, domain: string) => Effect.Effect<User | undefined>
}>()("effect-smb/UserStore") {}

/** What a user store does. */
export type Users = UserStore["Service"]

/** A password, or more about the user than that. */
export type Secret = Redacted.Redacted<string> | {
  readonly password: Redacted.Redacted<string>
  readonly administrator?: boolean
  readonly groups?: ReadonlyArray<string>
  readonly sid?: string
}

/**
 * A user store in memory: names and their passwords. The passwords themselves are not kept.
 *
 * @category constructors
 */
export const inMemory = (users: Record<string, Secret>): Users => {
  const known = new Map<string, User>()
  let id = 1000
  for (const [name, secret] of Object.entries(users)) {
    const { password, ...rest } = Redacted.isRedacted(secret) ? { password: secret } : secret
    const ntHash = NtlmCrypto.ntHash(Redacted.value(password))
    known.set(name.toLowerCase(), { name, ntHash: Redacted.make<Uint8Array>(ntHash), id: id++, ...rest })
  }
  return { find: (name) => Effect.succeed(known.get(name.toLowerCase())) }
}

/** @category layers */
export const layerInMemory = (users: Record<string, Secret>): Layer.Layer<UserStore> =>
  Layer.succeed(UserStore, inMemory(users))

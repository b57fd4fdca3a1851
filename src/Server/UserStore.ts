/**
 * The users that may log on to a server. Passwords are kept as NT hashes, always `Redacted`: an NT hash is enough to
 * log on.
 *
 * A file of users is read once, line by line. Its errors show only the number of a line, never its text.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as NtlmCrypto from "../Auth/NtlmCrypto.ts"
import { fold } from "../Codec/UpCase.ts"
import * as PrivateFile from "./PrivateFile.ts"

/**
 * A user as a server knows it.
 *
 * @category models
 * @since 0.1.0
 */
export interface User {
  /** The name as it was registered. */
  readonly name: string
  /** Absent for a user that logs on by Kerberos only. */
  readonly ntHash?: Redacted.Redacted<Uint8Array> | undefined
  /** The user's SID; by default the one that the server's `IdentityStore` keeps for the name. */
  readonly sid?: string | undefined
  /** SIDs of groups, in addition to the groups of every user that has logged on. */
  readonly groups?: ReadonlyArray<string> | undefined
  /** May take ownership of any file, and read files whose security descriptors do not allow it. */
  readonly administrator?: boolean | undefined
}

/**
 * A user store that cannot say whether a user exists, such as when its database does not answer.
 *
 * @category errors
 * @since 0.2.0
 */
export class UserStoreError extends Schema.TaggedError<UserStoreError>()("UserStoreError", {
  /** For the server's log. Clients do not get it. */
  cause: Schema.Defect()
}) {
  override get message(): string {
    return "the users cannot be looked up, so no user can log on; look at the cause"
  }
}

/**
 * Finds users by name, without regard to case.
 *
 * @category services
 * @since 0.1.0
 */
export class UserStore extends Context.Service<UserStore, {
  /**
   * The user of that name; `undefined` if no user has it. `domain` is what the client names, or the realm of its ticket.
   * While it fails, clients that log on get STATUS_NO_LOGON_SERVERS.
   */
  readonly find: (name: string, domain: string) => Effect.Effect<User | undefined, UserStoreError>
}>()("effect-smb/Server/UserStore") {}

/**
 * What a user store does.
 *
 * @since 0.1.0
 */
export type Users = UserStore["Service"]

/**
 * A user store from a function, such as a query of a database. The function's services are taken from the context once,
 * and its errors become the cause of a `UserStoreError`.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = <E, R>(
  find: (name: string, domain: string) => Effect.Effect<User | undefined, E, R>
): Effect.Effect<Users, never, R> =>
  Effect.contextWith((context: Context.Context<R>) =>
    Effect.succeed<Users>({
      find: (name, domain) =>
        Effect.suspend(() => find(name, domain)).pipe(
          Effect.mapError((cause) => new UserStoreError({ cause })),
          Effect.provideContext(context)
        )
    })
  )

/**
 * `make` as a layer.
 *
 * @example
 * ```ts
 * export const Users = UserStore.layer((name) =>
 *   Effect.flatMap(Accounts, (accounts) => accounts.byName(name.toLowerCase()))
 * )
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = <E, R>(
  find: (name: string, domain: string) => Effect.Effect<User | undefined, E, R>
): Layer.Layer<UserStore, never, R> => Layer.effect(UserStore, make(find))

/**
 * A password, or a password with more about the user.
 *
 * @since 0.1.0
 */
export type Secret = Redacted.Redacted<string> | {
  readonly password: Redacted.Redacted<string>
  readonly administrator?: boolean | undefined
  readonly groups?: ReadonlyArray<string> | undefined
  readonly sid?: string | undefined
}

/**
 * A user store in memory: names and their passwords. The passwords themselves are not kept.
 *
 * @category constructors
 * @since 0.1.0
 */
export const inMemory = (users: Record<string, Secret>): Users => {
  const known = new Map<string, User>()
  for (const [name, secret] of Object.entries(users)) {
    const { password, ...rest } = Redacted.isRedacted(secret) ? { password: secret } : secret
    const ntHash = NtlmCrypto.ntHash(Redacted.value(password))
    known.set(fold(name), { name, ntHash: Redacted.make<Uint8Array>(ntHash), ...rest })
  }
  return { find: (name) => Effect.succeed(known.get(fold(name))) }
}

/**
 * `inMemory` as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerInMemory = (users: Record<string, Secret>): Layer.Layer<UserStore> =>
  Layer.succeed(UserStore, inMemory(users))

/**
 * Why a file of users is refused.
 *
 * @category models
 * @since 0.2.0
 */
export const UserFileReason = Schema.TaggedUnion({
  FileNotFound: {},
  FileNotReadable: {},
  FileReadableByOthers: {},
  FileOwnedByOthers: {},
  BadLine: {
    /** The number of the line, from 1. */
    line: Schema.Number
  },
  DuplicateUser: {
    /** The number of the second line with that name, from 1. */
    line: Schema.Number
  }
})
export type UserFileReason = typeof UserFileReason.Type

/**
 * A file of users is refused. The error shows no text of the file.
 *
 * - `FileNotFound`: the file does not exist.
 * - `FileNotReadable`: the server cannot read the file, or the file is too large.
 * - `FileReadableByOthers`: users other than its owner may read or change it.
 * - `FileOwnedByOthers`: it belongs neither to the user of this process nor to root.
 * - `BadLine`: a line is not `name:password` or `name:nt-hash`.
 * - `DuplicateUser`: a line names a user for the second time.
 *
 * @category errors
 * @since 0.1.0
 */
export class UserFileError extends Schema.TaggedError<UserFileError>()("UserFileError", {
  path: Schema.String,
  reason: UserFileReason
}) {
  override get message(): string {
    return `the users of ${this.path}: ${
      UserFileReason.match(this.reason, {
        FileNotFound: () => "there is no such file",
        FileNotReadable: () => "it cannot be read",
        FileOwnedByOthers: () => "it belongs to another user of this machine: look at its content, then `chown` it",
        FileReadableByOthers: () => "other users can read or change it; `chmod 600` it",
        BadLine: ({ line }) => `line ${line} is not name:password or name:nt-hash`,
        DuplicateUser: ({ line }) => `line ${line} names a user for the second time`
      })
    }`
  }
}

/** Bytes of the largest file of users: enough for some hundred thousand. */
const largestFile = 16 * 1024 * 1024

const hashDigits = /^[0-9a-f]{32}$/i

/**
 * A user store from a file: `name:password` or `name:nt-hash` on each line, where 32 hexadecimal digits are a hash.
 * Empty lines and lines that begin with `#` are ignored. A password can hold colons, and blanks at its ends count. The
 * file is read once. A file that users other than its owner may read or change is refused.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromFile = (path: string): Effect.Effect<Users, UserFileError> =>
  Effect.gen(function*() {
    const known = new Map<string, User>()
    const text = yield* Effect.mapError(
      PrivateFile.read(path, largestFile),
      (_tag) => new UserFileError({ path, reason: { _tag } })
    )
    const lines = text.replace(/^\ufeff/, "").split(/\r?\n/)
    for (const [i, line] of lines.entries()) {
      if (line.trim() === "" || line.startsWith("#")) continue
      const colon = line.indexOf(":")
      const name = line.slice(0, Math.max(colon, 0)).trim()
      const secret = line.slice(colon + 1)
      if (name === "" || secret === "") {
        return yield* new UserFileError({ path, reason: { _tag: "BadLine", line: i + 1 } })
      }
      const key = fold(name)
      if (known.has(key)) {
        return yield* new UserFileError({ path, reason: { _tag: "DuplicateUser", line: i + 1 } })
      }
      const hash = hashDigits.test(secret) ? Uint8Array.from(Buffer.from(secret, "hex")) : NtlmCrypto.ntHash(secret)
      known.set(key, { name, ntHash: Redacted.make<Uint8Array>(hash) })
    }
    return { find: (name) => Effect.succeed(known.get(fold(name))) }
  })

/**
 * `fromFile` as a layer; it fails when the layer is built.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFromFile = (path: string): Layer.Layer<UserStore, UserFileError> =>
  Layer.effect(UserStore, fromFile(path))

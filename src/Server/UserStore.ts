/**
 * Who may log on to a server. Passwords are kept as NT hashes, which are as good as passwords: always `Redacted`.
 *
 * A file of users is read once, line by line; no error of it shows more of a line than its number.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { FileHandle } from "node:fs/promises"
import { open } from "node:fs/promises"
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

/**
 * A file of users that a server does not take.
 *
 * @category errors
 */
export class UserFileError extends Schema.TaggedError<UserFileError>()("UserFileError", {
  path: Schema.String,
  reason: Schema.Literals(["NotFound", "NotReadable", "ReadableByOthers", "BadLine", "Twice"]),
  /** Of `BadLine` and `Twice`, from 1 on. */
  line: Schema.optionalKey(Schema.Number)
}) {
  override get message(): string {
    const why = {
      NotFound: "there is no such file",
      NotReadable: "it cannot be read",
      ReadableByOthers: "others than its owner may read or change it; `chmod 600` it",
      BadLine: `line ${this.line} is not name:password or name:nt-hash`,
      Twice: `line ${this.line} names a user for the second time`
    }
    return `the users of ${this.path}: ${why[this.reason]}`
  }
}

/** The largest file of users: some hundred thousand. */
const largestFile = 16 * 1024 * 1024

const readPrivate = (path: string): Effect.Effect<string, UserFileError> =>
  Effect.acquireUseRelease(
    Effect.tryPromise({
      try: () => open(path, "r"),
      catch: (cause) =>
        new UserFileError({
          path,
          reason: (cause as NodeJS.ErrnoException).code === "ENOENT" ? "NotFound" : "NotReadable"
        })
    }),
    (file: FileHandle) =>
      Effect.gen(function*() {
        const notReadable = () => new UserFileError({ path, reason: "NotReadable" })
        // What was opened is looked at, and not the name, which may be another file's by now.
        const { mode, size } = yield* Effect.tryPromise({ try: () => file.stat(), catch: notReadable })
        // Windows has no such bits: its own list decides there.
        if (process.platform !== "win32" && (mode & 0o077) !== 0) {
          return yield* new UserFileError({ path, reason: "ReadableByOthers" })
        }
        if (size > largestFile) return yield* notReadable()
        return yield* Effect.tryPromise({ try: () => file.readFile("utf8"), catch: notReadable })
      }),
    (file) => Effect.promise(() => file.close())
  )

const hashDigits = /^[0-9a-f]{32}$/i

/**
 * A user store from a file: `name:password` or `name:nt-hash` a line, where 32 hexadecimal digits are a hash. Empty lines
 * and those that begin with `#` are passed over; a password may hold colons, and blanks at its ends count. It is read
 * once. A file that others than its owner may read or change is refused.
 *
 * @category constructors
 */
export const fromFile = (path: string): Effect.Effect<Users, UserFileError> =>
  Effect.gen(function*() {
    const known = new Map<string, User>()
    const lines = (yield* readPrivate(path)).replace(/^\ufeff/, "").split(/\r?\n/)
    for (const [i, line] of lines.entries()) {
      if (line.trim() === "" || line.startsWith("#")) continue
      const colon = line.indexOf(":")
      const name = line.slice(0, Math.max(colon, 0)).trim()
      const secret = line.slice(colon + 1)
      if (name === "" || secret === "") return yield* new UserFileError({ path, reason: "BadLine", line: i + 1 })
      const key = name.toLowerCase()
      if (known.has(key)) return yield* new UserFileError({ path, reason: "Twice", line: i + 1 })
      const hash = hashDigits.test(secret) ? Uint8Array.from(Buffer.from(secret, "hex")) : NtlmCrypto.ntHash(secret)
      known.set(key, { name, ntHash: Redacted.make<Uint8Array>(hash), id: 1000 + known.size })
    }
    return { find: (name) => Effect.succeed(known.get(name.toLowerCase())) }
  })

/** @category layers */
export const layerFromFile = (path: string): Layer.Layer<UserStore, UserFileError> =>
  Layer.effect(UserStore, fromFile(path))

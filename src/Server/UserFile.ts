/**
 * Users from a file: `name:password` or `name:nt-hash` a line, as a user store.
 *
 * What stands in such a file is as good as the passwords, so a file that others may read is refused; nothing of it is in
 * an error. Where a system has no such rights (Windows), that is the folder's matter.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs/promises"
import * as NtlmCrypto from "../Auth/NtlmCrypto.ts"
import type { User, Users } from "./UserStore.ts"

/**
 * A file of users cannot be used. `line` counts from 1.
 *
 * @category errors
 */
export class UserFileError extends Schema.TaggedError<UserFileError>()("UserFileError", {
  path: Schema.String,
  detail: Schema.String,
  line: Schema.optionalKey(Schema.Number)
}) {
  override get message(): string {
    return `${this.path}${this.line === undefined ? "" : `, line ${this.line}`}: ${this.detail}`
  }
}

/** A line's fault, or who it names. 32 hexadecimal digits are an NT hash, and never a password. */
const readLine = (line: string, id: number): User | string => {
  const colon = line.indexOf(":")
  if (colon < 1) return "a line is name:password or name:nt-hash"
  const name = line.slice(0, colon)
  const secret = line.slice(colon + 1)
  if (secret === "") return "a user needs a password"
  const hash = /^[0-9a-f]{32}$/i.test(secret)
    ? Uint8Array.from(Buffer.from(secret, "hex"))
    : NtlmCrypto.ntHash(secret)
  return { name, ntHash: Redacted.make<Uint8Array>(hash), id }
}

/**
 * The users of a text in the form of a file. Empty lines, and lines that begin with `#`, say nothing.
 *
 * @category constructors
 */
export const parse = (path: string, text: string): Effect.Effect<Users, UserFileError> =>
  Effect.gen(function*() {
    const known = new Map<string, User>()
    const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/)
    for (const [i, line] of lines.entries()) {
      if (line.trim() === "" || line.startsWith("#")) continue
      const user = readLine(line, 1000 + known.size)
      if (typeof user === "string") return yield* new UserFileError({ path, detail: user, line: i + 1 })
      const key = user.name.toLowerCase()
      if (known.has(key)) {
        return yield* new UserFileError({ path, detail: `the user ${user.name} stands there twice`, line: i + 1 })
      }
      known.set(key, user)
    }
    if (known.size === 0) return yield* new UserFileError({ path, detail: "there are no users in it" })
    return { find: (name) => Effect.succeed(known.get(name.toLowerCase())) }
  })

/**
 * The users of a file, as it is now.
 *
 * @category constructors
 */
export const read = (path: string): Effect.Effect<Users, UserFileError> =>
  Effect.flatMap(
    Effect.tryPromise({
      try: async () => {
        // What is looked at and what is read are one file, whatever happens to its name.
        const handle = await Fs.open(path, "r")
        try {
          const { mode } = await handle.stat()
          if (process.platform !== "win32" && (mode & 0o077) !== 0) {
            throw new UserFileError({ path, detail: `others may read it; run: chmod 600 ${path}` })
          }
          return await handle.readFile("utf8")
        } finally {
          await handle.close()
        }
      },
      catch: (cause) =>
        cause instanceof UserFileError ? cause : new UserFileError({
          path,
          detail: (cause as NodeJS.ErrnoException).code === "ENOENT"
            ? "there is no such file"
            : `it cannot be read: ${(cause as Error).message}`
        })
    }),
    (text) => parse(path, text)
  )

/**
 * Proves how UserStore.fromFile reads files of users: passwords, NT hashes (MS-NLMP 4.2.2.1.2), names without case, and
 * refused files. No error shows a secret.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as UserStore from "../../src/Server/UserStore.ts"

const file = (content: string, mode = 0o600) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const path = join(mkdtempSync(join(tmpdir(), "users-")), "users")
      writeFileSync(path, content)
      chmodSync(path, mode)
      return path
    }),
    (path) => Effect.sync(() => rmSync(join(path, ".."), { recursive: true }))
  )

const hex = (user: UserStore.User | undefined) => Buffer.from(Redacted.value(user!.ntHash!)).toString("hex")

/** MS-NLMP 4.2.2.1.2: NTOWFv1 of "Password". */
const published = "a4f49c406510bdcab6824ee7c30fd852"

describe("UserStore.fromFile", () => {
  it.effect("reads passwords and NT hashes, and shows no hash in JSON", () =>
    Effect.gen(function*() {
      const path = yield* file(`# users\n\njoe:Password\r\nAnn:${published.toUpperCase()}\nbob:a:b \n`)
      const users = yield* UserStore.fromFile(path)
      assert.strictEqual(hex(yield* users.find("JOE", "")), published)
      assert.strictEqual(hex(yield* users.find("ann", "")), published)
      const bob = yield* users.find("bob", "")
      assert.strictEqual(
        hex(bob),
        hex(yield* UserStore.inMemory({ bob: Redacted.make("a:b ") }).find("bob", ""))
      )
      assert.isUndefined(yield* users.find("# users", ""))
      assert.notInclude(JSON.stringify(yield* users.find("ann", "")).toLowerCase(), published)
    }).pipe(Effect.scoped))

  it.effect("finds names by the case table of Windows, and keeps names apart that Windows keeps apart", () =>
    Effect.gen(function*() {
      const users = yield* UserStore.fromFile(yield* file("ΟΔΟΣ:a\nΓιώργος:b\nგიორგი:c\nİsa:d\ni\u0307sa:e\n"))
      for (const name of ["οδοσ", "οδος", "ΟΔΟΣ", "ΓΙΏΡΓΟΣ", "გიორგი", "İsa", "i\u0307sa"]) {
        assert.isDefined(yield* users.find(name, ""), name)
      }
      assert.isUndefined(yield* users.find("ᲒᲘᲝᲠᲒᲘ", ""))
      assert.notStrictEqual(hex(yield* users.find("İsa", "")), hex(yield* users.find("i\u0307sa", "")))
    }).pipe(Effect.scoped))

  it.effect("refuses files that others may use, missing files and bad lines, and shows no password in the error", () =>
    Effect.gen(function*() {
      // Files of Windows have no such mode.
      for (const mode of process.platform === "win32" ? [] : [0o640, 0o604, 0o620]) {
        const error = yield* Effect.flip(UserStore.fromFile(yield* file("joe:geheim", mode)))
        assert.strictEqual(error.reason._tag, "FileReadableByOthers")
      }
      assert.strictEqual((yield* Effect.flip(UserStore.fromFile("/nowhere/users"))).reason._tag, "FileNotFound")
      for (
        const [content, _tag, line] of [
          ["joe:geheim\ngeheim", "BadLine", 2],
          [":geheim", "BadLine", 1],
          ["joe:", "BadLine", 1],
          ["joe:geheim\nJOE:geheim", "DuplicateUser", 2]
        ] as const
      ) {
        const error = yield* Effect.flip(UserStore.fromFile(yield* file(content)))
        assert.deepStrictEqual(error.reason, { _tag, line })
        assert.notInclude(`${error.message} ${JSON.stringify(error)} ${error.stack}`, "geheim")
      }
    }).pipe(Effect.scoped))
})

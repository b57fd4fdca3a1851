/**
 * Proves what a file of SQLite keeps of persistent opens, that it belongs to one server at a time, also if that server
 * is in the same process, and which files it refuses.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import type { Claimed, Entry } from "../../src/Server/OpenStore.ts"
import * as SqliteOpenStore from "../../src/Server/SqliteOpenStore.ts"

const module = fileURLToPath(new URL("../../src/Server/SqliteOpenStore.ts", import.meta.url))
const effect = import.meta.resolve("effect")

/** Runs a test with a path in a new folder. */
const inFolder = (use: (path: string) => Effect.Effect<void>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "opens-"))),
    (folder) => use(join(folder, "state", "opens.sqlite")),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )

const using = <A>(path: string, use: (claimed: Claimed) => Effect.Effect<A, unknown>) =>
  Effect.orDie(Effect.scoped(Effect.flatMap(SqliteOpenStore.make(path).claim, use)))

const entriesOf = (path: string) => using(path, ({ entries }) => Effect.succeed(entries))

/** Why a file is refused. */
const reasonOf = (path: string) =>
  Effect.map(Effect.flip(Effect.scoped(SqliteOpenStore.make(path).claim)), ({ message, reason }) => {
    assert.include(message, path)
    return reason._tag
  }).pipe(Effect.orDie)

const one: Entry = { open: 7n, part: "open", value: "{\"a\":1}" }
const largest: Entry = { open: (1n << 63n) - 1n, part: "locks/0-18446744073709551616", value: "XS" }

describe("a file of persistent opens", () => {
  it.live("has what was committed, until it is removed", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        yield* using(path, ({ commit, entries }) => {
          assert.deepStrictEqual(entries, [])
          return commit([one, { ...one, part: "sequences", value: "[]" }, largest])
        })
        assert.deepStrictEqual(yield* entriesOf(path), [one, { ...one, part: "sequences", value: "[]" }, largest])
        yield* using(path, ({ commit }) =>
          Effect.andThen(
            commit([{ ...one, value: "new" }, { open: 7n, part: "sequences" }]),
            commit([{ open: 8n, part: "open" }, { open: 9n }])
          ))
        assert.deepStrictEqual(yield* entriesOf(path), [{ ...one, value: "new" }, largest])
        yield* using(path, ({ commit }) => commit([{ open: 7n }]))
        assert.deepStrictEqual(yield* entriesOf(path), [largest])
      })
    ))

  it.live("has all changes of a commit or none", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        yield* using(path, ({ commit }) =>
          Effect.gen(function*() {
            const error = yield* Effect.flip(commit([one, { ...one, open: 1n << 64n }]))
            assert.strictEqual(error.reason._tag, "Failed")
            yield* commit([largest])
          }))
        assert.deepStrictEqual(yield* entriesOf(path), [largest])
      })
    ))

  it.live("is made so that only its user can read it", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        yield* entriesOf(path)
        assert.strictEqual(statSync(path).mode & 0o777, 0o600)
        assert.strictEqual(statSync(join(path, "..")).mode & 0o777, 0o700)
        chmodSync(path, 0o640)
        assert.strictEqual(yield* reasonOf(path), "NotPrivate")
      })
    ))

  it.live("belongs to one server at a time, and to the next one when that has stopped", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        yield* using(path, ({ commit }) =>
          Effect.gen(function*() {
            assert.strictEqual(yield* reasonOf(path), "InUse")
            // The refused one did not end the lock.
            assert.strictEqual(yield* reasonOf(path), "InUse")
            yield* commit([one])
          }))
        assert.deepStrictEqual(yield* entriesOf(path), [one])
      })
    ))

  it.live(
    "of a process that ends by SIGKILL has every commit that was done, and is free",
    () =>
      inFolder((path) =>
        Effect.gen(function*() {
          const text = `
          import * as Effect from ${JSON.stringify(new URL("Effect.js", effect).href)}
          import * as SqliteOpenStore from ${JSON.stringify(module)}
          await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
            const { commit } = yield* SqliteOpenStore.make(${JSON.stringify(path)}).claim
            for (let i = 1n;; i++) {
              yield* commit([{ open: i, part: "open", value: "x".repeat(500) }])
              console.log(String(i))
            }
          })))`
          const told = yield* Effect.promise(() =>
            new Promise<number>((resolve) => {
              const child = spawn(process.execPath, ["--input-type=module", "--eval", text], {
                stdio: ["ignore", "pipe", "inherit"]
              })
              let output = ""
              child.stdout.on("data", (lines: Buffer) => {
                output += lines.toString()
                if (output.split("\n").length > 20) child.kill("SIGKILL")
              })
              child.on("close", () => resolve(output.split("\n").length - 1))
            })
          )
          const entries = yield* entriesOf(path)
          assert.isAtLeast(told, 20)
          assert.isAtLeast(entries.length, told)
          assert.deepStrictEqual(entries.map(({ open }) => open), entries.map((_, i) => BigInt(i + 1)))
        })
      ),
    60_000
  )

  const files: ReadonlyArray<readonly [what: string, make: (path: string) => void, reason: string]> = [
    ["no database", (path) => writeFileSync(path, "x".repeat(8192), { mode: 0o600 }), "Damaged"],
    [
      "the database of another program",
      (path) => {
        const database = new DatabaseSync(path)
        database.exec("CREATE TABLE parts (open INTEGER)")
        database.close()
        chmodSync(path, 0o600)
      },
      "Damaged"
    ],
    [
      "of another version",
      (path) => {
        const database = new DatabaseSync(path)
        database.exec("CREATE TABLE parts (open INTEGER)")
        database.exec("PRAGMA application_id = 0x736d624f; PRAGMA user_version = 2")
        database.close()
        chmodSync(path, 0o600)
      },
      "OtherVersion"
    ],
    ["a folder", (path) => mkdirSync(path, { mode: 0o700 }), "Failed"]
  ]
  it.live.each(files)("is refused if it is %s", ([, make, reason]) =>
    inFolder((path) =>
      Effect.gen(function*() {
        mkdirSync(join(path, ".."))
        make(path)
        assert.strictEqual(yield* reasonOf(path), reason)
      })
    ))

  it.live("is refused if its middle is damaged", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        yield* using(
          path,
          ({ commit }) =>
            commit(Array.from({ length: 200 }, (_, i) => ({ ...one, open: BigInt(i), value: "y".repeat(400) })))
        )
        const database = new DatabaseSync(path)
        database.exec("PRAGMA journal_mode = DELETE")
        database.close()
        const { size } = statSync(path)
        assert.isAbove(size, 40_000)
        const garbage = Buffer.alloc(size, 0xa5)
        const whole = yield* Effect.promise(() => import("node:fs/promises").then((fs) => fs.readFile(path)))
        whole.copy(garbage, 0, 0, 4096)
        writeFileSync(path, garbage)
        assert.strictEqual(yield* reasonOf(path), "Damaged")
      })
    ))
})

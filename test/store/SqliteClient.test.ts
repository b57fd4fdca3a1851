/**
 * Proves that the client for SQLite keeps values exactly, runs one transaction after the other, names its failures as
 * the other clients of Effect's SQL layer do, and keeps committed rows in its file.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Latch, Stream } from "effect"
import { SqlClient } from "effect/sql"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as SqliteClient from "../../src/Server/Store/SqliteClient.ts"

const inMemory = <A, E>(body: Effect.Effect<A, E, SqlClient.SqlClient | SqliteClient.SqliteClient>) =>
  Effect.provide(body, SqliteClient.layer())

const folder = Effect.acquireRelease(
  Effect.promise(() => Fs.promises.mkdtemp(join(tmpdir(), "effect-smb-sql-"))),
  (path) => Effect.promise(() => Fs.promises.rm(path, { recursive: true, force: true }))
)

describe("SqliteClient", () => {
  it.effect("keeps integers of 64 bits, texts and bytes exactly, and gives integers as bigints with SafeIntegers", () =>
    inMemory(Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE t (i BIGINT, t TEXT, b BLOB, n TEXT)`
      const row = { i: (1n << 63n) - 1n, t: "naïve 😀", b: Uint8Array.of(0, 255, 7), n: null }
      yield* sql`INSERT INTO t ${sql.insert(row)}`
      const rows = yield* sql`SELECT * FROM t`.pipe(Effect.provideService(SqlClient.SafeIntegers, true))
      assert.deepStrictEqual(rows.map((found) => Object.entries(found)), [Object.entries(row)])
      assert.deepStrictEqual(yield* sql`SELECT typeof(${1}), typeof(${1.5}), typeof(${true})`.values, [
        ["integer", "real", "integer"]
      ])
    })))

  it.effect("undoes all changes of a transaction that fails, and only the inner ones of a nested one", () =>
    inMemory(Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE t (i INTEGER)`
      const add = (i: number) => sql`INSERT INTO t (i) VALUES (${i})`
      yield* Effect.flip(sql.withTransaction(Effect.andThen(add(1), Effect.fail("no"))))
      yield* sql.withTransaction(Effect.gen(function*() {
        yield* add(2)
        yield* Effect.flip(sql.withTransaction(Effect.andThen(add(3), Effect.fail("no"))))
        yield* sql.withTransaction(add(4))
      }))
      assert.deepStrictEqual(yield* sql`SELECT i FROM t ORDER BY i`.values, [[2], [4]])
    })))

  it.effect("lets no statement of another fiber into an open transaction", () =>
    inMemory(Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE t (i INTEGER)`
      const inside = yield* Latch.make()
      const goOn = yield* Latch.make()
      const writer = yield* Effect.forkChild(sql.withTransaction(Effect.gen(function*() {
        yield* sql`INSERT INTO t (i) VALUES (1)`
        yield* inside.open
        yield* goOn.await
        return yield* Effect.fail("undone")
      })))
      yield* inside.await
      const reader = yield* Effect.forkChild(sql`SELECT i FROM t`.values, { startImmediately: true })
      yield* goOn.open
      yield* Effect.flip(Fiber.join(writer))
      assert.deepStrictEqual(yield* Fiber.join(reader), [])
    })))

  it.effect("says UniqueViolation for a duplicate in a primary key and in a unique index", () =>
    inMemory(Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE t (a TEXT, b TEXT, c BIGINT PRIMARY KEY, UNIQUE (a, b))`
      yield* sql`CREATE TABLE u (i INTEGER PRIMARY KEY)`
      yield* sql`INSERT INTO t (a, b, c) VALUES ('x', 'y', 1)`
      yield* sql`INSERT INTO u (i) VALUES (1)`
      const refused = [
        sql`INSERT INTO t (a, b, c) VALUES ('x', 'y', 2)`,
        sql`INSERT INTO t (a, b, c) VALUES ('x', 'z', 1)`,
        sql`INSERT INTO u (i) VALUES (1)`
      ]
      for (const statement of refused) {
        assert.strictEqual((yield* Effect.flip(statement)).reason._tag, "UniqueViolation")
      }
      assert.include((yield* Effect.flip(sql`SELECT * FROM missing`)).message, "no such table: missing")
    })))

  it.effect("streams more rows than it takes at one time, each once", () =>
    inMemory(Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const count = 1000
      const rows = sql<{ i: number }>`
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count}) SELECT i FROM n`.stream
      assert.deepStrictEqual(
        yield* Stream.runCollect(Stream.map(rows, ({ i }) => i)),
        Array.from({ length: count }, (_, i) => i + 1)
      )
    })))

  it.effect("finds committed and persisted rows when the file is opened again", () =>
    Effect.scoped(Effect.gen(function*() {
      const layer = SqliteClient.layer({ filename: join(yield* folder, "files.db") })
      yield* Effect.provide(
        Effect.gen(function*() {
          const sql = yield* SqliteClient.SqliteClient
          yield* sql`CREATE TABLE t (i INTEGER)`
          yield* sql`INSERT INTO t (i) VALUES (7)`
          yield* sql.persist
          yield* sql.persist
        }),
        layer
      )
      yield* Effect.provide(
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          assert.deepStrictEqual(yield* sql`SELECT i FROM t`.values, [[7]])
        }),
        layer
      )
    })))

  it.effect("fails to open a file in a missing folder, and names the file", () =>
    Effect.gen(function*() {
      const missing = join(tmpdir(), "effect-smb-no-such-folder", "files.db")
      const error = yield* Effect.flip(Effect.provide(Effect.void, SqliteClient.layer({ filename: missing })))
      assert.strictEqual(error.reason._tag, "ConnectionError")
      assert.include(error.message, missing)
    }))
})

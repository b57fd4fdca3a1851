/**
 * Effect's `SqlClient` over SQLite, by Node's own `node:sqlite`: nothing to install, and no native code.
 *
 * One connection serves all fibers, one statement or one transaction after the other. A statement runs on the thread of
 * JavaScript and blocks it for some microseconds. Commits of a database in a file go to a write-ahead log that is not
 * synchronized each time: they survive the end of the process at once, and a loss of power after `persist`, which
 * synchronizes the log on another thread.
 *
 * As soon as a version of `@effect/sql-sqlite-node` fits this version of Effect, that client takes the place of this one
 * (docs/adr/0033-objects-and-sql.md).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Reactivity from "effect/reactivity/Reactivity"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Client from "effect/sql/SqlClient"
import type * as Connection from "effect/sql/SqlConnection"
import { classifySqliteError, SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type * as Sqlite from "node:sqlite"

/**
 * A client of one database.
 *
 * @category models
 * @since 0.2.0
 */
export interface SqliteClient extends Client.SqlClient {
  /**
   * When it is done, all transactions that were committed before survive a loss of power. It does nothing for a database
   * in memory.
   */
  readonly persist: Effect.Effect<void, SqlError>
}

/**
 * The service of `layer`. `SqlClient` of `effect/sql` is the same client without `persist`.
 *
 * @category services
 * @since 0.2.0
 */
export const SqliteClient = Context.Service<SqliteClient>("effect-smb/Server/SqliteClient")

/**
 * How a database is opened.
 *
 * @category models
 * @since 0.2.0
 */
export interface SqliteClientOptions {
  /** The database's file, which is made if it does not exist. Default: a database in memory. */
  readonly filename?: string | undefined
  /** Milliseconds that a statement waits for another process that writes. Default: 5000. */
  readonly busyTimeout?: number | undefined
  /**
   * Whether no other process can open the database, which makes statements cheaper. A second client then fails with
   * `LockTimeoutError` or `ConnectionError`. Default: false.
   */
  readonly exclusive?: boolean | undefined
}

/**
 * Pages of the write-ahead log after which a commit moves them into the database, which waits for the disk: 16 MiB. And
 * the memory for pages that were read, in KiB.
 */
const checkpointPages = 4096
const cacheKibibytes = 32_768

/** Statements whose compiled form is kept. */
const preparedStatements = 256

/** Rows that a stream takes at one time. */
const streamPiece = 128

/** SQLITE_CONSTRAINT_PRIMARYKEY and _ROWID: duplicates as well as SQLITE_CONSTRAINT_UNIQUE, and other clients say so. */
const duplicates = [1555, 2579]
const duplicate = 2067

const failure = (cause: unknown, operation: string): SqlError => {
  // Node has the extended code in `errcode`, and always `ERR_SQLITE_ERROR` in `code`.
  const { errcode } = cause as { readonly errcode?: number | undefined }
  const text = cause instanceof Error ? cause.message : String(cause)
  const coded = errcode === undefined
    ? cause
    : Object.assign(new Error(text, { cause }), { errno: duplicates.includes(errcode) ? duplicate : errcode })
  return new SqlError({
    reason: classifySqliteError(coded, { message: `SQLite failed to ${operation}: ${text}`, operation })
  })
}

/** A value as `node:sqlite` binds it, which takes every number for a floating-point number. */
const bound = (value: unknown): Sqlite.SQLInputValue => {
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof value === "boolean") return value ? 1n : 0n
  return value instanceof Date ? value.toISOString() : value as Sqlite.SQLInputValue
}

class DatabaseConnection implements Connection.Connection {
  readonly database: Sqlite.DatabaseSync
  readonly #prepared = new Map<string, Sqlite.StatementSync>()

  constructor(database: Sqlite.DatabaseSync) {
    this.database = database
  }

  #statement(sql: string): Sqlite.StatementSync {
    const found = this.#prepared.get(sql)
    if (found !== undefined) return found
    const statement = this.database.prepare(sql)
    if (this.#prepared.size >= preparedStatements) this.#prepared.delete(this.#prepared.keys().next().value!)
    this.#prepared.set(sql, statement)
    return statement
  }

  #run<A>(
    sql: string,
    prepare: (sql: string) => Sqlite.StatementSync,
    asArrays: boolean,
    use: (statement: Sqlite.StatementSync) => A
  ): Effect.Effect<A, SqlError> {
    return Effect.withFiber((fiber) => {
      try {
        const statement = prepare(sql)
        statement.setReadBigInts(fiber.getRef(Client.SafeIntegers))
        statement.setReturnArrays(asArrays)
        return Effect.succeed(use(statement))
      } catch (cause) {
        return Effect.fail(failure(cause, "execute"))
      }
    })
  }

  readonly #kept = (sql: string) => this.#statement(sql)
  readonly #once = (sql: string) => this.database.prepare(sql)

  execute(
    sql: string,
    params: ReadonlyArray<unknown>,
    transformRows: (<A extends object>(rows: ReadonlyArray<A>) => ReadonlyArray<A>) | undefined
  ): Effect.Effect<ReadonlyArray<any>, SqlError> {
    return this.#run(
      sql,
      this.#kept,
      false,
      (statement) => (transformRows ?? identity)(statement.all(...params.map(bound)))
    )
  }

  executeRaw(sql: string, params: ReadonlyArray<unknown>): Effect.Effect<unknown, SqlError> {
    return this.#run(sql, this.#kept, false, (statement) => statement.all(...params.map(bound)))
  }

  executeValues(
    sql: string,
    params: ReadonlyArray<unknown>
  ): Effect.Effect<ReadonlyArray<ReadonlyArray<unknown>>, SqlError> {
    return this.#run(sql, this.#kept, true, (statement) => statement.all(...params.map(bound)) as any)
  }

  executeValuesUnprepared(
    sql: string,
    params: ReadonlyArray<unknown>
  ): Effect.Effect<ReadonlyArray<ReadonlyArray<unknown>>, SqlError> {
    return this.#run(sql, this.#once, true, (statement) => statement.all(...params.map(bound)) as any)
  }

  executeUnprepared(
    sql: string,
    params: ReadonlyArray<unknown>,
    transformRows: (<A extends object>(rows: ReadonlyArray<A>) => ReadonlyArray<A>) | undefined
  ): Effect.Effect<ReadonlyArray<any>, SqlError> {
    return this.#run(
      sql,
      this.#once,
      false,
      (statement) => (transformRows ?? identity)(statement.all(...params.map(bound)))
    )
  }

  executeStream(
    sql: string,
    params: ReadonlyArray<unknown>,
    transformRows: (<A extends object>(rows: ReadonlyArray<A>) => ReadonlyArray<A>) | undefined
  ): Stream.Stream<any, SqlError> {
    // Its own statement: a kept one could run again before the stream has ended.
    return Stream.unwrap(Effect.map(
      this.#run(sql, this.#once, false, (statement) => statement.iterate(...params.map(bound))),
      (rows) =>
        Stream.paginate(undefined, () =>
          Effect.try({
            try: () => {
              const piece: Array<Record<string, unknown>> = []
              while (piece.length < streamPiece) {
                const next = rows.next()
                if (next.done === true) return [(transformRows ?? identity)(piece), Option.none()] as const
                piece.push(next.value as Record<string, unknown>)
              }
              return [(transformRows ?? identity)(piece), Option.some(undefined)] as const
            },
            catch: (cause) => failure(cause, "stream")
          }))
    ))
  }
}

/** Synchronizes the write-ahead log, and the first time the directory that has the names of the database's files. */
const persistence = (filename: string): Effect.Effect<void, SqlError> => {
  let named = false
  return Effect.tryPromise({
    try: async () => {
      const log = await Fs.promises.open(`${filename}-wal`, "r")
      try {
        await log.datasync()
      } finally {
        await log.close()
      }
      // Windows cannot open a directory, and keeps its names by a journal.
      if (!named && process.platform !== "win32") {
        const directory = await Fs.promises.open(Path.dirname(filename), "r")
        try {
          await directory.sync()
        } finally {
          await directory.close()
        }
      }
      named = true
    },
    catch: (cause) => failure(cause, "persist")
  })
}

/**
 * Opens a database until the scope closes. Integers of rows are numbers, or with `SafeIntegers` of `effect/sql` bigints.
 *
 * Fails with `SqlError` if the file cannot be opened, or is no database.
 *
 * @example
 * ```ts
 * const sql = yield* SqliteClient.make({ filename: "/srv/projects/files.db" })
 * const [row] = yield* sql`SELECT count(*) AS files FROM smb_node`
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (
  options: SqliteClientOptions = {}
): Effect.Effect<SqliteClient, SqlError, Scope.Scope | Reactivity.Reactivity> =>
  Effect.gen(function*() {
    const filename = options.filename ?? ":memory:"
    const isFile = filename !== ":memory:"
    const connection = yield* Effect.acquireRelease(
      Effect.try({
        try: () => {
          // Loaded only here: Node prints a warning when a program loads the module.
          const { DatabaseSync } = process.getBuiltinModule("node:sqlite")
          const database = new DatabaseSync(filename, {
            enableForeignKeyConstraints: true,
            timeout: options.busyTimeout ?? 5000
          })
          try {
            if (isFile) {
              // Before the first access, so that the index of the log is in the memory of this process.
              if (options.exclusive === true) database.exec("PRAGMA locking_mode = EXCLUSIVE")
              database.exec(
                `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -${cacheKibibytes};` +
                  `PRAGMA wal_autocheckpoint = ${checkpointPages}`
              )
            }
            return new DatabaseConnection(database)
          } catch (error) {
            database.close()
            throw error
          }
        },
        catch: (cause) => failure(cause, `open ${filename}`)
      }),
      ({ database }) => Effect.sync(() => database.close())
    )
    const acquirers = Client.makeSqliteAcquirers({
      connection: Effect.succeed(connection),
      semaphore: yield* Semaphore.make(1),
      isTransaction: ({ database }) => database.isTransaction
    })
    const client = yield* Client.make({
      ...acquirers,
      driver: "sqlite-node",
      compiler: Statement.makeCompilerSqlite(),
      spanAttributes: [["db.system.name", "sqlite"]],
      prepareTransactionControls: true,
      // Waits for another process at the beginning, and not at the first change, where SQLite refuses to wait.
      beginTransaction: "BEGIN IMMEDIATE",
      releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`
    })
    return Object.assign(client, { persist: isFile ? persistence(filename) : Effect.void })
  })

/**
 * The services `SqliteClient` and `SqlClient`, of one database.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: SqliteClientOptions = {}): Layer.Layer<SqliteClient | Client.SqlClient, SqlError> =>
  Layer.effectContext(
    Effect.map(
      make(options),
      (client) => Context.make(SqliteClient, client).pipe(Context.add(Client.SqlClient, client))
    )
  ).pipe(Layer.provide(Reactivity.layer))

/**
 * A thread with a database of SQLite: a table of texts by number and name. It reads the whole table once, and then makes
 * changes, each list of them in one transaction.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Sqlite from "node:sqlite"
import type * as Threads from "node:worker_threads"
import { Worker } from "node:worker_threads"

/** A row of the table; without a value it is to be removed, without a name all rows of the number. */
export type Row = readonly [open: bigint, part: string, value: string]
export type RowChange = readonly [open: bigint, part: string | undefined, value: string | undefined]

/** Why the database cannot be used. */
export interface Fault {
  readonly kind: "busy" | "version" | "damaged" | "failed"
  readonly detail: string
}

interface Settings {
  readonly path: string
  readonly synchronous: "full" | "normal"
}

/** A message to the thread: `undefined` as changes asks for all rows. */
interface Request {
  readonly id: number
  readonly changes: ReadonlyArray<RowChange> | undefined
}

interface Response {
  readonly id: number
  readonly rows?: ReadonlyArray<Row>
  readonly fault?: Fault
}

/**
 * What the thread runs. The thread gets the text of this function, so that no build has to find a file for it: it uses
 * nothing that is outside of it.
 */
const run = (require: NodeJS.Require): void => {
  const { parentPort, workerData } = require("node:worker_threads") as typeof Threads
  const { path, synchronous } = workerData as Settings
  /** `smbO`, so that no other program's database is taken for one of ours. */
  const applicationId = 0x736d_624f
  const version = 1
  const wrong = (kind: Fault["kind"], detail: string) => Object.assign(new Error(detail), { kind })

  const faultOf = (error: unknown): Fault => {
    const { errcode, kind, message } = error as Error & { readonly errcode?: number; readonly kind?: Fault["kind"] }
    // The low byte is the primary code: SQLITE_BUSY, SQLITE_LOCKED; SQLITE_CORRUPT, SQLITE_NOTADB.
    const code = (errcode ?? 0) & 0xff
    return {
      kind: kind ?? (code === 5 || code === 6 ? "busy" : code === 11 || code === 26 ? "damaged" : "failed"),
      detail: message
    }
  }

  const open = () => {
    const { DatabaseSync } = require("node:sqlite") as typeof Sqlite
    const database = new DatabaseSync(path, { timeout: 0 })
    const number = (pragma: string): number => {
      const row = database.prepare(`PRAGMA ${pragma}`).get() as Record<string, number>
      return row[pragma]!
    }
    try {
      database.exec("PRAGMA locking_mode = EXCLUSIVE")
      database.exec("PRAGMA journal_mode = WAL")
      database.exec(`PRAGMA synchronous = ${synchronous}`)
      // From here the file is locked for all others, until this process ends.
      database.exec("BEGIN IMMEDIATE")
      const check = database.prepare("PRAGMA quick_check(1)").get() as { readonly quick_check: string }
      if (check.quick_check !== "ok") throw wrong("damaged", check.quick_check)
      const tables = database.prepare("SELECT count(*) AS count FROM sqlite_schema").get() as { readonly count: number }
      if (tables.count === 0) {
        database.exec(`PRAGMA application_id = ${applicationId}`)
        database.exec(`PRAGMA user_version = ${version}`)
        database.exec(
          "CREATE TABLE parts (open INTEGER NOT NULL, part TEXT NOT NULL, value TEXT NOT NULL, " +
            "PRIMARY KEY (open, part)) STRICT, WITHOUT ROWID"
        )
      } else if (number("application_id") !== applicationId) {
        throw wrong("damaged", "it is a database of another program")
      } else if (number("user_version") !== version) {
        throw wrong("version", `version ${number("user_version")}`)
      }
      database.exec("COMMIT")
      const all = database.prepare("SELECT open, part, value FROM parts ORDER BY open, part")
      all.setReadBigInts(true)
      return {
        database,
        all,
        put: database.prepare("INSERT OR REPLACE INTO parts (open, part, value) VALUES (?, ?, ?)"),
        remove: database.prepare("DELETE FROM parts WHERE open = ? AND part = ?"),
        removeAll: database.prepare("DELETE FROM parts WHERE open = ?")
      }
    } catch (error) {
      database.close()
      throw error
    }
  }
  let opened: ReturnType<typeof open> | undefined

  const commit = ({ database, put, remove, removeAll }: ReturnType<typeof open>, changes: ReadonlyArray<RowChange>) => {
    database.exec("BEGIN IMMEDIATE")
    try {
      for (const [open, part, value] of changes) {
        if (part === undefined) removeAll.run(open)
        else if (value === undefined) remove.run(open, part)
        else put.run(open, part, value)
      }
      database.exec("COMMIT")
    } catch (error) {
      // SQLite has rolled back already after some errors, such as a full disk.
      if (database.isTransaction) database.exec("ROLLBACK")
      throw error
    }
  }

  parentPort!.on("message", (message: Request | "close") => {
    if (message === "close") {
      opened?.database.close()
      parentPort!.close()
      return
    }
    const { changes, id } = message
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- A thread is no window.
    const answer = (response: Omit<Response, "id">) => parentPort!.postMessage({ id, ...response })
    try {
      opened ??= open()
      if (changes !== undefined) {
        commit(opened, changes)
        answer({})
      } else answer({ rows: opened.all.all().map(({ open, part, value }) => [open, part, value] as unknown as Row) })
    } catch (error) {
      answer({ fault: faultOf(error) })
    }
  })
}

/** How long a thread may take to close its database. */
const stopTime = "5 seconds"

/** A thread with a database. */
export interface SqliteThread {
  /** Opens the database, and reads all rows. */
  readonly load: Effect.Effect<ReadonlyArray<Row>, Fault>
  readonly commit: (changes: ReadonlyArray<RowChange>) => Effect.Effect<void, Fault>
  /** Closes the database and ends the thread. */
  readonly stop: Effect.Effect<void>
}

/** Starts a thread. */
export const start = (settings: Settings): SqliteThread => {
  const worker = new Worker(`(${run.toString()})(require)`, {
    eval: true,
    workerData: settings,
    // Earlier versions of Node call the module experimental at each start.
    execArgv: ["--disable-warning=ExperimentalWarning"]
  })
  let ids = 0
  let over: Fault | undefined
  const waiting = new Map<number, (response: Omit<Response, "id">) => void>()
  const end = (detail: string) => {
    over ??= { kind: "failed", detail }
    for (const resume of waiting.values()) resume({ fault: over })
    waiting.clear()
  }
  const ended = new Promise<void>((resolve) => {
    worker.on("exit", () => {
      end("the thread of SQLite has ended")
      resolve()
    })
  })
  worker.on("error", (error) => end(error.message))
  worker.on("message", ({ id, ...response }: Response) => {
    const resume = waiting.get(id)
    waiting.delete(id)
    resume?.(response)
  })
  const ask = (changes: ReadonlyArray<RowChange> | undefined): Effect.Effect<ReadonlyArray<Row>, Fault> =>
    Effect.callback((resume) => {
      if (over !== undefined) {
        resume(Effect.fail(over))
        return
      }
      const id = ids++
      waiting.set(id, ({ fault, rows = [] }) => resume(fault === undefined ? Exit.succeed(rows) : Exit.fail(fault)))
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- A thread is no window.
      worker.postMessage({ id, changes } satisfies Request)
    })
  return {
    load: ask(undefined),
    commit: (changes) => Effect.asVoid(ask(changes)),
    stop: Effect.suspend(() => {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- A thread is no window.
      worker.postMessage("close")
      return Effect.promise(() => ended)
    }).pipe(
      Effect.timeoutOption(stopTime),
      // A disk that hangs keeps the thread.
      Effect.andThen(Effect.sync(() => void worker.terminate()))
    )
  }
}

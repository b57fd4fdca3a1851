/**
 * The database of an `ObjectStore`: how its statements run, what their failures mean, ids, and the rows of files.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import { SafeIntegers, type SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as FileTime from "../../../Codec/FileTime.ts"
import { type StoreChanges, StoreError, storeError, type StoreNode } from "../../ShareStore.ts"
import * as Attributes from "./Attributes.ts"
import type { ObjectState, OpenNode } from "./ObjectState.ts"

/** Ids that are taken from the database at one time. */
const idsAtOnce = 1024n

/** Most rows of one INSERT, and most values of one IN: PostgreSQL and SQLite both take more. */
export const rowsAtOnce = 200

/** SQLITE_FULL, and PostgreSQL's disk_full. */
const fullCodes: ReadonlySet<unknown> = new Set([13, "53100"])

const codesOf = (cause: unknown): ReadonlyArray<unknown> => {
  const { code, errno } = (cause ?? {}) as { readonly code?: unknown; readonly errno?: unknown }
  return [code, errno]
}

/** A failure of the database as a store's. */
export const toStoreError = (error: SqlError | StoreError): StoreError => {
  if (error instanceof StoreError) return error
  const { reason } = error
  if (codesOf(reason.cause).some((code) => fullCodes.has(code))) return storeError("Full", error)
  switch (reason._tag) {
    case "UniqueViolation":
      return storeError("Exists", error)
    case "ConnectionError":
    case "DeadlockError":
    case "LockTimeoutError":
    case "SerializationError":
      return storeError("Busy", error)
    default:
      return storeError("Failed", error)
  }
}

/** A file in the database. */
export interface NodeRow {
  readonly id: bigint
  readonly isDirectory: boolean
  readonly links: number
  readonly attributes: number
  readonly created: bigint
  readonly accessed: bigint
  readonly written: bigint
  readonly changed: bigint
  readonly reparseTag: number
  readonly eaSize: number
  readonly size: number
  readonly allocated: number
}

/** The columns of `nodeOf`, of a table with this name. */
export const nodeColumns = (table: string): string =>
  [
    "id",
    "directory",
    "links",
    "attributes",
    "created",
    "accessed",
    "written",
    "changed",
    "reparse_tag",
    "ea_size",
    "size",
    "allocated"
  ]
    .map((column) => `${table}.${column} AS n_${column}`)
    .join(", ")

/** The file of a row with `nodeColumns`. */
export const nodeOf = (row: Record<string, unknown>): NodeRow => ({
  id: BigInt(row["n_id"] as bigint),
  isDirectory: Number(row["n_directory"]) === 1,
  links: Number(row["n_links"]),
  attributes: Number(row["n_attributes"]),
  created: BigInt(row["n_created"] as bigint),
  accessed: BigInt(row["n_accessed"] as bigint),
  written: BigInt(row["n_written"] as bigint),
  changed: BigInt(row["n_changed"] as bigint),
  reparseTag: Number(row["n_reparse_tag"]),
  eaSize: Number(row["n_ea_size"]),
  size: Number(row["n_size"]),
  allocated: Number(row["n_allocated"])
})

/** The values of a file that a statement can change. */
export interface NodeValues {
  readonly links?: number
  readonly attributes?: number
  readonly created?: bigint
  readonly accessed?: bigint
  readonly written?: bigint
  readonly changed?: bigint
  readonly reparse_tag?: number
  readonly ea_size?: number
  readonly object_id?: string | null
  readonly size?: number
  readonly allocated?: number
}

/** A change of the data is an access too (MS-FSA 2.1.4.17). */
export const writtenAt = (now: bigint): NodeValues => ({ accessed: now, written: now, changed: now })

/** The columns of changes that a caller sets. */
export const valuesOf = (changes: StoreChanges): NodeValues => ({
  ...changes.creationTime === undefined ? {} : { created: changes.creationTime },
  ...changes.lastAccessTime === undefined ? {} : { accessed: changes.lastAccessTime },
  ...changes.lastWriteTime === undefined ? {} : { written: changes.lastWriteTime },
  ...changes.changeTime === undefined ? {} : { changed: changes.changeTime },
  ...changes.fileAttributes === undefined ? {} : { attributes: Attributes.kept(changes.fileAttributes) }
})

/** The current time, in ticks of 100 ns since 1601. */
export const now: Effect.Effect<bigint> = Clock.clockWith((clock) =>
  Effect.sync(() => FileTime.fromNanos(clock.currentTimeNanosUnsafe()))
)

/** A chunk whose length or bytes are not what the database says. */
export const damaged = (what: string): StoreError =>
  storeError("Failed", new Error(`${what}: run check of the store, and restore the file from a backup`))

/** `isTraced`: whether statements have spans. */
export const make = (sql: SqlClient, state: ObjectState, isTraced: boolean) => {
  const services = Context.make(SafeIntegers, true).pipe(Context.add(References.TracerEnabled, isTraced))
  let nextId = 0n
  let endOfIds = 0n

  /** Runs statements: integers are bigints, and failures those of a store. */
  const run = <A>(effect: Effect.Effect<A, SqlError | StoreError>): Effect.Effect<A, StoreError> =>
    Effect.mapError(Effect.provideContext(effect, services), toStoreError)

  /** Runs statements that happen together, or not at all, without an interruption between them. */
  const transaction = <A>(effect: Effect.Effect<A, SqlError | StoreError>): Effect.Effect<A, StoreError> =>
    Effect.uninterruptible(run(sql.withTransaction(effect)))

  /** A new id. Not within a transaction: if it failed, the database would give the id again. */
  const newId: Effect.Effect<bigint, StoreError> = Effect.suspend(() => {
    if (nextId < endOfIds) return Effect.succeed(nextId++)
    return Effect.map(
      run(sql<{ next: bigint }>`
        UPDATE smb_counter SET next = next + ${idsAtOnce} WHERE name = 'id' RETURNING next`),
      ([row]) => {
        endOfIds = BigInt(row!.next)
        nextId = endOfIds - idsAtOnce
        return nextId++
      }
    )
  })

  /**
   * Changes a file, with the time of its last write if that is not in the database yet. Fails with `Stale` if the file
   * is gone.
   */
  const updateNode = (id: bigint, values: NodeValues): Effect.Effect<void, SqlError | StoreError> =>
    Effect.suspend(() => {
      const open = state.nodes.get(id)
      const pending = open?.writtenAt
      const all = pending === undefined ? values : { ...writtenAt(pending), ...values }
      return Effect.flatMap(
        sql<{ id: bigint }>`UPDATE smb_node SET ${
          sql.update(all as Record<string, unknown>)
        } WHERE id = ${id} RETURNING id`,
        (rows) => {
          if (rows.length === 0) return Effect.fail(storeError("Stale"))
          // If the transaction fails, only the time of a write is lost.
          if (open !== undefined && open.writtenAt === pending) open.writtenAt = undefined
          return Effect.void
        }
      )
    })

  /** Removes chunks to which nothing refers, and returns those whose blobs are to be removed. */
  const removeUnused = Effect.gen(function*() {
    yield* sql`INSERT INTO smb_garbage (id) SELECT id FROM smb_chunk WHERE refs <= 0 AND bytes IS NULL`
    const gone = yield* sql<{ id: string; inline: bigint }>`
      DELETE FROM smb_chunk WHERE refs <= 0 RETURNING id, CASE WHEN bytes IS NULL THEN 0 ELSE 1 END AS inline`
    return gone.filter(({ inline }) => Number(inline) === 0).map(({ id }) => id)
  })

  /**
   * Takes the extents of streams away, and returns the blobs that nothing refers to any more. A few statements for each
   * stream, no matter how many extents it has.
   */
  const removeExtents = Effect.fnUntraced(function*(
    streams: ReadonlyArray<bigint>
  ): Effect.fn.Return<ReadonlyArray<string>, SqlError> {
    let any = false
    for (const stream of streams) {
      const used = yield* sql`SELECT 1 AS one FROM smb_extent WHERE stream = ${stream} LIMIT 1`
      if (used.length === 0) continue
      any = true
      yield* sql`
        UPDATE smb_chunk SET refs = refs - (
          SELECT count(*) FROM smb_extent x WHERE x.chunk = smb_chunk.id AND x.stream = ${stream}
        ) WHERE id IN (SELECT chunk FROM smb_extent WHERE stream = ${stream})`
      yield* sql`DELETE FROM smb_extent WHERE stream = ${stream}`
    }
    return any ? yield* removeUnused : []
  })

  /** Counts references to existing chunks, and returns the blobs that nothing refers to any more. */
  const changeReferences = Effect.fnUntraced(function*(
    changes: ReadonlyMap<string, number>
  ): Effect.fn.Return<ReadonlyArray<string>, SqlError> {
    let fewer = false
    for (const [chunk, by] of changes) {
      if (by === 0) continue
      if (by < 0) fewer = true
      yield* sql`UPDATE smb_chunk SET refs = refs + ${by} WHERE id = ${chunk}`
    }
    return fewer ? yield* removeUnused : []
  })

  /** Removes a file that has no name, with all that it has, and returns the blobs that nothing refers to any more. */
  const removeNode = Effect.fnUntraced(function*(id: bigint): Effect.fn.Return<ReadonlyArray<string>, SqlError> {
    const streams = yield* sql<{ id: bigint }>`DELETE FROM smb_stream WHERE node = ${id} RETURNING id`
    const garbage = yield* removeExtents([id, ...streams.map((stream) => BigInt(stream.id))])
    yield* sql`DELETE FROM smb_blob WHERE node = ${id}`
    yield* sql`DELETE FROM smb_node WHERE id = ${id}`
    return garbage
  })

  return { sql, state, run, transaction, newId, updateNode, removeExtents, changeReferences, removeNode }
}

export type ObjectDatabase = ReturnType<typeof make>

/** A file as clients see it: what is in the database, and what was written since. */
export const describe = (
  row: NodeRow,
  name: string,
  open: OpenNode | undefined,
  stream: { readonly id: bigint; readonly size: number; readonly allocated: number } = row
): StoreNode => {
  const content = open?.contents.get(stream.id)
  const size = content?.size ?? stream.size
  const waiting = content === undefined ? 0 : content.buffer.used + (content.uploading?.used ?? 0)
  const type = row.isDirectory ? "directory" : "file"
  const pending = open?.writtenAt
  return {
    name,
    id: row.id,
    identity: String(row.id),
    type,
    size: BigInt(size),
    allocationSize: BigInt(Math.min((content?.allocated ?? stream.allocated) + waiting, size)),
    creationTime: row.created,
    lastAccessTime: pending ?? row.accessed,
    lastWriteTime: pending ?? row.written,
    changeTime: pending ?? row.changed,
    fileAttributes: Attributes.reported(row.attributes, type, row.reparseTag),
    numberOfLinks: row.links,
    reparseTag: row.reparseTag,
    eaSize: row.eaSize
  }
}

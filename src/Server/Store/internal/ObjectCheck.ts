/**
 * Whether an `ObjectStore` is consistent: names, files, extents, chunks and blobs, each against the others. And what
 * nothing refers to is removed.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Blobs } from "../../BlobStore.ts"
import type { StoreError } from "../../ShareStore.ts"
import type { ObjectContents } from "./ObjectContents.ts"
import { type ObjectDatabase, rowsAtOnce } from "./ObjectDatabase.ts"

const mostProblems = 1000

/** What is wrong inside the database: each statement gives the rows that are wrong, with `what` of each. */
const wrongRows = [
  `SELECT 'the name ' || e.name || ' of file ' || e.node || ' is in file ' || e.parent || ', which is no directory' AS what
    FROM smb_entry e LEFT JOIN smb_node p ON p.id = e.parent WHERE p.id IS NULL OR p.directory <> 1`,
  `SELECT 'file ' || n.id || ' counts ' || n.links || ' names and has '
      || (SELECT count(*) FROM smb_entry e WHERE e.node = n.id) AS what
    FROM smb_node n
    WHERE n.links <> (SELECT count(*) FROM smb_entry e WHERE e.node = n.id)
      AND NOT EXISTS (SELECT 1 FROM smb_volume v WHERE v.root = n.id)`,
  `SELECT 'chunk ' || c.id || ' counts ' || c.refs || ' uses and has '
      || (SELECT count(*) FROM smb_extent x WHERE x.chunk = c.id) AS what
    FROM smb_chunk c WHERE c.refs <> (SELECT count(*) FROM smb_extent x WHERE x.chunk = c.id)`,
  `SELECT 'stream ' || x.stream || ' uses bytes behind the end of chunk ' || x.chunk AS what
    FROM smb_extent x JOIN smb_chunk c ON c.id = x.chunk WHERE x.skip + x.length > c.length OR x.length <= 0`,
  `SELECT 'stream ' || x.stream || ' has two parts at ' || y.start AS what
    FROM smb_extent x JOIN smb_extent y ON y.stream = x.stream AND y.start > x.start AND y.start < x.start + x.length`,
  `SELECT 'extents are kept for stream ' || x.stream || ', which does not exist' AS what FROM smb_extent x
    WHERE NOT EXISTS (SELECT 1 FROM smb_node n WHERE n.id = x.stream)
      AND NOT EXISTS (SELECT 1 FROM smb_stream s WHERE s.id = x.stream)`,
  `SELECT 'file ' || n.id || ' has bytes behind its end' AS what FROM smb_node n
    WHERE n.size < (SELECT max(x.start + x.length) FROM smb_extent x WHERE x.stream = n.id)`,
  `SELECT 'stream ' || s.id || ' has bytes behind its end' AS what FROM smb_stream s
    WHERE s.size < (SELECT max(x.start + x.length) FROM smb_extent x WHERE x.stream = s.id)`
]

export const make = (database: ObjectDatabase, blobs: Blobs, contents: ObjectContents) => {
  const { run, sql, state } = database

  /** Those of some blobs to which no chunk refers, and which are not being put. */
  const unusedOf = (ids: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>, StoreError> => {
    // In this order: an upload is in the database before it leaves the list of uploads.
    const waiting = ids.filter((id) => !state.uploads.has(id))
    if (waiting.length === 0) return Effect.succeed([])
    return Effect.map(run(sql<{ id: string }>`SELECT id FROM smb_chunk WHERE ${sql.in("id", waiting)}`), (rows) => {
      const used = new Set(rows.map(({ id }) => id))
      return waiting.filter((id) => !used.has(id))
    })
  }

  const pieces = <A>(stream: Stream.Stream<A, StoreError>) => Stream.grouped(stream, rowsAtOnce)

  /** `CheckReport` of `ObjectStore`. */
  const check = Effect.gen(function*() {
    const problems: Array<string> = []
    const report = (what: string) => {
      if (problems.length < mostProblems) problems.push(what)
    }
    for (const statement of wrongRows) {
      const rows = yield* run(sql.unsafe<{ what: string }>(`${statement} LIMIT ${mostProblems}`))
      for (const { what } of rows) report(what)
    }
    // What the database says about blobs that exist, a piece at a time.
    let unused = 0
    yield* Stream.runForEach(pieces(blobs.list), (some) =>
      Effect.gen(function*() {
        const sizes = new Map(some.map(({ id, size }) => [id, size]))
        const rows = yield* run(sql<{ id: string; length: bigint }>`
          SELECT id, length FROM smb_chunk WHERE bytes IS NULL AND ${sql.in("id", Array.from(sizes.keys()))}`)
        for (const { id, length } of rows) {
          const size = sizes.get(id)!
          if (size !== Number(length)) report(`chunk ${id} has ${size} bytes and not ${length}`)
        }
        unused += (yield* unusedOf(Array.from(sizes.keys()))).length
      }))
    // And about blobs that do not exist.
    let after = ""
    for (;;) {
      const rows: ReadonlyArray<{ readonly id: string }> = yield* run(sql<{ id: string }>`
        SELECT id FROM smb_chunk WHERE bytes IS NULL AND id > ${after} ORDER BY id LIMIT ${rowsAtOnce}`)
      const found = yield* Effect.forEach(
        rows,
        ({ id }) =>
          Effect.matchEffect(blobs.readInto(id, 0, new Uint8Array(1)), {
            onSuccess: () => Effect.undefined,
            onFailure: (error) => error.reason._tag === "NotFound" ? Effect.succeed(id) : Effect.fail(error)
          }),
        { concurrency: 4 }
      )
      for (const id of found) if (id !== undefined) report(`the bytes of chunk ${id} are missing`)
      if (rows.length < rowsAtOnce) break
      after = rows.at(-1)!.id
    }
    const [counts] = yield* run(sql<{ files: bigint; chunks: bigint }>`
      SELECT (SELECT count(*) FROM smb_node) AS files, (SELECT count(*) FROM smb_chunk) AS chunks`)
    return { files: Number(counts!.files), chunks: Number(counts!.chunks), unused, problems }
  })

  /** `CollectReport` of `ObjectStore`. */
  const collect = Effect.gen(function*() {
    let count = 0
    yield* Stream.runForEach(pieces(Stream.map(blobs.list, ({ id }) => id)), (ids) =>
      Effect.gen(function*() {
        const unused = yield* unusedOf(ids)
        count += unused.length
        yield* contents.removeBlobs(unused)
      }))
    // Blobs that are gone already.
    yield* run(sql`DELETE FROM smb_garbage`)
    return { blobs: count }
  })

  return { check, collect }
}

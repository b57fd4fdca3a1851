/**
 * The tables of an `ObjectStore`, in SQL that SQLite and PostgreSQL both take.
 *
 * Ids come from one counter and are never used again, so the id of a file is its identity. The main stream of a file has
 * the id of the file, and no row in `smb_stream`. Chunks are immutable and counted by their extents: a snapshot, or a
 * copy, is more extents for the same chunks.
 */
import * as Effect from "effect/Effect"
import * as Migrator from "effect/sql/Migrator"
import { SqlClient } from "effect/sql/SqlClient"

const files = Effect.gen(function*() {
  const sql = yield* SqlClient
  const bytes = sql.literal(sql.onDialectOrElse({ pg: () => "BYTEA", orElse: () => "BLOB" }))
  yield* sql`CREATE TABLE smb_counter (name TEXT PRIMARY KEY, next BIGINT NOT NULL)`
  // Low numbers are reserved on NTFS, and for clients 0 means that a file has no number.
  yield* sql`INSERT INTO smb_counter (name, next) VALUES ('id', 64)`
  yield* sql`CREATE TABLE smb_volume (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    root BIGINT NOT NULL,
    serial BIGINT NOT NULL,
    created BIGINT NOT NULL
  )`
  yield* sql`CREATE TABLE smb_node (
    id BIGINT PRIMARY KEY,
    volume BIGINT NOT NULL,
    directory SMALLINT NOT NULL,
    links INTEGER NOT NULL,
    attributes BIGINT NOT NULL,
    created BIGINT NOT NULL,
    accessed BIGINT NOT NULL,
    written BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    reparse_tag BIGINT NOT NULL,
    ea_size BIGINT NOT NULL,
    object_id TEXT,
    size BIGINT NOT NULL,
    allocated BIGINT NOT NULL,
    UNIQUE (volume, object_id)
  )`
  // Files without a name, which were open when the process ended.
  yield* sql`CREATE INDEX smb_node_unnamed ON smb_node (id) WHERE links = 0`
  yield* sql`CREATE TABLE smb_entry (
    id BIGINT PRIMARY KEY,
    parent BIGINT NOT NULL REFERENCES smb_node (id),
    folded TEXT NOT NULL,
    name TEXT NOT NULL,
    node BIGINT NOT NULL REFERENCES smb_node (id),
    UNIQUE (parent, folded)
  )`
  yield* sql`CREATE INDEX smb_entry_node ON smb_entry (node)`
  yield* sql`CREATE TABLE smb_blob (
    node BIGINT NOT NULL REFERENCES smb_node (id),
    kind TEXT NOT NULL,
    bytes ${bytes} NOT NULL,
    PRIMARY KEY (node, kind)
  )`
  // A removed stream that is still open has no folded name.
  yield* sql`CREATE TABLE smb_stream (
    id BIGINT PRIMARY KEY,
    node BIGINT NOT NULL REFERENCES smb_node (id),
    folded TEXT,
    name TEXT NOT NULL,
    size BIGINT NOT NULL,
    allocated BIGINT NOT NULL,
    UNIQUE (node, folded)
  )`
  yield* sql`CREATE INDEX smb_stream_unnamed ON smb_stream (id) WHERE folded IS NULL`
  yield* sql`CREATE TABLE smb_chunk (
    id TEXT PRIMARY KEY,
    length BIGINT NOT NULL,
    refs BIGINT NOT NULL,
    durable SMALLINT NOT NULL,
    bytes ${bytes}
  )`
  yield* sql`CREATE INDEX smb_chunk_unused ON smb_chunk (id) WHERE refs <= 0`
  yield* sql`CREATE TABLE smb_extent (
    stream BIGINT NOT NULL,
    start BIGINT NOT NULL,
    length BIGINT NOT NULL,
    chunk TEXT NOT NULL REFERENCES smb_chunk (id),
    skip BIGINT NOT NULL,
    PRIMARY KEY (stream, start)
  )`
  yield* sql`CREATE INDEX smb_extent_chunk ON smb_extent (chunk)`
  // Blobs whose chunks are gone, until the blobs are gone too.
  yield* sql`CREATE TABLE smb_garbage (id TEXT PRIMARY KEY)`
})

/** Makes the tables, or brings those of an earlier version to this one. */
export const migrate = Migrator.make({})({
  loader: Migrator.fromRecord({ "0001_files": files }),
  table: "smb_migrations"
})

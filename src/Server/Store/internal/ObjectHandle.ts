/** The open files of an `ObjectStore`. */
import * as Effect from "effect/Effect"
import * as Allocate from "../../../Codec/Allocate.ts"
import { type StoreError, storeError, type StoreFile } from "../../ShareStore.ts"
import * as Attributes from "./Attributes.ts"
import type { ObjectContents } from "./ObjectContents.ts"
import { describe, nodeColumns, nodeOf, type NodeValues, now, type ObjectDatabase, valuesOf } from "./ObjectDatabase.ts"
import * as ObjectIds from "./ObjectIds.ts"
import type { Content, OpenNode } from "./ObjectState.ts"
import type { Found, ObjectTree, StreamRow } from "./ObjectTree.ts"
import * as StoreNames from "./StoreNames.ts"

const fail = (reason: Parameters<typeof storeError>[0]) => Effect.fail(storeError(reason))

/** Offsets are plain numbers in the store: none is larger than a number can be exact. */
const largest = BigInt(Number.MAX_SAFE_INTEGER)

/** An offset within the range of the store; beyond it there are no bytes. */
const clamped = (offset: bigint): number => Number(offset < largest ? offset : largest)

/** What a handle refers to. */
export interface Opened {
  readonly found: Found
  readonly node: OpenNode
  /** The stream that it reads and writes; `undefined` for a directory itself. */
  readonly content: Content | undefined
  /** The named stream. */
  readonly stream: StreamRow | undefined
}

/** The streams of the open files, with the state of the store that they are of. */
const streams = new WeakMap<StoreFile, { readonly content: Content; readonly state: ObjectDatabase["state"] }>()

export const make = (
  database: ObjectDatabase,
  contents: ObjectContents,
  tree: ObjectTree,
  persist: Effect.Effect<void, StoreError>,
  { content, found, node, stream }: Opened
): StoreFile => {
  const { run, sql, transaction, updateNode } = database
  const { id } = node
  let lastName = found.entry?.name ?? ""

  /** Runs something with the bytes, which a directory does not have. */
  const withBytes = <A>(body: (content: Content) => Effect.Effect<A, StoreError>): Effect.Effect<A, StoreError> =>
    content === undefined ? fail("IsDirectory") : Effect.suspend(() => body(content))

  const changingBytes = (
    end: bigint,
    body: (content: Content) => Effect.Effect<void, StoreError>
  ): Effect.Effect<void, StoreError> =>
    withBytes((content) =>
      end > largest
        ? Effect.andThen(tree.requireWritable, fail("Full"))
        : Effect.andThen(tree.requireWritable, body(content))
    )

  /** The current state, with the name of now. */
  const stat = Effect.map(
    run(sql<Record<string, any>>`
      SELECT ${sql.literal(nodeColumns("n"))}, e.name AS name FROM smb_node n
      LEFT JOIN smb_entry e ON e.id = ${found.entry?.id ?? null} WHERE n.id = ${id}`),
    ([row]) => {
      if (row === undefined) return undefined
      if (row["name"] !== null) lastName = String(row["name"])
      return describe(nodeOf(row), lastName, node, stream)
    }
  )

  /** The values of the file that follow from one of its blobs. */
  const following = (blob: string, bytes: Uint8Array | undefined): NodeValues => {
    if (blob === "ReparsePoint") return { reparse_tag: Attributes.reparseTagOf(bytes) }
    if (blob === "ExtendedAttributes") return { ea_size: bytes?.length ?? 0 }
    if (blob === "ObjectId") return { object_id: bytes === undefined ? null : ObjectIds.idOf(bytes) }
    return {}
  }

  const file: StoreFile = {
    id,
    stat: Effect.flatMap(stat, (described) => described === undefined ? fail("Stale") : Effect.succeed(described)),
    read: (offset, length) =>
      withBytes((content) => {
        const from = clamped(offset)
        const target = Allocate.uninitialized(Math.max(0, Math.min(length, content.size - from)))
        return Effect.map(
          contents.readInto(content, from, target),
          (count) => count === target.length ? target : target.slice(0, count)
        )
      }),
    readInto: (offset, target) => withBytes((content) => contents.readInto(content, clamped(offset), target)),
    write: (offset, data) =>
      changingBytes(offset + BigInt(data.length), (content) => contents.write(content, Number(offset), data)),
    truncate: (size) => changingBytes(size, (content) => contents.truncate(content, Number(size))),
    zero: ({ length, offset }) =>
      changingBytes(0n, (content) => contents.zero(content, clamped(offset), clamped(length))),
    copyFrom: (source, { length, offset }, to) =>
      changingBytes(to + length, (content) => {
        const from = streams.get(source)
        if (from === undefined || from.state !== database.state) return fail("Unsupported")
        return contents.copy(from.content, clamped(offset), content, Number(to), clamped(length))
      }),
    allocated: ({ length, offset }) =>
      withBytes((content) => contents.allocated(content, clamped(offset), clamped(offset + length))),
    flush: content === undefined ? persist : contents.upload(content, true),
    ...content === undefined ? {} : { complete: contents.upload(content, false) },
    set: (changes) =>
      Effect.andThen(
        tree.requireWritable,
        Effect.flatMap(now, (at) => run(updateNode(id, { changed: at, ...valuesOf(changes) })))
      ),
    getBlob: (blob) =>
      Effect.map(
        run(sql<{ bytes: Uint8Array }>`SELECT bytes FROM smb_blob WHERE node = ${id} AND kind = ${blob}`),
        ([row]) => row === undefined ? undefined : Uint8Array.from(row.bytes)
      ),
    setBlob: (blob, bytes) =>
      Effect.gen(function*() {
        yield* tree.requireWritable
        const at = yield* now
        yield* transaction(Effect.gen(function*() {
          yield* updateNode(id, { changed: at, ...following(blob, bytes) })
          yield* sql`DELETE FROM smb_blob WHERE node = ${id} AND kind = ${blob}`
          if (bytes !== undefined) {
            yield* sql`INSERT INTO smb_blob ${sql.insert({ node: id, kind: blob, bytes: Uint8Array.from(bytes) })}`
          }
        }))
      }),
    streams: Effect.map(
      run(sql<Record<string, any>>`
        SELECT id, name, size, allocated FROM smb_stream WHERE node = ${id} AND folded IS NOT NULL ORDER BY id`),
      (rows) =>
        rows.map((row) => {
          const open = node.contents.get(BigInt(row["id"]))
          return {
            name: String(row["name"]),
            size: BigInt(open?.size ?? row["size"]),
            allocationSize: BigInt(open?.allocated ?? row["allocated"])
          }
        })
    ),
    ...stream === undefined || content === undefined ? {} : {
      renameStream: (name, { replace }) =>
        tree.changing(Effect.gen(function*() {
          yield* tree.requireWritable
          if (!tree.isName(name)) return yield* storeError("InvalidName")
          if (!content.isNamed) return yield* storeError("Stale")
          const there = yield* tree.streamRow(id, name)
          const replaced = there !== undefined && there.id !== stream.id ? there : undefined
          if (replaced !== undefined && !replace) return yield* storeError("Exists")
          const at = yield* now
          yield* tree.change(Effect.gen(function*() {
            const unlinked = replaced === undefined ? tree.nothing : yield* tree.unlinkStream(id, replaced.id)
            yield* sql`UPDATE smb_stream SET folded = ${StoreNames.fold(name)}, name = ${name} WHERE id = ${stream.id}`
            yield* updateNode(id, { changed: at })
            return unlinked
          }))
        }))
    }
  }
  if (content !== undefined) streams.set(file, { content, state: database.state })
  return file
}

/** Ends an open: uploads what was written, and removes what has no name and no handle any more. */
export const release = (
  database: ObjectDatabase,
  contents: ObjectContents,
  { content, node }: Opened
): Effect.Effect<void> => {
  const { state } = database
  const removeUnnamed = Effect.gen(function*() {
    if (!node.isNamed) {
      if (node.opens > 0) return
      for (const one of node.contents.values()) state.forget(one)
      state.nodes.delete(node.id)
      return yield* contents.removeGarbage(yield* database.transaction(database.removeNode(node.id)))
    }
    if (content === undefined || content.opens > 0) return
    if (!content.isNamed) {
      state.forget(content)
      yield* contents.removeGarbage(
        yield* database.transaction(
          Effect.tap(
            database.removeExtents([content.id]),
            database.sql`DELETE FROM smb_stream WHERE id = ${content.id}`
          )
        )
      )
    } else if (!content.isDirty) node.contents.delete(content.id)
    state.forgetUnused(node)
  })
  return Effect.suspend(() => {
    node.opens--
    if (content !== undefined) content.opens--
    const isKept = content !== undefined && (node.isNamed || node.opens > 0) && (content.isNamed || content.opens > 0)
    return Effect.andThen(isKept ? contents.upload(content, false) : Effect.void, removeUnnamed)
  }).pipe(
    // What could not be uploaded stays in memory, and the next upload of this file tries again.
    Effect.catch((error) => Effect.logError("the bytes of a closed file are not in the storage yet", error)),
    Effect.ensuring(Effect.sync(() => state.forgetUnused(node)))
  )
}

/**
 * A store over a database and a place for immutable bytes: names, times, attributes and blobs of files are in SQL, and
 * their bytes are chunks in a `BlobStore`.
 *
 * Writes go into memory within a bound. A flush, and the end of an open, upload them as new chunks, and then one
 * transaction makes them visible: a crash leaves a file as it was before, or as it is after. Copies share chunks.
 * docs/scale.md says what is promised when something fails, and docs/adr/0033-objects-and-sql.md why it is made so.
 *
 * One process has a volume at a time.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import * as Tracer from "effect/Tracer"
import { mkdir } from "node:fs/promises"
import * as Path from "node:path"
import * as Arguments from "../../Protocol/Arguments.ts"
import * as BlobStore from "../BlobStore.ts"
import { type ShareStore, type StoreError, storeError, type StoreOpened, type StoreVolume } from "../ShareStore.ts"
import * as Local from "./internal/Local.ts"
import * as ObjectCheck from "./internal/ObjectCheck.ts"
import * as ObjectContents from "./internal/ObjectContents.ts"
import * as ObjectDatabase from "./internal/ObjectDatabase.ts"
import * as ObjectHandle from "./internal/ObjectHandle.ts"
import * as ObjectSchema from "./internal/ObjectSchema.ts"
import { ObjectState } from "./internal/ObjectState.ts"
import * as ObjectTree from "./internal/ObjectTree.ts"
import * as StoreNames from "./internal/StoreNames.ts"
import * as SqliteClient from "./SqliteClient.ts"

/**
 * How files are kept.
 *
 * @category models
 * @since 0.2.0
 */
export interface ObjectStoreOptions {
  /** The volume in the database: each has its own files. Default: `default`. */
  readonly volume?: string | undefined
  /** The volume's name for clients. Default: the name of the volume in the database. */
  readonly label?: string | undefined
  /** Whether every change fails with `ReadOnly`. Default: false. */
  readonly readOnly?: boolean | undefined
  /** The most bytes of a chunk. Default: 4 MiB. */
  readonly chunkSize?: number | undefined
  /** Chunks of up to so many bytes are kept in the database. Default: 32 KiB. */
  readonly inlineSize?: number | undefined
  /** The most written bytes in memory. Default: 64 MiB. */
  readonly bufferSize?: number | undefined
}

/**
 * What a check has found.
 *
 * @category models
 * @since 0.2.0
 */
export interface CheckReport {
  readonly files: number
  readonly chunks: number
  /** Blobs that nothing refers to: `collect` removes them. */
  readonly unused: number
  /** What is wrong, a sentence for each; at most 1000. Empty: the store is consistent. */
  readonly problems: ReadonlyArray<string>
}

/**
 * What a collection has removed.
 *
 * @category models
 * @since 0.2.0
 */
export interface CollectReport {
  readonly blobs: number
}

/**
 * A `ShareStore` over a database, with what its administrator needs.
 *
 * @category models
 * @since 0.2.0
 */
export interface ObjectStore extends ShareStore {
  /**
   * Compares names, files, chunks and blobs with each other. It changes nothing. Changes at the same time can show as
   * problems: check again before you believe one.
   */
  readonly check: Effect.Effect<CheckReport, StoreError>
  /**
   * Removes blobs that nothing refers to, which a crash can leave. The server can run. Only if all that put blobs into
   * the `BlobStore` are this store: the chunks of another database would be lost.
   */
  readonly collect: Effect.Effect<CollectReport, StoreError>
}

/** Names of a volume in the database: those of a file, so that it can be shown and written anywhere. */
const volumeName: Arguments.Rule = {
  holds: (value) => typeof value === "string" && StoreNames.isComponent(value) && value.isWellFormed(),
  expected: "a text that can be the name of a file"
}

/**
 * Serves a volume until the scope closes, and makes it, and the tables, if they do not exist.
 *
 * Fails with `Busy` if the database cannot be reached, and with `Failed` if its tables cannot be made or read.
 * `ArgumentError` is a defect, for an option that cannot be used.
 *
 * @example
 * ```ts
 * const store = yield* ObjectStore.make({ label: "Projects" })
 * const { problems } = yield* store.check
 * if (problems.length === 0) yield* store.collect
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (
  options: ObjectStoreOptions = {}
): Effect.Effect<ObjectStore, StoreError, SqlClient | BlobStore.BlobStore | Scope.Scope> =>
  Effect.gen(function*() {
    Arguments.assertOptions({
      volume: [volumeName, options.volume],
      label: [Arguments.text, options.label],
      chunkSize: [Arguments.integer(4096, 1 << 30, "a whole number of bytes"), options.chunkSize],
      inlineSize: [Arguments.integer(0, 1 << 20, "a whole number of bytes"), options.inlineSize],
      bufferSize: [Arguments.memory, options.bufferSize]
    })
    const sql = yield* SqlClient
    const blobs = yield* BlobStore.BlobStore
    const sqlite = yield* Effect.serviceOption(SqliteClient.SqliteClient)
    const scope = yield* Effect.scope
    const name = options.volume ?? "default"
    const readOnly = options.readOnly ?? false
    const chunk = options.chunkSize ?? 4 * 1024 * 1024
    const persist = Option.match(sqlite, {
      // Other databases keep what they have committed.
      onNone: () => Effect.void,
      onSome: (client) => Effect.mapError(client.persist, ObjectDatabase.toStoreError)
    })
    const state = new ObjectState()
    // Effect's default tracer sends its spans nowhere.
    const isTraced = (yield* Effect.context<never>()).mapUnsafe.has(Tracer.Tracer.key)
    const database = ObjectDatabase.make(sql, state, isTraced)
    yield* Effect.provideService(ObjectSchema.migrate, SqlClient, sql).pipe(
      Effect.catchTag("SqlError", (error) => Effect.fail(ObjectDatabase.toStoreError(error))),
      Effect.catchTag("MigrationError", (error) => Effect.fail(storeError("Failed", error)))
    )
    const volume = yield* openVolume(database, name)
    const contents = ObjectContents.make(
      database,
      blobs,
      {
        chunk,
        inline: options.inlineSize ?? 32 * 1024,
        buffer: options.bufferSize ?? 64 * 1024 * 1024
      },
      persist,
      scope
    )
    const tree = ObjectTree.make(database, contents, volume, readOnly)
    if (!readOnly) yield* removeUnnamed(database, contents, volume.id)
    yield* Effect.addFinalizer(() =>
      Effect.forEach(
        Array.from(state.nodes.values()).flatMap((node) => Array.from(node.contents.values())),
        (content) =>
          Effect.catch(
            contents.upload(content, false),
            (error) =>
              Effect.logError("written bytes of a file are lost: they cannot be uploaded before the end", error)
          ),
        { discard: true }
      )
    )

    const openAny: ShareStore["open"] = (path, how) => {
      const acquire = Effect.gen(function*() {
        if (how.stream === undefined) {
          const { created, found } = yield* tree.openNode(path, how)
          const node = state.open(found.node.id)
          const content = found.node.isDirectory
            ? undefined
            : state.openContent(node, node.id, found.node.size, found.node.allocated, created)
          return { created, opened: { found, node, content, stream: undefined } }
        }
        const { created, found, stream } = yield* tree.openStream(path, how.stream, how)
        const node = state.open(found.node.id)
        const content = state.openContent(node, stream.id, stream.size, stream.allocated, created)
        return { created, opened: { found, node, content, stream } }
      })
      return Effect.map(
        Effect.acquireRelease(
          how.mode === "existing" ? acquire : tree.changing(acquire),
          ({ opened }) => ObjectHandle.release(database, contents, opened)
        ),
        ({ created, opened }): StoreOpened => ({
          created,
          file: ObjectHandle.make(database, contents, tree, persist, opened),
          node: ObjectDatabase.describe(
            opened.found.node,
            opened.found.entry?.name ?? "",
            opened.node,
            opened.stream
          )
        })
      )
    }

    return {
      volume: Effect.map(blobs.space, ({ free, total }): StoreVolume => ({
        label: options.label ?? name,
        serialNumber: volume.serial,
        creationTime: volume.created,
        total,
        free,
        maximumComponentLength: StoreNames.maximumComponentLength,
        supports: {
          streams: true,
          securityDescriptors: true,
          extendedAttributes: true,
          reparsePoints: true,
          sparse: true,
          objectIds: true
        },
        readOnly
      })),
      stat: (path) => Effect.map(tree.find(path), tree.described),
      open: openAny,
      list: tree.list,
      names: tree.names,
      remove: tree.remove,
      rename: tree.rename,
      link: tree.link,
      origin: state,
      ...ObjectCheck.make(database, blobs, contents)
    }
  })

/** The volume of that name, which is made if it does not exist. */
const openVolume = Effect.fnUntraced(function*(
  database: ObjectDatabase.ObjectDatabase,
  name: string
): Effect.fn.Return<
  { readonly id: bigint; readonly root: bigint; readonly serial: number; readonly created: bigint },
  StoreError
> {
  const { newId, run, sql, transaction } = database
  const find = run(sql<Record<string, any>>`SELECT id, root, serial, created FROM smb_volume WHERE name = ${name}`)
  let [row] = yield* find
  if (row === undefined) {
    const id = yield* newId
    const root = yield* newId
    const created = yield* ObjectDatabase.now
    // As on Windows: from the time when the volume was made.
    const serial = Number(BigInt.asUintN(32, created ^ (created >> 32n)))
    const times = { created, ...ObjectDatabase.writtenAt(created) }
    yield* transaction(Effect.andThen(
      sql`INSERT INTO smb_volume ${sql.insert({ id, name, root, serial, created })}`,
      sql`INSERT INTO smb_node ${
        sql.insert({
          id: root,
          volume: id,
          directory: 1,
          links: 1,
          attributes: 0,
          ...times,
          reparse_tag: 0,
          ea_size: 0,
          size: 0,
          allocated: 0
        })
      }`
    ))
    ;[row] = yield* find
  }
  return {
    id: BigInt(row!["id"]),
    root: BigInt(row!["root"]),
    serial: Number(row!["serial"]),
    created: BigInt(row!["created"])
  }
})

/** Removes files and streams that lost their last name while a process had them open that has ended since. */
const removeUnnamed = Effect.fnUntraced(function*(
  database: ObjectDatabase.ObjectDatabase,
  contents: ObjectContents.ObjectContents,
  volume: bigint
): Effect.fn.Return<void, StoreError> {
  const { run, sql, transaction } = database
  const nodes = yield* run(sql<{ id: bigint }>`SELECT id FROM smb_node WHERE links = 0 AND volume = ${volume}`)
  for (const { id } of nodes) {
    yield* contents.removeGarbage(yield* transaction(database.removeNode(BigInt(id))))
  }
  const streams = yield* run(sql<{ id: bigint }>`
    SELECT s.id FROM smb_stream s JOIN smb_node n ON n.id = s.node WHERE s.folded IS NULL AND n.volume = ${volume}`)
  for (const { id } of streams) {
    yield* contents.removeGarbage(
      yield* transaction(
        Effect.tap(database.removeExtents([BigInt(id)]), sql`DELETE FROM smb_stream WHERE id = ${BigInt(id)}`)
      )
    )
  }
  const garbage = yield* run(sql<{ id: string }>`SELECT id FROM smb_garbage`)
  yield* contents.removeGarbage(garbage.map(({ id }) => id))
})

/**
 * Serves a folder that has the database and the chunks, by SQLite and files: nothing to install. The folder is made if
 * it does not exist, and only this user can read it. It has no files that other programs could use.
 *
 * Fails as `make`, with `Busy` if another process serves the folder, and with `AccessDenied` or `NotDirectory` if the
 * folder cannot be used.
 *
 * @example
 * ```ts
 * const store = yield* ObjectStore.inFolder("/srv/objects", { label: "Projects" })
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const inFolder = (
  folder: string,
  options: ObjectStoreOptions = {}
): Effect.Effect<ObjectStore, StoreError, Scope.Scope> =>
  Effect.gen(function*() {
    yield* Local.run(() => mkdir(folder, { recursive: true, mode: 0o700 }))
    const services = yield* Layer.build(Layer.merge(
      SqliteClient.layer({ filename: Path.join(folder, "files.db"), exclusive: true, busyTimeout: 0 }),
      BlobStore.layerFolder(Path.join(folder, "chunks"))
    )).pipe(
      Effect.catchTag("SqlError", (error) => Effect.fail(ObjectDatabase.toStoreError(error)))
    )
    return yield* Effect.provide(make(options), services)
  })

/**
 * The names of an `ObjectStore`: how a path is found with one statement, and how names and files are made, moved and
 * removed, each change by one transaction. Changes of names run one after the other: one process has the volume.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import {
  type ShareStore,
  type StoreError,
  storeError,
  type StoreNaming,
  type StoreNode,
  type StoreOpen,
  type StorePath
} from "../../ShareStore.ts"
import type { ObjectContents } from "./ObjectContents.ts"
import {
  describe,
  nodeColumns,
  nodeOf,
  type NodeRow,
  now,
  type ObjectDatabase,
  valuesOf,
  writtenAt
} from "./ObjectDatabase.ts"
import * as StoreNames from "./StoreNames.ts"

/** A name, and the file that it stands for. */
export interface Found {
  /** The name; `undefined` for the root. */
  readonly entry: { readonly id: bigint; readonly name: string; readonly parent: bigint } | undefined
  readonly node: NodeRow
}

/** A named stream in the database. */
export interface StreamRow {
  readonly id: bigint
  readonly name: string
  readonly size: number
  readonly allocated: number
}

/** Names that one statement follows. */
const depth = 16

/** Entries, and names alone, that are read at one time. */
const listPiece = 128
const namesPiece = 1000

/** What remains to do when the transaction that took a name away has succeeded. */
interface Unlinked {
  /** Blobs that nothing refers to any more. */
  readonly garbage: ReadonlyArray<string>
  readonly after: Effect.Effect<void, StoreError>
}

const nothing: Unlinked = { garbage: [], after: Effect.void }

type Step<A> = Effect.Effect<A, StoreError | SqlError>

export const make = (
  database: ObjectDatabase,
  contents: ObjectContents,
  volume: { readonly id: bigint; readonly root: bigint },
  readOnly: boolean
) => {
  const { newId, run, sql, state, transaction, updateNode } = database
  const lock = Semaphore.makeUnsafe(1)

  const fail = (reason: Parameters<typeof storeError>[0]) => Effect.fail(storeError(reason))

  /** One change of names at a time, of a store that takes changes. */
  const changing = <A>(body: Effect.Effect<A, StoreError>): Effect.Effect<A, StoreError> => lock.withPermit(body)

  const requireWritable: Effect.Effect<void, StoreError> = readOnly ? fail("ReadOnly") : Effect.void

  /** Whether the database can keep a name exactly: it keeps texts in UTF-8. */
  const isName = (name: string): boolean => StoreNames.isComponent(name) && name.isWellFormed()

  const checked = (path: StorePath): Effect.Effect<void, StoreError> =>
    path.every(isName) ? Effect.void : fail("InvalidName")

  const expect = ({ node }: Found, identity: string | undefined): Effect.Effect<void, StoreError> =>
    identity === undefined || identity === String(node.id) ? Effect.void : fail("Stale")

  /** The statement that follows so many names from a directory. */
  const statements: Array<string> = []
  const statement = (names: number): string => {
    const placeholder = sql.onDialectOrElse({ pg: () => (i: number) => `$${i}`, orElse: () => () => "?" })
    let joins = ""
    for (let i = 1; i <= names; i++) {
      joins += ` LEFT JOIN smb_entry e${i} ON e${i}.parent = ${i === 1 ? "b.id" : `e${i - 1}.node`}` +
        ` AND e${i}.folded = ${placeholder(i)}`
    }
    const parent = names === 1 ? "b" : "p"
    if (names > 1) joins += ` LEFT JOIN smb_node p ON p.id = e${names - 1}.node`
    return `SELECT ${nodeColumns("n")}, e${names}.id AS entry, e${names}.name AS name, ${parent}.id AS parent, ` +
      `${parent}.directory AS parent_directory FROM smb_node b${joins} LEFT JOIN smb_node n ON n.id = e${names}.node ` +
      `WHERE b.id = ${placeholder(names + 1)}`
  }

  const nodeById = (id: bigint): Effect.Effect<NodeRow | undefined, StoreError> =>
    Effect.map(
      run(sql`SELECT ${sql.literal(nodeColumns("n"))} FROM smb_node n WHERE n.id = ${id}`),
      ([row]) => row === undefined ? undefined : nodeOf(row)
    )

  /** What a path stands for, and the directory of its last name. Fails with `PathNotFound` if that does not exist. */
  const look = Effect.fnUntraced(function*(
    path: StorePath
  ): Effect.fn.Return<{ readonly parent: bigint; readonly found: Found | undefined }, StoreError> {
    let base = volume.root
    if (path.length === 0) {
      const node = yield* nodeById(base)
      if (node === undefined) return yield* storeError("Failed", new Error("the database has no root directory"))
      return { parent: base, found: { entry: undefined, node } }
    }
    for (let from = 0;; from += depth) {
      const names = path.slice(from, from + depth)
      statements[names.length] ??= statement(names.length)
      const [row] = yield* run(
        sql.unsafe<Record<string, any>>(statements[names.length]!, [...names.map(StoreNames.fold), base])
      )
      if (row === undefined || row["parent"] === null || Number(row["parent_directory"]) !== 1) {
        return yield* storeError("PathNotFound")
      }
      const parent = BigInt(row["parent"])
      const found = row["n_id"] === null
        ? undefined
        : { entry: { id: BigInt(row["entry"]), name: String(row["name"]), parent }, node: nodeOf(row) }
      if (from + names.length === path.length) return { parent, found }
      if (found === undefined || !found.node.isDirectory) return yield* storeError("PathNotFound")
      base = found.node.id
    }
  })

  const find = Effect.fnUntraced(function*(path: StorePath): Effect.fn.Return<Found, StoreError> {
    yield* checked(path)
    const { found } = yield* look(path)
    return found ?? (yield* storeError("NotFound"))
  })

  const described = ({ entry, node }: Found): StoreNode => describe(node, entry?.name ?? "", state.nodes.get(node.id))

  const isEmpty = (directory: bigint): Effect.Effect<boolean, StoreError> =>
    Effect.map(
      run(sql`SELECT 1 AS one FROM smb_entry WHERE parent = ${directory} LIMIT 1`),
      (rows) => rows.length === 0
    )

  /** Makes a file with a name in a directory. */
  const createNode = Effect.fnUntraced(function*(
    parent: bigint,
    name: string,
    how: Pick<StoreOpen, "initial" | "type">
  ): Effect.fn.Return<Found, StoreError> {
    const id = yield* newId
    const at = yield* now
    const { securityDescriptor, ...initial } = how.initial ?? {}
    const isDirectory = how.type === "directory"
    const row = {
      id,
      volume: volume.id,
      directory: isDirectory ? 1 : 0,
      links: 1,
      attributes: 0,
      created: at,
      ...writtenAt(at),
      reparse_tag: 0,
      ea_size: 0,
      size: 0,
      allocated: 0,
      ...valuesOf(initial)
    }
    yield* transaction(Effect.gen(function*() {
      yield* sql`INSERT INTO smb_node ${sql.insert(row)}`
      yield* sql`INSERT INTO smb_entry ${sql.insert({ id, parent, folded: StoreNames.fold(name), name, node: id })}`
      if (securityDescriptor !== undefined) {
        yield* sql`INSERT INTO smb_blob ${
          sql.insert({ node: id, kind: "SecurityDescriptor", bytes: Uint8Array.from(securityDescriptor) })
        }`
      }
      yield* updateNode(parent, writtenAt(at))
    }))
    const node: NodeRow = {
      id,
      isDirectory,
      links: 1,
      attributes: row.attributes,
      created: row.created,
      accessed: row.accessed!,
      written: row.written!,
      changed: row.changed!,
      reparseTag: 0,
      eaSize: 0,
      size: 0,
      allocated: 0
    }
    return { entry: { id, name, parent }, node }
  })

  /** Finds or makes a file. */
  const openNode = Effect.fnUntraced(function*(
    path: StorePath,
    how: StoreOpen
  ): Effect.fn.Return<{ readonly found: Found; readonly created: boolean }, StoreError> {
    yield* checked(path)
    const { found, parent } = yield* look(path)
    if (found !== undefined) return how.mode === "new" ? yield* storeError("Exists") : { found, created: false }
    if (how.mode === "existing") return yield* storeError("NotFound")
    yield* requireWritable
    return { found: yield* createNode(parent, path.at(-1)!, how), created: true }
  })

  const streamRow = (node: bigint, name: string): Effect.Effect<StreamRow | undefined, StoreError> =>
    Effect.map(
      run(sql<Record<string, any>>`SELECT id, name, size, allocated FROM smb_stream
        WHERE node = ${node} AND folded = ${StoreNames.fold(name)}`),
      ([row]) =>
        row === undefined ? undefined : {
          id: BigInt(row["id"]),
          name: row["name"],
          size: Number(row["size"]),
          allocated: Number(row["allocated"])
        }
    )

  /** Finds or makes a named stream; as on NTFS, making a stream makes its file too. */
  const openStream = Effect.fnUntraced(function*(
    path: StorePath,
    name: string,
    how: StoreOpen
  ): Effect.fn.Return<{ readonly found: Found; readonly stream: StreamRow; readonly created: boolean }, StoreError> {
    if (!isName(name)) return yield* storeError("InvalidName")
    const making = how.mode !== "existing"
    const { found } = yield* openNode(path, { ...how, mode: making ? "either" : "existing", type: "file" })
    const { node } = found
    const stream = yield* streamRow(node.id, name)
    if (stream !== undefined) {
      return how.mode === "new"
        ? yield* storeError("Exists")
        : { found, stream, created: false }
    }
    if (!making) return yield* storeError("NotFound")
    yield* requireWritable
    const made: StreamRow = { id: yield* newId, name, size: 0, allocated: 0 }
    const at = yield* now
    yield* transaction(Effect.andThen(
      sql`INSERT INTO smb_stream ${sql.insert({ ...made, node: node.id, folded: StoreNames.fold(name) })}`,
      updateNode(node.id, { changed: at })
    ))
    return { found: { ...found, node: { ...node, changed: at } }, stream: made, created: true }
  })

  /** Takes the name of a stream away, and removes the stream unless it is open. */
  const unlinkStream = Effect.fnUntraced(function*(
    node: bigint,
    stream: bigint
  ): Effect.fn.Return<Unlinked, SqlError | StoreError> {
    const content = state.nodes.get(node)?.contents.get(stream)
    const removal = Effect.tap(
      database.removeExtents([stream]),
      sql`DELETE FROM smb_stream WHERE id = ${stream}`
    )
    if (content === undefined) return { garbage: yield* removal, after: Effect.void }
    yield* sql`UPDATE smb_stream SET folded = NULL WHERE id = ${stream}`
    return {
      garbage: [],
      after: Effect.suspend(() => {
        content.isNamed = false
        if (content.opens > 0) return Effect.void
        state.forget(content)
        return Effect.flatMap(transaction(removal), contents.removeGarbage)
      })
    }
  })

  /** Takes a name away, and with the last name the file unless it is open. */
  const unlink = Effect.fnUntraced(function*(
    { entry, node }: Found,
    at: bigint
  ): Effect.fn.Return<Unlinked, SqlError | StoreError> {
    yield* sql`DELETE FROM smb_entry WHERE id = ${entry!.id}`
    yield* updateNode(entry!.parent, writtenAt(at))
    if (node.links > 1) {
      yield* updateNode(node.id, { links: node.links - 1, changed: at })
      return nothing
    }
    const open = state.nodes.get(node.id)
    if (open === undefined) return { garbage: yield* database.removeNode(node.id), after: Effect.void }
    yield* updateNode(node.id, { links: 0, changed: at, object_id: null })
    return {
      garbage: [],
      after: Effect.suspend(() => {
        open.isNamed = false
        if (open.opens > 0) return Effect.void
        for (const content of open.contents.values()) state.forget(content)
        state.forgetUnused(open)
        return Effect.flatMap(transaction(database.removeNode(node.id)), contents.removeGarbage)
      })
    }
  })

  /** One transaction. What is in memory changes only after it, and then unused blobs are removed. */
  const change = (body: Step<Unlinked>): Effect.Effect<void, StoreError> =>
    Effect.uninterruptible(Effect.flatMap(
      transaction(body),
      ({ after, garbage }) => Effect.andThen(after, contents.removeGarbage(garbage))
    ))

  const remove: ShareStore["remove"] = (path, what) =>
    changing(Effect.gen(function*() {
      if (what?.stream !== undefined && !isName(what.stream)) return yield* storeError("InvalidName")
      const found = yield* find(path)
      yield* expect(found, what?.expected)
      yield* requireWritable
      const at = yield* now
      const { node } = found
      if (what?.stream !== undefined) {
        const stream = yield* streamRow(node.id, what.stream)
        if (stream === undefined) return yield* storeError("NotFound")
        return yield* change(Effect.andThen(updateNode(node.id, { changed: at }), unlinkStream(node.id, stream.id)))
      }
      if (found.entry === undefined) return yield* storeError("AccessDenied")
      if (node.isDirectory && !(yield* isEmpty(node.id))) return yield* storeError("NotEmpty")
      yield* change(unlink(found, at))
    }))

  /** Whether an existing file can make way for another one. */
  const replaceable = Effect.fnUntraced(function*(
    there: Found,
    isDirectory: boolean,
    how: StoreNaming
  ): Effect.fn.Return<void, StoreError> {
    if (!how.replace) return yield* storeError("Exists")
    yield* expect(there, how.replaced)
    if (there.node.isDirectory) return yield* storeError("IsDirectory")
    if (isDirectory) return yield* storeError("NotDirectory")
  })

  /** Whether a directory is another one, or lies in it. */
  const isWithin = Effect.fnUntraced(function*(
    directory: bigint,
    other: bigint
  ): Effect.fn.Return<boolean, StoreError> {
    for (let at: bigint | undefined = directory; at !== undefined && at !== volume.root;) {
      if (at === other) return true
      const rows: ReadonlyArray<{ readonly parent: bigint }> = yield* run(
        sql<{ parent: bigint }>`SELECT parent FROM smb_entry WHERE node = ${at}`
      )
      at = rows[0] === undefined ? undefined : BigInt(rows[0].parent)
    }
    return false
  })

  const rename: ShareStore["rename"] = (from, to, how) =>
    changing(Effect.gen(function*() {
      const found = yield* find(from)
      yield* expect(found, how.expected)
      yield* checked(to)
      yield* requireWritable
      const { entry, node } = found
      if (entry === undefined || to.length === 0) return yield* storeError("AccessDenied")
      const target = yield* look(to)
      const there = target.found
      if (node.isDirectory && (yield* isWithin(target.parent, node.id))) return yield* storeError("AccessDenied")
      const replaced = there !== undefined && there.entry?.id !== entry.id ? there : undefined
      if (replaced !== undefined) yield* replaceable(replaced, node.isDirectory, how)
      const at = yield* now
      const name = to.at(-1)!
      yield* change(Effect.gen(function*() {
        const unlinked = replaced === undefined ? nothing : yield* unlink(replaced, at)
        yield* sql`UPDATE smb_entry SET ${
          sql.update({ parent: target.parent, folded: StoreNames.fold(name), name })
        } WHERE id = ${entry.id}`
        yield* updateNode(node.id, { changed: at })
        yield* updateNode(entry.parent, writtenAt(at))
        if (target.parent !== entry.parent) yield* updateNode(target.parent, writtenAt(at))
        return unlinked
      }))
    }))

  const link: NonNullable<ShareStore["link"]> = (existing, path, how) =>
    changing(Effect.gen(function*() {
      const { entry, node } = yield* find(existing)
      yield* expect({ entry, node }, how.expected)
      yield* checked(path)
      yield* requireWritable
      if (node.isDirectory) return yield* storeError("IsDirectory")
      if (path.length === 0) return yield* storeError("Exists")
      const target = yield* look(path)
      const there = target.found
      if (there !== undefined && there.node.id === node.id && how.replace) return
      if (there !== undefined) yield* replaceable(there, false, how)
      const name = path.at(-1)!
      const id = yield* newId
      const at = yield* now
      yield* change(Effect.gen(function*() {
        const unlinked = there === undefined ? nothing : yield* unlink(there, at)
        yield* sql`INSERT INTO smb_entry ${
          sql.insert({ id, parent: target.parent, folded: StoreNames.fold(name), name, node: node.id })
        }`
        yield* updateNode(node.id, { links: node.links + 1, changed: at })
        yield* updateNode(target.parent, writtenAt(at))
        return unlinked
      }))
    }))

  /** Reads the entries of a directory in the order of their folded names, piece by piece. */
  const pages = <A>(
    path: StorePath,
    expected: string | undefined,
    piece: (directory: bigint, after: string) => Effect.Effect<ReadonlyArray<Record<string, any>>, StoreError>,
    size: number,
    entryOf: (row: Record<string, any>) => A
  ): Stream.Stream<A, StoreError> =>
    Stream.unwrap(Effect.gen(function*() {
      const directory = yield* find(path)
      yield* expect(directory, expected)
      if (!directory.node.isDirectory) return yield* storeError("NotDirectory")
      return Stream.paginate("", (after) =>
        Effect.map(piece(directory.node.id, after), (rows) =>
          [
            rows.map(entryOf),
            rows.length < size ? Option.none() : Option.some(String(rows.at(-1)!["folded"]))
          ] as const))
    }))

  const list: ShareStore["list"] = (path, options) =>
    pages(
      path,
      options?.expected,
      (directory, after) =>
        run(sql<Record<string, any>>`
          SELECT ${sql.literal(nodeColumns("n"))}, e.name AS name, e.folded AS folded
          FROM smb_entry e JOIN smb_node n ON n.id = e.node
          WHERE e.parent = ${directory} AND e.folded > ${after} ORDER BY e.folded LIMIT ${listPiece}`),
      listPiece,
      (row) => {
        const node = nodeOf(row)
        return describe(node, String(row["name"]), state.nodes.get(node.id))
      }
    )

  const names: NonNullable<ShareStore["names"]> = (path) =>
    pages(
      path,
      undefined,
      (directory, after) =>
        run(sql<Record<string, any>>`SELECT name, folded FROM smb_entry
          WHERE parent = ${directory} AND folded > ${after} ORDER BY folded LIMIT ${namesPiece}`),
      namesPiece,
      (row) => String(row["name"])
    )

  return {
    change,
    nothing,
    changing,
    described,
    find,
    isName,
    link,
    list,
    names,
    openNode,
    openStream,
    remove,
    rename,
    requireWritable,
    streamRow,
    unlinkStream
  }
}

export type ObjectTree = ReturnType<typeof make>

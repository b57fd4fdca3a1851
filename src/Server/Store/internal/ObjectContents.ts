/**
 * The bytes of the streams of an `ObjectStore`: written into memory within a bound, uploaded as new chunks, and then
 * made visible by one transaction, which also counts the references to chunks. A crash before the transaction leaves the
 * stream unchanged; a crash after it leaves at most blobs that nothing refers to.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import { randomBytes } from "node:crypto"
import type { Blobs } from "../../BlobStore.ts"
import { type StoreError, storeError, type StoreRange } from "../../ShareStore.ts"
import * as Extents from "./Extents.ts"
import { damaged, now, type ObjectDatabase, rowsAtOnce, writtenAt } from "./ObjectDatabase.ts"
import type { Content } from "./ObjectState.ts"
import { WriteBuffer } from "./WriteBuffer.ts"

/** How bytes become chunks. All are in bytes. */
export interface ContentOptions {
  /** The most bytes of a chunk. */
  readonly chunk: number
  /** Chunks of up to so many bytes are kept in the database. */
  readonly inline: number
  /** The most written bytes in memory. */
  readonly buffer: number
}

/** Chunks of one stream that are read or put at one time. */
const transfersAtOnce = 4

/** Chunks in the database whose bytes are kept in memory for one open stream. */
const inlineKept = 32

/** New bytes of a stream that become a chunk. */
interface Upload {
  readonly extent: Extents.Extent
  readonly pieces: ReadonlyArray<Uint8Array>
}

/** The bytes of pieces, in their own memory. */
const joined = (pieces: ReadonlyArray<Uint8Array>, length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}

/** What is to be done for the written parts of a stream: uploads, and zeros. Chunks end at multiples of their size. */
export const planned = (
  segments: WriteBuffer["segments"],
  { chunk, inline }: Pick<ContentOptions, "chunk" | "inline">
): { readonly uploads: Array<Upload>; readonly zeros: Array<Extents.Replacement> } => {
  const uploads: Array<Upload> = []
  const zeros: Array<Extents.Replacement> = []
  let start = 0
  let end = -1
  let pieces: Array<Uint8Array> = []
  const finish = () => {
    if (pieces.length === 0) return
    const length = end - start
    uploads.push({
      extent: { start, length, chunk: randomBytes(16).toString("hex"), skip: 0, inline: length <= inline },
      pieces
    })
    pieces = []
  }
  for (const segment of segments) {
    if (segment.bytes === undefined) {
      zeros.push({ start: segment.start, length: segment.length, extent: undefined })
      continue
    }
    for (let at = 0; at < segment.length;) {
      const offset = segment.start + at
      if (offset !== end || offset % chunk === 0) {
        finish()
        start = offset
      }
      const count = Math.min(segment.length - at, chunk - offset % chunk)
      pieces.push(segment.bytes.subarray(at, at + count))
      end = offset + count
      at += count
    }
  }
  finish()
  return { uploads, zeros }
}

/**
 * `persist`: when it is done, all committed transactions survive a loss of power. Unused blobs are removed in `scope`.
 */
export const make = (
  database: ObjectDatabase,
  blobs: Blobs,
  options: ContentOptions,
  persist: Effect.Effect<void, StoreError>,
  scope: Scope.Scope
) => {
  const { run, sql, state, transaction } = database

  /** The extents of a stream, and the bytes of those in the database if the stream is small. */
  const load = Effect.fnUntraced(
    function*(content: Content): Effect.fn.Return<ReadonlyArray<Extents.Extent>, StoreError> {
      if (content.extents !== undefined) return content.extents
      const small = content.size <= options.inline
      const rows = yield* run(sql<Record<string, any>>`
      SELECT x.start, x.length, x.chunk, x.skip, CASE WHEN c.bytes IS NULL THEN 0 ELSE 1 END AS inline
        ${sql.literal(small ? ", c.bytes" : "")}
      FROM smb_extent x JOIN smb_chunk c ON c.id = x.chunk WHERE x.stream = ${content.id} ORDER BY x.start`)
      const extents = rows.map((row): Extents.Extent => ({
        start: Number(row["start"]),
        length: Number(row["length"]),
        chunk: row["chunk"],
        skip: Number(row["skip"]),
        inline: Number(row["inline"]) === 1
      }))
      if (small) { for (const row of rows) if (row["bytes"]) keepInline(content, row["chunk"], row["bytes"]) }
      content.extents ??= extents
      return content.extents
    }
  )

  const keepInline = (content: Content, chunk: string, bytes: Uint8Array) => {
    if (content.inline.size >= inlineKept) content.inline.clear()
    content.inline.set(chunk, bytes)
  }

  const readInline = Effect.fnUntraced(function*(
    content: Content,
    { chunk, length, skip }: Extents.Extent,
    target: Uint8Array
  ): Effect.fn.Return<number, StoreError> {
    let bytes = content.inline.get(chunk)
    if (bytes === undefined) {
      const [row] = yield* run(sql<{ bytes: Uint8Array | null }>`SELECT bytes FROM smb_chunk WHERE id = ${chunk}`)
      if (row === undefined || row.bytes === null) return yield* storeError("NotFound")
      bytes = row.bytes
      keepInline(content, chunk, bytes)
    }
    target.set(bytes.subarray(skip, skip + length))
    return Math.min(length, bytes.length - skip)
  })

  const readExtent = (content: Content, extent: Extents.Extent, target: Uint8Array): Effect.Effect<void, StoreError> =>
    Effect.flatMap(
      extent.inline ? readInline(content, extent, target) : blobs.readInto(extent.chunk, extent.skip, target),
      (count) => count === extent.length ? Effect.void : Effect.fail(damaged(`chunk ${extent.chunk} is too short`))
    )

  /** Reads the bytes in the storage, with zeros between them. */
  const readStored = (
    content: Content,
    extents: ReadonlyArray<Extents.Extent>,
    offset: number,
    target: Uint8Array
  ): Effect.Effect<void, StoreError> => {
    const parts = Extents.within(extents, offset, offset + target.length)
    if (Extents.allocated(parts) < target.length) target.fill(0)
    const read = (part: Extents.Extent) =>
      readExtent(content, part, target.subarray(part.start - offset, part.start - offset + part.length))
    if (parts.length === 1) return read(parts[0]!)
    return Effect.forEach(parts, read, { concurrency: transfersAtOnce, discard: true })
  }

  /** Fills `target` up to the end of the stream, and returns the number of bytes. */
  const readInto = (content: Content, offset: number, whole: Uint8Array): Effect.Effect<number, StoreError> =>
    Effect.suspend(() => {
      const length = Math.max(0, Math.min(whole.length, content.size - offset))
      if (length === 0) return Effect.succeed(0)
      const target = length === whole.length ? whole : whole.subarray(0, length)
      const { buffer, uploading } = content
      if (buffer.covers(offset, offset + length)) {
        buffer.readInto(offset, target)
        return Effect.succeed(length)
      }
      // These two and the extents of this moment belong together: an upload that ends during the read changes none.
      const buffers = uploading === undefined ? [buffer] : [uploading, buffer]
      for (const one of buffers) one.readers++
      return Effect.flatMap(
        load(content),
        (extents) =>
          Effect.matchEffect(readStored(content, extents, offset, target), {
            onSuccess: () => {
              for (const one of buffers) one.readInto(offset, target)
              return Effect.succeed(length)
            },
            onFailure: (error) => {
              if (error.reason._tag !== "NotFound") return Effect.fail(error)
              // A chunk that was replaced during the read can be gone.
              if (content.extents !== extents) return readInto(content, offset, whole)
              return Effect.fail(damaged("a chunk of the file is missing"))
            }
          })
      ).pipe(Effect.ensuring(Effect.sync(() => {
        for (const one of buffers) one.readers--
      })))
    })

  /** Removes blobs that nothing refers to, and forgets them. */
  const removeBlobs = Effect.fnUntraced(function*(ids: ReadonlyArray<string>): Effect.fn.Return<void, StoreError> {
    for (let i = 0; i < ids.length; i += rowsAtOnce) {
      const some = ids.slice(i, i + rowsAtOnce)
      yield* Effect.forEach(some, blobs.remove, { concurrency: transfersAtOnce, discard: true })
      yield* run(sql`DELETE FROM smb_garbage WHERE ${sql.in("id", some)}`)
    }
  })

  /** Removes blobs without keeping the caller. Those that stay behind are in `smb_garbage`, for `collect`. */
  const removeGarbage = (garbage: ReadonlyArray<string>): Effect.Effect<void> =>
    garbage.length === 0 ? Effect.void : removeBlobs(garbage).pipe(
      Effect.catch((error) => Effect.logDebug("removal of unused blobs is left to collect", error)),
      Effect.forkIn(scope),
      Effect.asVoid
    )

  const put = (upload: Upload, durable: boolean): Effect.Effect<void, StoreError> =>
    upload.extent.inline ? Effect.void : blobs.put(upload.extent.chunk, upload.pieces, { durable })

  /** Makes a change of extents visible, with the size that belongs to it. Returns the unused blobs. */
  const commit = Effect.fnUntraced(function*(
    content: Content,
    size: number,
    changed: Extents.Changed,
    uploads: ReadonlyArray<Upload>,
    durable: boolean
  ): Effect.fn.Return<ReadonlyArray<string>, SqlError | StoreError> {
    const allocated = Extents.allocated(changed.extents)
    if (content.id === content.node.id) yield* database.updateNode(content.node.id, { size, allocated })
    else {
      const rows = yield* sql`
        UPDATE smb_stream SET size = ${size}, allocated = ${allocated} WHERE id = ${content.id} RETURNING id`
      if (rows.length === 0) return yield* storeError("Stale")
      if (content.node.writtenAt !== undefined) yield* database.updateNode(content.node.id, {})
    }
    const references = Extents.references(changed)
    for (const upload of uploads) {
      const { chunk, inline, length } = upload.extent
      yield* sql`INSERT INTO smb_chunk ${
        sql.insert({
          id: chunk,
          length,
          refs: references.get(chunk) ?? 0,
          durable: durable || inline ? 1 : 0,
          bytes: inline ? joined(upload.pieces, length) : null
        })
      }`
      references.delete(chunk)
    }
    for (let i = 0; i < changed.removed.length; i += rowsAtOnce) {
      const starts = changed.removed.slice(i, i + rowsAtOnce).map(({ start }) => start)
      yield* sql`DELETE FROM smb_extent WHERE stream = ${content.id} AND ${sql.in("start", starts)}`
    }
    for (let i = 0; i < changed.added.length; i += rowsAtOnce) {
      const rows = changed.added.slice(i, i + rowsAtOnce).map(({ chunk, length, skip, start }) => ({
        stream: content.id,
        start,
        length,
        chunk,
        skip
      }))
      yield* sql`INSERT INTO smb_extent ${sql.insert(rows as ReadonlyArray<Record<string, unknown>> as any)}`
    }
    return yield* database.changeReferences(references)
  })

  /** Puts the taken bytes back under those that were written since. */
  const restore = (content: Content) => {
    const { buffer, uploading } = content
    if (uploading === undefined) return
    uploading.add(buffer)
    content.buffer = uploading
    content.uploading = undefined
    content.isDirty = true
  }

  /** Uploads what was written to a stream. When it has failed, all of it is in memory as before. */
  const uploadOnce = Effect.fnUntraced(function*(
    content: Content,
    durable: boolean,
    interruptible: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
  ): Effect.fn.Return<void, StoreError> {
    const extents = yield* load(content)
    const taken = content.buffer
    const { node, size } = content
    const lastWrite = node.writtenAt
    const { uploads, zeros } = planned(taken.segments, options)
    content.uploading = taken
    content.buffer = new WriteBuffer(state.blocks)
    content.isDirty = false
    const puts = uploads.filter(({ extent }) => !extent.inline)
    for (const { extent } of puts) state.uploads.add(extent.chunk)
    let isPut = false
    const changed = Extents.replace(
      extents,
      [...zeros, ...uploads.map(({ extent }) => ({ start: extent.start, length: extent.length, extent }))],
      size
    )
    const garbage = yield* interruptible(
      Effect.forEach(puts, (upload) => put(upload, durable), { concurrency: transfersAtOnce, discard: true })
    ).pipe(
      Effect.andThen(Effect.suspend(() => {
        isPut = true
        return transaction(commit(content, size, changed, uploads, durable))
      })),
      Effect.onExit((exit) =>
        Effect.suspend(() => {
          if (exit._tag === "Success") return Effect.void
          restore(content)
          node.writtenAt ??= lastWrite
          if (!isPut) {
            return Effect.ignore(Effect.forEach(puts, ({ extent }) => blobs.remove(extent.chunk), { discard: true }))
          }
          // It is not known whether the transaction has taken effect: its blobs stay, and the next upload looks.
          content.extents = undefined
          return Effect.void
        })
      ),
      Effect.ensuring(Effect.sync(() => {
        for (const { extent } of puts) state.uploads.delete(extent.chunk)
      }))
    )
    content.extents = changed.extents
    content.allocated = Extents.allocated(changed.extents)
    content.uploading = undefined
    state.held -= taken.used
    taken.release()
    if (puts.length > 0 && !durable) content.isVolatile = true
    if (content.inline.size > 0) {
      for (const { chunk } of changed.removed) content.inline.delete(chunk)
    }
    yield* removeGarbage(garbage)
  })

  /** Makes the chunks of a stream survive a loss of power. */
  const persistChunks = Effect.fnUntraced(function*(content: Content): Effect.fn.Return<void, StoreError> {
    if (!content.isVolatile) return
    const rows = yield* run(sql<{ id: string }>`
      SELECT DISTINCT c.id FROM smb_extent x JOIN smb_chunk c ON c.id = x.chunk
      WHERE x.stream = ${content.id} AND c.durable = 0`)
    const ids = rows.map(({ id }) => id)
    yield* blobs.persist(ids)
    for (let i = 0; i < ids.length; i += rowsAtOnce) {
      yield* run(sql`UPDATE smb_chunk SET durable = 1 WHERE ${sql.in("id", ids.slice(i, i + rowsAtOnce))}`)
    }
    content.isVolatile = false
  })

  /** Uploads what was written to a stream; with `durable`, so that all of it survives a loss of power. */
  const upload = (content: Content, durable: boolean): Effect.Effect<void, StoreError> =>
    content.lock.withPermit(Effect.uninterruptibleMask((interruptible) =>
      Effect.gen(function*() {
        if (content.isDirty) yield* uploadOnce(content, durable, interruptible)
        else if (content.node.writtenAt !== undefined) {
          yield* transaction(database.updateNode(content.node.id, {}))
        }
        if (!durable) return
        yield* persistChunks(content)
        yield* persist
      })
    ))

  /** Uploads until `more` bytes have room in memory: this stream first, and then those with the most bytes. */
  const makeRoom = Effect.fnUntraced(function*(content: Content, more: number): Effect.fn.Return<void, StoreError> {
    let next: Content | undefined = content
    while (next !== undefined && state.held > 0 && state.held + more > options.buffer) {
      yield* upload(next, false)
      next = state.largest()
    }
  })

  /** The most bytes of one stream in memory: it uploads a few chunks at one time, long before the bound. */
  const streamBuffer = Math.min(options.buffer, transfersAtOnce * options.chunk)

  /** Makes room for `more` bytes, and changes the buffer of a stream. */
  const changeBuffer = (
    content: Content,
    more: number,
    body: (buffer: WriteBuffer) => void
  ): Effect.Effect<void, StoreError> => {
    const room = content.buffer.used + more > streamBuffer || state.held + more > options.buffer
      ? Effect.andThen(upload(content, false), makeRoom(content, more))
      : Effect.void
    return Effect.flatMap(Effect.andThen(room, now), (at) =>
      Effect.sync(() => {
        const { buffer } = content
        const before = buffer.used
        body(buffer)
        state.held += buffer.used - before
        content.isDirty = true
        content.node.writtenAt = at
      }))
  }

  const write = (content: Content, offset: number, data: Uint8Array): Effect.Effect<void, StoreError> =>
    data.length === 0 ? Effect.void : changeBuffer(content, data.length, (buffer) => {
      buffer.write(offset, data)
      content.size = Math.max(content.size, offset + data.length)
    })

  const truncate = (content: Content, size: number): Effect.Effect<void, StoreError> =>
    changeBuffer(content, 0, (buffer) => {
      buffer.zero(size, content.size - size)
      content.size = size
    })

  const zero = (content: Content, from: number, length: number): Effect.Effect<void, StoreError> =>
    changeBuffer(content, 0, (buffer) => buffer.zero(from, Math.min(length, content.size - from)))

  const allocated = (
    content: Content,
    from: number,
    to: number
  ): Effect.Effect<ReadonlyArray<StoreRange>, StoreError> =>
    Effect.map(load(content), (stored) => {
      let extents = stored
      for (const buffer of [content.uploading, content.buffer]) {
        const replacements = (buffer?.segments ?? []).map(({ bytes, length, start }): Extents.Replacement => ({
          start,
          length,
          extent: bytes === undefined ? undefined : { start, length, chunk: "", skip: 0, inline: false }
        }))
        extents = Extents.replace(extents, replacements, content.size).extents
      }
      return Extents.joined(Extents.within(extents, from, Math.min(to, content.size)))
    })

  /** Copies a part of a stream by references to its chunks. The bytes beyond the end of the source are not copied. */
  const copy = Effect.fnUntraced(function*(
    source: Content,
    from: number,
    target: Content,
    to: number,
    length: number
  ): Effect.fn.Return<void, StoreError> {
    yield* upload(source, false)
    yield* upload(target, false)
    const at = yield* now
    const both = Effect.gen(function*() {
      const taken = Extents.moved(Extents.within(yield* load(source), from, from + length), to - from)
      const size = Math.max(target.size, to + length)
      const changed = Extents.replace(yield* load(target), [
        { start: to, length, extent: undefined },
        ...taken.map((extent) => ({ start: extent.start, length: extent.length, extent }))
      ], size)
      const garbage = yield* transaction(
        Effect.tap(commit(target, size, changed, [], false), database.updateNode(target.node.id, writtenAt(at)))
      ).pipe(
        Effect.tapError(() =>
          Effect.sync(() => {
            target.extents = undefined
          })
        )
      )
      target.extents = changed.extents
      target.allocated = Extents.allocated(changed.extents)
      target.size = Math.max(target.size, to + length)
      target.isVolatile = true
      yield* removeGarbage(garbage)
    })
    const [first, second] = source.id < target.id ? [source, target] : [target, source]
    const locked = first === second ? both : second.lock.withPermit(both)
    yield* Effect.uninterruptible(first.lock.withPermit(locked))
  })

  return { allocated, copy, readInto, removeBlobs, removeGarbage, truncate, upload, write, zero }
}

export type ObjectContents = ReturnType<typeof make>

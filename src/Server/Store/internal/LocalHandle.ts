/**
 * An open file, directory or named stream of a local folder as a `StoreFile`: bytes, times and blobs by `LocalFiles`.
 * It is a class that makes its effects when they are asked for, because thousands of files are open and unused.
 *
 * Reads go from the platform straight into memory that becomes the caller's; writes come straight from the caller's
 * memory.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Allocate from "../../../Codec/Allocate.ts"
import * as FileTime from "../../../Codec/FileTime.ts"
import type { Blob, StoreChanges, StoreError, StoreFile, StoreNode, StoreRange, StoreVolume } from "../../ShareStore.ts"
import * as Local from "./Local.ts"
import type { LocalFiles } from "./LocalFiles.ts"
import * as LocalNode from "./LocalNode.ts"
import type { OpenFile, OpenStream } from "./LocalOpenFile.ts"
import type { Volume } from "./LocalVolume.ts"
import type { OwnChanges } from "./LocalWatch.ts"
import type { Descriptor } from "./OpenFileDescriptors.ts"
import * as StoreNames from "./StoreNames.ts"

/** What all open files of a folder share. */
export interface Place {
  readonly files: LocalFiles
  /** Knows which changes are the store's own. */
  readonly own: OwnChanges
  /** Throws if the folder is read-only. */
  readonly requireWritable: () => void
  /** The state of a file as clients see it. */
  readonly shown: (node: StoreNode) => StoreNode
  /** A file system as clients see it. */
  readonly volume: (volume: Volume) => Promise<StoreVolume>
}

/** Bytes of zeros that are written at one time. */
const zeroPiece = 1024 * 1024

/** A change with the current time of the clock. */
const at = <A>(body: (now: bigint) => Promise<A>): Effect.Effect<A, StoreError> =>
  Clock.clockWith((clock) => Local.run(() => body(FileTime.fromNanos(clock.currentTimeNanosUnsafe()))))

/** @category models */
export class LocalHandle implements StoreFile {
  readonly id: bigint
  /** A property, because it is called without its object. */
  readonly readInto: NonNullable<StoreFile["readInto"]>
  readonly renameStream?: NonNullable<StoreFile["renameStream"]>
  readonly #place: Place
  readonly #file: OpenFile
  readonly #stream: OpenStream | undefined

  constructor(place: Place, file: OpenFile, stream: OpenStream | undefined) {
    this.id = file.id
    this.#place = place
    this.#file = file
    this.#stream = stream
    if (stream !== undefined) {
      this.renameStream = (name, { replace }) =>
        Local.run(async () => {
          place.requireWritable()
          if (!StoreNames.isComponent(name)) Local.refuse("InvalidName")
          await this.#changing(() => place.files.renameStream(file, stream, name, replace))
        })
    }
    this.readInto = (offset, target) =>
      Local.run(async () => {
        const source = this.#bytes()
        if (target.length === 0 || offset > BigInt(Number.MAX_SAFE_INTEGER)) return 0
        return place.files.descriptors.use(source, (fd) => Local.read(fd, target, Number(offset), source.calls))
      })
  }

  #bytes(): Descriptor {
    if (this.#file.isDirectory && this.#stream === undefined) Local.refuse("IsDirectory")
    return this.#stream?.descriptor ?? this.#file.descriptor
  }

  #written(): Descriptor {
    this.#place.requireWritable()
    return this.#bytes()
  }

  #changing<A>(body: () => Promise<A>): Promise<A> {
    return this.#place.own.during([this.#file.path], body)
  }

  /** Changes the bytes of the file or stream. A change of a stream is one of its file too. */
  #changingBytes<A>(body: () => Promise<A>): Promise<A> {
    return this.#changing(async () => {
      const done = await body()
      if (this.#stream !== undefined) await this.#place.files.modified(this.#file)
      return done
    })
  }

  get stat() {
    const { files, shown } = this.#place
    return Local.run(async () => shown(await files.node(this.#file, this.#stream)))
  }

  get parent() {
    const { files, shown } = this.#place
    return Local.run(async () => {
      const holder = await files.tree.find(this.#file.path.slice(0, -1))
      return shown(await files.describe(holder ?? Local.refuse("Stale")))
    })
  }

  get volume() {
    return Local.run(() => this.#place.volume(this.#file.volume))
  }

  get flush() {
    return Local.run(() => this.#place.files.flush(this.#file, this.#stream?.descriptor ?? this.#file.descriptor))
  }

  get streams() {
    const { files } = this.#place
    return Local.run(async () => {
      const { key, lasting, volume } = this.#file
      const { streams = [] } = await files.record(this.#file)
      return Promise.all(streams.map(async ({ file: number, name }) => {
        const stats = await Local.lstat(volume.reading(lasting)!.stream(key, number))
        return { name, size: stats.size, allocationSize: LocalNode.allocationSize(stats) }
      }))
    })
  }

  read(offset: bigint, length: number) {
    return Local.run(async () => {
      const target = this.#bytes()
      if (length <= 0 || offset > BigInt(Number.MAX_SAFE_INTEGER)) return new Uint8Array(0)
      const memory = Allocate.uninitialized(length)
      const count = await this.#place.files.descriptors.use(
        target,
        (fd) => Local.read(fd, memory, Number(offset), target.calls)
      )
      // A few bytes must not keep a large piece of memory alive while they are sent.
      return count === length ? memory : count * 2 < length ? memory.slice(0, count) : memory.subarray(0, count)
    })
  }

  write(offset: bigint, data: Uint8Array) {
    return Local.run(async () => {
      const target = this.#written()
      const from = Local.position(offset)
      if (data.length > 0) {
        const { descriptors } = this.#place.files
        await this.#changingBytes(() => descriptors.change(target, (fd) => Local.write(fd, data, from, target.calls)))
      }
    })
  }

  truncate(size: bigint) {
    return Local.run(() => {
      const target = this.#written()
      const to = Local.position(size)
      return this.#changingBytes(() => this.#place.files.descriptors.change(target, (fd) => cut(fd, to)))
    })
  }

  set(values: StoreChanges) {
    return at(async (now) => {
      this.#place.requireWritable()
      await this.#changing(() => this.#place.files.set(this.#file, values, now))
    })
  }

  getBlob(blob: Blob) {
    return Local.run(() => this.#place.files.getBlob(this.#file, blob))
  }

  setBlob(blob: Blob, value: Uint8Array | undefined) {
    return at(async (now) => {
      this.#place.requireWritable()
      await this.#changing(() => this.#place.files.setBlob(this.#file, blob, value, now))
    })
  }

  allocated(range: StoreRange) {
    return Local.run(async () => {
      const stats = await this.#place.files.descriptors.use(this.#bytes(), Local.fstat)
      const end = range.offset + range.length < stats.size ? range.offset + range.length : stats.size
      const nothing = end <= range.offset || (process.platform !== "win32" && stats.blocks === 0n)
      return nothing ? [] : [{ offset: range.offset, length: end - range.offset }]
    })
  }

  /**
   * Node has no call that makes a hole. At the end of a file, truncating and extending it again makes one. Otherwise
   * zeros are written over data only, so that existing holes stay.
   */
  zero(range: StoreRange): Effect.Effect<void, StoreError> {
    const piece = (from: bigint): Effect.Effect<bigint, StoreError> =>
      Local.run(() => {
        const target = this.#written()
        return this.#changingBytes(() =>
          this.#place.files.descriptors.alone(target, async (fd) => {
            const { size } = await Local.fstat(fd)
            const end = range.offset + range.length < size ? range.offset + range.length : size
            if (from >= end) return end
            if (end === size && end - from > BigInt(zeroPiece)) {
              await cut(fd, Number(from))
              await cut(fd, Number(size))
              return end
            }
            const memory = new Uint8Array(end - from < BigInt(zeroPiece) ? Number(end - from) : zeroPiece)
            await Local.read(fd, memory, Number(from), target.calls)
            if (from === range.offset || memory.some((byte) => byte !== 0)) {
              await Local.write(fd, memory.fill(0), Number(from), target.calls)
            }
            return from + BigInt(memory.length)
          })
        )
      })
    const loop = (from: bigint): Effect.Effect<void, StoreError> =>
      Effect.flatMap(
        piece(from),
        (next) => next <= from || next >= range.offset + range.length ? Effect.void : loop(next)
      )
    return loop(range.offset)
  }
}

const cut = (fd: number, size: number): Promise<void> =>
  Local.call((done) => Fs.ftruncate(fd, size, (error) => done(error ?? null)))

/**
 * The opens that an `OpenStore` keeps, and what it does not know of them yet.
 *
 * A change is noted at once, where it happens, and written before the next response leaves that could tell a client of
 * it: the handler of a request runs `flush` before it answers. One commit takes everything that is noted, so requests that wait at
 * the same time share it. What a change makes of an open is read when the commit begins: it never writes a state in
 * between.
 *
 * A commit that fails is repeated with the next one. Changes of opens that have no request under way, such as an open
 * whose time is over, are written shortly afterwards.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as FileTime from "../../../Codec/FileTime.ts"
import * as Events from "../../Events.ts"
import type { Change } from "../../OpenStore.ts"
import type { StoreError, StorePath } from "../../ShareStore.ts"
import { type Creating, InterruptedCreates } from "./InterruptedCreates.ts"
import type { Keeping } from "./Keeping.ts"
import type { FileOpen, Lease, Link, Server } from "./Model.ts"
import * as OpenRecord from "./OpenRecord.ts"

/** How long a change may wait for a request that writes it. */
const patience = "100 millis"

/** @category models */
export class KeptOpens implements Keeping<FileOpen> {
  readonly #server: Server
  readonly #commit: (changes: ReadonlyArray<Change>) => Effect.Effect<void, StoreError>
  /** Opens that are kept, by the CreateGuid of their CREATE. */
  readonly #byGuid = new Map<string, FileOpen>()
  readonly #opens = new Set<FileOpen>()
  /** Parts to write, by open. */
  #noted = new Map<FileOpen, Set<string>>()
  /** Opens to remove. */
  #gone = new Set<bigint>()
  readonly #turn = Semaphore.makeUnsafe(1)
  changes = 0
  readonly interrupted = new InterruptedCreates()
  #writing = false
  #scheduled = false

  constructor(server: Server, commit: (changes: ReadonlyArray<Change>) => Effect.Effect<void, StoreError>) {
    this.#server = server
    this.#commit = commit
  }

  get size(): number {
    return this.#opens.size
  }

  get behind(): boolean {
    return this.#noted.size > 0
  }

  has(open: FileOpen): boolean {
    return this.#opens.has(open)
  }

  find(createGuid: string): FileOpen | undefined {
    return this.#byGuid.get(createGuid)
  }

  enter(open: FileOpen): void {
    this.#opens.add(open)
    open.usage.kept++
    const { createGuid } = open.durable!
    if (createGuid !== undefined) this.#byGuid.set(createGuid, open)
  }

  keep(open: FileOpen): void {
    this.enter(open)
    this.#note(open, OpenRecord.openPart)
    for (const range of open.locks?.keys() ?? []) this.#note(open, OpenRecord.locksPart(range))
    if (open.lockSequences !== undefined) this.#note(open, OpenRecord.sequencesPart)
  }

  forget(open: FileOpen): void {
    if (!this.#opens.delete(open)) return
    open.usage.kept--
    const createGuid = open.durable?.createGuid
    if (createGuid !== undefined && this.#byGuid.get(createGuid) === open) this.#byGuid.delete(createGuid)
    this.#noted.delete(open)
    this.remove(open.id)
  }

  remove(id: bigint): void {
    this.changes++
    this.#gone.add(id)
    this.#schedule()
  }

  changed(open: FileOpen): void {
    if (this.#opens.has(open)) this.#note(open, OpenRecord.openPart)
  }

  leaseChanged({ opens }: Lease): void {
    for (const open of opens) this.changed(open)
  }

  linkChanged({ opens }: Link): void {
    for (const open of opens) this.changed(open)
  }

  locksChanged(open: FileOpen, range: string): void {
    if (this.#opens.has(open)) this.#note(open, OpenRecord.locksPart(range))
  }

  sequencesChanged(open: FileOpen): void {
    if (this.#opens.has(open)) this.#note(open, OpenRecord.sequencesPart)
  }

  creating(id: bigint, creating: Creating | undefined): Effect.Effect<void, StoreError> {
    const value = creating === undefined ? undefined : OpenRecord.encodeCreating(creating)
    return this.#inTurn(this.#commit([{ open: id, part: OpenRecord.creatingPart, value }]))
  }

  renaming({ opens }: Link, to: StorePath | undefined): Effect.Effect<void, StoreError> {
    return Effect.suspend(() => {
      const concerned = Array.from(opens).filter((open) => this.#opens.has(open))
      if (concerned.length === 0) return Effect.void
      const value = to === undefined ? undefined : OpenRecord.encodePath(to)
      return this.#inTurn(
        this.#commit(concerned.map(({ id }) => ({ open: id, part: OpenRecord.renamingPart, value })))
      )
    })
  }

  renamed({ opens }: Link): void {
    for (const open of opens) {
      if (!this.#opens.has(open)) continue
      this.#note(open, OpenRecord.openPart)
      this.#note(open, OpenRecord.renamingPart)
    }
  }

  readonly flush: Effect.Effect<void, StoreError> = Effect.suspend(() =>
    this.#isIdle && !this.#writing ? Effect.void : this.#inTurn(Effect.suspend(() => this.#write()))
  )

  get #isIdle(): boolean {
    return this.#noted.size === 0 && this.#gone.size === 0
  }

  /** A client that goes away does not end a commit: other requests wait for it too. */
  #inTurn(commit: Effect.Effect<void, StoreError>): Effect.Effect<void, StoreError> {
    return this.#turn.withPermits(1)(
      Effect.uninterruptible(
        Effect.suspend(() => {
          this.#writing = true
          return Effect.ensuring(
            commit,
            Effect.sync(() => {
              this.#writing = false
            })
          )
        })
      )
    )
  }

  #write(): Effect.Effect<void, StoreError> {
    if (this.#isIdle) return Effect.void
    return Effect.flatMap(Clock.currentTimeMillis, (millis) => {
      const [noted, gone] = [this.#noted, this.#gone]
      this.#noted = new Map()
      this.#gone = new Set()
      const now = FileTime.fromMillis(millis)
      const changes: Array<Change> = Array.from(gone, (open) => ({ open }))
      for (const [open, parts] of noted) for (const part of parts) changes.push(changeOf(open, part, now))
      return Effect.tapError(this.#commit(changes), (error) =>
        Effect.suspend(() => {
          for (const id of gone) this.#gone.add(id)
          for (const [open, parts] of noted) {
            if (this.#opens.has(open)) { for (const part of parts) this.#note(open, part) }
          }
          return this.#server.logRates.keeping.tell((more) => Events.opensNotKept(error, more))
        }))
    })
  }

  #note(open: FileOpen, part: string): void {
    this.changes++
    const parts = this.#noted.get(open)
    if (parts === undefined) this.#noted.set(open, new Set([part]))
    else parts.add(part)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#server.after(
      patience,
      Effect.suspend(() => {
        this.#scheduled = false
        return Effect.ignore(this.flush)
      })
    )
  }
}

/** The change that brings one part of an open up to date. */
const changeOf = (open: FileOpen, part: string, now: bigint): Change => {
  const { id } = open
  if (part === OpenRecord.openPart) return { open: id, part, value: OpenRecord.encode(open, now) }
  const value = part === OpenRecord.renamingPart
    ? undefined
    : part === OpenRecord.sequencesPart
    ? OpenRecord.encodeSequences(open)
    : OpenRecord.encodeLocks(open, part.slice(OpenRecord.locksPart("").length))
  return value === undefined ? { open: id, part } : { open: id, part, value }
}

/**
 * The steps of this project's client, each recorded with what the client was told.
 *
 * An error says whether the operation had an effect: a `TransportError` only if it says `sent`; an `SmbError` not, unless
 * the operation is several requests that take effect one by one. Nothing else may be concluded from an error.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ClientError } from "../../src/Client/ClientError.ts"
import * as OpenMode from "../../src/Client/OpenMode.ts"
import type { Client } from "../../src/Client/SmbClient.ts"
import type { SmbFile } from "../../src/Client/SmbFile.ts"
import type { Action } from "./Check.ts"
import * as Content from "./Content.ts"
import type { History } from "./History.ts"
import type { Outcome } from "./Linearizability.ts"
import { names, ownBlocks, type Step } from "./Plan.ts"

/** A client of a storm, and what it works on. */
export interface Worker {
  readonly name: string
  readonly smb: Client
  /** The path of a file of the share. */
  readonly path: (file: string) => string
  /** The client's own file. */
  readonly own: string
  readonly history: History
  /** The number of the next write, of all clients, which writes this many bytes. */
  readonly nextId: (length: number) => number
  /** The bytes of each write, by its number. */
  readonly lengths: ReadonlyMap<number, number>
}

/** The write that a whole file came from: all of it, and not more. */
export const wholeOf = (bytes: Uint8Array, lengths: ReadonlyMap<number, number>): Content.Value => {
  const value = Content.whole(bytes)
  return typeof value === "number" && lengths.get(value) !== bytes.length ? "mixed" : value
}

/**
 * Whether an operation takes effect in parts, some of which have happened when the server refuses another one:
 * never, if the server has no room for all of it, or always.
 */
type Parts = "never" | "without room" | "always"

/** What a client knows after an error. */
export const outcomeOf = (error: ClientError, parts: Parts): Outcome => {
  switch (error._tag) {
    case "TransportError":
    case "DfsError":
      return error.sent === true ? "unknown" : "failed"
    case "SmbError":
      return parts === "always" || parts === "without room" && error.reason._tag === "DiskFull" ||
          error.reason._tag === "IoTimeout"
        ? "unknown"
        : "failed"
    case "ArgumentError":
    case "PathError":
    case "AuthenticationError":
      return "failed"
    default:
      return "unknown"
  }
}

/** Runs an operation on an object, and records it. `seen` turns what a read gave into its action. */
const recorded = <A>(
  { history, name }: Worker,
  object: string,
  run: Effect.Effect<A, ClientError>,
  action: (value: A | undefined) => Action,
  parts: Parts = "never"
): Effect.Effect<A | undefined> =>
  Effect.suspend(() => {
    const invoked = history.now()
    return Effect.match(run, {
      onSuccess: (value) => {
        history.ended(object, name, action(value), "ok", invoked)
        return value
      },
      onFailure: (error) => {
        history.ended(object, name, action(undefined), outcomeOf(error, parts), invoked, error.message)
        return undefined
      }
    })
  })

const put = (worker: Worker, { count, way }: Extract<Step, { _tag: "Put" }>) => {
  const id = worker.nextId(count * Content.block)
  const bytes = Content.make(id, count * Content.block)
  const path = worker.path(worker.own)
  const chunk = 48 * 1024
  const ways: Record<typeof way, () => Effect.Effect<unknown, ClientError>> = {
    writeFile: () => worker.smb.writeFile(path, bytes),
    sink: () =>
      Stream.range(0, Math.ceil(bytes.length / chunk) - 1).pipe(
        Stream.map((i) => bytes.subarray(i * chunk, (i + 1) * chunk)),
        Stream.run(worker.smb.sink(path))
      ),
    writeFrom: () =>
      worker.smb.writeFrom(path, (buffer, offset) =>
        Effect.sync(() => {
          const part = bytes.subarray(Number(offset), Number(offset) + Math.min(buffer.length, 3 * Content.block))
          buffer.set(part)
          return part.length
        }))
  }
  return recorded(worker, worker.own, ways[way](), () => ({ _tag: "Overwrite", id, count }), "always")
}

const get = (worker: Worker, { way }: Extract<Step, { _tag: "Get" }>) => {
  const path = worker.path(worker.own)
  const gathered: Array<Uint8Array> = []
  const gather = (chunk: Uint8Array) =>
    Effect.sync(() => {
      gathered.push(Uint8Array.from(chunk))
    })
  const ways: Record<typeof way, () => Effect.Effect<Uint8Array, ClientError>> = {
    readFile: () => worker.smb.readFile(path),
    stream: () => Effect.map(Stream.runForEach(worker.smb.stream(path), gather), () => Buffer.concat(gathered)),
    readTo: () => Effect.map(worker.smb.readTo(path, gather), () => Buffer.concat(gathered))
  }
  return recorded(worker, worker.own, ways[way](), (bytes) => ({
    _tag: "ReadBlocks",
    first: 0,
    values: bytes === undefined ? [] : Content.blocks(bytes, 0, ownBlocks)
  }))
}

/**
 * A step on an open file: the open itself changes nothing, and its failure is not recorded. The file is closed before its
 * scope: only then can a lost connection be an error. What was acknowledged before stays acknowledged.
 */
const opened = (
  worker: Worker,
  file: string,
  use: (open: SmbFile) => Effect.Effect<unknown, never, Scope.Scope>
): Effect.Effect<unknown> =>
  Effect.scoped(
    Effect.matchEffect(worker.smb.open(worker.path(file), OpenMode.update), {
      onSuccess: (open) => Effect.andThen(use(open), Effect.ignore(open.close)),
      onFailure: () => Effect.void
    })
  )

const increment = (worker: Worker, wait: boolean): Effect.Effect<unknown> =>
  opened(worker, "counter", (open) =>
    Effect.gen(function*() {
      const { history, name } = worker
      const holder = `${name} ${history.now()}`
      const scope = yield* Scope.make()
      const got = yield* recorded(
        worker,
        "counter",
        Effect.as(Scope.provide(open.lock([{ offset: 0, length: 16 }], { wait }), scope), true),
        () => ({ _tag: "Acquire", holder })
      )
      // A lock that may have been granted can be lost from the moment of its request on.
      const since = history.now()
      let held = got === true
      if (got === true) {
        const bytes = yield* Effect.option(open.read(0, 16))
        const from = bytes._tag === "Some" ? readCounter(bytes.value) : undefined
        if (from === undefined) held = false
        else {
          const written = yield* recorded(
            worker,
            "counter",
            Effect.as(open.write(0, writeCounter(from + 1)), true),
            () => ({ _tag: "Increment", holder, from, to: from + 1 })
          )
          held = written === true
        }
      }
      // The lock can also go by itself, when its connection does. A client is told that only by its next operation.
      const invoked = held ? history.now() : since
      yield* Scope.close(scope, Exit.void)
      history.ended("counter", name, { _tag: "Release", holder }, "unknown", invoked)
    }))

/** The counter of a file of 16 digits; undefined for anything else. */
export const readCounter = (bytes: Uint8Array): number | undefined => {
  const text = Buffer.from(bytes).toString("latin1")
  return /^\d{16}$/.test(text) ? Number(text) : undefined
}

/** A counter as its file has it. */
export const writeCounter = (value: number): Uint8Array => Buffer.from(String(value).padStart(16, "0"), "latin1")

/** Tries each name, since the file has one of them; the others are not found. */
const rename = (worker: Worker, to: string): Effect.Effect<unknown> =>
  Effect.gen(function*() {
    for (const from of names) {
      if (from === to) continue
      const done = yield* recorded(
        worker,
        "name",
        Effect.as(worker.smb.rename(worker.path(from), worker.path(to)), true),
        () => ({ _tag: "Rename", from, to })
      )
      if (done === true) return
    }
  })

/** One step. What it was told is in the history; it never fails. */
export const run = (worker: Worker, step: Step): Effect.Effect<unknown> => {
  switch (step._tag) {
    case "Put":
      return put(worker, step)
    case "Get":
      return get(worker, step)
    case "WriteBlocks": {
      const { count, first } = step
      const id = worker.nextId(count * Content.block)
      const bytes = Content.make(id, count * Content.block, first * Content.block)
      return opened(worker, "blocks", (open) =>
        recorded(
          worker,
          "blocks",
          open.write(first * Content.block, bytes),
          () => ({ _tag: "WriteBlocks", id, first, count }),
          "without room"
        ))
    }
    case "ReadBlocks":
      return opened(worker, "blocks", (open) =>
        recorded(
          worker,
          "blocks",
          open.read(step.first * Content.block, step.count * Content.block),
          (bytes) => ({
            _tag: "ReadBlocks",
            first: step.first,
            values: bytes === undefined ? [] : Content.blocks(bytes, step.first, step.count)
          })
        ))
    case "Replace": {
      const id = worker.nextId(step.count * Content.block)
      return recorded(
        worker,
        "whole",
        worker.smb.writeFile(worker.path("whole"), Content.make(id, step.count * Content.block), { atomic: true }),
        () => ({ _tag: "Replace", id })
      )
    }
    case "See":
      return recorded(
        worker,
        "whole",
        worker.smb.readFile(worker.path("whole")),
        (bytes) => ({ _tag: "See", value: bytes === undefined ? "absent" : wholeOf(bytes, worker.lengths) })
      )
    case "Append": {
      const id = worker.nextId(Content.record)
      return recorded(
        worker,
        "log",
        worker.smb.writeFile(worker.path("log"), Content.make(id, Content.record), { append: true }),
        () => ({ _tag: "Append", id }),
        "without room"
      )
    }
    case "ReadLog":
      return recorded(
        worker,
        "log",
        worker.smb.readFile(worker.path("log")),
        (bytes) => ({
          _tag: "ReadLog",
          records: bytes === undefined ? [] : Content.records(bytes) ?? [{ id: 0, whole: false }]
        })
      )
    case "Increment":
      return increment(worker, step.wait)
    case "Rename":
      return rename(worker, names[step.to]!)
  }
}

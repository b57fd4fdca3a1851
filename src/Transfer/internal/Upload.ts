/**
 * Copies files and trees from this machine to a server.
 *
 * A file is written under another name and renamed when it is complete, so that a reader never sees an incomplete file,
 * not even after an interruption. With `inPlace` it is written at its final name, which keeps the permissions of an
 * existing file.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { createReadStream } from "node:fs"
import { join } from "node:path"
import type { ClientError } from "../../Client/ClientError.ts"
import type { Entry } from "../../Client/Entry.ts"
import * as FileReplacement from "../../Client/FileReplacement.ts"
import * as ReplacementNotice from "../../Client/ReplacementNotice.ts"
import { type Client, SmbClient } from "../../Client/SmbClient.ts"
import * as UncPath from "../../Client/UncPath.ts"
import { fold } from "../../Codec/UpCase.ts"
import * as Arguments from "../../Protocol/Arguments.ts"
import { isMissing, refusesShare, SmbError } from "../../Protocol/Errors.ts"
import { FileAttributes } from "../../Smb2/Message/Constants.ts"
import { LocalError } from "../LocalError.ts"
import { checkedThere } from "../LocalNames.ts"
import type { EntryError } from "../TransferEvent.ts"
import * as AbandonedParts from "./AbandonedParts.ts"
import * as CaseClash from "./CaseClash.ts"
import type { Facts } from "./Choice.ts"
import * as LocalFile from "./LocalFile.ts"
import * as Mark from "./Mark.ts"
import * as Options from "./Options.ts"
import * as ResumedUpload from "./ResumedUpload.ts"
import type { Run } from "./Run.ts"
import * as Same from "./Same.ts"
import * as Warnings from "./Warnings.ts"
import * as Workers from "./Workers.ts"

/** The options, and the state that all files of a run share. */
export interface Upload extends Options.Options {
  readonly run: Run
  readonly inPlace: boolean
  /** Continues the part of an earlier run, and keeps the part after a failure. */
  readonly resume: boolean
  /** Whether the client maps names, so that a colon in a path is a part of a name. */
  readonly mapped: boolean
  readonly replace: FileReplacement.Replace
  readonly abandoned: AbandonedParts.AbandonedParts
}

export const make = (
  smb: Client,
  run: Run,
  options: Options.Options,
  how: { readonly inPlace: boolean; readonly mapped: boolean; readonly resume?: boolean }
): Upload => {
  const abandoned = AbandonedParts.make(smb)
  const replace = FileReplacement.make(smb, { ...run.replacing, tag: abandoned.tag })
  return { ...options, resume: false, ...how, run, replace, abandoned }
}

/** The error for a file that ended too early. */
const shorter = (path: string, count: bigint, size: bigint): LocalError =>
  new LocalError({
    path,
    detail:
      `the file became shorter while it was read: it had ${size} bytes when it was opened, and ended after ${count}`
  })

/** Gives a file that was written in place the time of its original, and what it gets of its attributes. */
const setTime = (target: UncPath.UncPath, { fileAttributes, lastWriteTime }: FileReplacement.About, { run }: Upload) =>
  lastWriteTime === undefined && fileAttributes === undefined
    ? Effect.void
    : Effect.gen(function*() {
      const smb = yield* SmbClient
      // The file keeps its other attributes.
      const old = fileAttributes === undefined ? undefined : yield* smb.stat(target)
      yield* smb.setAttributes(target, {
        lastWriteTime,
        ...(old === undefined ? {} : { fileAttributes: old.fileAttributes | fileAttributes! })
      })
    }).pipe(
      Effect.catchIf(
        (error): error is SmbError => error instanceof SmbError,
        (error) => run.warn(ReplacementNotice.timeNotKept(target, error))
      )
    )

/** Whether a path leads to a named stream of a file. */
const isStream = (target: UncPath.UncPath, { mapped }: Pick<Upload, "mapped">): boolean =>
  !mapped && UncPath.name(target).includes(":")

/** Whether a file is written through a part. */
const hasPart = (target: UncPath.UncPath, upload: Upload): boolean => !upload.inPlace && !isStream(target, upload)

/** Writes `target`: through a part next to it, unless it is written in place, as streams are. */
const send = <E, R>(
  target: UncPath.UncPath,
  upload: Upload,
  content: FileReplacement.Content<E, R>,
  about: FileReplacement.About = {}
) =>
  Effect.flatMap(SmbClient, (smb): Effect.Effect<bigint, E | ClientError, R | SmbClient> => {
    if (hasPart(target, upload)) return upload.replace(target, content, about)
    const written: Effect.Effect<bigint, E | ClientError, R> = content._tag === "Bytes"
      ? Effect.as(smb.writeFile(target, content.bytes), BigInt(content.bytes.length))
      : content.run({ writeFrom: (fill) => smb.writeFrom(target, fill), sink: () => smb.sink(target) })
    return isStream(target, upload) ? written : Effect.tap(written, () => setTime(target, about, upload))
  })

const { FILE_ATTRIBUTE_ARCHIVE, FILE_ATTRIBUTE_HIDDEN, FILE_ATTRIBUTE_READONLY, FILE_ATTRIBUTE_SYSTEM } = FileAttributes

/**
 * The attributes of a copy of a file that no user can write: the one attribute that all local file systems have, and
 * hidden and system of the file that it replaces.
 */
const readOnlyAt = Effect.fnUntraced(function*(target: UncPath.UncPath) {
  const smb = yield* SmbClient
  const old = yield* smb.stat(target).pipe(
    Effect.map(({ fileAttributes }) => fileAttributes),
    // A file that does not exist, or that the user cannot look at: the copy itself tells of a failure.
    Effect.catchTag("SmbError", () => Effect.succeed(0))
  )
  return FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_ARCHIVE | (old & (FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM))
})

/** The largest size that one round trip writes, in bytes. */
const smallSize = 60_000

/**
 * Reads a file of this size, up to one byte more than the small size: files like those of /proc report no size, devices
 * have no end, and a file can grow.
 */
const readSmall = Effect.fnUntraced(function*(local: FileSystem.File, size: number) {
  let buffer = new Uint8Array((size === 0 ? smallSize : size) + 1)
  let length = 0
  for (;;) {
    const count = yield* local.read(buffer.subarray(length))
    length += count
    // There was room for more than the file had when it was opened: this is its end.
    if (count === 0 || (size > 0 && length >= size && length < buffer.length)) break
    if (length < buffer.length) continue
    if (length > smallSize) break
    const larger = new Uint8Array(smallSize + 1)
    larger.set(buffer)
    buffer = larger
  }
  return buffer.subarray(0, length)
})

/** Runs a transfer, and removes the parts that earlier ones have left. */
const removingParts = <A, E, R>(target: UncPath.UncPath, upload: Upload, transfer: Effect.Effect<A, E, R>) =>
  hasPart(target, upload) ? upload.abandoned.removing(target, transfer) : transfer

const copyOnce = Effect.fnUntraced(function*(
  source: string,
  target: UncPath.UncPath,
  upload: Upload,
  isNew: boolean,
  isAlone: boolean
) {
  const { run, throttle } = upload
  const fs = yield* FileSystem.FileSystem
  const local = yield* fs.open(source)
  const info = yield* local.stat
  const { size } = info
  if (isAlone) run.only(size)
  const about = {
    isNew,
    // Size and time tell a later run with `resume` whether the file is complete.
    lastWriteTime: upload.times || upload.resume ? Same.localFacts(info).lastWriteTime : undefined,
    fileAttributes: upload.attributes && LocalFile.isReadOnly(info) ? yield* readOnlyAt(target) : undefined
  }
  if (upload.resume && size > smallSize && !isStream(target, upload)) {
    const count = yield* ResumedUpload.copy(source, local, info, target, upload, about.fileAttributes)
    if (count !== undefined) return yield* run.copied(source, UncPath.format(target), count)
    yield* local.seek(0n, "start")
  }
  const { advance } = yield* run.file(source, UncPath.format(target), Number(size))
  // All bytes that the file had when it was opened must arrive. Files like those of /proc report the size 0, and have
  // more.
  const whole = (count: bigint) => count < size ? Effect.fail(shorter(source, count, size)) : Effect.succeed(count)
  // In one round trip, if the file really is as small as its size.
  const begin = size <= smallSize ? yield* readSmall(local, Number(size)) : undefined
  if (begin !== undefined && begin.length <= smallSize) {
    yield* whole(BigInt(begin.length))
    const bytes = { _tag: "Bytes", bytes: begin } as const
    const count = yield* throttle(begin.length, send<never, never>(target, upload, bytes, about))
    yield* advance(begin.length)
    return yield* run.copied(source, UncPath.format(target), count)
  }
  let first = begin
  const fill = (buffer: Uint8Array) => {
    if (first === undefined) {
      return Effect.flatMap(local.read(buffer), (count) => throttle(count, Effect.as(advance(count), count)))
    }
    const count = Math.min(first.length, buffer.length)
    buffer.set(first.subarray(0, count))
    first = count < first.length ? first.subarray(count) : undefined
    return throttle(count, Effect.as(advance(count), count))
  }
  const count = yield* send(target, upload, {
    _tag: "Flow",
    run: (to) => Effect.flatMap(to.writeFrom(fill), whole)
  }, about)
  yield* run.copied(source, UncPath.format(target), count)
})

const once = (source: string, target: UncPath.UncPath, upload: Upload, isNew: boolean, isAlone = false) =>
  Effect.scoped(removingParts(target, upload, copyOnce(source, target, upload, isNew, isAlone)))

/** Copies one file, again after failures that may pass. */
export const file = (source: string, target: UncPath.UncPath, upload: Upload, isNew: boolean) =>
  upload.retry(source, once(source, target, upload, isNew))

/** Copies one file by itself, if the rules say so. */
export const single = Effect.fnUntraced(function*(source: string, target: UncPath.UncPath, upload: Upload) {
  const { dryRun, rules, run } = upload
  if (rules.existing === "replace" && !dryRun) {
    return yield* upload.retry(source, once(source, target, upload, false, true))
  }
  const fs = yield* FileSystem.FileSystem
  const smb = yield* SmbClient
  const facts = Same.localFacts(yield* fs.stat(source))
  run.only(facts.size)
  const there = yield* smb.stat(target).pipe(
    Effect.catchTag("SmbError", (error) => isMissing(error) ? Effect.succeed(undefined) : Effect.fail(error))
  )
  yield* take({ path: source, facts }, target, there, upload, { isAlone: true })
})

/** Copies a found file, or says why not. */
const take = Effect.fnUntraced(function*(
  source: { readonly path: string; readonly facts: Facts },
  target: UncPath.UncPath,
  existing: Entry | undefined,
  upload: Upload,
  { isAlone = false, isNew = false }: { readonly isAlone?: boolean; readonly isNew?: boolean }
) {
  const { dryRun, run } = upload
  const { facts, path } = source
  const to = UncPath.format(target)
  const old = existing?.type === "file" ? { path: to, facts: Same.remoteFacts(existing) } : undefined
  const choice = yield* Same.remote(source, old, upload)
  if (choice !== "copy") {
    run.skipped(facts.size)
    return yield* run.tell({ _tag: "Skipped", from: path, to, size: facts.size, because: choice })
  }
  if (dryRun) {
    yield* upload.checks.there(target, { ...upload, isAlone })
    return yield* run.tell({ _tag: "Planned", action: "Copy", path, to, size: facts.size })
  }
  yield* file(path, target, upload, isNew)
})

const isChunk = Arguments.required(Arguments.bytes)

/** Writes from a source that can only be read from start to end: a pipe, a device. */
export const flow = Effect.fnUntraced(function*<E, R>(
  data: Stream.Stream<Uint8Array, E, R>,
  name: string,
  target: UncPath.UncPath,
  upload: Upload
) {
  const { dryRun, run, throttle } = upload
  run.only(undefined)
  if (dryRun) {
    yield* upload.checks.there(target, { ...upload, isAlone: true })
    return yield* run.tell({ _tag: "Planned", action: "Copy", path: name, to: UncPath.format(target) })
  }
  const { advance } = yield* run.file(name, UncPath.format(target), undefined)
  const watched = Stream.tap(data, (chunk) => {
    const error = Arguments.objection({ "a chunk of the stream": [isChunk, chunk] }, UncPath.format(target))
    return error === undefined ? throttle(chunk.length, advance(chunk.length)) : Effect.fail(error)
  })
  const sent = send(target, upload, { _tag: "Flow", run: (to) => Stream.run(watched, to.sink()) })
  const count = yield* removingParts(target, upload, sent)
  run.only(count)
  yield* run.copied(name, UncPath.format(target), count)
}, Effect.scoped)

/** A stream of a pipe. The file system's own streams read at positions, and a pipe has none. */
export const fromPipe = (source: string): Stream.Stream<Uint8Array, LocalError> =>
  Stream.suspend(() =>
    Stream.fromAsyncIterable<Uint8Array, LocalError>(
      createReadStream(source),
      (error) => new LocalError({ path: source, detail: error instanceof Error ? error.message : String(error) })
    )
  )

/** An entry of the local tree, by the names that lead to it. */
interface Found {
  readonly names: ReadonlyArray<string>
  readonly isFile: boolean
  readonly facts: Facts
  /** The entry that the target has under this name, if the rules need it. */
  readonly there: Entry | undefined
  /** The target has no entry of this name. */
  readonly isNew: boolean
}

/** What a directory of the target had before this run. */
interface Before {
  /** Its entries by their folded names, as far as the rules need them. */
  readonly entries: ReadonlyMap<string, Entry>
  /** Its names, folded, if all of them are known. */
  readonly names: ReadonlySet<string> | undefined
}

const nothing: Before = { entries: new Map(), names: new Set() }

/** A directory is listed for the names alone if it has at most so many times the files that go into it. */
const mostNames = 16

/** Whether a directory has no entry of this name. A name with a tilde can be the short name of an entry (MS-FSCC 2.1.5.2.1). */
const isFree = (name: string, { names }: Before): boolean =>
  names !== undefined && !names.has(fold(name)) && (names.size === 0 || !name.includes("~"))

/** The entries of a folder: each with its type, and with what the target has under its name. */
type Listed = ReadonlyArray<Omit<Found, "names" | "isFile"> & { readonly name: string; readonly type: string }>

/** Copies everything in a local folder into a directory. If one entry fails, the others are still copied. */
export const tree = Effect.fnUntraced(function*(source: string, target: UncPath.UncPath, upload: Upload) {
  const smb = yield* SmbClient
  const fs = yield* FileSystem.FileSystem
  const { dryRun, filter, run } = upload
  const mark = Mark.name()

  /** The names in a directory: one listing costs less than a question for each file that goes into it. */
  const namesIn = (there: UncPath.UncPath, files: number): Effect.Effect<Before> =>
    smb.list(there).pipe(
      Stream.take(files * mostNames + 1),
      Stream.runFold(() => new Set<string>(), (names, { name }) => names.add(fold(name))),
      Effect.map((names) => names.size > files * mostNames ? undefined : names),
      // A directory can allow new files, and not be listed.
      Effect.orElseSucceed(() => undefined),
      Effect.map((names): Before => ({ entries: nothing.entries, names }))
    )

  /** Makes the directory on the server for so many files, and returns what was in it. */
  const makeThere = Effect.fnUntraced(function*(there: UncPath.UncPath, files: number) {
    if (dryRun) yield* Effect.provideService(upload.checks.directoryThere(there), SmbClient, smb)
    else {
      const isMade = yield* smb.makeDirectory(there).pipe(
        Effect.as(true),
        Effect.catchIf(
          (error) => error._tag === "SmbError" && !refusesShare(error),
          () => Effect.as(smb.makeDirectory(there, { recursive: true }), false)
        )
      )
      if (isMade) {
        upload.abandoned.isNew(there)
        return nothing
      }
    }
    if (upload.rules.existing === "replace") {
      return dryRun || files < 2 ? { ...nothing, names: undefined } : yield* namesIn(there, files)
    }
    return yield* smb.list(there).pipe(
      Stream.runFold(() => new Map<string, Entry>(), (all, entry) => all.set(fold(entry.name), entry)),
      Effect.map((entries): Before => ({ entries, names: new Set(entries.keys()) })),
      // A dry run makes no directory.
      Effect.catchIf(
        (error) => dryRun && error._tag === "SmbError" && isMissing(error),
        () => Effect.succeed(nothing)
      )
    )
  })

  /** The entries of a local folder, after its directory on the server exists. Links are not followed. */
  const enter = Effect.fnUntraced(function*(names: ReadonlyArray<string>): Effect.fn.Return<Listed, EntryError> {
    const here = join(source, ...names)
    if (names.length > 0) {
      yield* checkedThere(here, upload.mapped)
      if (yield* fs.exists(join(here, mark))) {
        yield* run.warn(Warnings.intoItself(here))
        return []
      }
    }
    const taken: Array<Omit<Listed[number], "there" | "isNew">> = []
    for (const { name, type } of yield* fs.readDirectoryEntries(here)) {
      const below = [...names, name]
      if (name === mark || (type !== "File" && !filter.enters(below))) continue
      let facts: Facts = { size: 0n, lastWriteTime: undefined }
      if (type === "File") {
        const info = yield* Effect.result(fs.stat(join(here, name)))
        // A file that went away, or that may not be looked at, fails when it is copied: its size leaves nothing out.
        if (Result.isSuccess(info)) facts = Same.localFacts(info.success)
        if (!filter.takes(below, Result.isSuccess(info) ? facts.size : undefined)) continue
      }
      taken.push({ name, type, facts })
    }
    const clashes = CaseClash.within(taken.map(({ name }) => name).toSorted())
    for (const [name, other] of clashes) {
      const path = join(here, name)
      yield* run.fail(path, new LocalError({ path, detail: CaseClash.notCopied(other) }))
    }
    const files = taken.filter(({ type }) => type === "File").length
    const before = yield* upload.retry(here, makeThere(UncPath.join(target, names.join("\\")), files))
    const listed: Array<Listed[number]> = []
    for (const entry of taken) {
      if (clashes.has(entry.name)) continue
      if (entry.type === "File") run.found(entry.facts.size)
      listed.push({ ...entry, there: before.entries.get(fold(entry.name)), isNew: isFree(entry.name, before) })
    }
    return listed
  })
  const below = (names: ReadonlyArray<string>, entries: Listed): Stream.Stream<Found, EntryError> =>
    Stream.fromIterable(entries).pipe(
      Stream.flatMap(({ facts, isNew, name, there, type }) => {
        const found = [...names, name]
        return type === "Directory"
          ? Stream.unwrap(
            Effect.map(run.alone(join(source, ...found), enter(found), []), (entries) => below(found, entries))
          )
          : Stream.succeed({ names: found, isFile: type === "File", facts, there, isNew })
      })
    )
  const takeFound = Effect.fnUntraced(function*({ facts, isNew, names, there: existing }: Found, here: string) {
    yield* checkedThere(here, upload.mapped)
    const there = UncPath.join(target, names.join("\\"))
    yield* take({ path: here, facts }, there, existing, upload, { isNew })
  })

  const first = yield* enter([])
  if (dryRun) upload.checks.willMake(target)
  // The target directory can be inside the source folder, if this machine serves the share.
  if (!dryRun && (yield* Mark.put(target, mark)) && (yield* fs.exists(join(source, mark)))) {
    return yield* Mark.sameFolder(source, UncPath.format(target))
  }
  yield* Workers.forEach(
    Stream.onEnd(below([], first), Effect.sync(() => run.scanned())),
    { ...Options.ahead, concurrency: upload.concurrency },
    (found) => {
      const here = join(source, ...found.names)
      if (!found.isFile) return run.warn(Warnings.noFile(here))
      return run.alone(here, takeFound(found, here), undefined)
    }
  )
}, Effect.scoped)

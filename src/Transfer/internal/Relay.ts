/**
 * Copies files and trees from one server to another, or within one. If one server holds both files, it copies by itself;
 * otherwise the data goes through this machine.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ClientError } from "../../Client/ClientError.ts"
import type { Entry } from "../../Client/Entry.ts"
import * as FileReplacement from "../../Client/FileReplacement.ts"
import * as PartNames from "../../Client/PartNames.ts"
import * as PartRename from "../../Client/PartRename.ts"
import * as ReplacedFile from "../../Client/ReplacedFile.ts"
import * as ReplacementNotice from "../../Client/ReplacementNotice.ts"
import { type Client, SmbClient } from "../../Client/SmbClient.ts"
import * as UncPath from "../../Client/UncPath.ts"
import { fold } from "../../Codec/UpCase.ts"
import { isMissing, SmbError } from "../../Protocol/Errors.ts"
import { FileAttributes } from "../../Smb2/Message/Constants.ts"
import { concernsOne } from "../Incomplete.ts"
import { LocalError } from "../LocalError.ts"
import type { EntryError } from "../TransferEvent.ts"
import * as AbandonedParts from "./AbandonedParts.ts"
import * as CaseClash from "./CaseClash.ts"
import * as Mark from "./Mark.ts"
import * as Options from "./Options.ts"
import type { Run } from "./Run.ts"
import * as Same from "./Same.ts"
import * as Warnings from "./Warnings.ts"
import * as Workers from "./Workers.ts"

/** The options, and the state that all files of a run share. */
export interface Relay extends Options.Options {
  readonly run: Run
  readonly replace: FileReplacement.Replace
  readonly abandoned: AbandonedParts.AbandonedParts
}

export const make = (smb: Client, run: Run, options: Options.Options): Relay => {
  const abandoned = AbandonedParts.make(smb)
  return { ...options, run, abandoned, replace: FileReplacement.make(smb, { ...run.replacing, tag: abandoned.tag }) }
}

/** The attributes that a copy gets from its original: read-only, hidden, system, archive. */
const passedOn = FileAttributes.FILE_ATTRIBUTE_READONLY | FileAttributes.FILE_ATTRIBUTE_HIDDEN |
  FileAttributes.FILE_ATTRIBUTE_SYSTEM | FileAttributes.FILE_ATTRIBUTE_ARCHIVE

const timesOf = (entry: Entry, { attributes, times }: Relay) => ({
  ...(times && Same.remoteFacts(entry).lastWriteTime !== undefined ? { lastWriteTime: entry.lastWriteTime } : {}),
  ...(attributes
    // 0 would leave the attributes as they are.
    ? { fileAttributes: (entry.fileAttributes & passedOn) || FileAttributes.FILE_ATTRIBUTE_NORMAL }
    : {})
})

/** Whether one server can hold both: then it copies by itself, and no data crosses the network. */
const areTogether = (source: UncPath.UncPath, target: UncPath.UncPath): boolean =>
  fold(source.server) === fold(target.server) && source.port === target.port

/** The server copies to a part, which then gets its name. */
const byServer = Effect.fnUntraced(function*(entry: Entry, target: UncPath.UncPath, relay: Relay) {
  const { run } = relay
  const smb = yield* SmbClient
  const found = yield* ReplacedFile.look(smb, target)
  const [name] = PartNames.parts(UncPath.name(target), relay.abandoned.tag())
  const part = UncPath.join(UncPath.parent(target), name)
  const about = timesOf(entry, relay)
  const fileAttributes = about.fileAttributes ?? ReplacedFile.passedOn(found)
  const state: PartRename.Part = { place: "Here" }
  const finish = Effect.gen(function*() {
    if (about.lastWriteTime !== undefined || fileAttributes !== undefined) {
      yield* smb.setAttributes(part, { ...about, fileAttributes }).pipe(
        // All content is there.
        Effect.catchTag("SmbError", (error) => run.warn(ReplacementNotice.timeNotKept(target, error)))
      )
    }
    yield* PartRename.rename(state, smb.rename(part, target, { replace: true }))
  })
  const removal = (known: boolean) =>
    ReplacementNotice.partRemoval((warning) => run.warn(warning))(part, smb.remove(part, { force: true }), known)
  const giveUp = Effect.suspend(() =>
    state.place === "Placed"
      ? Effect.void
      : state.place === "Moving"
      ? run.warn(ReplacementNotice.left(part, "no answer to its rename", false))
      : removal(true)
  )
  yield* Effect.uninterruptibleMask((restore) =>
    Effect.andThen(
      // An interruption can come when the copy is complete: then the copy itself no longer removes it.
      Effect.onInterrupt(restore(smb.copy(entry.path, part, { create: true })), () => removal(false)),
      Effect.onError(restore(finish), () => giveUp)
    )
  ).pipe(
    // The user knows the final name.
    Effect.catchTag("SmbError", (error) => {
      const known = ReplacementNotice.named(error, name, UncPath.name(target))
      const { detail: _, ...rest } = known
      return Effect.fail(rest.command === "SET_INFO" ? new SmbError(rest) : known)
    })
  )
  return entry.size
})

const throughHere = (entry: Entry, target: UncPath.UncPath, relay: Relay, advance: Advance) =>
  Effect.flatMap(SmbClient, (smb) =>
    relay.replace<ClientError, never>(target, {
      _tag: "Flow",
      run: (to) =>
        Stream.run(
          Stream.tap(smb.stream(entry.path), (chunk) => relay.throttle(chunk.length, advance(chunk.length))),
          to.sink()
        )
    }, timesOf(entry, relay)))

type Advance = (bytes: number) => Effect.Effect<void>

const once = Effect.fnUntraced(function*(entry: Entry, target: UncPath.UncPath, relay: Relay) {
  const { run } = relay
  const to = UncPath.format(target)
  const { advance } = yield* run.file(entry.path, to, Number(entry.size))
  const source = yield* Effect.fromResult(UncPath.parse(entry.path))
  const count = yield* relay.abandoned.removing(
    target,
    areTogether(source, target)
      ? Effect.tap(byServer(entry, target, relay), advance(Number(entry.size)))
      : throughHere(entry, target, relay, advance)
  )
  yield* run.copied(entry.path, to, count)
}, Effect.scoped)

/** Copies one file, again after failures that may pass. */
export const file = (entry: Entry, target: UncPath.UncPath, relay: Relay) =>
  relay.retry(entry.path, once(entry, target, relay))

/** Copies one file by itself, if the rules say so. */
export const single = Effect.fnUntraced(function*(entry: Entry, target: UncPath.UncPath, relay: Relay) {
  const { rules, run } = relay
  run.only(entry.size)
  const smb = yield* SmbClient
  const old = rules.existing === "replace"
    ? undefined
    : yield* smb.stat(target).pipe(
      Effect.catchTag("SmbError", (error) => isMissing(error) ? Effect.succeed(undefined) : Effect.fail(error))
    )
  yield* take(entry, target, old, relay, true)
})

/** Copies a found file, or says why not. */
const take = Effect.fnUntraced(function*(
  entry: Entry,
  target: UncPath.UncPath,
  old: Entry | undefined,
  relay: Relay,
  isAlone = false
) {
  const { dryRun, run } = relay
  const to = UncPath.format(target)
  const choice = yield* Same.between(
    { path: entry.path, facts: Same.remoteFacts(entry) },
    old?.type === "file" ? { path: to, facts: Same.remoteFacts(old) } : undefined,
    relay
  )
  if (choice !== "copy") {
    run.skipped(entry.size)
    return yield* run.tell({ _tag: "Skipped", from: entry.path, to, size: entry.size, because: choice })
  }
  if (dryRun) {
    yield* relay.checks.there(target, { inPlace: false, mapped: false, isAlone })
    return yield* run.tell({ _tag: "Planned", action: "Copy", path: entry.path, to, size: entry.size })
  }
  yield* file(entry, target, relay)
})

/** The most directories whose entries are kept in memory for comparison. */
const mostListings = 64

/** Copies everything in a directory into another. If one file fails, the others are still copied. */
export const tree = Effect.fnUntraced(function*(source: UncPath.UncPath, target: UncPath.UncPath, relay: Relay) {
  const smb = yield* SmbClient
  const { dryRun, filter, rules, run } = relay
  const base = UncPath.format(source)
  const own = fold(UncPath.format(target))
  const directories = new Map<string, Effect.Effect<void, EntryError>>()
  const makeDirectory = (names: ReadonlyArray<string>): Effect.Effect<void, EntryError> =>
    Effect.suspend(() => {
      const there = UncPath.join(target, names.join("\\"))
      const key = fold(UncPath.format(there))
      const known = directories.get(key)
      if (known !== undefined) return known
      const making = relay.retry(
        UncPath.format(there),
        dryRun
          ? Effect.provideService(relay.checks.directoryThere(there), SmbClient, smb)
          : smb.makeDirectory(there, { recursive: true })
      )
      return Effect.flatMap(Effect.cached(making), (made) => {
        directories.set(key, made)
        return made
      })
    })

  const listings = new Map<string, Effect.Effect<ReadonlyMap<string, Entry>, ClientError>>()
  /** The entries of a directory at the target. */
  const existing = (names: ReadonlyArray<string>): Effect.Effect<ReadonlyMap<string, Entry>, ClientError> =>
    Effect.suspend(() => {
      const there = UncPath.join(target, names.join("\\"))
      const key = fold(UncPath.format(there))
      const known = listings.get(key)
      if (known !== undefined) return known
      const listed = smb.list(there).pipe(
        Stream.runFold(() => new Map<string, Entry>(), (all, entry) => all.set(fold(entry.name), entry)),
        // A dry run makes no directory.
        Effect.catchIf(
          (error) => dryRun && error._tag === "SmbError" && isMissing(error),
          () => Effect.succeed(new Map<string, Entry>())
        )
      )
      return Effect.flatMap(Effect.cached(relay.retry(UncPath.format(there), listed)), (cached) => {
        if (listings.size >= mostListings) listings.delete(listings.keys().next().value!)
        listings.set(key, cached)
        return cached
      })
    })

  const namesOf = (entry: Entry): ReadonlyArray<string> | undefined =>
    entry.path.startsWith(`${base}\\`) ? entry.path.slice(base.length + 1).split("\\") : undefined
  /** The first source path for each name at the target, folded. */
  const taken = new Map<string, string>()
  /** The path of an earlier entry that has the same name at the target, and differs in case. */
  const clashOf = (names: ReadonlyArray<string>): string | undefined => {
    const name = names.join("\\")
    const first = taken.get(fold(name))
    if (first === undefined) taken.set(fold(name), name)
    return first === undefined || first === name ? undefined : `${base}\\${first}`
  }
  const mark = Mark.name()
  // The target may be inside the source, and reached by another name: an alias of the server, or another share.
  const isTarget = (entry: Entry) =>
    fold(entry.path) === own
      ? Effect.succeed(true)
      : target.path === "" || fold(entry.name) === fold(UncPath.name(target))
      ? smb.exists(`${entry.path}\\${mark}`).pipe(Effect.catchIf(concernsOne, () => Effect.succeed(false)))
      : Effect.succeed(false)
  const enter = Effect.fnUntraced(function*(entry: Entry) {
    const names = namesOf(entry) ?? []
    if (!filter.enters(names)) return false
    const other = clashOf(names)
    if (other !== undefined) {
      yield* run.fail(entry.path, new LocalError({ path: entry.path, detail: CaseClash.notCopied(other) }))
      return false
    }
    if (!(yield* isTarget(entry))) return true
    yield* run.warn(Warnings.intoItself(entry.path))
    return false
  })
  const onError = (error: ClientError, directory?: Entry) =>
    concernsOne(error) ? run.fail(directory?.path ?? base, error) : Effect.fail(error)
  const onLoop = (entry: Entry) => run.warn(Warnings.loop(entry))
  const takeFound = Effect.fnUntraced(function*(entry: Entry, names: ReadonlyArray<string>) {
    const old = rules.existing === "replace"
      ? undefined
      : (yield* existing(names.slice(0, -1))).get(fold(entry.name))
    yield* take(entry, UncPath.join(target, names.join("\\")), old, relay)
  })
  yield* makeDirectory([])
  if (dryRun) relay.checks.willMake(target)
  if (!dryRun && (yield* Mark.put(target, mark)) && (yield* Mark.isAt(source, mark))) {
    return yield* Mark.sameFolder(base, UncPath.format(target))
  }
  const found = smb.walk(source, { onError, onLoop, enter }).pipe(
    Stream.filter((entry) => {
      const names = namesOf(entry)
      if (names === undefined) return false
      if (entry.type !== "file") return filter.enters(names)
      if (!filter.takes(names, entry.size)) return false
      run.found(entry.size)
      return true
    }),
    Stream.onEnd(Effect.sync(() => run.scanned()))
  )
  yield* Workers.forEach(
    found,
    { ...Options.ahead, concurrency: relay.concurrency },
    (entry) =>
      run.alone(
        entry.path,
        Effect.gen(function*() {
          const names = namesOf(entry) ?? []
          if (entry.type === "symlink") return yield* run.warn(Warnings.symbolicLink(entry.path))
          const other = clashOf(names)
          if (other !== undefined) {
            return yield* new LocalError({ path: entry.path, detail: CaseClash.notCopied(other) })
          }
          if (entry.type === "directory") {
            // The target itself is not made inside itself.
            return fold(entry.path) === own ? undefined : yield* makeDirectory(names)
          }
          yield* makeDirectory(names.slice(0, -1))
          yield* takeFound(entry, names)
        }),
        undefined
      )
  )
}, Effect.scoped)

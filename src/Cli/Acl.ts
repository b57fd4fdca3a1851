/** `acl`: who may do what with files and folders, and changes of that, for single paths and for trees. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type * as Account from "../Client/Account.ts"
import type { ClientError } from "../Client/ClientError.ts"
import type { Entry } from "../Client/Entry.ts"
import * as Permissions from "../Client/Permissions.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import type { Malformed } from "../Codec/Malformed.ts"
import { isNameSurrogate } from "../Codec/Reparse.ts"
import * as Sddl from "../Codec/Sddl.ts"
import { Control, type SecurityDescriptor, type Sid } from "../Codec/SecurityDescriptor.ts"
import { SmbError, withDetail } from "../Protocol/Errors.ts"
import { concernsOne, Incomplete } from "../Transfer/Incomplete.ts"
import * as AclChange from "./AclChange.ts"
import * as AclTable from "./AclTable.ts"
import { printable, report, UsageError } from "./Failure.ts"
import { slashed, titleOf } from "./Find.ts"
import * as Output from "./Output.ts"
import type { Remote } from "./Remote.ts"
import * as SeveralPaths from "./SeveralPaths.ts"
import * as Walking from "./Walking.ts"

export interface Options {
  readonly json: boolean
  readonly sddl: boolean
  readonly recursive: boolean
  readonly dryRun: boolean
  readonly changes: AclChange.Changes
}

/** A file or folder to look at or to change. */
interface Place {
  readonly path: UncPath.UncPath | string
  readonly isDirectory: boolean
}

const shown = ({ path }: Place): string => slashed(typeof path === "string" ? path : UncPath.format(path))

/** Links are left out of trees: what they lead to is not in the tree. */
const isLink = ({ reparseTag, type }: Entry): boolean => type === "symlink" || isNameSurrogate(reparseTag)

/** A path, and with `recursive` everything below it, each folder before what is in it. */
const places = (
  smb: SmbClient["Service"],
  path: Remote,
  options: Options,
  told: Walking.Told,
  skip: (entry: Entry) => void
): Stream.Stream<Place, ClientError | Incomplete> =>
  Stream.unwrap(Effect.map(smb.stat(path), (entry): Stream.Stream<Place, ClientError | Incomplete> => {
    const isDirectory = entry.type === "directory"
    const itself = Stream.succeed({ path, isDirectory })
    if (!options.recursive || !isDirectory) return itself
    const below = smb.walk(path, told).pipe(
      Stream.filter((one) => {
        if (isLink(one)) skip(one)
        return !isLink(one)
      }),
      Stream.map((one): Place => ({ path: one.path, isDirectory: one.type === "directory" }))
    )
    return Stream.concat(itself, below)
  }))

/** Whether a failure is about one of several files, so that the others can go on. */
const isOfOne = (error: { readonly _tag: string; readonly reason?: unknown }): boolean =>
  concernsOne(error) || error._tag === "UsageError"

/** How many files of a tree are worked on at a time. */
const concurrency = 8

/** Names for SIDs, asked for once in a run: a tree has few accounts and many files. */
const namesOnce = (smb: SmbClient["Service"], path: Remote) => {
  const known = new Map<Sid, Account.Account>()
  return Effect.fnUntraced(function*(descriptor: SecurityDescriptor) {
    const missing = Permissions.sidsOf(descriptor).filter((sid) => !known.has(sid))
    if (missing.length > 0) {
      for (const account of yield* smb.lookupSids(path, missing)) known.set(account.sid, account)
    }
    return Permissions.fromDescriptor(descriptor, known.values())
  })
}

const sddlOf = (descriptor: SecurityDescriptor): Effect.Effect<string, UsageError> => {
  const sddl = Sddl.toSddl(descriptor)
  return sddl === undefined
    ? Effect.fail(
      new UsageError({
        detail: "the list has an entry that SDDL has no text for, such as one with a condition: leave --sddl out"
      })
    )
    : Effect.succeed(sddl)
}

/** Prints the permissions of each path. */
const show = Effect.fnUntraced(function*(paths: ReadonlyArray<Remote>, options: Options) {
  const smb = yield* SmbClient
  const several = options.recursive || paths.length > 1
  let count = 0
  const tree = Effect.fnUntraced(function*(path: Remote) {
    const walking = Walking.make(options.json)
    let failures = 0
    const named = namesOnce(smb, path)
    const one = (place: Place) =>
      Effect.gen(function*() {
        const descriptor = yield* smb.security.get(place.path)
        if (options.sddl && !options.json) {
          const sddl = yield* sddlOf(descriptor)
          return several ? `${sddl}  ${printable(shown(place))}\n` : `${sddl}\n`
        }
        const permissions = yield* named(descriptor)
        return options.json
          ? Output.jsonLine(
            AclTable.object(UncPath.format(yield* Effect.fromResult(UncPath.parse(place.path))), permissions)
          )
          : AclTable.text(shown(place), permissions)
      }).pipe(
        Effect.catchIf((error) => options.recursive && isOfOne(error), (error) => {
          failures++
          return Effect.as(Output.tell(report(error), options.json), "")
        })
      )
    yield* places(smb, path, options, walking.told, () => {}).pipe(
      Stream.mapEffect(one, { concurrency }),
      Stream.filter((text) => text !== ""),
      Stream.runForEach((text) => Output.write(count++ === 0 || options.json || options.sddl ? text : `\n${text}`))
    )
    failures += walking.failures()
    if (failures > 0) return yield* new Incomplete({ failures, what: "read" })
  })
  yield* SeveralPaths.each(paths, { json: options.json, what: "read", isOfOne }, tree)
})

/** Whether a server was reached, and does not tell what it was asked. */
const tellsNothing = (error: ClientError): boolean =>
  error._tag === "ProtocolError" || (error._tag === "SmbError" && error.command !== "SESSION_SETUP")

/** The descriptor of `--set`. Only letters such as `DA` need the server that holds the path, which knows its domains. */
const setOf = Effect.fnUntraced(function*(path: Remote, { set }: AclChange.Changes) {
  if (set === undefined) return undefined
  const alone = Sddl.fromSddl(set)
  if (Result.isSuccess(alone)) return alone.success
  const smb = yield* SmbClient
  const unknown = ({ expected, offset }: Malformed, why: string) =>
    new UsageError({
      detail: `--set: the server of ${titleOf(path)} does not tell what ${
        JSON.stringify(set.slice(offset, offset + 2))
      } stands for${why}: write ${expected}`
    })
  const domains = yield* smb.lookupDomains(path).pipe(
    Effect.catchIf(tellsNothing, (error) => Effect.fail(unknown(alone.failure, ` (${error.message})`)))
  )
  return yield* Effect.mapError(Effect.fromResult(Sddl.fromSddl(set, domains)), (failure) => unknown(failure, ""))
})

/** The accounts of the names in the changes, at the server that holds a path. */
const accountsOf = Effect.fnUntraced(function*(path: Remote, changes: AclChange.Changes) {
  const names = AclChange.namesOf(changes)
  if (names.length === 0) return new Map<string, Account.Account>()
  const smb = yield* SmbClient
  const instead = "give the SID instead of the name, such as S-1-5-21-1-2-3-1000"
  const found = yield* smb.lookupNames(path, names).pipe(
    Effect.catchIf(
      tellsNothing,
      (error) =>
        Effect.fail(
          new UsageError({
            detail: `the server of ${titleOf(path)} does not tell who ${
              names.join(", ")
            } is: ${instead}. ${error.message}`
          })
        )
    )
  )
  const missing = names.filter((_, i) => found[i] === undefined)
  if (missing.length > 0) {
    return yield* new UsageError({
      detail: `the server of ${titleOf(path)} knows no account ${
        missing.map((name) => JSON.stringify(name)).join(", ")
      }: ` +
        `write DOMAIN\\name or name@domain, or ${instead}`
    })
  }
  return new Map(names.map((name, i) => [name, found[i]!]))
})

/** The most descriptors of folders that are kept for the entries in them. */
const mostFolders = 1000

/** The descriptors of folders, for entries that inherit from them. A changed folder counts as it is after its change. */
const folders = (smb: SmbClient["Service"]) => {
  const known = new Map<string, SecurityDescriptor>()
  const keep = (path: string, descriptor: SecurityDescriptor): void => {
    if (known.size >= mostFolders) known.delete(known.keys().next().value!)
    known.set(path, descriptor)
  }
  return {
    keep,
    above: Effect.fnUntraced(function*(path: UncPath.UncPath) {
      const folder = UncPath.parent(path)
      const key = UncPath.format(folder)
      const found = known.get(key) ?? (yield* smb.security.get(folder))
      if (!known.has(key)) keep(key, found)
      return found
    })
  }
}

/** What a person can do if a server refuses a change. */
const advised = (error: ClientError, { owner }: AclChange.Changes): ClientError => {
  if (!(error instanceof SmbError)) return error
  const { _tag } = error.reason
  if (_tag === "InvalidOwner") {
    return withDetail(error, "only an administrator of the server may give a file to another account")
  }
  if (_tag === "AccessDenied") {
    return withDetail(
      error,
      owner === undefined
        ? "to change permissions, the account must own the file or have the right P (full has it)"
        : "to change the owner, the account needs the right O (full has it), or must be an administrator of the server"
    )
  }
  return error
}

/** A descriptor with the parts that `--set` has. */
const replaced = (before: SecurityDescriptor, set: SecurityDescriptor): SecurityDescriptor => {
  const list = (set.control & Control.SE_DACL_PRESENT) !== 0
  return {
    ...before,
    control: list ? set.control : before.control,
    owner: set.owner ?? before.owner,
    group: set.group ?? before.group,
    dacl: list ? set.dacl : before.dacl
  }
}

/** Changes the permissions of each path, or says what would change. */
const change = Effect.fnUntraced(function*(paths: ReadonlyArray<Remote>, options: Options) {
  const smb = yield* SmbClient
  const { changes, dryRun, json } = options
  const several = SeveralPaths.make({ json, what: "changed", isOfOne })
  const counts = { changed: 0, unchanged: 0, skipped: 0 }
  // All names and domains are known before anything changes.
  const known = yield* several.prepare(
    paths,
    SeveralPaths.serverOf,
    (path) =>
      Effect.map(
        Effect.all([accountsOf(path, changes), setOf(path, changes)]),
        ([accounts, set]) => ({ path, accounts, set })
      )
  )
  const tree = Effect.fnUntraced(function*({ accounts, path, set }: typeof known[number]) {
    const walking = Walking.make(json)
    let failures = 0
    const named = namesOnce(smb, path)
    const { above, keep } = folders(smb)
    const one = Effect.fnUntraced(function*(place: Place) {
      const unc = yield* Effect.fromResult(UncPath.parse(place.path))
      if (changes.inherit === "on" && unc.path === "") {
        return yield* new UsageError({
          detail: `${shown(place)} is a whole share: there is no folder above to inherit from`
        })
      }
      const before = yield* smb.security.get(unc)
      const folder = changes.inherit === "on" ? yield* above(unc) : undefined
      const after = set === undefined
        ? AclChange.apply(before, changes, { isDirectory: place.isDirectory, folder, accounts })
        : replaced(before, set)
      if (changes.inherit === "off" && after.dacl?.aces.length === 0) {
        return yield* new UsageError({
          detail: `${
            shown(place)
          }: without the inherited entries no account would have any rights: add --grant, or use --inherit copy`
        })
      }
      if (place.isDirectory && changes.inherit === "on") keep(UncPath.format(unc), after)
      const difference = Permissions.difference(before, after)
      // The present SACL is not known here, so one that is given is always set.
      const different = set === undefined || (difference === undefined && set.sacl === undefined)
        ? difference
        : set
      if (different === undefined) {
        counts.unchanged++
      } else {
        if (!dryRun) yield* Effect.mapError(smb.security.set(unc, different), (error) => advised(error, changes))
        counts.changed++
        if (json) {
          yield* Output.write(
            Output.jsonLine({
              path: UncPath.format(unc),
              [dryRun ? "planned" : "changed"]: true,
              sddl: Sddl.toSddl(after) ?? null
            })
          )
        } else if (dryRun) {
          const lines = AclTable.changes(yield* named(before), yield* named(after))
          yield* Output.write(`would change ${printable(shown(place))}\n${lines.map((line) => `  ${line}\n`).join("")}`)
        }
      }
      for (const name of changes.revoke) {
        const { sid } = accounts.get(name)!
        const stays = after.dacl?.aces.some((ace) => ace._tag !== "Raw" && ace.sid === sid) ?? false
        if (!stays || options.recursive) continue
        const message =
          `${shown(place)}: ${name} still has inherited entries: remove them at the folder above, or make them ` +
          "the file's own with --inherit copy"
        yield* Output.tell({
          code: 0,
          message: printable(message),
          json: { warning: "Inherited", path: UncPath.format(unc), message }
        }, json)
      }
    })
    const fails = <E extends { readonly _tag: string; readonly reason?: unknown }>(error: E) => {
      failures++
      return Output.tell(report(error), json)
    }
    yield* places(smb, path, options, walking.told, () => counts.skipped++).pipe(
      Stream.mapEffect((place) => Effect.catchIf(one(place), (error) => options.recursive && isOfOne(error), fails), {
        // A folder must have its new list before what is in it inherits from it.
        concurrency: changes.inherit === "on" ? 1 : concurrency
      }),
      Stream.runDrain
    )
    failures += walking.failures()
    if (failures > 0) return yield* new Incomplete({ failures, what: "changed" })
  })
  const result = yield* Effect.result(several.each(known, ({ path }) => [path], tree))
  const failed = Result.isSuccess(result)
    ? 0
    : result.failure._tag === "Incomplete"
    ? result.failure.failures
    : undefined
  if (options.recursive && failed !== undefined) {
    const { changed, skipped, unchanged } = counts
    yield* Output.write(
      json
        ? Output.jsonLine({ summary: { ...counts, failed }, dryRun })
        : `${changed} ${dryRun ? "would change" : "changed"}, ${unchanged} unchanged` +
          (skipped > 0 ? `, ${skipped} ${skipped === 1 ? "link" : "links"} left out` : "") +
          (failed > 0 ? `, ${failed} failed` : "") + "\n"
    )
  }
  yield* Effect.fromResult(result)
})

/** Shows permissions, or changes them if there are changes. */
export const acl = (paths: ReadonlyArray<Remote>, options: Options) =>
  AclChange.isEmpty(options.changes) ? show(paths, options) : change(paths, options)

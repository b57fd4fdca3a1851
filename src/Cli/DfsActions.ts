/** The output of `effect-smb dfs`: the steps of the resolver on the way to a path, and what it learned. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as DfsPath from "../Dfs/DfsPath.ts"
import * as DfsResolver from "../Dfs/DfsResolver.ts"
import * as DfsTrace from "../Dfs/DfsTrace.ts"
import type { CachedReferral } from "../Dfs/ReferralCache.ts"
import * as TargetHealth from "../Dfs/TargetHealth.ts"
import { question, tellResolution } from "./Actions.ts"
import { inFlags, oneLine, printable } from "./Failure.ts"
import * as Output from "./Output.ts"
import type { Remote } from "./Remote.ts"
import * as SeveralPaths from "./SeveralPaths.ts"

interface Format {
  readonly json: boolean
}

/** Prints the steps, one per line, and where they lead. */
export const trace = Effect.fnUntraced(function*(path: Remote, options: Format) {
  const resolver = yield* DfsResolver.DfsResolver
  const { notes, result } = yield* resolver.trace(question(path))
  yield* Output.write(
    notes.map((note) =>
      options.json
        ? Output.jsonLine({ ...note, explanation: DfsTrace.explain(note) })
        : `step ${String(note.step).padStart(2)}  ${oneLine(inFlags(DfsTrace.explain(note)))}\n`
    ).join("")
  )
  if (Result.isFailure(result)) return yield* Effect.fail(result.failure)
  yield* tellResolution(path, options, result.success)
})

/** The output for a prefix; `error`: why it is not known any more. */
interface Known {
  readonly prefix: string
  readonly kind: string
  readonly interlink: boolean
  readonly targetFailback?: boolean
  readonly timeToLive: number
  readonly hint?: string
  readonly targets: ReadonlyArray<{ readonly target: string; readonly setBoundary?: boolean; readonly dead: boolean }>
  readonly error?: string
}

const entryObject = (entry: CachedReferral, health: TargetHealth.TargetHealth, now: number): Known => ({
  prefix: DfsPath.toString(entry.prefix),
  kind: entry.kind,
  interlink: entry.interlink,
  targetFailback: entry.targetFailback,
  timeToLive: Math.max(0, Math.ceil((entry.expiresAt - now) / 1000)),
  hint: DfsPath.toString(entry.targets[entry.hint]!.path),
  targets: entry.targets.map(({ path, setBoundary }) => ({
    target: DfsPath.toString(path),
    setBoundary,
    dead: TargetHealth.isOpen(health, path, now)
  }))
})

const entryText = (entry: Known): string =>
  `${printable(entry.prefix)}  ${entry.kind}${entry.interlink ? " into another namespace" : ""}, ` +
  `${entry.error === undefined ? `${entry.timeToLive} s left` : `forgotten (${entry.error})`}\n` +
  entry.targets.map(({ dead, target }) =>
    `  ${target === entry.hint ? "*" : " "} ${printable(target)}${dead ? "  dead" : ""}\n`
  ).join("")

/**
 * The referrals that the resolver has forgotten again, because none of their targets could be used: the steps still
 * have them.
 */
const forgotten = (
  traces: ReadonlyArray<Effect.Success<ReturnType<DfsResolver.DfsResolver["Service"]["trace"]>>>,
  known: ReadonlyArray<Known>
): ReadonlyArray<Known> => {
  const seen = new Map<string, Known>()
  for (const { notes, result } of traces) {
    for (const note of notes) {
      if (note._tag !== "Answered" || note.kind === "domain" || note.kind === "dc") continue
      if (Result.isSuccess(result) || known.some(({ prefix }) => prefix === note.prefix)) continue
      seen.set(note.prefix, {
        prefix: note.prefix,
        kind: note.kind === "root" ? "root" : "link",
        interlink: note.interlink,
        timeToLive: 0,
        targets: note.targets.map((target) => ({ target, dead: true })),
        error: result.failure._tag === "DfsError" ? result.failure.reason._tag : result.failure._tag
      })
    }
  }
  return [...seen.values()]
}

/** Prints the cache after these paths have been resolved. Tells each path that could not be resolved, and fails at the end. */
export const cache = Effect.fnUntraced(function*(paths: ReadonlyArray<Remote>, options: Format) {
  const resolver = yield* DfsResolver.DfsResolver
  const several = SeveralPaths.make({ json: options.json, what: "resolved" })
  const traces: Array<Effect.Success<ReturnType<typeof resolver.trace>>> = []
  const resolved = yield* Effect.result(
    several.each(paths, SeveralPaths.serverOf, (path) =>
      Effect.flatMap(resolver.trace(question(path)), (one) => {
        traces.push(one)
        return Effect.asVoid(Effect.fromResult(one.result))
      }))
  )
  const now = yield* Clock.currentTimeMillis
  const { cache: { absences, entries }, health } = yield* resolver.knowledge
  const kept = [...entries.values()].map((entry) => entryObject(entry, health, now))
  const known = [...kept, ...forgotten(traces, kept)]
  const absent = [...absences].map(([key, { error, expiresAt }]) => ({
    prefix: DfsPath.toString(key.split("\\")),
    kind: "absent",
    timeToLive: Math.max(0, Math.ceil((expiresAt - now) / 1000)),
    error: error._tag
  }))
  yield* Output.write(
    options.json
      ? [...known, ...absent].map((one) => Output.jsonLine({ ...one })).join("")
      : known.map(entryText).join("") +
        absent.map((one) => `${printable(one.prefix)}  no referral (${one.error}), ${one.timeToLive} s left\n`).join("")
  )
  yield* Effect.fromResult(resolved)
})

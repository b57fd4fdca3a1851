/**
 * What `effect-smb dfs` shows of a resolver: the steps on the way to a path, and what was learned.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as DfsPath from "../Dfs/DfsPath.ts"
import * as DfsResolver from "../Dfs/DfsResolver.ts"
import * as DfsTrace from "../Dfs/DfsTrace.ts"
import type { CachedReferral } from "../Dfs/ReferralCache.ts"
import { question, tellResolution } from "./Actions.ts"
import { oneLine, printable } from "./Failure.ts"
import * as Output from "./Output.ts"
import type { Remote } from "./Remote.ts"

interface Format {
  readonly json: boolean
}

/** The steps, one a line, and where they lead. */
export const trace = Effect.fnUntraced(function*(path: Remote, options: Format) {
  const resolver = yield* DfsResolver.DfsResolver
  const { notes, result } = yield* resolver.trace(question(path))
  yield* Output.write(
    notes.map((note) =>
      options.json
        ? Output.jsonLine({ ...note, explanation: DfsTrace.explain(note) })
        : `step ${String(note.step).padStart(2)}  ${oneLine(DfsTrace.explain(note))}\n`
    ).join("")
  )
  if (Result.isFailure(result)) return yield* Effect.fail(result.failure)
  yield* tellResolution(path, options, result.success)
})

const entryObject = (entry: CachedReferral, now: number) => ({
  prefix: DfsPath.toString(entry.prefix),
  kind: entry.kind,
  interlink: entry.interlink,
  targetFailback: entry.targetFailback,
  timeToLive: Math.max(0, Math.ceil((entry.expiresAt - now) / 1000)),
  hint: DfsPath.toString(entry.targets[entry.hint]!.path),
  targets: entry.targets.map(({ path, setBoundary }) => ({ target: DfsPath.toString(path), setBoundary }))
})

const entryText = (entry: ReturnType<typeof entryObject>): string =>
  `${printable(entry.prefix)}  ${entry.kind}${entry.interlink ? " into another namespace" : ""}, ` +
  `${entry.timeToLive} s left\n` +
  entry.targets.map(({ target }) => `  ${target === entry.hint ? "*" : " "} ${printable(target)}\n`).join("")

/** What is known after these paths have been resolved; fails afterwards if one of them could not be. */
export const cache = Effect.fnUntraced(function*(paths: ReadonlyArray<Remote>, options: Format) {
  const resolver = yield* DfsResolver.DfsResolver
  const results = yield* Effect.forEach(paths, (path) => Effect.result(resolver.resolve(question(path))))
  const now = yield* Clock.currentTimeMillis
  const { absences, entries } = yield* resolver.cache
  const known = [...entries.values()].map((entry) => entryObject(entry, now))
  const absent = [...absences].map(([key, { error, expiresAt }]) => ({
    prefix: DfsPath.toString(key.split("\\")),
    kind: "absent",
    timeToLive: Math.max(0, Math.ceil((expiresAt - now) / 1000)),
    error: error._tag
  }))
  yield* Output.write(
    options.json
      ? [...known, ...absent].map(Output.jsonLine).join("")
      : known.map(entryText).join("") +
        absent.map((one) => `${printable(one.prefix)}  no referral (${one.error}), ${one.timeToLive} s left\n`).join("")
  )
  for (const result of results) if (Result.isFailure(result)) return yield* Effect.fail(result.failure)
})

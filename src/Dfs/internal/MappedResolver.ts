/** A resolver for a client with mapped names: it asks by the names that the server knows, and shows those of callers. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import {
  sentUnc,
  shown,
  shownError,
  shownPath,
  shownText,
  shownUnc,
  withShownErrors
} from "../../Protocol/MappedNames.ts"
import type * as DfsPath from "../DfsPath.ts"
import type { DfsResolver, Resolution } from "../DfsResolver.ts"
import type { Knowledge, Target } from "../DfsStep.ts"
import type { Note } from "../DfsTrace.ts"
import type * as ReferralCache from "../ReferralCache.ts"

const shownTarget = (target: Target): Target => ({ ...target, path: shownPath(target.path) })

const shownResolution = (found: Resolution): Resolution => ({
  ...found,
  path: shownUnc(found.path),
  resolvedPath: shownUnc(found.resolvedPath),
  targets: found.targets.map(shownTarget)
})

/** The fields of notes that are a path, or several. */
const paths: ReadonlySet<string> = new Set(["path", "prefix", "target", "targets", "from", "to", "expired"])

const shownNote = (note: Note): Note =>
  Object.fromEntries(
    Object.entries(note).map(([key, value]: [string, unknown]) => {
      if (key === "reason" && typeof value === "string") return [key, shownText(value)]
      if (!paths.has(key)) return [key, value]
      return [key, Array.isArray(value) ? value.map(shownUnc) : typeof value === "string" ? shownUnc(value) : value]
    })
  ) as unknown as Note

/** Names below the share. */
const shownComponents = (path: DfsPath.DfsPath): DfsPath.DfsPath =>
  path.map((name, index) => (index < 2 ? name : shown(name)))

/** The folded form of a plain name is that of its mapped name, mapped: so entries are found by the caller's prefix. */
const shownKeys = <A>(map: ReadonlyMap<string, A>, change: (value: A) => A): ReadonlyMap<string, A> =>
  new Map([...map].map(([key, value]) => [shownUnc(key), change(value)]))

const shownCache = (cache: ReferralCache.ReferralCache): ReferralCache.ReferralCache => ({
  ...cache,
  entries: shownKeys(cache.entries, (entry) => ({
    ...entry,
    prefix: shownComponents(entry.prefix),
    targets: entry.targets.map((target) => ({ ...target, path: shownComponents(target.path) }))
  })),
  absences: shownKeys(cache.absences, (absence) => ({ ...absence, error: shownError(absence.error) }))
})

/** Domains and the health of servers and shares have no name below a share. */
const shownKnowledge = (knowledge: Knowledge): Knowledge => ({ ...knowledge, cache: shownCache(knowledge.cache) })

/** The resolver with the names of callers. */
export const make = (resolver: DfsResolver["Service"]): DfsResolver["Service"] => ({
  resolve: (path) =>
    Effect.mapBoth(resolver.resolve(sentUnc(path)), { onSuccess: shownResolution, onFailure: shownError }),
  trace: (path) =>
    Effect.map(resolver.trace(sentUnc(path)), ({ notes, result }) => ({
      notes: notes.map(shownNote),
      result: Result.mapBoth(result, { onSuccess: shownResolution, onFailure: shownError })
    })),
  use: (path, attempt, judge, options) =>
    withShownErrors((own) => {
      const { connect, mayBeLink } = options ?? {}
      return resolver.use(
        sentUnc(path),
        (target, hasOthers) => own(attempt(shownTarget(target), hasOthers)),
        judge,
        {
          connect: connect === undefined ? undefined : (target) => own(connect(shownTarget(target))),
          mayBeLink: mayBeLink === undefined ? undefined : (target, error) => mayBeLink(shownTarget(target), error)
        }
      )
    }),
  cache: Effect.map(resolver.cache, shownCache),
  knowledge: Effect.map(resolver.knowledge, shownKnowledge)
})

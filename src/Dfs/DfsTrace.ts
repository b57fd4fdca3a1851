/**
 * The steps of a resolution as data: what was known, which server was asked, what was tried, and why it went on. Each
 * note has the number of its step in MS-DFSC 3.1.4.1.
 *
 * `DfsResolution` makes the notes; the resolver counts them (`DfsMetrics`) and passes them to the `TraceListener`. `explain`
 * turns a note into a sentence.
 */
import * as Context from "effect/Context"
import type { ReferralKind } from "./DfsStep.ts"

/**
 * One note. Paths are as users write them; times are in seconds.
 *
 * @category models
 * @since 0.1.0
 */
export type Note =
  | {
    readonly _tag: "CacheHit"
    readonly step: 2
    readonly path: string
    readonly prefix: string
    readonly kind: "root" | "link" | "absent"
    readonly timeToLive: number
  }
  | { readonly _tag: "CacheMiss"; readonly step: 2; readonly path: string; readonly expired?: string | undefined }
  | {
    readonly _tag: "Asking"
    readonly step: number
    readonly server: string
    readonly path: string
    readonly kind: ReferralKind
  }
  | {
    readonly _tag: "Answered"
    readonly step: number
    readonly kind: ReferralKind
    readonly prefix: string
    readonly targets: ReadonlyArray<string>
    readonly timeToLive: number
    readonly interlink: boolean
  }
  | {
    readonly _tag: "Refused"
    readonly step: number
    readonly server: string
    readonly kind: ReferralKind
    readonly error: string
    readonly reason: string
  }
  | { readonly _tag: "Searching"; readonly step: 5; readonly domain: string }
  | {
    readonly _tag: "Controllers"
    readonly step: 5
    readonly domain: string
    readonly controllers: ReadonlyArray<string>
  }
  | { readonly _tag: "Site"; readonly step: 5; readonly domain: string; readonly site?: string | undefined }
  | { readonly _tag: "Racing"; readonly step: 8; readonly targets: ReadonlyArray<string> }
  | { readonly _tag: "Trying"; readonly step: number; readonly target: string; readonly of: "root" | "link" | "plain" }
  | { readonly _tag: "Deferred"; readonly step: 8; readonly targets: ReadonlyArray<string> }
  | { readonly _tag: "Unusable"; readonly step: number; readonly target: string; readonly reason: string }
  | { readonly _tag: "Crossed"; readonly step: 8; readonly path: string }
  | { readonly _tag: "Interlink"; readonly step: 11; readonly from: string; readonly to: string }
  | { readonly _tag: "NotDfs"; readonly step: 12; readonly path: string; readonly reason: string }
  | {
    readonly _tag: "Failover" | "Failback"
    readonly step: 8
    readonly prefix: string
    readonly from: string
    readonly to: string
  }
  | { readonly _tag: "Found"; readonly step: number; readonly target: string }
  | { readonly _tag: "Failed"; readonly step: number; readonly reason: string; readonly error?: string | undefined }

/**
 * A function that the resolver calls with each note of the resolutions in this context. Default: none. It must not
 * throw, and the resolution waits for it.
 *
 * @category settings
 * @since 0.2.0
 */
export const TraceListener: Context.Reference<((note: Note) => void) | undefined> = Context.Reference(
  "effect-smb/Dfs/TraceListener",
  { defaultValue: (): ((note: Note) => void) | undefined => undefined }
)

const listed = (names: ReadonlyArray<string>): string => (names.length === 0 ? "nothing" : names.join(", "))

const asked: Record<ReferralKind, (path: string) => string> = {
  domain: () => "which domains there are",
  dc: (path) => `which controllers ${path.replace(/^\\/, "")} has`,
  root: (path) => `for the root ${path}`,
  sysvol: (path) => `for ${path}`,
  link: (path) => `which link lies on the way to ${path}`
}

/**
 * A note as a line of text.
 *
 * @category conversions
 * @since 0.1.0
 */
export const explain = (note: Note): string => {
  switch (note._tag) {
    case "CacheHit":
      return note.kind === "absent"
        ? `${note.prefix} is known to be in no namespace, for ${note.timeToLive} s yet`
        : `${note.path}: the ${note.kind} ${note.prefix} is known, for ${note.timeToLive} s yet`
    case "CacheMiss":
      return note.expired === undefined
        ? `${note.path}: nothing is known`
        : `${note.path}: what was known of ${note.expired} has expired`
    case "Asking":
      return `ask ${note.server} ${asked[note.kind](note.path)}`
    case "Answered":
      return `${note.prefix === "" ? "answer" : note.prefix}: ${listed(note.targets)} (${note.timeToLive} s${
        note.interlink ? ", in another namespace" : ""
      })`
    case "Refused":
      return `${note.server}: no referral (${note.reason})`
    case "Searching":
      return `look for controllers of a domain ${note.domain}`
    case "Controllers":
      return note.controllers.length === 0
        ? `${note.domain} is no domain that anybody knows`
        : `the controllers of ${note.domain} are ${note.controllers.join(", ")}`
    case "Site":
      return note.site === undefined
        ? `no controller of ${note.domain} says which site this machine is in`
        : `this machine is in the site ${note.site} of ${note.domain}`
    case "Racing":
      return `connect to whichever answers first: ${note.targets.join(", ")}`
    case "Trying":
      return note.of === "plain" ? `use ${note.target} as it is` : `try ${note.target}, target of the ${note.of}`
    case "Deferred":
      return `leave for last what has failed lately: ${note.targets.join(", ")}`
    case "Unusable":
      return `${note.target} cannot be used: ${note.reason}`
    case "Crossed":
      return `${note.path} crosses a link`
    case "Interlink":
      return `the link leads into another namespace: ${note.from} goes on as ${note.to}`
    case "NotDfs":
      return `${note.path} is not in a namespace: ${note.reason}`
    case "Failover":
      return `${note.prefix} is served by ${note.to} from now on, no longer by ${note.from}`
    case "Failback":
      return `${note.prefix} is served by ${note.to} again, no longer by ${note.from}`
    case "Found":
      return `it is at ${note.target}`
    case "Failed":
      return `it ends here: ${note.reason}`
  }
}

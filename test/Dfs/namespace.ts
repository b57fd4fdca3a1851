import { Result } from "effect"
import * as DfsPath from "../../src/Dfs/DfsPath.ts"
import * as DfsResolution from "../../src/Dfs/DfsResolution.ts"
import { type Command, defaultOptions, type Event, type Options } from "../../src/Dfs/DfsStep.ts"
import * as ReferralCache from "../../src/Dfs/ReferralCache.ts"
import { decodeReferralResponse, makeReferralResponse, type ReferralResponse } from "../../src/Dfs/ReferralResponse.ts"
import { NamespaceNotFound, NotDfsCapable, type ReferralError } from "../../src/Protocol/DfsError.ts"

/** Servers as data, by name: what a test drives the algorithm against. */
export interface Server {
  readonly down?: boolean
  /** Answers FS_DRIVER_REQUIRED. */
  readonly notCapable?: boolean
  /** Namespaces by share: links by their path below it, each with its targets. */
  readonly roots?: Record<string, {
    readonly targets?: ReadonlyArray<string>
    readonly links?: Record<string, ReadonlyArray<string>>
    /** Header flags of link referrals: 2 as smbd says always, 1 for an interlink. */
    readonly flags?: number
    readonly files?: ReadonlyArray<string>
  }>
  /** Ordinary shares, with their files. */
  readonly shares?: Record<string, ReadonlyArray<string>>
  /** Instead of what would be answered, by the name that is asked. */
  readonly answers?: Record<string, Uint8Array | ReferralResponse | ReferralError>
  readonly ttl?: number
  /** Says NotFound where a link is crossed. */
  readonly vague?: boolean
}

export type Servers = Record<string, Server>

export interface Run {
  readonly log: ReadonlyArray<string>
  readonly end: Extract<Command<string>, { readonly _tag: "Done" | "Fail" }>
  readonly cache: ReferralCache.ReferralCache
}

const entry = (ttl: number, serverType: number, dfsPath: string, networkAddress: string) => ({
  versionNumber: 3 as const,
  serverType,
  referralEntryFlags: 0,
  timeToLive: ttl,
  dfsPath,
  dfsAlternatePath: dfsPath,
  networkAddress
})

/** Does a server as smbd does: the deepest link on the way, or the root itself. */
const refer = (name: string, server: Server, asked: string): Event<string> => {
  const path = DfsPath.fromString(asked)
  const scripted = server.answers?.[asked]
  if (scripted instanceof Uint8Array) {
    const decoded = decodeReferralResponse(scripted)
    return Result.isSuccess(decoded)
      ? { _tag: "Referral", response: decoded.success }
      : { _tag: "ReferralFailed", error: decoded.failure }
  }
  if (scripted !== undefined) {
    return "_tag" in scripted
      ? { _tag: "ReferralFailed", error: scripted }
      : { _tag: "Referral", response: scripted }
  }
  if (server.notCapable) return { _tag: "ReferralFailed", error: new NotDfsCapable({ server: name, path: asked }) }
  const root = server.roots?.[path[1]!]
  if (root === undefined) {
    return { _tag: "ReferralFailed", error: new NamespaceNotFound({ server: name, path: asked, status: 0xc0000225 }) }
  }
  const ttl = server.ttl ?? 600
  for (let end = path.length; end > 2; end--) {
    const targets = root.links?.[path.slice(2, end).join("\\")]
    if (targets === undefined) continue
    const consumed = DfsPath.toRequest(path.slice(0, end))
    return {
      _tag: "Referral",
      response: makeReferralResponse({
        pathConsumed: consumed.length * 2,
        referralHeaderFlags: root.flags ?? 2,
        referralEntries: targets.map((target) => entry(ttl, 0, consumed, target))
      })
    }
  }
  const own = DfsPath.toRequest(path.slice(0, 2))
  return {
    _tag: "Referral",
    response: makeReferralResponse({
      pathConsumed: own.length * 2,
      referralHeaderFlags: 3,
      referralEntries: (root.targets ?? [own]).map((target) => entry(ttl, 1, own, target))
    })
  }
}

const serve = (servers: Servers, asked: Extract<Command<string>, { readonly _tag: "Try" }>): Event<string> => {
  const { path, server: name, share } = asked.target
  const server = servers[name]
  if (server === undefined || server.down) return { _tag: "TargetFailed", error: `${name} is down`, reason: "is down" }
  const files = server.shares?.[share] ?? server.roots?.[share]?.files ?? []
  const links = Object.keys(server.roots?.[share]?.links ?? {})
  if (links.some((link) => path === link || path.startsWith(`${link}\\`))) {
    return server.vague
      ? { _tag: "NotFound", error: "not found" }
      : { _tag: "PathNotCovered", error: "path not covered" }
  }
  if (server.shares?.[share] === undefined && server.roots?.[share] === undefined) {
    return { _tag: "TargetFailed", error: "bad network name", reason: "has no such share" }
  }
  return path === "" || files.includes(path) ? { _tag: "Succeeded" } : { _tag: "NotFound", error: "not found" }
}

/** Runs a resolution to its end. `probe` finds the way by referrals alone. */
export const run = (servers: Servers, path: string, options: Partial<Options> & {
  readonly cache?: ReferralCache.ReferralCache
  readonly now?: number
  readonly probe?: boolean
} = {}): Run => {
  const { cache: known, now = 0, probe = false, ...rest } = options
  let cache = known ?? ReferralCache.make()
  let state = DfsResolution.start<string>(path)
  let event: Event<string> = { _tag: "Start" }
  const log: Array<string> = []
  for (;;) {
    const result: DfsResolution.Step<string> = DfsResolution.step(state, event, {
      cache,
      now,
      options: { ...defaultOptions, ...rest }
    })
    state = result.state
    cache = result.cache
    const { command } = result
    switch (command._tag) {
      case "AskReferral": {
        log.push(`ask ${command.server} ${command.path}`)
        const server = servers[command.server]
        event = server === undefined || server.down
          ? { _tag: "Unreachable", error: `${command.server} is down`, reason: "is down" }
          : refer(command.server, server, command.path)
        break
      }
      case "Try": {
        const { dfsName, path, server, share } = command.target
        const name = dfsName === undefined ? "" : ` as ${dfsName.server}\\${dfsName.share}`
        log.push(`try ${command.of} \\\\${server}\\${share}${path === "" ? "" : `\\${path}`}${name}`)
        event = probe ? { _tag: "Probe" } : serve(servers, command)
        break
      }
      default:
        return { log, end: command, cache }
    }
  }
}

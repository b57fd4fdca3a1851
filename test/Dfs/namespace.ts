/**
 * Servers as data, and a run of the DFS algorithm (DfsResolution) against them: they take the place of the network.
 */
import { Result } from "effect"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as DfsPath from "../../src/Dfs/DfsPath.ts"
import * as DfsResolution from "../../src/Dfs/DfsResolution.ts"
import { type Command, defaultOptions, type Event, type Knowledge, type Options } from "../../src/Dfs/DfsStep.ts"
import type * as DfsTrace from "../../src/Dfs/DfsTrace.ts"
import * as DomainCache from "../../src/Dfs/DomainCache.ts"
import * as ReferralCache from "../../src/Dfs/ReferralCache.ts"
import { decodeReferralResponse, makeReferralResponse, type ReferralResponse } from "../../src/Dfs/ReferralResponse.ts"
import * as TargetHealth from "../../src/Dfs/TargetHealth.ts"
import { NamespaceNotFound, NotDfsCapable, type ReferralError, ReferralRefused } from "../../src/Protocol/DfsError.ts"

/** A server as data. */
export interface Server {
  readonly down?: boolean
  /** Responds with FS_DRIVER_REQUIRED. */
  readonly notCapable?: boolean
  /** Namespaces by share: links by their path below it, each with its targets. */
  readonly roots?: Record<string, {
    readonly targets?: ReadonlyArray<string>
    readonly links?: Record<string, ReadonlyArray<string>>
    /** Header flags of link referrals: 2 as smbd always says, 1 for an interlink. */
    readonly flags?: number
    readonly files?: ReadonlyArray<string>
  }>
  /** Ordinary shares, with their files. */
  readonly shares?: Record<string, ReadonlyArray<string>>
  /** As a domain controller: the names of domains, and their controllers. */
  readonly domains?: Record<string, ReadonlyArray<string>>
  /** Responses that replace the computed ones, by the requested name. */
  readonly answers?: Record<string, Uint8Array | ReferralResponse | ReferralError>
  readonly ttl?: number
  /** Responds with NotFound instead of PATH_NOT_COVERED at a link. */
  readonly vague?: boolean
}

export type Servers = Record<string, Server>

/** The reason of a `DfsError`, or another error unchanged. */
export const bare = (error: any): any => error?._tag === "DfsError" ? error.reason : error

export interface Run {
  readonly log: ReadonlyArray<string>
  readonly end: Extract<Command<string>, { readonly _tag: "Done" | "Fail" }>
  readonly cache: ReferralCache.ReferralCache
  /** For the next run. */
  readonly knowledge: Knowledge
  readonly notes: ReadonlyArray<DfsTrace.Note>
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

/** A domain controller's response to a domain referral request, or to a DC referral request for `domain`. */
const list = (name: string, server: Server, domain: string | undefined, ttl: number): Event<string> => {
  const of = (specialName: string, expandedNames: ReadonlyArray<string>) => ({
    versionNumber: 3 as const,
    serverType: 0,
    referralEntryFlags: 2,
    timeToLive: ttl,
    specialName: `\\${specialName}`,
    expandedNames: expandedNames.map((one) => `\\${one}`)
  })
  const known = domain === undefined ? Object.keys(server.domains ?? {}) : undefined
  const controllers = domain === undefined ? undefined : server.domains?.[domain]
  if (server.domains === undefined || (known === undefined && controllers === undefined)) {
    const status = NtStatus.STATUS_INVALID_PARAMETER
    return { _tag: "ReferralFailed", error: new ReferralRefused({ server: name, path: `\\${domain ?? ""}`, status }) }
  }
  const entries = known?.map((one) => of(one, [])) ?? [of(domain!, controllers!)]
  return { _tag: "Referral", response: makeReferralResponse({ pathConsumed: 0, referralEntries: entries }) }
}

/** A server's referral, as smbd gives it: for the deepest link on the way, or for the root itself. */
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
  const ttl = server.ttl ?? 600
  if (path.length < 2) return list(name, server, path[0], ttl)
  const root = server.roots?.[path[1]!]
  if (root === undefined) {
    return {
      _tag: "ReferralFailed",
      error: new NamespaceNotFound({ server: name, path: asked, status: NtStatus.STATUS_NOT_FOUND })
    }
  }
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
  if (server === undefined || server.down) return { _tag: "ServerFailed", error: `${name} is down`, reason: "is down" }
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

/** Nothing is known yet. */
export const ignorance: Knowledge = {
  cache: ReferralCache.make(),
  domains: DomainCache.make(),
  health: TargetHealth.none
}

/**
 * Runs a resolution to its end. `probing` resolves by referrals alone; `found` are the controllers in DNS by domain;
 * `said` replaces a target's response, by server.
 */
export const run = (servers: Servers, path: string, options: Partial<Options> & {
  readonly cache?: ReferralCache.ReferralCache
  readonly knowledge?: Knowledge
  readonly now?: number
  readonly probing?: boolean
  readonly renew?: boolean
  readonly found?: Record<string, ReadonlyArray<string>>
  readonly said?: Record<string, Event<string>>
} = {}): Run => {
  const { cache, found = {}, knowledge: known = ignorance, now = 0, probing = false, renew, said = {}, ...rest } =
    options
  let knowledge = cache === undefined ? known : { ...known, cache }
  let state = DfsResolution.start<string>(path, { renew: renew ?? false })
  let event: Event<string> = { _tag: "Start" }
  const log: Array<string> = []
  const notes: Array<DfsTrace.Note> = []
  const isDown = (server: string) => servers[server] === undefined || servers[server].down === true
  for (;;) {
    const result: DfsResolution.Step<string> = DfsResolution.step(state, event, {
      ...knowledge,
      now,
      options: { ...defaultOptions, ...rest }
    })
    state = result.state
    knowledge = { cache: result.cache, domains: result.domains, health: result.health }
    notes.push(...result.notes)
    const { command } = result
    switch (command._tag) {
      case "AskReferral": {
        log.push(`ask ${command.server} ${command.path}`)
        event = isDown(command.server)
          ? { _tag: "Unreachable", error: `${command.server} is down`, reason: "is down" }
          : refer(command.server, servers[command.server]!, command.path)
        break
      }
      case "FindControllers":
        log.push(`find ${command.domain}`)
        event = { _tag: "Controllers", controllers: found[command.domain] ?? [] }
        break
      case "Connect": {
        log.push(`race ${command.targets.map(({ server }) => server).join(" ")}`)
        const failures = command.targets.flatMap(({ server }, index) =>
          isDown(server) ? [{ index, error: `${server} is down`, reason: "is down", what: "server" as const }] : []
        )
        const index = command.targets.findIndex(({ server }) => !isDown(server))
        event = index < 0
          ? { _tag: "ConnectFailed", failures }
          : { _tag: "Connected", index, failures: failures.filter((one) => one.index < index) }
        break
      }
      case "Try": {
        const { dfsName, path, server, share } = command.target
        const name = dfsName === undefined ? "" : ` as ${dfsName.server}\\${dfsName.share}`
        log.push(`try ${command.of} \\\\${server}\\${share}${path === "" ? "" : `\\${path}`}${name}`)
        event = probing ? { _tag: "Probe" } : said[server] ?? serve(servers, command)
        break
      }
      default:
        return { log, end: command, cache: knowledge.cache, knowledge, notes }
    }
  }
}

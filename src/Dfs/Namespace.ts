/**
 * A DFS namespace that a server hosts, as data: roots, the links below them, and their targets; and the responses to
 * referral requests (MS-DFSC 3.2.5, 3.3.5).
 *
 * Pure: a namespace is decoded from JSON or written in code, and `answer` is a function of it and of a request's bytes.
 * The server handles the requests and the statuses of a CREATE (`src/Server/internal/State/DfsHost.ts`). A changed
 * namespace is another value. This module caches only the tables that it has built for a value.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { NtStatus } from "../Codec/NtStatus.ts"
import * as DfsPath from "./DfsPath.ts"
import { UInt32 } from "./internal/Text.ts"
import type { ReferralRequestEx } from "./ReferralRequest.ts"
import {
  encodeReferralResponse,
  makeReferralResponse,
  ReferralEntryFlags,
  ReferralHeaderFlags,
  type ReferralResponse,
  ServerType
} from "./ReferralResponse.ts"

// -----------------------------------------------------------------------------
// the data
// -----------------------------------------------------------------------------

const toPath = (text: string): DfsPath.DfsPath => DfsPath.fromString(text.replaceAll("/", "\\"))

/** `\\server\share`, with or without a path below; `/` is accepted too. */
const TargetPath = Schema.String.check(
  Schema.makeFilter((text: string) =>
    DfsPath.isTarget(toPath(text)) || "a target is \\\\server\\share, with or without a path below"
  )
)

/**
 * One target of a root or of a link.
 *
 * @category models
 * @since 0.1.0
 */
export const Target = Schema.Struct({
  path: TargetPath,
  /** No referral names an offline target. */
  state: Schema.optionalKey(Schema.Literals(["online", "offline"])),
  /**
   * The target set that it belongs to. Default: 0. Lower sets come first, and clients of V4 try all targets of a set
   * before the next set.
   */
  set: Schema.optionalKey(Schema.Int),
  /** Its Active Directory site: a client that sends its site gets the targets of that site first. */
  site: Schema.optionalKey(Schema.String)
})
export type Target = typeof Target.Type

const Targets = Schema.Array(Schema.Union([TargetPath, Target])).check(Schema.isMinLength(1))

const Level = Schema.Literals([1, 2, 3, 4])

/**
 * A link: a folder of a root that leads to another place.
 *
 * @category models
 * @since 0.1.0
 */
export const Link = Schema.Struct({
  /** In the order in which clients try them, set by set. */
  targets: Targets,
  /** Seconds that clients keep the referral. Default: 1800. */
  timeToLive: Schema.optionalKey(UInt32),
  /** Clients go back to an earlier set when it answers again. */
  targetFailback: Schema.optionalKey(Schema.Boolean),
  /** It leads to another namespace, where clients start to resolve again. */
  interlink: Schema.optionalKey(Schema.Boolean)
})
export type Link = typeof Link.Type

const names = (text: string): ReadonlyArray<string> => toPath(text)

/**
 * Checks that each link has a path, and that no link is at or below another link, where no client would find it. A
 * namespace can have 100,000 links, so each path is looked up, and not compared with all others.
 */
const wellNamed = (links: Readonly<Record<string, unknown>>): string | true => {
  const keys = Object.keys(links)
  const paths = keys.map(names)
  const odd = paths.findIndex((path) => path.length === 0 || !path.every(DfsPath.isName))
  if (odd >= 0) return `a link is named by a path below its root, and not ${JSON.stringify(keys[odd])}`
  const linkAt = new Map<string, ReadonlyArray<string>>()
  for (const path of paths) {
    const same = linkAt.get(DfsPath.key(path))
    if (same !== undefined) return `the link ${path.join("\\")} lies on or below the link ${same.join("\\")}`
    linkAt.set(DfsPath.key(path), path)
  }
  for (const path of paths) {
    for (let length = 1; length < path.length; length++) {
      const above = linkAt.get(DfsPath.key(path.slice(0, length)))
      if (above !== undefined) return `the link ${path.join("\\")} lies on or below the link ${above.join("\\")}`
    }
  }
  return true
}

/**
 * A root: a share whose folders can lead to other places.
 *
 * @category models
 * @since 0.1.0
 */
export const Root = Schema.Struct({
  /** Where the root itself is. Default: the server that was asked, or the controllers of a domain. */
  targets: Schema.optionalKey(Targets),
  /** By path below the root. A link may be the targets alone. */
  links: Schema.Record(Schema.String, Schema.Union([Targets, Link])).check(Schema.makeFilter(wellNamed)),
  /** Seconds that clients keep the root's referral. Default: 300. */
  timeToLive: Schema.optionalKey(UInt32),
  targetFailback: Schema.optionalKey(Schema.Boolean),
  /** The highest version of referrals in responses. Default: 4. */
  maxReferralLevel: Schema.optionalKey(Level)
})
export type Root = typeof Root.Type

const isComponent = (text: string): boolean => text !== "" && !/[\\/]/.test(text) && DfsPath.isName(text)

const HostName = Schema.String.check(Schema.makeFilter((text: string) => isComponent(text) || "a single name"))

/** A filter of the record checks its keys: a schema of the keys would leave out the keys that it refuses. */
const named = Schema.makeFilter((record: Readonly<Record<string, unknown>>) => {
  const keys = Object.keys(record)
  const odd = keys.find((name) => !isComponent(name))
  if (odd !== undefined) return `${JSON.stringify(odd)} is no single name`
  return new Set(keys.map(DfsPath.fold)).size === keys.length || "a name stands there twice"
})

/**
 * A domain whose controllers the server stands in for: it answers for the domain's names.
 *
 * @category models
 * @since 0.1.0
 */
export const Domain = Schema.Struct({
  /** The domain's NetBIOS name. Requests by it are answered too, with the NetBIOS names of the controllers. */
  netbiosName: Schema.optionalKey(HostName),
  controllers: Schema.Array(HostName).check(Schema.isMinLength(1)),
  /** Seconds that clients keep the referral. Default: 600. */
  timeToLive: Schema.optionalKey(UInt32)
})
export type Domain = typeof Domain.Type

/**
 * What a server hosts: roots by the name of their share, and domains by their DNS name.
 *
 * @category models
 * @since 0.1.0
 */
export const Namespace = Schema.Struct({
  roots: Schema.Record(Schema.String, Root).check(named),
  domains: Schema.optionalKey(Schema.Record(Schema.String, Domain).check(named))
})
export type Namespace = typeof Namespace.Type

/**
 * A namespace from JSON, or an error that names the place of the fault.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromJson = Schema.decodeUnknownResult(Schema.fromJsonString(Namespace))

// -----------------------------------------------------------------------------
// looking up
// -----------------------------------------------------------------------------

/**
 * A link as look-ups give it.
 *
 * @since 0.1.0
 */
export interface FoundLink {
  /** Components below the root. */
  readonly path: ReadonlyArray<string>
  readonly link: Link
}

interface FoundRoot {
  readonly name: string
  readonly root: Root
  /** By the key of their path. */
  readonly links: ReadonlyMap<string, FoundLink>
}

const known = new WeakMap<Namespace, ReadonlyMap<string, FoundRoot>>()

const isTargets = (link: Link | typeof Targets.Type): link is typeof Targets.Type => Array.isArray(link)

const rootsOf = (namespace: Namespace): ReadonlyMap<string, FoundRoot> => {
  const before = known.get(namespace)
  if (before !== undefined) return before
  const roots = new Map<string, FoundRoot>()
  for (const [name, root] of Object.entries(namespace.roots)) {
    const links = new Map<string, FoundLink>()
    for (const [text, link] of Object.entries(root.links)) {
      const path = names(text)
      links.set(DfsPath.key(path), { path, link: isTargets(link) ? { targets: link } : link })
    }
    roots.set(DfsPath.fold(name), { name, root, links })
  }
  known.set(namespace, roots)
  return roots
}

/**
 * Is a share of this name a root?
 *
 * @since 0.1.0
 */
export const isRoot = (namespace: Namespace, share: string): boolean => rootsOf(namespace).has(DfsPath.fold(share))

/**
 * The links of a root.
 *
 * @since 0.1.0
 */
export const linksOf = (namespace: Namespace, share: string): ReadonlyArray<FoundLink> => [
  ...rootsOf(namespace).get(DfsPath.fold(share))?.links.values() ?? []
]

/**
 * The link that a path below a root leads through, if any. A CREATE of such a path fails with STATUS_PATH_NOT_COVERED.
 *
 * @category look-ups
 * @since 0.1.0
 */
export const covers = (namespace: Namespace, share: string, path: ReadonlyArray<string>): FoundLink | undefined => {
  const links = rootsOf(namespace).get(DfsPath.fold(share))?.links
  if (links === undefined || links.size === 0) return undefined
  for (let end = 1; end <= path.length; end++) {
    const link = links.get(DfsPath.key(path.slice(0, end)))
    if (link !== undefined) return link
  }
  return undefined
}

/**
 * The path below the share in a name that was sent with the DFS flag, `server\share\rest`; undefined if its share is
 * not that of the tree (MS-DFSC 3.2.5.5).
 *
 * @category look-ups
 * @since 0.1.0
 */
export const normalise = (name: string, share: string): string | undefined => {
  const [, asked, ...rest] = name.replace(/^\\+/, "").split("\\")
  return asked === undefined || DfsPath.fold(asked) === DfsPath.fold(share) ? rest.join("\\") : undefined
}

// -----------------------------------------------------------------------------
// answering
// -----------------------------------------------------------------------------

/**
 * The encoded response, or the status in its place.
 *
 * @since 0.1.0
 */
export type Answer =
  | { readonly _tag: "Response"; readonly bytes: Uint8Array; readonly response: ReferralResponse }
  | { readonly _tag: "Status"; readonly status: number }

/**
 * The options of an answer.
 *
 * @since 0.1.0
 */
export interface AnswerOptions {
  /** Bytes of the client's buffer. */
  readonly maximumOutput: number
  /** Names that the server answers to. Default: any. It always answers to the names of domains. */
  readonly serverNames?: ReadonlyArray<string> | undefined
}

const status = (code: number): Answer => ({ _tag: "Status", status: code })

type Unsized = Parameters<typeof makeReferralResponse>[0]

/**
 * The response with as many items as fit into `maximumOutput` bytes: all of `most`, or fewer, but at least `least`. Each
 * item makes the response longer, so that a search by halves finds the number.
 */
const fit = (maximumOutput: number, most: number, least: number, withItems: (count: number) => Unsized): Answer => {
  const answered = (count: number): Answer | undefined => {
    const response = makeReferralResponse(withItems(count))
    const bytes = encodeReferralResponse(response)
    // A response that is too long for 16-bit offsets does not fit either.
    return Result.isSuccess(bytes) && bytes.success.length <= maximumOutput
      ? { _tag: "Response", bytes: bytes.success, response }
      : undefined
  }
  let best: Answer | undefined
  let [low, high, count] = [least, most, most]
  while (low <= high) {
    const found = answered(count)
    if (found === undefined) high = count - 1
    else [best, low] = [found, count + 1]
    count = (low + high) >> 1
  }
  return best ?? status(NtStatus.STATUS_BUFFER_OVERFLOW)
}

const nameList = (timeToLive: number, name: string, expanded: ReadonlyArray<string>) => ({
  versionNumber: 3 as const,
  serverType: ServerType.Link,
  referralEntryFlags: ReferralEntryFlags.NameListReferral,
  timeToLive,
  specialName: `\\${name}`,
  expandedNames: expanded.map((one) => `\\${one}`)
})

/** The most bytes of a domain referral (MS-DFSC 3.3.5.2). Clients try again with a larger buffer up to this size. */
const largestDomainReferral = 56 * 1024

/**
 * All domains by all of their names, with one time to live. Below 56 KiB all domains must fit, so that the client tries
 * again with a larger buffer. From there on the response has the first domains that fit, each with all of its names
 * (MS-DFSC 3.3.5.2).
 */
const domainReferral = (domains: ReadonlyArray<readonly [string, Domain]>, maximumOutput: number): Answer => {
  const timeToLive = Math.min(...domains.map(([, domain]) => domainTime(domain)))
  const most = Math.min(maximumOutput, largestDomainReferral)
  return fit(most, domains.length, most < largestDomainReferral ? domains.length : 1, (count) => ({
    pathConsumed: 0,
    referralEntries: domains.slice(0, count).flatMap(namesOf).map((name) => nameList(timeToLive, name, []))
  }))
}

const domainTime = (domain: Domain): number => domain.timeToLive ?? 600

/** The names by which a domain can be asked for. */
const namesOf = ([name, { netbiosName }]: readonly [string, Domain]): ReadonlyArray<string> =>
  netbiosName === undefined ? [name] : [netbiosName, name]

/** NetBIOS names have 15 characters (MS-NBTE). */
const longestShortName = 15

/**
 * The usual NetBIOS name of a host: `DC1` for `dc1.corp.test`. An address has no such name and stays unchanged.
 *
 * @category look-ups
 * @since 0.1.0
 */
export const shortName = (host: string): string =>
  DfsPath.isAddress(host) ? host : host.split(".", 1)[0]!.slice(0, longestShortName).toUpperCase()

/**
 * The domain of this name. A client that asks by the NetBIOS name of a domain gets the NetBIOS names of its controllers
 * (MS-DFSC 3.3.5.3 and 3.3.5.4).
 */
const findDomain = (namespace: Namespace, asked: string): Domain | undefined => {
  const is = (name: string): boolean => DfsPath.fold(name) === DfsPath.fold(asked)
  const found = Object.entries(namespace.domains ?? {}).find((domain) => namesOf(domain).some(is))
  if (found === undefined) return undefined
  const [name, domain] = found
  return is(name) ? domain : { ...domain, controllers: domain.controllers.map(shortName) }
}

interface Destination {
  readonly targets: ReadonlyArray<string | Target>
  readonly serverType: number
  readonly flags: number
  readonly timeToLive: number
  readonly targetFailback: boolean
}

/** Online targets, set by set. In each set, the targets of the client's site come first. */
const ordered = (targets: ReadonlyArray<string | Target>, site: string | undefined): ReadonlyArray<Target> => {
  const online = targets.map((target): Target => (typeof target === "string" ? { path: target } : target))
    .filter(({ state }) => state !== "offline")
  const near = (target: Target) => site !== undefined && target.site?.toLowerCase() === site.toLowerCase() ? 0 : 1
  return online.sort((one, other) => (one.set ?? 0) - (other.set ?? 0) || near(one) - near(other))
}

const referral = (
  asked: DfsPath.DfsPath,
  to: Destination,
  request: ReferralRequestEx,
  limit: number,
  options: AnswerOptions
): Answer => {
  const dfsPath = DfsPath.toRequest(asked)
  const targets = ordered(to.targets, request.siteName)
  if (targets.length === 0) return status(NtStatus.STATUS_DFS_UNAVAILABLE)
  const versionNumber = Math.min(Math.max(request.maxReferralLevel, 1), limit) as 1 | 2 | 3 | 4
  const entries = targets.map((target, i): Unsized["referralEntries"][number] => {
    const networkAddress = DfsPath.toRequest(toPath(target.path))
    const { serverType, timeToLive } = to
    const places = { dfsPath, dfsAlternatePath: dfsPath, networkAddress }
    switch (versionNumber) {
      case 1:
        return { versionNumber, serverType, referralEntryFlags: 0, shareName: networkAddress }
      case 2:
        return Object.assign(places, { versionNumber, serverType, referralEntryFlags: 0, proximity: 0, timeToLive })
      default: {
        const begins = versionNumber === 4 && (i === 0 || (targets[i - 1]!.set ?? 0) !== (target.set ?? 0))
        const referralEntryFlags = begins ? ReferralEntryFlags.TargetSetBoundary : 0
        return Object.assign(places, { versionNumber, serverType, referralEntryFlags, timeToLive })
      }
    }
  })
  const { ReferralServers, StorageServers, TargetFailback } = ReferralHeaderFlags
  return fit(options.maximumOutput, entries.length, 1, (count) => ({
    pathConsumed: dfsPath.length * 2,
    // A version 1 referral has both bits set, no matter what its targets are (MS-DFSC 3.2.5.5 and 3.3.5.4).
    referralHeaderFlags: to.flags |
      (versionNumber === 1 ? ReferralServers | StorageServers : 0) |
      (to.targetFailback && versionNumber === 4 ? TargetFailback : 0),
    referralEntries: entries.slice(0, count)
  }))
}

/**
 * Answers a referral request, plain or EX.
 *
 * A response has as many targets or controllers as fit into the buffer.
 *
 * Statuses: BUFFER_OVERFLOW if not even one fits, or if the list of all domains does not fit into a buffer of less than
 * 56 KiB; NO_SUCH_FILE for a root that a domain does not have; NOT_FOUND for another path in no namespace;
 * DFS_UNAVAILABLE if all targets are offline; INVALID_PARAMETER for an unknown domain or a malformed name; UNSUCCESSFUL
 * for a domain or its controllers below level 3, which has no lists of names. Slashes separate as backslashes do, and
 * level 0 counts as 1. A path below a root without a link gets the root's referral. A path below SYSVOL is in no
 * namespace (MS-DFSC 3.3.5.2 to 3.3.5.4, and what Samba answers).
 *
 * @category referrals
 * @since 0.1.0
 */
export const answer = (namespace: Namespace, request: ReferralRequestEx, options: AnswerOptions): Answer => {
  const { maxReferralLevel } = request
  const path = DfsPath.fromString(request.requestFileName.replaceAll("/", "\\"))
  if (!path.every(DfsPath.isName)) return status(NtStatus.STATUS_INVALID_PARAMETER)
  const [server, share, ...below] = path
  const domains = Object.entries(namespace.domains ?? {})
  if (server === undefined) {
    if (domains.length === 0) return status(NtStatus.STATUS_INVALID_PARAMETER)
    if (maxReferralLevel < 3) return status(NtStatus.STATUS_UNSUCCESSFUL)
    return domainReferral(domains, options.maximumOutput)
  }
  const domain = findDomain(namespace, server)
  if (share === undefined) {
    if (domain === undefined) return status(NtStatus.STATUS_INVALID_PARAMETER)
    if (maxReferralLevel < 3) return status(NtStatus.STATUS_UNSUCCESSFUL)
    return fit(options.maximumOutput, domain.controllers.length, 1, (count) => ({
      pathConsumed: 0,
      referralEntries: [nameList(domainTime(domain), server, domain.controllers.slice(0, count))]
    }))
  }
  if (domain !== undefined && DfsPath.isSysvol(path)) {
    if (below.length > 0) return status(NtStatus.STATUS_NOT_FOUND)
    return referral(
      [server, share],
      {
        targets: domain.controllers.map((controller) => `\\${controller}\\${share}`),
        serverType: ServerType.Link,
        flags: ReferralHeaderFlags.StorageServers,
        timeToLive: domainTime(domain),
        targetFailback: false
      },
      request,
      4,
      options
    )
  }
  const { serverNames } = options
  const mine = domain !== undefined || serverNames === undefined ||
    serverNames.some((name) => DfsPath.fold(name) === DfsPath.fold(server))
  const found = mine ? rootsOf(namespace).get(DfsPath.fold(share)) : undefined
  if (found === undefined) {
    // The two statuses of MS-DFSC 3.3.5.5: a domain's controller says that its domain has no such root. For a link below
    // such a root, and for other servers, the path is in no namespace.
    return status(
      domain !== undefined && below.length === 0 ? NtStatus.STATUS_NO_SUCH_FILE : NtStatus.STATUS_NOT_FOUND
    )
  }
  const { root } = found
  const limit = root.maxReferralLevel ?? 4
  const link = covers(namespace, share, below)
  if (link !== undefined) {
    const { interlink, targetFailback, targets, timeToLive } = link.link
    return referral(
      path.slice(0, 2 + link.path.length),
      {
        targets,
        serverType: ServerType.Link,
        flags: interlink === true ? ReferralHeaderFlags.ReferralServers : ReferralHeaderFlags.StorageServers,
        timeToLive: timeToLive ?? 1800,
        targetFailback: targetFailback ?? root.targetFailback ?? false
      },
      request,
      limit,
      options
    )
  }
  return referral(
    [server, share],
    {
      targets: root.targets ?? (domain?.controllers ?? [server]).map((host) => `\\${host}\\${share}`),
      serverType: ServerType.Root,
      flags: ReferralHeaderFlags.ReferralServers | ReferralHeaderFlags.StorageServers,
      timeToLive: root.timeToLive ?? 300,
      targetFailback: root.targetFailback ?? false
    },
    request,
    limit,
    options
  )
}

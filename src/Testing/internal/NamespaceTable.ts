/**
 * The namespaces of a described world: which folder leads where, and for which of them each host answers.
 *
 * Folders are kept by their path. A host's `Namespace` is made from its folders, and made again when one of them has
 * changed. `Dfs/Namespace.ts` answers requests from it.
 */
import * as Duration from "effect/Duration"
import * as DfsPath from "../../Dfs/DfsPath.ts"
import * as Namespace from "../../Dfs/Namespace.ts"
import type { Description, Domain, Folder, Targets } from "../NamespaceDescription.ts"

/** A fault in a description is a mistake of the test. */
export class BadDescription extends Error {
  override readonly name = "BadDescription"
}

interface Entry {
  readonly path: DfsPath.DfsPath
  readonly folder: Folder | undefined
}

export type Folders = Map<string, Entry>

/** A path as written in a description. */
export const parse = (text: string): DfsPath.DfsPath => {
  const path = DfsPath.fromString(text.replaceAll("/", "\\"))
  if (path.length < 2 || !path.every(DfsPath.isName)) {
    throw new BadDescription(`${JSON.stringify(text)} is no path of the form \\\\server\\share, or below it`)
  }
  return path
}

const isTargets = (folder: Folder | Targets): folder is Targets => Array.isArray(folder)

export const toFolder = (folder: Folder | Targets): Folder => isTargets(folder) ? { targets: folder } : folder

/** The targets of a folder, by their paths. */
export const targetsOf = ({ targets = [] }: Folder): ReadonlyArray<DfsPath.DfsPath> =>
  targets.map((target) => parse(typeof target === "string" ? target : target.path))

/** The folders of a description, by path. */
export const folders = (description: Description): Folders => {
  const found: Folders = new Map()
  for (const [text, value] of Object.entries(description)) {
    if (!/^[\\/]{2}/.test(text)) continue
    const path = parse(text)
    const folder = toFolder(value as Folder)
    targetsOf(folder)
    found.set(DfsPath.key(path), { path, folder })
  }
  for (const { path } of found.values()) {
    const above = [...found.values()].find((one) =>
      one.path.length > 2 && one.path.length < path.length && DfsPath.startsWith(path, one.path)
    )
    if (above !== undefined) {
      throw new BadDescription(`${DfsPath.toString(path)} lies below the link ${DfsPath.toString(above.path)}`)
    }
  }
  return found
}

const seconds = (ttl: Duration.Input): number => {
  const time = Math.round(Duration.toSeconds(Duration.fromInputUnsafe(ttl)))
  if (!(time >= 0 && time <= 0xffffffff)) {
    throw new BadDescription(`a referral is kept for 0 to 2^32 - 1 seconds, and not ${time}`)
  }
  return time
}

const linkOf = ({ interlink, targetFailback, targets = [], timeToLive }: Folder): Namespace.Link => ({
  targets,
  ...(timeToLive === undefined ? {} : { timeToLive: seconds(timeToLive) }),
  ...(targetFailback === undefined ? {} : { targetFailback }),
  ...(interlink === undefined ? {} : { interlink })
})

const fold = (name: string): string => DfsPath.fold(name)

/** The domain of a name, long or short. */
const domainOf = (
  domains: Readonly<Record<string, Domain>>,
  name: string
): readonly [string, Domain] | undefined =>
  Object.entries(domains).find(([long, { netbiosName }]) =>
    fold(long) === fold(name) || (netbiosName !== undefined && fold(netbiosName) === fold(name))
  )

/** Other names of controllers, in lower case: their NetBIOS names, if their domain has one. */
export const aliases = (domains: Readonly<Record<string, Domain>>): ReadonlyMap<string, string> =>
  new Map(
    Object.values(domains).flatMap(({ controllers, netbiosName }) =>
      netbiosName === undefined
        ? []
        : controllers.map((host) => [Namespace.shortName(host).toLowerCase(), host] as const)
    )
  )

/** The places of a root: the servers that answer for it, each with the name of its share there. */
const places = (
  root: DfsPath.DfsPath,
  folder: Folder | undefined,
  domains: Readonly<Record<string, Domain>>
): ReadonlyArray<readonly [host: string, share: string]> => {
  const [server, share] = root as [string, string]
  const domain = domainOf(domains, server)
  const answering = domain === undefined ? [server] : domain[1].controllers
  return [
    ...answering.map((host) => [host, share] as const),
    ...(folder === undefined ? [] : targetsOf(folder)).filter((path) => path.length === 2)
      .map(([host, name]) => [host!, name!] as const)
  ]
}

const isWithdrawn = (table: Folders, path: DfsPath.DfsPath): boolean => {
  const entry = table.get(DfsPath.key(path))
  return entry !== undefined && entry.folder === undefined
}

/** The roots in a table of folders, also those that only the path of a link names. */
const rootsOf = (table: Folders): ReadonlyArray<DfsPath.DfsPath> => {
  const roots = new Map<string, DfsPath.DfsPath>()
  for (const { path } of table.values()) {
    const root = path.slice(0, 2)
    if (!isWithdrawn(table, root)) roots.set(DfsPath.key(root), root)
  }
  return [...roots.values()]
}

/** The namespace that each host answers from, by the folded name of the host. */
export const namespaces = (
  table: Folders,
  domains: Readonly<Record<string, Domain>>
): ReadonlyMap<string, Namespace.Namespace> => {
  const hosts = new Map<string, { roots: Record<string, Namespace.Root>; of: Map<string, string> }>()
  for (const path of rootsOf(table)) {
    const folder = table.get(DfsPath.key(path))?.folder
    const links = [...table.values()].filter((one) =>
      one.folder !== undefined && one.path.length > 2 && DfsPath.startsWith(one.path, path)
    )
    const root: Namespace.Root = {
      ...(folder?.targets === undefined ? {} : { targets: folder.targets }),
      links: Object.fromEntries(links.map((one) => [one.path.slice(2).join("\\"), linkOf(one.folder!)])),
      ...(folder?.timeToLive === undefined ? {} : { timeToLive: seconds(folder.timeToLive) }),
      ...(folder?.targetFailback === undefined ? {} : { targetFailback: folder.targetFailback }),
      ...(folder?.maxReferralLevel === undefined ? {} : { maxReferralLevel: folder.maxReferralLevel })
    }
    for (const [host, share] of places(path, folder, domains)) {
      const at = hosts.get(fold(host)) ?? { roots: {}, of: new Map<string, string>() }
      hosts.set(fold(host), at)
      const before = at.of.get(fold(share))
      if (before !== undefined && before !== DfsPath.key(path)) {
        throw new BadDescription(`the share ${share} of ${host} cannot be in two namespaces`)
      }
      at.of.set(fold(share), DfsPath.key(path))
      at.roots[share] = root
    }
  }
  const found = new Map<string, Namespace.Namespace>()
  for (const [host, { roots }] of hosts) found.set(host, { roots })
  for (const [name, { controllers, netbiosName, timeToLive }] of Object.entries(domains)) {
    const domain: Namespace.Domain = {
      controllers,
      ...(netbiosName === undefined ? {} : { netbiosName }),
      ...(timeToLive === undefined ? {} : { timeToLive: seconds(timeToLive) })
    }
    for (const controller of controllers) {
      const before = found.get(fold(controller))
      found.set(fold(controller), {
        roots: before?.roots ?? {},
        domains: { ...before?.domains, [name]: domain }
      })
    }
  }
  return found
}

/** Every host that the folders and the domains need, with the shares on it. */
export const hostsOf = (
  table: Folders,
  domains: Readonly<Record<string, Domain>>
): ReadonlyArray<DfsPath.DfsPath> => {
  const shares: Array<DfsPath.DfsPath> = []
  for (const path of rootsOf(table)) {
    const folder = table.get(DfsPath.key(path))?.folder
    // A root without its own targets is at the server that is asked; a root with targets is only there.
    const own = folder?.targets !== undefined
    shares.push(...own ? [] : places(path, folder, domains))
    if (own && domainOf(domains, path[0]!) === undefined) shares.push([path[0]!])
  }
  for (const { folder } of table.values()) {
    if (folder !== undefined) shares.push(...targetsOf(folder))
  }
  for (const { controllers } of Object.values(domains)) {
    for (const controller of controllers) shares.push([controller, "sysvol"], [controller, "netlogon"])
  }
  return shares
}

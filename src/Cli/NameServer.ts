/**
 * Names as `--dns` wants them: a domain's controllers, and the addresses of servers, from the system's name servers or
 * from one that is named.
 */
import * as NodeDns from "@effect/platform-node/NodeDns"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { lookup as systemLookup, type LookupAddress, Resolver } from "node:dns"
import { readFileSync } from "node:fs"
import { isIP, type LookupFunction } from "node:net"
import * as DomainControllers from "../Dfs/DomainControllers.ts"

/** Whom to ask about domains: `none`, the system's name servers (`system`), or one, by its address. */
export type NameServer = string

/** Milliseconds that a name server has, and how often it is asked. */
const patience = { timeout: 1_000, tries: 2 } as const

/**
 * Addresses by one name server; names that it does not know are the system's matter, such as those of /etc/hosts.
 */
const lookupAt = (server: string): LookupFunction => {
  const resolver = new Resolver(patience)
  resolver.setServers([server])
  return (name, options, done) => {
    if (isIP(name) !== 0) return systemLookup(name, options, done)
    const families = ([4, 6] as const).filter((family) =>
      [undefined, 0, family, `IPv${family}`].includes(options.family)
    )
    const addresses: Array<LookupAddress> = []
    let left = families.length
    const end = () => {
      const [first] = addresses.toSorted((a, b) => a.family - b.family)
      if (first === undefined) systemLookup(name, options, done)
      else if (options.all === true) done(null, addresses)
      else done(null, first.address, first.family)
    }
    for (const family of families) {
      resolver[family === 4 ? "resolve4" : "resolve6"](name, (error, found) => {
        if (error === null) addresses.push(...found.map((address) => ({ address, family })))
        left--
        if (left === 0) end()
      })
    }
  }
}

/** How names become addresses, where that is not the system's matter. */
export const lookup = (from: NameServer): LookupFunction | undefined =>
  from === "none" || from === "system" ? undefined : lookupAt(from)

/** The domains that the system completes names with, such as `corp.test`. */
const searched = (): ReadonlyArray<string> => {
  const windows = process.env.USERDNSDOMAIN
  if (windows !== undefined) return [windows]
  try {
    const lines = readFileSync("/etc/resolv.conf", "utf8").split("\n")
    return lines.flatMap((line) => /^\s*(?:search|domain)\s+(.*)$/.exec(line)?.[1]?.trim().split(/\s+/) ?? [])
  } catch {
    // There is no such file, or it is not for us to read: then names stay as they are.
    return []
  }
}

/** `CORP` is most likely the domain `corp.test`, where names are completed with that: its controllers know better. */
const inFull = (name: string): string =>
  name.includes(".")
    ? name
    : searched().find((domain) => domain.split(".", 1)[0]!.toLowerCase() === name.toLowerCase()) ?? name

/**
 * Finds the controllers of domains. A second is enough for a name server that is there; a name that is no domain's costs
 * one question, and one without a dot, or an address, none, unless this machine is in a domain of such a name.
 */
export const controllers = (from: NameServer): Layer.Layer<never> => {
  if (from === "none") return Layer.empty
  const named = from === "system" ? {} : { nameServers: [from] }
  return Layer.effect(
    DomainControllers.DomainControllers,
    Effect.map(Effect.orDie(NodeDns.make({ ...patience, ...named })), (dns) => {
      const finder = DomainControllers.makeDns(dns, { timeout: "1 second", ...named })
      return { find: (domain, site) => finder.find(inFull(domain), site) }
    })
  )
}

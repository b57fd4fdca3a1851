/**
 * Resolves names as `--dns` says: a domain's controllers, and the addresses of servers, from the system's name servers
 * or from a given one.
 */
import * as NodeDns from "@effect/platform-node/NodeDns"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { lookup as systemLookup, type LookupAddress, Resolver } from "node:dns"
import { readFileSync } from "node:fs"
import { isIP, type LookupFunction } from "node:net"
import * as DomainControllers from "../Dfs/DomainControllers.ts"

/** Where to ask about domains: `none`, the system's name servers (`system`), or one name server by its address. */
export type NameServer = string

/**
 * The timeout of a name server's first response in milliseconds; the second try has twice that. Together about a
 * second: if the given name server does not exist, the command goes on without it.
 */
const patience = { timeout: 400, tries: 2 } as const

/** The timeout of the whole search for controllers. The resolver itself does not follow `patience` that closely. */
const most = "1200 millis"

/** Resolves names to addresses, and domains to their controllers. */
export interface Names {
  /** Absent if the system resolves the names. */
  readonly lookup?: LookupFunction
  readonly controllers: Layer.Layer<DomainControllers.DomainControllers>
}

/**
 * A name server that the user has given. If it is silent once, it is not asked again: each question would take the
 * whole timeout, for every command and every name. The user is warned, because the system can resolve a name
 * differently.
 */
interface Named {
  readonly server: string
  readonly isSilent: () => boolean
  readonly noAnswer: () => void
}

/** The resolver's errors if no name server has responded. */
const silence: ReadonlySet<string | undefined> = new Set(["ETIMEOUT", "ECONNREFUSED", "Timeout", "ConnectionRefused"])

/**
 * Resolves addresses with one name server. The system resolves names that it does not know, such as those of
 * /etc/hosts, and all names if it is silent.
 */
const lookupAt = ({ isSilent, noAnswer, server }: Named): LookupFunction => {
  const resolver = new Resolver(patience)
  resolver.setServers([server])
  return (name, options, done) => {
    if (isIP(name) !== 0 || isSilent()) return systemLookup(name, options, done)
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
        else if (silence.has(error.code)) noAnswer()
        left--
        if (left === 0) end()
      })
    }
  }
}

/** The domains that the system completes names with, such as `corp.test`. */
const searched = (): ReadonlyArray<string> => {
  const windows = process.env.USERDNSDOMAIN
  if (windows !== undefined) return [windows]
  try {
    const lines = readFileSync("/etc/resolv.conf", "utf8").split("\n")
    return lines.flatMap((line) => /^\s*(?:search|domain)\s+(.*)$/.exec(line)?.[1]?.trim().split(/\s+/) ?? [])
  } catch {
    // The file does not exist, or this user cannot read it: then names stay unchanged.
    return []
  }
}

/**
 * `CORP` is most likely the domain `corp.test`, if the system completes names with that domain: its controllers give
 * the definite response.
 */
const inFull = (name: string): string =>
  name.includes(".")
    ? name
    : searched().find((domain) => domain.split(".", 1)[0]!.toLowerCase() === name.toLowerCase()) ?? name

/**
 * Finds the controllers of domains. A second is enough for an existing name server. A name that is not a domain costs
 * one question. A name without a dot, or an address, costs none, unless this machine is in a domain of such a name.
 */
const controllersBy = (named: Named | undefined): Layer.Layer<DomainControllers.DomainControllers> => {
  const servers = named === undefined ? {} : { nameServers: [named.server] }
  return Layer.effect(
    DomainControllers.DomainControllers,
    Effect.map(Effect.orDie(NodeDns.make({ ...patience, ...servers })), (dns) => {
      const resolve: typeof dns.resolve = (name, type) =>
        dns.resolve(name, type).pipe(
          Effect.tapError((error) => Effect.sync(() => silence.has(error.reason) ? named?.noAnswer() : undefined))
        )
      // The timeout is here, to tell the two cases apart: no controller, or no response.
      const finder = DomainControllers.makeDns({ ...dns, resolve }, { timeout: "1 minute", ...servers })
      const unanswered = Effect.sync((): ReadonlyArray<string> => {
        named?.noAnswer()
        return []
      })
      return {
        find: (domain, site) =>
          Effect.suspend(() =>
            named?.isSilent() === true
              ? Effect.succeed([])
              : Effect.timeoutOrElse(finder.find(inFull(domain), site), { duration: most, orElse: () => unanswered })
          )
      }
    })
  )
}

/** Resolves names with the system's name servers, with a given one, or with `none` without any domain. */
export const make = (from: NameServer): Effect.Effect<Names> =>
  Effect.contextWith((context: Context.Context<never>) => {
    if (from === "none") return Effect.succeed<Names>({ controllers: DomainControllers.layerNone })
    if (from === "system") return Effect.succeed<Names>({ controllers: controllersBy(undefined) })
    let silent = false
    const named: Named = {
      server: from,
      isSilent: () => silent,
      noAnswer: () => {
        if (silent) return
        silent = true
        const line =
          `the name server ${from} does not answer: names are looked up as the system does it, and domains are ` +
          "not looked for; name another one by --dns"
        Effect.runSyncWith(context)(Effect.logWarning(line))
      }
    }
    return Effect.succeed<Names>({ lookup: lookupAt(named), controllers: controllersBy(named) })
  })

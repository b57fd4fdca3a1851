/**
 * Names as `--dns` wants them: a domain's controllers, and the addresses of servers, from the system's name servers or
 * from one that is named.
 */
import * as NodeDns from "@effect/platform-node/NodeDns"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { lookup as systemLookup, type LookupAddress, Resolver } from "node:dns"
import { readFileSync } from "node:fs"
import { isIP, type LookupFunction } from "node:net"
import * as DomainControllers from "../Dfs/DomainControllers.ts"

/** Whom to ask about domains: `none`, the system's name servers (`system`), or one, by its address. */
export type NameServer = string

/**
 * Milliseconds that a name server has for its first answer; the second try has twice that. Together about a second: whoever
 * names one that is not there goes on without it.
 */
const patience = { timeout: 400, tries: 2 } as const

/** All that looking for controllers may take. The resolver itself does not keep to `patience` that closely. */
const most = "1200 millis"

/** How names become addresses and domains find their controllers. */
export interface Names {
  /** Absent where that is the system's matter. */
  readonly lookup?: LookupFunction
  readonly controllers: Layer.Layer<never>
}

/**
 * A name server that was named. One that is silent once is not asked again: each question would cost its whole time, for
 * every command and every name. The user is told, since what the system says of a name may be something else.
 */
interface Named {
  readonly server: string
  readonly isSilent: () => boolean
  readonly noAnswer: () => void
}

/** What the resolver says where nobody has answered. */
const silence: ReadonlySet<string | undefined> = new Set(["ETIMEOUT", "ECONNREFUSED", "Timeout", "ConnectionRefused"])

/**
 * Addresses by one name server; names that it does not know are the system's matter, such as those of /etc/hosts, and so is
 * every name when it is silent.
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
const controllersBy = (named: Named | undefined): Layer.Layer<never> => {
  const servers = named === undefined ? {} : { nameServers: [named.server] }
  return Layer.effect(
    DomainControllers.DomainControllers,
    Effect.map(Effect.orDie(NodeDns.make({ ...patience, ...servers })), (dns) => {
      const resolve: typeof dns.resolve = (name, type) =>
        dns.resolve(name, type).pipe(
          Effect.tapError((error) => Effect.sync(() => silence.has(error.reason) ? named?.noAnswer() : undefined))
        )
      // Ended here, so that it is known which of both it was: no controller, or no answer.
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

/** Names by the system's name servers, by one that is named, or with `none` without any domain. */
export const make = (from: NameServer): Effect.Effect<Names> =>
  Effect.contextWith((context: Context.Context<never>) => {
    if (from === "none") return Effect.succeed<Names>({ controllers: Layer.empty })
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

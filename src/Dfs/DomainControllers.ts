/**
 * Finding the controllers of a domain without asking a controller.
 *
 * A seam: nobody is asked unless an app says how. `layerDns` asks the DNS for SRV records, as Windows' DC locator does
 * (MS-ADTS 6.3.2.3).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Dns from "effect/net/Dns"

/**
 * Gives the controllers of a domain by their names, best first; none where there is no such domain. It does not fail:
 * whoever asks goes on with what there is.
 *
 * @category models
 */
export interface DomainControllersFinder {
  readonly find: (domain: string, site: string | undefined) => Effect.Effect<ReadonlyArray<string>>
}

/**
 * How the controllers of a domain are found that nobody has told of; not at all where it is left out.
 *
 * @category settings
 */
export const DomainControllers: Context.Reference<DomainControllersFinder | undefined> = Context.Reference(
  "effect-smb/Dfs/DomainControllers",
  { defaultValue: (): DomainControllersFinder | undefined => undefined }
)

/** A DNS name as others write it: without the dot at its end. */
const plainName = (name: string): string => (name.endsWith(".") ? name.slice(0, -1) : name)

/**
 * A finder over the DNS: the controllers of the site first (`_ldap._tcp.SITE._sites.dc._msdcs.DOMAIN`), then the others
 * (`_ldap._tcp.dc._msdcs.DOMAIN`), each by priority and weight. A name without a dot is no DNS domain, and is not asked
 * for.
 *
 * @category constructors
 */
export const makeDns = (dns: Dns.Dns["Service"]): DomainControllersFinder => {
  const records = (name: string): Effect.Effect<ReadonlyArray<Dns.Srv>> =>
    dns.resolve(name, "SRV").pipe(Effect.catch(() => Effect.succeed<ReadonlyArray<Dns.Srv>>([])))
  return {
    find: Effect.fnUntraced(function*(domain, site) {
      if (!domain.includes(".")) return []
      const all = `_ldap._tcp.dc._msdcs.${domain}`
      const [near, far] = yield* Effect.all([
        site === undefined ? Effect.succeed([]) : records(`_ldap._tcp.${site}._sites.dc._msdcs.${domain}`),
        records(all)
      ], { concurrency: 2 })
      // RFC 2782 would draw lots by weight. In order, so that one controller is the hint for all.
      const sorted = [near, far].flatMap((some) =>
        some.toSorted((a, b) => a.priority - b.priority || b.weight - a.weight).map((one) => plainName(one.target))
      )
      return [...new Set(sorted.filter((name) => name !== ""))]
    })
  }
}

/**
 * Finds controllers by the DNS.
 *
 * @category layers
 */
export const layerDns: Layer.Layer<never, never, Dns.Dns> = Layer.effect(
  DomainControllers,
  Effect.map(Dns.Dns, makeDns)
)

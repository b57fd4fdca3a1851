/**
 * Finding the controllers of a domain without asking a controller.
 *
 * An app chooses how to look: `layerDns` asks the DNS for SRV records, as Windows' DC locator does (MS-ADTS 6.3.2.3),
 * and `layerNone` does not look.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Dns from "effect/net/Dns"
import { getServers } from "node:dns"
import * as Arguments from "../Protocol/Arguments.ts"
import * as SrvQuery from "./SrvQuery.ts"

/**
 * Gives the controllers of a domain by their names, best first; an empty list if the domain does not exist. It does not
 * fail: the caller goes on with the controllers that it has.
 *
 * @category services
 * @since 0.1.0
 */
export class DomainControllers extends Context.Service<DomainControllers, {
  readonly find: (domain: string, site: string | undefined) => Effect.Effect<ReadonlyArray<string>>
}>()("effect-smb/Dfs/DomainControllers") {}

/**
 * Looks for no controllers: the resolver knows only those of its options and of referrals.
 *
 * @category constructors
 * @since 0.2.0
 */
export const none: DomainControllers["Service"] = { find: () => Effect.succeed([]) }

/**
 * `none` as a layer.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerNone: Layer.Layer<DomainControllers> = Layer.succeed(DomainControllers, none)

/** A DNS name without the dot at its end, as others write it. */
const plainName = (name: string): string => (name.endsWith(".") ? name.slice(0, -1) : name)

/**
 * How the DNS is asked.
 *
 * @since 0.1.0
 */
export interface DnsOptions {
  /** The timeout of the whole search. Default: 2 seconds. A domain that is not found in this time counts as absent. */
  readonly timeout?: Duration.Input | undefined
  /**
   * Name servers that are asked directly, as `address` or `address:port`, if the resolver calls their answer bad. Node
   * does so with the answers of Samba (`SrvQuery`). Default: the system's name servers.
   */
  readonly nameServers?: ReadonlyArray<string> | undefined
}

const nameServers: Arguments.Rule = {
  holds: (value) => Array.isArray(value) && value.every((one) => typeof one === "string" && SrvQuery.isNameServer(one)),
  expected: "a list of addresses, such as 10.0.0.1, 10.0.0.1:53 or [fe80::1]:53"
}

/**
 * A finder over the DNS: the controllers of the site first (`_ldap._tcp.SITE._sites.dc._msdcs.DOMAIN`), then the others
 * (`_ldap._tcp.dc._msdcs.DOMAIN`), each by priority and weight. A name without a dot is no DNS domain, and the DNS is
 * not asked for it. Throws `ArgumentError` for a time or a name server that cannot be used.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeDns = (dns: Dns.Dns["Service"], options: DnsOptions = {}): DomainControllers["Service"] => {
  Arguments.assertOptions({
    timeout: [Arguments.duration, options.timeout],
    nameServers: [nameServers, options.nameServers]
  })
  type Records = ReadonlyArray<Pick<Dns.Srv, "priority" | "weight"> & { readonly target: string }>
  const none = (why: string): Effect.Effect<Records> => Effect.as(Effect.logDebug(why), [])
  const records = (name: string): Effect.Effect<Records> =>
    dns.resolve(name, "SRV").pipe(
      Effect.catch((error): Effect.Effect<Records> =>
        error.reason === "NotFound"
          ? Effect.succeed([])
          : error.reason === "InvalidResponse"
          ? Effect.catch(
            SrvQuery.resolve(name, options.nameServers ?? getServers()),
            ({ message }) => none(message)
          )
          : none(`${name}: the DNS says ${error.reason}`)
      ),
      Effect.timeoutOrElse({
        duration: options.timeout ?? "2 seconds",
        orElse: () => none(`the DNS has not said in time which records ${name} has`)
      })
    )
  return {
    find: Effect.fnUntraced(function*(domain, site) {
      if (!domain.includes(".")) return []
      const [near, far] = yield* Effect.all([
        site === undefined ? Effect.succeed([]) : records(`_ldap._tcp.${site}._sites.dc._msdcs.${domain}`),
        records(`_ldap._tcp.dc._msdcs.${domain}`)
      ], { concurrency: 2 })
      // RFC 2782 chooses at random by weight. A fixed order makes one controller the hint for all.
      const sorted = [near, far].flatMap((some) =>
        some.toSorted((a, b) => a.priority - b.priority || b.weight - a.weight).map((one) => plainName(one.target))
      )
      return [...new Set(sorted.filter((name) => name !== ""))]
    })
  }
}

/**
 * Finds controllers by the DNS, by default within 2 seconds. `ArgumentError` is a defect of the layer, for a time or a
 * name server that cannot be used.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDns = (options: DnsOptions = {}): Layer.Layer<DomainControllers, never, Dns.Dns> =>
  Layer.effect(DomainControllers, Effect.map(Dns.Dns, (dns) => makeDns(dns, options)))

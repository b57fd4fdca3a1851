/**
 * The sites of this machine, by domain, as `SiteFinder` finds them, and the controllers that are found with them. For
 * `DfsResolver` alone.
 */
import * as Cache from "effect/Cache"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as DfsPath from "../DfsPath.ts"
import * as DfsTrace from "../DfsTrace.ts"
import type { DomainControllers } from "../DomainControllers.ts"
import * as SiteFinder from "../SiteFinder.ts"

/** Domains whose site is remembered. */
const capacity = 64

/** Finds and keeps the sites, or uses `siteName` for all domains if it is set. */
export const make = Effect.fnUntraced(function*(
  { finder, siteName }: { readonly siteName: string | undefined; readonly finder: SiteFinder.SiteFinder["Service"] }
) {
  /** The controllers to ask, for a look-up that is about to begin. */
  const controllersFor = new Map<string, ReadonlyArray<string>>()

  const found = yield* Cache.makeWith(
    Effect.fnUntraced(function*(key: string) {
      const controllers = controllersFor.get(key) ?? []
      controllersFor.delete(key)
      const domain = DfsPath.fold(key).toLowerCase()
      const site = yield* finder.find(domain, controllers)
      const listener = yield* DfsTrace.TraceListener
      listener?.({ _tag: "Site", step: 5, domain, ...(site === undefined ? {} : { site }) })
      yield* Effect.logDebug(
        site === undefined ? `no site in ${domain}` : `this machine is in the site ${site} of ${domain}`
      )
      return site
    }),
    {
      capacity,
      // A controller that did not answer may be back soon.
      timeToLive: (exit) => (Exit.isSuccess(exit) && exit.value !== undefined ? "10 minutes" : "1 minute")
    }
  )

  /** The site of this machine in a domain; `controllers` are some of its controllers. */
  const of = (domain: string, controllers: ReadonlyArray<string>): Effect.Effect<string | undefined> => {
    if (siteName !== undefined || finder === SiteFinder.none) return Effect.succeed(siteName)
    return Effect.suspend(() => {
      const key = DfsPath.fold(domain)
      if (controllers.length > 0) controllersFor.set(key, controllers)
      return Effect.flatMap(
        Cache.has(found, key),
        (known) => known || controllers.length > 0 ? Cache.get(found, key) : Effect.succeed(undefined)
      )
    })
  }

  /** The controllers of a domain, those of this machine's site first. */
  const controllersOf = Effect.fnUntraced(function*(domain: string, controllers: DomainControllers["Service"]) {
    const all = yield* controllers.find(domain, siteName)
    if (all.length === 0 || siteName !== undefined) return all
    const site = yield* of(domain, all)
    if (site === undefined) return all
    const near = yield* controllers.find(domain, site)
    return near.length === 0 ? all : near
  })

  return { of, controllersOf }
})

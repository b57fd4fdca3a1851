import { Effect, Layer } from "effect"
import * as DomainControllers from "../../src/Dfs/DomainControllers.ts"
import * as SiteFinder from "../../src/Dfs/SiteFinder.ts"

/** Looks for no controllers and no site. */
export const noDiscovery = Layer.merge(DomainControllers.layerNone, SiteFinder.layerNone)

/** Finds these controllers, and the site `Berlin`. */
export const inBerlin = (find: DomainControllers.DomainControllers["Service"]["find"]) =>
  Layer.merge(
    Layer.succeed(DomainControllers.DomainControllers, { find }),
    Layer.succeed(SiteFinder.SiteFinder, { find: () => Effect.succeed("Berlin") })
  )

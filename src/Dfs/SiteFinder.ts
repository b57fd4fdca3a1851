/**
 * Finding the Active Directory site of this machine.
 *
 * Off by default: an app chooses how to look. `layerLdap` asks a domain's controllers by LDAP pings, as Windows does.
 * The resolver keeps each domain's site, and names it in its requests (`DfsResolver`).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as DfsPath from "./DfsPath.ts"
import * as LdapPing from "./LdapPing.ts"

/**
 * Gives the Active Directory site of this machine in a domain, if it can be found; `controllers` are the known
 * controllers of the domain. It does not fail.
 *
 * @category models
 */
export interface SiteFinderService {
  readonly find: (domain: string, controllers: ReadonlyArray<string>) => Effect.Effect<string | undefined>
}

/**
 * How to find the site if `DfsOptions.siteName` is not set. Default: undefined, it is not looked for.
 *
 * @category settings
 */
export const SiteFinder: Context.Reference<SiteFinderService | undefined> = Context.Reference(
  "effect-smb/Dfs/SiteFinder",
  { defaultValue: (): SiteFinderService | undefined => undefined }
)

/** How many controllers are asked about one domain, and the milliseconds after which the next one is asked too. */
const asked = 4
const stagger = 200

/**
 * A finder that pings the controllers of a domain. If one has not answered for a while, it pings the next one too.
 * Failures are logged at level Debug; the machine then counts as being in no site.
 *
 * @category constructors
 */
export const makeLdap = (options: LdapPing.Options = {}): SiteFinderService => ({
  find: Effect.fnUntraced(function*(domain, controllers) {
    if (controllers.length === 0) return undefined
    const pings = controllers.slice(0, asked).map((server, index) =>
      LdapPing.ping(DfsPath.host(server), domain, options).pipe(
        Effect.tapError((error) => Effect.logDebug(error.message)),
        Effect.delay(index * stagger)
      )
    )
    return yield* Effect.raceAll(pings).pipe(
      Effect.map(({ clientSiteName }) => (clientSiteName === "" ? undefined : clientSiteName)),
      Effect.orElseSucceed(() => undefined)
    )
  })
})

/**
 * Finds the site by LDAP pings.
 *
 * @category layers
 */
export const layerLdap = (options: LdapPing.Options = {}): Layer.Layer<never> =>
  Layer.succeed(SiteFinder, makeLdap(options))

/**
 * Finding the Active Directory site of this machine.
 *
 * An app chooses how to look: `layerLdap` asks a domain's controllers by LDAP pings, as Windows does, and `layerNone`
 * does not look.
 * The resolver keeps each domain's site, and names it in its requests (`DfsResolver`).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as DfsPath from "./DfsPath.ts"
import * as LdapPing from "./LdapPing.ts"

/**
 * Gives the Active Directory site of this machine in a domain, if it can be found; `controllers` are the known
 * controllers of the domain. It does not fail. It is not asked if `DfsOptions.siteName` is set.
 *
 * @category services
 * @since 0.1.0
 */
export class SiteFinder extends Context.Service<SiteFinder, {
  readonly find: (domain: string, controllers: ReadonlyArray<string>) => Effect.Effect<string | undefined>
}>()("effect-smb/Dfs/SiteFinder") {}

/**
 * Looks for no site: requests name none, unless `DfsOptions.siteName` is set.
 *
 * @category constructors
 * @since 0.2.0
 */
export const none: SiteFinder["Service"] = { find: () => Effect.succeed(undefined) }

/**
 * `none` as a layer.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerNone: Layer.Layer<SiteFinder> = Layer.succeed(SiteFinder, none)

/** How many controllers are asked about one domain, and the milliseconds after which the next one is asked too. */
const asked = 4
const stagger = 200

/**
 * A finder that pings the controllers of a domain. If one has not answered for a while, it pings the next one too.
 * Failures are logged at level Debug; the machine then counts as being in no site.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeLdap = (options: LdapPing.Options = {}): SiteFinder["Service"] => ({
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
 * @since 0.1.0
 */
export const layerLdap = (options: LdapPing.Options = {}): Layer.Layer<SiteFinder> =>
  Layer.succeed(SiteFinder, makeLdap(options))

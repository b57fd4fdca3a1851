/**
 * The requests of resolutions: referrals and the controllers of domains. Equal referral requests that are in flight are
 * sent once. For `DfsResolver` alone.
 */
import * as Cache from "effect/Cache"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { NoReferral } from "../../Protocol/DfsError.ts"
import type * as DfsOptions from "../DfsOptions.ts"
import { ReferralBuffer, retryOverflow } from "../DfsPolicy.ts"
import type { Command, Event, ReferralKind } from "../DfsStep.ts"
import * as DomainCache from "../DomainCache.ts"
import * as DomainControllers from "../DomainControllers.ts"
import type { ReferralResponse } from "../ReferralResponse.ts"
import { ask, type SourceError } from "../ReferralSource.ts"
import { SiteFinder } from "../SiteFinder.ts"
import * as Observe from "./Observe.ts"
import * as RequestFailure from "./RequestFailure.ts"
import type { LoopContext, OwnError, ServerRequest } from "./ResolutionLoop.ts"
import type { SharedKnowledge } from "./SharedKnowledge.ts"
import * as Sites from "./Sites.ts"

const Request = Schema.fromJsonString(
  Schema.Tuple([Schema.String, Schema.String, Schema.Number, Schema.String, Schema.String, Schema.String])
)
const toKey = Schema.encodeSync(Request)
const fromKey = Schema.decodeSync(Request)

/**
 * The function that performs a request, through the `ReferralSource`, `DomainControllers` and `SiteFinder` of the
 * context.
 *
 * @category constructors
 */
export const make = Effect.fnUntraced(function*(settings: DfsOptions.Settings, knowledge: SharedKnowledge) {
  const finder = yield* DomainControllers.DomainControllers
  const { largestBuffer: largest, maxReferralLevel, siteName } = settings
  const sites = yield* Sites.make({ siteName, finder: yield* SiteFinder })

  // No time to live: only requests in flight are shared. The referrals are remembered by prefix.
  const inFlight = yield* Cache.makeWith((key: string) => {
    const [server, path, size, kind, site, domain] = fromKey(key)
    return ask(server, path, {
      maxReferralLevel,
      kind: kind as ReferralKind,
      siteName: site === "" ? undefined : site,
      domain: domain === "" ? undefined : domain,
      // A server that does not respond to this request alone must not cost much more time than it would without DFS.
      limit: kind === "root" && domain === "" && settings.mode === "fallback" ? settings.askTimeout : undefined
    }).pipe(Effect.provideService(ReferralBuffer, size))
  }, { capacity: Number.POSITIVE_INFINITY, timeToLive: () => 0, requireServicesAt: "construction" })

  /** The site to name when a server of this domain is asked. */
  const siteOf = (domain: string | undefined): Effect.Effect<string | undefined> =>
    domain === undefined
      ? Effect.succeed(siteName)
      : Effect.flatMap(
        Clock.currentTimeMillis,
        (now) => sites.of(domain, DomainCache.get(knowledge.current().domains, domain, now)?.controllers ?? [])
      )

  const referral = (
    command: Extract<Command<unknown>, { readonly _tag: "AskReferral" }>
  ): Effect.Effect<ReferralResponse, NoReferral | SourceError> =>
    retryOverflow({ largest })(
      Effect.flatMap(
        Effect.all([ReferralBuffer, siteOf(command.domain)]),
        ([size, site]) =>
          Cache.get(
            inFlight,
            toKey([command.server, command.path, size, command.kind, site ?? "", command.domain ?? ""])
          )
      )
    )

  const request: LoopContext["request"] = <E>(
    command: ServerRequest<OwnError<E>>
  ): Effect.Effect<Event<OwnError<E>>> => {
    switch (command._tag) {
      case "AskReferral":
        return Effect.match(Observe.referral(command, referral(command)), {
          onSuccess: (response): Event<OwnError<E>> => ({ _tag: "Referral", response }),
          onFailure: (error) => RequestFailure.toEvent<E>(error, command, finder !== DomainControllers.none)
        })
      case "FindControllers":
        return Effect.map(
          Observe.finding(command.domain, sites.controllersOf(command.domain, finder)),
          (controllers) => ({ _tag: "Controllers", controllers })
        )
    }
  }
  return request
})

/**
 * The options of DFS for each client: as plain values, or from the configuration.
 *
 * Every option has a default. `DfsStep.Options` describes the options of the algorithm; `settings` fills in all
 * defaults.
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Arguments from "../Protocol/Arguments.ts"
import * as Defaults from "../Protocol/Defaults.ts"
import { largestReferralBuffer } from "./DfsPolicy.ts"
import * as DfsStep from "./DfsStep.ts"
import type * as DomainCache from "./DomainCache.ts"

/**
 * How a client follows DFS. A number or a time that cannot be used is a defect when the client is made, an
 * `ArgumentError`.
 *
 * @category models
 * @since 0.1.0
 */
export interface DfsOptions {
  /**
   * Whether the client follows DFS. Default: false. A client without DFS sends no request for a referral.
   * `DfsAdapter.layer` and `layerWithoutDiscovery` set it to true.
   */
  readonly enabled?: boolean | undefined
  readonly mode?: DfsStep.Options["mode"] | undefined
  readonly probe?: DfsStep.Options["probe"] | undefined
  readonly connect?: DfsStep.Options["connect"] | undefined
  /** How long the client waits for a racing target before the next one starts. Default: 250 ms. */
  readonly stagger?: Duration.Input | undefined
  /**
   * How long a server may take to say whether a path is in a namespace, counted from the logon; the path then counts as
   * an ordinary one. Default: 10 seconds. In mode `"strict"`, and inside a namespace, the timeout is that of any
   * request.
   */
  readonly askTimeout?: Duration.Input | undefined
  /**
   * Paths that DFS applies to, as patterns (`DfsPattern`) such as `\\corp.test\*`. Default: all. A pattern also stands
   * for everything below it.
   */
  readonly include?: ReadonlyArray<string> | undefined
  /** Paths that DFS does not apply to, even if `include` has them. Default: none. */
  readonly exclude?: ReadonlyArray<string> | undefined
  /**
   * The client's Active Directory site: requests then use the EX control code first, and near controllers come first.
   */
  readonly siteName?: string | undefined
  /**
   * Controllers by domain: `{ "corp.test": ["dc1.corp.test"] }`. Those of the first domain are asked for all other
   * domains.
   */
  readonly domainControllers?: DomainCache.Controllers | undefined
  /** Whether to look for controllers by `DomainControllers`. Default: true, except with `DomainControllers.layerNone`. */
  readonly discover?: boolean | undefined
  readonly limits?: Defaults.Given<DfsStep.Options["limits"]> | undefined
  /**
   * Bounds for the time that referrals are kept, and how long the absence of one is believed (`negative`). Default: 0 to
   * 1 day, and 30 seconds.
   */
  readonly timeToLive?:
    | Defaults.Given<{
      readonly minimum: Duration.Input
      readonly maximum: Duration.Input
      readonly negative: Duration.Input
    }>
    | undefined
  readonly refreshAhead?: number | undefined
  /** How long a dead target is left alone: after its first failure, and at most. Default: 30 seconds, and 5 minutes. */
  readonly breaker?:
    | Defaults.Given<{ readonly cooldown: Duration.Input; readonly longest: Duration.Input }>
    | undefined
  /** The number of prefixes that are remembered. Default: 512. */
  readonly capacity?: number | undefined
  /** The highest version of referrals that the client asks for, 1 to 4. Default: 4. */
  readonly maxReferralLevel?: number | undefined
  /** Bytes that a buffer can grow to on `Overflow`. Default: 56 KiB. */
  readonly largestBuffer?: number | undefined
}

/**
 * All options with their values; an option without a default can be undefined.
 *
 * @since 0.1.0
 */
export interface Settings extends DfsStep.Options {
  readonly enabled: boolean
  readonly stagger: Duration.Input
  readonly askTimeout: Duration.Input
  readonly include: ReadonlyArray<string>
  readonly exclude: ReadonlyArray<string>
  readonly siteName: string | undefined
  readonly domainControllers: DomainCache.Controllers
  readonly capacity: number
  readonly maxReferralLevel: number
  readonly largestBuffer: number
}

/**
 * The defaults: no DFS.
 *
 * @category settings
 * @since 0.1.0
 */
export const defaults: Settings = {
  ...DfsStep.defaultOptions,
  enabled: false,
  stagger: "250 millis",
  askTimeout: "10 seconds",
  include: [],
  exclude: [],
  siteName: undefined,
  domainControllers: {},
  capacity: 512,
  maxReferralLevel: 4,
  largestBuffer: largestReferralBuffer
}

/** What the numbers and times of the options have to be. */
const rules = (options: DfsOptions): Arguments.Given => ({
  stagger: [Arguments.duration, options.stagger],
  askTimeout: [Arguments.duration, options.askTimeout],
  "limits.hops": [Arguments.count(0), options.limits?.hops],
  "limits.steps": [Arguments.count(1), options.limits?.steps],
  "timeToLive.minimum": [Arguments.duration, options.timeToLive?.minimum],
  "timeToLive.maximum": [Arguments.duration, options.timeToLive?.maximum],
  "timeToLive.negative": [Arguments.duration, options.timeToLive?.negative],
  refreshAhead: [Arguments.atLeast(0, 1), options.refreshAhead],
  "breaker.cooldown": [Arguments.duration, options.breaker?.cooldown],
  "breaker.longest": [Arguments.duration, options.breaker?.longest],
  capacity: [Arguments.count(0), options.capacity],
  maxReferralLevel: [Arguments.integer(1, 4), options.maxReferralLevel],
  largestBuffer: [Arguments.integer(1, 0xff_ffff, "a whole number of bytes"), options.largestBuffer]
})

/**
 * The options with their defaults. Throws `ArgumentError` for a number or a time that cannot be used.
 *
 * @since 0.1.0
 */
export const settings = (given: DfsOptions = {}): Settings => {
  Arguments.assertOptions(rules(given))
  const { breaker, limits, timeToLive, ...options } = given
  return {
    ...Defaults.complete(defaults, options),
    limits: Defaults.complete(defaults.limits, limits),
    ttl: {
      minimum: asNumber(Duration.toSeconds, timeToLive?.minimum, defaults.ttl.minimum),
      maximum: asNumber(Duration.toSeconds, timeToLive?.maximum, defaults.ttl.maximum),
      negative: asNumber(Duration.toSeconds, timeToLive?.negative, defaults.ttl.negative)
    },
    breaker: {
      cooldown: asNumber(Duration.toMillis, breaker?.cooldown, defaults.breaker.cooldown),
      longest: asNumber(Duration.toMillis, breaker?.longest, defaults.breaker.longest)
    }
  }
}

/** A time as a number, or the default. */
const asNumber = (unit: (time: Duration.Input) => number, time: Duration.Input | undefined, usual: number): number =>
  time === undefined ? usual : unit(time)

const parts = (text: string): ReadonlyArray<string> =>
  text.split(";").map((part) => part.trim()).filter((part) => part !== "")

const list = (name: string): Config.Config<Option.Option<ReadonlyArray<string>>> =>
  Config.option(Config.map(Config.String(name), parts))

/** `corp.test=dc1.corp.test,dc2.corp.test;other.test=dc3.other.test` */
const controllers = (parts: ReadonlyArray<string>): DomainCache.Controllers =>
  Object.fromEntries(parts.map((part) => {
    const [domain = "", names = ""] = part.split("=")
    return [domain.trim(), names.split(",").map((name) => name.trim()).filter((name) => name !== "")]
  }))

/** Each part a domain with at least one controller. */
const controllersText = Schema.String.check(
  Schema.makeFilter((text: string) =>
    parts(text).every((part) => /^[^=,]*[^=,\s][^=,]*=[^=]*[^=,\s][^=]*$/.test(part)) ||
    "DOMAIN=CONTROLLER,CONTROLLER;DOMAIN=CONTROLLER"
  )
)

const between = (name: string, minimum: number, maximum: number): Config.Config<Option.Option<number>> =>
  Config.option(Config.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })), name))

/** A time, from none at all to the longest that a referral can have (MS-DFSC 2.2.5.2). */
const time = (name: string): Config.Config<Option.Option<Duration.Duration>> =>
  Config.option(Config.schema(
    Schema.DurationFromString.check(Schema.makeFilter((value) =>
      Duration.toSeconds(value) >= 0 && Duration.toSeconds(value) <= 0xffffffff ||
      "a time of at most 4294967295 seconds"
    )),
    name
  ))

/**
 * `config` with another prefix than `SMB` in the names of its variables.
 *
 * @category config
 * @since 0.2.0
 */
export const configWithPrefix = (prefix: string): Config.Config<DfsOptions> =>
  Config.map(
    Config.all({
      enabled: Config.withDefault(Config.Boolean(`${prefix}_DFS`), false),
      mode: Config.option(Config.Literals(["strict", "fallback"], `${prefix}_DFS_MODE`)),
      probe: Config.option(Config.Literals(["referral-first", "lazily"], `${prefix}_DFS_PROBE`)),
      connect: Config.option(Config.Literals(["ordered", "race"], `${prefix}_DFS_CONNECT`)),
      stagger: Config.option(Config.Duration(`${prefix}_DFS_STAGGER`)),
      askTimeout: Config.option(Config.Duration(`${prefix}_DFS_ASK_TIMEOUT`)),
      include: list(`${prefix}_DFS_INCLUDE`),
      exclude: list(`${prefix}_DFS_EXCLUDE`),
      siteName: Config.option(Config.String(`${prefix}_DFS_SITE`)),
      domainControllers: Config.map(
        Config.option(Config.schema(controllersText, `${prefix}_DFS_DOMAIN_CONTROLLERS`)),
        Option.map((text) => controllers(parts(text)))
      ),
      discover: Config.option(Config.Boolean(`${prefix}_DFS_DISCOVER`)),
      hops: between(`${prefix}_DFS_MAX_HOPS`, 0, 1000),
      steps: between(`${prefix}_DFS_MAX_STEPS`, 1, 1_000_000),
      minimum: time(`${prefix}_DFS_TTL_MINIMUM`),
      maximum: time(`${prefix}_DFS_TTL_MAXIMUM`),
      negative: time(`${prefix}_DFS_TTL_NEGATIVE`),
      refreshAhead: Config.option(
        Config.schema(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })), `${prefix}_DFS_REFRESH_AHEAD`)
      ),
      cooldown: time(`${prefix}_DFS_BREAKER_COOLDOWN`),
      longest: time(`${prefix}_DFS_BREAKER_LONGEST`),
      capacity: between(`${prefix}_DFS_CAPACITY`, 1, 1_000_000),
      maxReferralLevel: between(`${prefix}_DFS_MAX_REFERRAL_LEVEL`, 1, 4),
      largestBuffer: between(`${prefix}_DFS_LARGEST_BUFFER`, 8192, 16 * 1024 * 1024)
    }),
    ({ cooldown, enabled, hops, longest, maximum, minimum, negative, steps, ...rest }): DfsOptions => ({
      enabled,
      ...present(rest),
      limits: present({ hops, steps }),
      timeToLive: present({ maximum, minimum, negative }),
      breaker: present({ cooldown, longest })
    })
  )

/**
 * Options from the configuration: SMB_DFS (true or false; default: false), SMB_DFS_MODE, SMB_DFS_PROBE,
 * SMB_DFS_CONNECT, SMB_DFS_STAGGER (`250 millis`), SMB_DFS_ASK_TIMEOUT (`10 seconds`), SMB_DFS_INCLUDE and
 * SMB_DFS_EXCLUDE (patterns separated by semicolons), SMB_DFS_SITE, SMB_DFS_DOMAIN_CONTROLLERS
 * (`corp.test=dc1.corp.test,dc2.corp.test;other.test=dc3`), SMB_DFS_DISCOVER (true or false), SMB_DFS_MAX_HOPS,
 * SMB_DFS_MAX_STEPS, SMB_DFS_TTL_MINIMUM, SMB_DFS_TTL_MAXIMUM and SMB_DFS_TTL_NEGATIVE (`30 seconds`),
 * SMB_DFS_REFRESH_AHEAD (0 to 1), SMB_DFS_BREAKER_COOLDOWN and SMB_DFS_BREAKER_LONGEST (`5 minutes`), SMB_DFS_CAPACITY,
 * SMB_DFS_MAX_REFERRAL_LEVEL (1 to 4), SMB_DFS_LARGEST_BUFFER (bytes). A number out of its range is a `ConfigError`.
 *
 * @category config
 * @since 0.1.0
 */
export const config: Config.Config<DfsOptions> = configWithPrefix("SMB")

/** The values that are present. */
const present = <A extends Record<string, Option.Option<unknown>>>(
  options: A
): { readonly [K in keyof A]?: A[K] extends Option.Option<infer B> ? B : never } =>
  Object.fromEntries(
    Object.entries(options).flatMap(([key, value]) => (Option.isSome(value) ? [[key, value.value]] : []))
  ) as { readonly [K in keyof A]?: A[K] extends Option.Option<infer B> ? B : never }

/**
 * The options of DFS for each client: as plain values, or from the configuration.
 *
 * Every option has a default. `DfsStep.Options` describes the options of the algorithm; `settings` fills in all
 * defaults.
 */
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { largestReferralBuffer } from "./DfsPolicy.ts"
import * as DfsStep from "./DfsStep.ts"
import type * as DomainCache from "./DomainCache.ts"

/**
 * How a client follows DFS.
 *
 * @category models
 */
export interface DfsOptions {
  /**
   * Whether the client follows DFS. Default: false. A client without DFS sends no request for a referral.
   * `DfsAdapter.layer` and `layerWithoutDiscovery` set it to true.
   */
  readonly enabled?: boolean
  readonly mode?: DfsStep.Options["mode"]
  readonly probe?: DfsStep.Options["probe"]
  readonly connect?: DfsStep.Options["connect"]
  /** How long the client waits for a racing target before the next one starts. Default: 250 ms. */
  readonly stagger?: Duration.Input
  /**
   * How long a server may take to say whether a path is in a namespace, counted from the logon; the path then counts as
   * an ordinary one. Default: 10 seconds. In mode `"strict"`, and inside a namespace, the timeout is that of any
   * request.
   */
  readonly askTimeout?: Duration.Input
  /**
   * Paths that DFS applies to, as patterns (`DfsPattern`) such as `\\corp.test\*`. Default: all. A pattern also stands
   * for everything below it.
   */
  readonly include?: ReadonlyArray<string>
  /** Paths that DFS does not apply to, even if `include` has them. Default: none. */
  readonly exclude?: ReadonlyArray<string>
  /**
   * The client's Active Directory site: requests then use the EX control code first, and near controllers come first.
   */
  readonly siteName?: string
  /**
   * Controllers by domain: `{ "corp.test": ["dc1.corp.test"] }`. Those of the first domain are asked for all other
   * domains.
   */
  readonly domainControllers?: DomainCache.Controllers
  /** Whether to look for controllers by `DomainControllers`. Default: true, except with `DomainControllers.layerNone`. */
  readonly discover?: boolean
  readonly limits?: Partial<DfsStep.Options["limits"]>
  /** Bounds for the time that referrals are kept, in seconds. */
  readonly ttl?: Partial<DfsStep.Options["ttl"]>
  readonly refreshAhead?: number
  /** For how long a dead target is left alone, in milliseconds. */
  readonly breaker?: Partial<DfsStep.Options["breaker"]>
  /** The number of prefixes that are remembered. Default: 512. */
  readonly capacity?: number
  /** The highest version of referrals that the client asks for, 1 to 4. Default: 4. */
  readonly maxReferralLevel?: number
  /** Bytes that a buffer can grow to on `Overflow`. Default: 56 KiB. */
  readonly largestBuffer?: number
}

/** All options with their values; an option without a default can be undefined. */
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

/** The options with their defaults. */
export const settings = (options: DfsOptions = {}): Settings => ({
  ...defaults,
  ...options,
  limits: { ...defaults.limits, ...options.limits },
  ttl: { ...defaults.ttl, ...options.ttl },
  breaker: { ...defaults.breaker, ...options.breaker }
})

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

const largest32 = 0xffffffff

/**
 * Options from the configuration: SMB_DFS (true or false; default: false), SMB_DFS_MODE, SMB_DFS_PROBE,
 * SMB_DFS_CONNECT, SMB_DFS_STAGGER (`250 millis`), SMB_DFS_ASK_TIMEOUT (`10 seconds`), SMB_DFS_INCLUDE and
 * SMB_DFS_EXCLUDE (patterns separated by semicolons), SMB_DFS_SITE, SMB_DFS_DOMAIN_CONTROLLERS
 * (`corp.test=dc1.corp.test,dc2.corp.test;other.test=dc3`), SMB_DFS_DISCOVER (true or false), SMB_DFS_MAX_HOPS,
 * SMB_DFS_MAX_STEPS, SMB_DFS_TTL_MINIMUM, SMB_DFS_TTL_MAXIMUM and SMB_DFS_TTL_NEGATIVE (seconds), SMB_DFS_REFRESH_AHEAD
 * (0 to 1), SMB_DFS_BREAKER_COOLDOWN and SMB_DFS_BREAKER_LONGEST (milliseconds), SMB_DFS_CAPACITY,
 * SMB_DFS_MAX_REFERRAL_LEVEL (1 to 4), SMB_DFS_LARGEST_BUFFER (bytes). A number out of its range is a `ConfigError`.
 *
 * @category config
 */
export const config: Config.Config<DfsOptions> = Config.map(
  Config.all({
    enabled: Config.withDefault(Config.Boolean("SMB_DFS"), false),
    mode: Config.option(Config.Literals(["strict", "fallback"], "SMB_DFS_MODE")),
    probe: Config.option(Config.Literals(["referral-first", "lazily"], "SMB_DFS_PROBE")),
    connect: Config.option(Config.Literals(["ordered", "race"], "SMB_DFS_CONNECT")),
    stagger: Config.option(Config.Duration("SMB_DFS_STAGGER")),
    askTimeout: Config.option(Config.Duration("SMB_DFS_ASK_TIMEOUT")),
    include: list("SMB_DFS_INCLUDE"),
    exclude: list("SMB_DFS_EXCLUDE"),
    siteName: Config.option(Config.String("SMB_DFS_SITE")),
    domainControllers: Config.map(
      Config.option(Config.schema(controllersText, "SMB_DFS_DOMAIN_CONTROLLERS")),
      Option.map((text) => controllers(parts(text)))
    ),
    discover: Config.option(Config.Boolean("SMB_DFS_DISCOVER")),
    hops: between("SMB_DFS_MAX_HOPS", 0, 1000),
    steps: between("SMB_DFS_MAX_STEPS", 1, 1_000_000),
    minimum: between("SMB_DFS_TTL_MINIMUM", 0, largest32),
    maximum: between("SMB_DFS_TTL_MAXIMUM", 0, largest32),
    negative: between("SMB_DFS_TTL_NEGATIVE", 0, largest32),
    refreshAhead: Config.option(
      Config.schema(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })), "SMB_DFS_REFRESH_AHEAD")
    ),
    cooldown: between("SMB_DFS_BREAKER_COOLDOWN", 0, largest32),
    longest: between("SMB_DFS_BREAKER_LONGEST", 0, largest32),
    capacity: between("SMB_DFS_CAPACITY", 1, 1_000_000),
    maxReferralLevel: between("SMB_DFS_MAX_REFERRAL_LEVEL", 1, 4),
    largestBuffer: between("SMB_DFS_LARGEST_BUFFER", 8192, 16 * 1024 * 1024)
  }),
  ({ cooldown, enabled, hops, longest, maximum, minimum, negative, steps, ...rest }): DfsOptions => ({
    enabled,
    ...present(rest),
    limits: present({ hops, steps }),
    ttl: present({ maximum, minimum, negative }),
    breaker: present({ cooldown, longest })
  })
)

/** The values that are present. */
const present = <A extends Record<string, Option.Option<unknown>>>(
  options: A
): { readonly [K in keyof A]?: A[K] extends Option.Option<infer B> ? B : never } =>
  Object.fromEntries(
    Object.entries(options).flatMap(([key, value]) => (Option.isSome(value) ? [[key, value.value]] : []))
  ) as { readonly [K in keyof A]?: A[K] extends Option.Option<infer B> ? B : never }

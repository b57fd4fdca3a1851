/**
 * All that can be told about DFS, per client: as plain values, or from the configuration.
 *
 * What is left out has a default. `DfsStep.Options` says what the algorithm's part means; `settings` fills everything in.
 */
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"
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
   * Whether DFS is followed at all; false where left out. A client without DFS sends no request for a referral. Adding
   * `DfsAdapter.layer` to a client says true by itself.
   */
  readonly enabled?: boolean
  readonly mode?: DfsStep.Options["mode"]
  readonly probe?: DfsStep.Options["probe"]
  readonly connect?: DfsStep.Options["connect"]
  /** How long a racing target is waited for before the next one starts; 250 ms. */
  readonly stagger?: Duration.Input
  /**
   * Paths that DFS applies to, as patterns (`DfsPattern`) such as `\\corp.test\*`; all where left out. A pattern also
   * stands for what lies below it.
   */
  readonly include?: ReadonlyArray<string>
  /** Paths that DFS does not apply to; none where left out. Stronger than `include`. */
  readonly exclude?: ReadonlyArray<string>
  /** The client's Active Directory site: requests then go by the EX control code first, and near controllers come first. */
  readonly siteName?: string
  /** Controllers by domain: `{ "corp.test": ["dc1.corp.test"] }`. Those of the first domain are asked for all others. */
  readonly domainControllers?: DomainCache.Controllers
  /** Look for controllers by `DomainControllers`; true where there is such a finder. */
  readonly discover?: boolean
  readonly limits?: Partial<DfsStep.Options["limits"]>
  /** Bounds for the time that referrals are kept, in seconds. */
  readonly ttl?: Partial<DfsStep.Options["ttl"]>
  readonly refreshAhead?: number
  /** For how long a dead target is left alone, in milliseconds. */
  readonly breaker?: Partial<DfsStep.Options["breaker"]>
  /** Prefixes that are remembered; 512. */
  readonly capacity?: number
  /** The highest version of referrals that is asked for, 1 to 4; 4. */
  readonly maxReferralLevel?: number
  /** Bytes that a buffer may grow to on `Overflow`; 56 KiB. */
  readonly largestBuffer?: number
}

/** Everything filled in, but for what has no default. */
export interface Settings extends DfsStep.Options {
  readonly enabled: boolean
  readonly stagger: Duration.Input
  readonly include: ReadonlyArray<string>
  readonly exclude: ReadonlyArray<string>
  readonly siteName: string | undefined
  readonly domainControllers: DomainCache.Controllers
  readonly capacity: number
  readonly maxReferralLevel: number
  readonly largestBuffer: number
}

/**
 * What holds where nothing is said: no DFS.
 *
 * @category settings
 */
export const defaults: Settings = {
  ...DfsStep.defaultOptions,
  enabled: false,
  stagger: "250 millis",
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

const list = (name: string): Config.Config<Option.Option<ReadonlyArray<string>>> =>
  Config.option(Config.map(
    Config.String(name),
    (text) => text.split(";").map((part) => part.trim()).filter((part) => part !== "")
  ))

/** `corp.test=dc1.corp.test,dc2.corp.test;other.test=dc3.other.test` */
const controllers = (parts: ReadonlyArray<string>): DomainCache.Controllers =>
  Object.fromEntries(parts.map((part) => {
    const [domain = "", names = ""] = part.split("=")
    return [domain.trim(), names.split(",").map((name) => name.trim()).filter((name) => name !== "")]
  }))

/**
 * Options from the configuration: SMB_DFS (true or false, false where left out), SMB_DFS_MODE, SMB_DFS_PROBE,
 * SMB_DFS_CONNECT, SMB_DFS_INCLUDE and SMB_DFS_EXCLUDE (patterns separated by semicolons), SMB_DFS_SITE,
 * SMB_DFS_DOMAIN_CONTROLLERS (`corp.test=dc1.corp.test,dc2.corp.test;other.test=dc3`), SMB_DFS_MAX_HOPS,
 * SMB_DFS_TTL_MINIMUM, SMB_DFS_TTL_MAXIMUM and SMB_DFS_TTL_NEGATIVE (seconds), SMB_DFS_CAPACITY,
 * SMB_DFS_MAX_REFERRAL_LEVEL.
 *
 * @category config
 */
export const config: Config.Config<DfsOptions> = Config.map(
  Config.all({
    enabled: Config.withDefault(Config.Boolean("SMB_DFS"), false),
    mode: Config.option(Config.Literals(["strict", "fallback"], "SMB_DFS_MODE")),
    probe: Config.option(Config.Literals(["referral-first", "lazily"], "SMB_DFS_PROBE")),
    connect: Config.option(Config.Literals(["ordered", "race"], "SMB_DFS_CONNECT")),
    include: list("SMB_DFS_INCLUDE"),
    exclude: list("SMB_DFS_EXCLUDE"),
    siteName: Config.option(Config.String("SMB_DFS_SITE")),
    domainControllers: Config.map(list("SMB_DFS_DOMAIN_CONTROLLERS"), Option.map(controllers)),
    hops: Config.option(Config.Int("SMB_DFS_MAX_HOPS")),
    minimum: Config.option(Config.Int("SMB_DFS_TTL_MINIMUM")),
    maximum: Config.option(Config.Int("SMB_DFS_TTL_MAXIMUM")),
    negative: Config.option(Config.Int("SMB_DFS_TTL_NEGATIVE")),
    capacity: Config.option(Config.Int("SMB_DFS_CAPACITY")),
    maxReferralLevel: Config.option(Config.Int("SMB_DFS_MAX_REFERRAL_LEVEL"))
  }),
  ({ enabled, hops, maximum, minimum, negative, ...rest }): DfsOptions => ({
    enabled,
    ...present(rest),
    limits: present({ hops }),
    ttl: present({ maximum, minimum, negative })
  })
)

/** The values that are there. */
const present = <A extends Record<string, Option.Option<unknown>>>(
  options: A
): { readonly [K in keyof A]?: A[K] extends Option.Option<infer B> ? B : never } =>
  Object.fromEntries(
    Object.entries(options).flatMap(([key, value]) => (Option.isSome(value) ? [[key, value.value]] : []))
  ) as { readonly [K in keyof A]?: A[K] extends Option.Option<infer B> ? B : never }

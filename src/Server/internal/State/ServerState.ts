/**
 * What belongs to a server as a whole: its shares, sessions, connections, and the opens that outlive their connection.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { KerberosKeys } from "../../../Auth/KerberosKeys.ts"
import * as Events from "../../Events.ts"
import type { Identities } from "../../IdentityStore.ts"
import type { Limits } from "../../Limits.ts"
import type { Users } from "../../UserStore.ts"
import { Buffers } from "../Connection/Buffers.ts"
import type { Connection } from "../Connection/Connection.ts"
import type { LeaseTable } from "./Caching.ts"
import type { DfsHost } from "./DfsHost.ts"
import type { FileOpen } from "./Open.ts"
import type { Patience } from "./Patience.ts"
import { ReplayTable } from "./Replay.ts"
import type { Session } from "./Session.ts"
import type { ShareState } from "./ShareState.ts"

/** What was decided when the server was made. */
export interface Settings {
  /** The address that it listens on. */
  readonly host: string
  readonly computerName: string
  readonly signing: "required" | "enabled"
  readonly encryption: "required" | "enabled" | "disabled"
  /** Who comes in without an account: nobody, callers without a name, or whoever is unknown as well. */
  readonly guest: "never" | "anonymous" | "unknown"
  readonly dialects: ReadonlyArray<number>
  /** With them, users may log on by Kerberos. */
  readonly kerberos: KerberosKeys | undefined
}

/** What it begins with. */
type Given = Pick<
  ServerState,
  | "settings"
  | "limits"
  | "patience"
  | "users"
  | "shares"
  | "dfs"
  | "guid"
  | "startTime"
  | "identity"
  | "leases"
  | "closeOpen"
>

/**
 * @category models
 */
export class ServerState {
  readonly settings: Settings
  readonly limits: Limits
  /** How long stores are waited for. */
  readonly patience: Patience
  readonly users: Users
  readonly shares: ReadonlyMap<string, ShareState>
  /** The namespaces that it hosts, where it hosts any. */
  readonly dfs: DfsHost | undefined
  readonly guid: Uint8Array
  readonly startTime: bigint
  /** Which SIDs its users have. */
  readonly identity: Identities
  readonly leases: LeaseTable
  readonly replays = new ReplayTable()
  /** Closes an open; a field, since what closes knows this module. */
  readonly closeOpen: (open: FileOpen) => Effect.Effect<void>
  readonly connections = new Set<Connection>()
  /** Whether the last connection that came was one too many. */
  full = false
  readonly sessions = new Map<bigint, Session>()
  readonly buffers = new Buffers()
  /** Every open of a file, by its identifier. */
  readonly opens = new Map<bigint, FileOpen>()
  /** Byte-range locks of all of them. */
  locks = 0
  /** When the log last heard of a store's fault (milliseconds of `performance.now()`), and how many it has not heard of. */
  readonly faults = { told: Number.NEGATIVE_INFINITY, untold: 0 }
  /** Watches of directories, and bytes of changes that are kept for them. */
  watches = 0
  notified = 0
  /** Those of them that wait for their clients to come back. */
  readonly absent = new Set<FileOpen>()
  private readonly context: Context.Context<never>
  private nextSession: bigint
  private nextOpen = 1n
  private readonly running = new Set<Fiber.Fiber<unknown>>()
  private readonly ending = new Set<Fiber.Fiber<unknown>>()

  constructor(fields: Given & { readonly context: Context.Context<never>; readonly firstSession: bigint }) {
    this.settings = fields.settings
    this.limits = fields.limits
    this.patience = fields.patience
    this.users = fields.users
    this.shares = fields.shares
    this.dfs = fields.dfs
    this.guid = fields.guid
    this.startTime = fields.startTime
    this.identity = fields.identity
    this.leases = fields.leases
    this.closeOpen = fields.closeOpen
    this.context = fields.context
    this.nextSession = fields.firstSession
  }

  get domainSid(): string {
    return this.identity.domainSid
  }

  newSessionId(): bigint {
    return this.nextSession++
  }

  newOpenId(): bigint {
    return this.nextOpen++
  }

  /** Runs an effect by itself. It handles its own errors; a defect is logged. */
  run(effect: Effect.Effect<unknown>): void {
    this.fork(effect, this.running)
  }

  /** As `run`, and a server that stops waits for it: what closes files. */
  runToEnd(effect: Effect.Effect<unknown>): void {
    this.fork(effect, this.ending)
  }

  /** Runs an effect by itself after a while. What it gives forgets about it, and about all that it holds. */
  after(time: Duration.Input, effect: Effect.Effect<unknown>): () => void {
    const fiber = this.fork(
      Effect.andThen(Effect.sleep(Duration.fromInputUnsafe(time)), effect),
      this.running
    )
    return () => fiber.interruptUnsafe()
  }

  /** How much runs or waits by itself. */
  get tasks(): number {
    return this.running.size + this.ending.size
  }

  private fork(effect: Effect.Effect<unknown>, into: Set<Fiber.Fiber<unknown>>): Fiber.Fiber<unknown> {
    const fiber = Effect.runForkWith(this.context)(
      Effect.catchCause(
        effect,
        (cause) => Cause.hasInterruptsOnly(cause) ? Effect.void : Events.broken("the server's code", cause)
      )
    )
    if (fiber.pollUnsafe() === undefined) {
      into.add(fiber)
      fiber.addObserver(() => into.delete(fiber))
    }
    return fiber
  }

  /** For at most so many milliseconds, and then goes on beside. */
  private within(millis: number, effect: Effect.Effect<unknown>): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const timer = setTimeout(() => resume(Effect.void), millis)
      this.fork(effect, this.ending).addObserver(() => {
        clearTimeout(timer)
        resume(Effect.void)
      })
    })
  }

  /** Closes all that is still open, and ends all that still runs; a store that hangs keeps it for `stopTime` only. */
  readonly stop: Effect.Effect<void> = Effect.suspend(() => {
    const ending = [...this.ending]
    return this.within(
      Duration.toMillis(Duration.fromInputUnsafe(this.limits.stopTime)),
      Fiber.awaitAll(ending).pipe(
        // Opens that wait for their clients to come back.
        Effect.andThen(
          Effect.suspend(() =>
            Effect.forEach([...this.opens.values()], this.closeOpen, { concurrency: "unbounded", discard: true })
          )
        )
      )
    )
  }).pipe(
    Effect.andThen(Effect.suspend(() => this.within(1000, Fiber.interruptAll([...this.running]))))
  )
}

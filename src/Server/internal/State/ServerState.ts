/**
 * The state of a server as a whole: its shares, sessions, connections, and the opens that stay after their connection
 * is lost.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Events from "../../Events.ts"
import type { Identities } from "../../IdentityStore.ts"
import type { Limits } from "../../Limits.ts"
import type { Change } from "../../OpenStore.ts"
import type { StoreError } from "../../ShareStore.ts"
import type { Users } from "../../UserStore.ts"
import { Buffers } from "../Wire/Buffers.ts"
import { Connections } from "./Connections.ts"
import type { DfsHost } from "./DfsHost.ts"
import type { Keeping } from "./Keeping.ts"
import { KeptOpens } from "./KeptOpens.ts"
import type { LeaseTable } from "./LeaseTable.ts"
import { LogonDelays } from "./LogonDelays.ts"
import { LogRate } from "./LogRate.ts"
import type { Meter } from "./Meter.ts"
import type { Connection, FileOpen, Lease, Server, Session, Share } from "./Model.ts"
import { ReplayTable } from "./ReplayTable.ts"
import type { ServerSettings } from "./ServerSettings.ts"
import { longestTimer, type StoreTimeout } from "./StoreTimeout.ts"
import { UsageTable } from "./UserUsage.ts"

/** The fields that the server is made with. */
type Given = Pick<
  ServerState,
  | "settings"
  | "limits"
  | "storeTimeout"
  | "users"
  | "shares"
  | "dfs"
  | "guid"
  | "startTime"
  | "identity"
  | "leases"
  | "closeOpen"
  | "endOpens"
  | "meter"
  | "traced"
>

/**
 * @category models
 */
export class ServerState implements Server {
  readonly settings: ServerSettings
  readonly limits: Limits
  /** The timeouts of stores. */
  readonly storeTimeout: StoreTimeout
  readonly users: Users
  readonly shares: ReadonlyMap<string, Share>
  /** The namespaces that it hosts, if any. */
  readonly dfs: DfsHost | undefined
  readonly guid: Uint8Array
  readonly startTime: bigint
  /** The SIDs of its users. */
  readonly identity: Identities
  readonly leases: LeaseTable<Lease>
  readonly replays = new ReplayTable<FileOpen>()
  readonly kept: Keeping<FileOpen> | undefined
  /** Closes an open. A field, because the module that closes imports this one. */
  readonly closeOpen: (open: FileOpen) => Effect.Effect<void>
  /** Ends all opens when the server stops. */
  readonly endOpens: (server: Server) => Effect.Effect<void>
  readonly connections: Connections<Connection>
  /** The usage of each user. */
  readonly usages = new UsageTable<Lease>()
  readonly logonDelays: LogonDelays
  readonly sessions = new Map<bigint, Session>()
  readonly buffers = new Buffers()
  /** Every open of a file, by its identifier. */
  readonly opens = new Map<bigint, FileOpen>()
  /** Opens that are about to be made, and open pipes. */
  opening = 0
  pipes = 0
  /** The byte-range locks of all opens. */
  locks = 0
  /** Limits for each kind of log line that clients can cause: some lines at once, then so many a second. */
  readonly logRates = {
    faults: new LogRate(1, 1),
    deletions: new LogRate(20, 2),
    keeping: new LogRate(1, 0.1),
    connections: new LogRate(1, 0.1),
    logons: new LogRate(20, 2),
    requests: new LogRate(20, 2)
  }
  /** Counts what happens. */
  readonly meter: Meter
  /** Whether requests have spans: the app has set a tracer. */
  readonly traced: boolean
  readonly traffic = { received: 0, sent: 0 }
  /** Watches of directories, and the bytes of changes that are kept for them. */
  watches = 0
  notified = 0
  /** The opens that wait for their clients to reconnect. */
  readonly absent = new Set<FileOpen>()
  private readonly context: Context.Context<never>
  private nextSession: bigint
  private nextOpen: bigint
  private readonly running = new Set<Fiber.Fiber<unknown>>()
  private readonly ending = new Set<Fiber.Fiber<unknown>>()

  constructor(
    fields: Given & {
      readonly context: Context.Context<never>
      readonly firstSession: bigint
      /** Default: 1. */
      readonly firstOpen?: bigint | undefined
      /** How persistent opens are kept; undefined: not at all. */
      readonly commit?: ((changes: ReadonlyArray<Change>) => Effect.Effect<void, StoreError>) | undefined
    }
  ) {
    this.settings = fields.settings
    this.limits = fields.limits
    this.connections = new Connections(fields.limits)
    this.logonDelays = new LogonDelays(fields.limits)
    this.storeTimeout = fields.storeTimeout
    this.users = fields.users
    this.shares = fields.shares
    this.dfs = fields.dfs
    this.guid = fields.guid
    this.startTime = fields.startTime
    this.identity = fields.identity
    this.leases = fields.leases
    this.closeOpen = fields.closeOpen
    this.endOpens = fields.endOpens
    this.meter = fields.meter
    this.traced = fields.traced
    this.context = fields.context
    this.nextSession = fields.firstSession
    this.nextOpen = fields.firstOpen ?? 1n
    this.kept = fields.commit === undefined ? undefined : new KeptOpens(this, fields.commit)
  }

  get domainSid(): string {
    return this.identity.domainSid
  }

  /** Open files and pipes, and opens that are about to be made. */
  get openCount(): number {
    return this.opens.size + this.opening + this.pipes
  }

  newSessionId(): bigint {
    return this.nextSession++
  }

  newOpenId(): bigint {
    // Opens of an earlier server have their numbers already.
    while (this.opens.has(this.nextOpen)) this.nextOpen++
    return this.nextOpen++
  }

  /** Runs an effect in the background. The effect handles its own errors; a defect is logged. */
  run(effect: Effect.Effect<unknown>): void {
    this.fork(effect, this.running)
  }

  /** As `run`, but a server that stops waits for it: for effects that close files. */
  runToEnd(effect: Effect.Effect<unknown>): void {
    this.fork(effect, this.ending)
  }

  /**
   * Runs an effect in the background after some time. Gives a function that cancels it and releases everything that it
   * holds.
   */
  after(time: Duration.Input, effect: Effect.Effect<unknown>): () => void {
    const fiber = this.fork(
      Effect.andThen(Effect.sleep(Duration.fromInputUnsafe(time)), effect),
      this.running
    )
    return () => fiber.interruptUnsafe()
  }

  /** The number of effects that run or wait in the background. */
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

  /** Waits at most this many milliseconds for an effect, which then continues in the background. */
  private within(millis: number, effect: Effect.Effect<unknown>): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const timer = setTimeout(() => resume(Effect.void), Math.min(millis, longestTimer))
      this.fork(effect, this.ending).addObserver(() => {
        clearTimeout(timer)
        resume(Effect.void)
      })
    })
  }

  /** Ends all opens, and all background effects. It waits for a store that hangs for at most `stopTime`. */
  readonly stop: Effect.Effect<void> = Effect.suspend(() => {
    const ending = [...this.ending]
    return this.within(
      Duration.toMillis(Duration.fromInputUnsafe(this.limits.stopTime)),
      Fiber.awaitAll(ending).pipe(
        // This includes the opens that wait for their clients to reconnect.
        Effect.andThen(Effect.suspend(() => this.endOpens(this)))
      )
    )
  }).pipe(
    Effect.andThen(Effect.suspend(() => this.within(1000, Fiber.interruptAll([...this.running]))))
  )
}

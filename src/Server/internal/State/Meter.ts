/**
 * Counts for one server: what happens goes into counters at once; how much there is of something is read from the
 * server's state when somebody looks at the metrics. So no request costs more because others hold much.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import type * as Metric from "effect/Metric"
import * as MetricFamily from "../../../Protocol/MetricFamily.ts"
import { Command } from "../../../Smb2/Message/Constants.ts"
import * as Message from "../../../Smb2/Message/Message.ts"
import * as ServerMetrics from "../../ServerMetrics.ts"
import { StoreError } from "../../ShareStore.ts"
import type { Reply } from "../Wire/Reply.ts"
import type { DurableKind } from "./OpenFields.ts"

/** What a server keeps, as its gauges show it. */
export interface Kept {
  readonly connections: Iterable<{ readonly credits: number }> & {
    readonly size: number
    readonly unauthenticated: number
  }
  readonly sessions: { readonly size: number }
  readonly openCount: number
  readonly absent: { readonly size: number }
  readonly locks: number
  readonly leases: { readonly size: number }
  readonly watches: number
  readonly logonDelays: { readonly waiting: number }
}

/** Count of a WRITE response, DataLength of a READ response (MS-SMB2 2.2.22, 2.2.20): both at the same place. */
const lengthIn = (body: Uint8Array): number =>
  body.length < 8 ? 0 : body[4]! + body[5]! * 0x100 + body[6]! * 0x1_0000 + body[7]! * 0x100_0000

const outcomeOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "Success"
  const failed = exit.cause.reasons.find(Cause.isFailReason)
  if (failed === undefined) return Cause.hasInterruptsOnly(exit.cause) ? "Interrupted" : "Defect"
  const { error } = failed
  // The end of a listing is no failure.
  return Cause.isDone(error) ? "Success" : error instanceof StoreError ? error.reason._tag : "Other"
}

/**
 * @category models
 */
export class Meter {
  /** The refusals since the server started. */
  readonly refused = { connections: 0, logons: 0, requests: 0 }
  /** Oplocks of opens. */
  oplocks = 0
  private requests = 0
  private storeCalls = 0
  private readonly context: Context.Context<never>

  constructor(context: Context.Context<never>) {
    this.context = context
  }

  /** Lets the gauges show what a server keeps. Gives a function that ends this. */
  observe(kept: Kept): () => void {
    const observed = (family: MetricFamily.MetricFamily<Metric.Gauge<number>>, read: () => number) =>
      MetricFamily.observe(family, this.context, read)
    const all = [
      observed(ServerMetrics.connections, () => kept.connections.size),
      observed(ServerMetrics.unauthenticatedConnections, () => kept.connections.unauthenticated),
      observed(ServerMetrics.credits, () => {
        let sum = 0
        for (const { credits } of kept.connections) sum += credits
        return sum
      }),
      observed(ServerMetrics.sessions, () => kept.sessions.size),
      observed(ServerMetrics.waitingLogons, () => kept.logonDelays.waiting),
      observed(ServerMetrics.opens, () => kept.openCount),
      observed(ServerMetrics.absentOpens, () => kept.absent.size),
      observed(ServerMetrics.locks, () => kept.locks),
      observed(ServerMetrics.leases, () => kept.leases.size),
      observed(ServerMetrics.oplocks, () => this.oplocks),
      observed(ServerMetrics.watches, () => kept.watches),
      observed(ServerMetrics.requestsInFlight, () => this.requests),
      observed(ServerMetrics.storeCallsInFlight, () => this.storeCalls)
    ]
    return () => {
      for (const end of all) end()
    }
  }

  accepted(): void {
    ServerMetrics.connectionsAccepted.of().updateUnsafe(1, this.context)
  }

  loggedOn(): void {
    ServerMetrics.logons.of("succeeded").updateUnsafe(1, this.context)
  }

  refuse(what: keyof Meter["refused"]): void {
    this.refused[what]++
    const counter = what === "logons"
      ? ServerMetrics.logons.of("refused")
      : ServerMetrics.refusals.of(what === "connections" ? "connection" : "request")
    counter.updateUnsafe(1, this.context)
  }

  broke(kind: "oplock" | "lease"): void {
    ServerMetrics.breaks.of(kind).updateUnsafe(1, this.context)
  }

  breakTimedOut(kind: "oplock" | "lease"): void {
    ServerMetrics.breakTimeouts.of(kind).updateUnsafe(1, this.context)
  }

  /** A client has got its open back. */
  reclaimed(kind: DurableKind): void {
    ServerMetrics.reclaimedOpens.of(kind).updateUnsafe(1, this.context)
  }

  /** An open that waited for its client was closed, because its time was over. */
  expired(kind: DurableKind): void {
    ServerMetrics.expiredOpens.of(kind).updateUnsafe(1, this.context)
  }

  /** An open of an earlier server was restored, or is lost. */
  restored(outcome: "restored" | "lost"): void {
    ServerMetrics.restoredOpens.of(outcome).updateUnsafe(1, this.context)
  }

  /** A request begins. Gives the time: milliseconds of `performance.now()`. */
  begin(): number {
    this.requests++
    return performance.now()
  }

  /** A request that began at `began` has ended; it may have no response. */
  end(command: number, began: number, exit: Exit.Exit<Reply | undefined>): void {
    this.requests--
    const { context } = this
    const name = Message.commandName(command) ?? "OTHER"
    const reply = Exit.isSuccess(exit) ? exit.value : undefined
    const label = reply === undefined ? "NONE" : MetricFamily.statusLabel(reply.status)
    ServerMetrics.requests.of(name, label).updateUnsafe(1, context)
    ServerMetrics.requestLatency.of(name).updateUnsafe(performance.now() - began, context)
    // A part of a message of a pipe has a warning as its status.
    if (reply === undefined || reply.status >>> 30 === 3) return
    if (command === Command.READ) ServerMetrics.bytesRead.of().updateUnsafe(lengthIn(reply.body), context)
    else if (command === Command.WRITE) ServerMetrics.bytesWritten.of().updateUnsafe(lengthIn(reply.body), context)
  }

  /** A call of a store begins. Gives the time: milliseconds of `performance.now()`. */
  beginStore(): number {
    this.storeCalls++
    return performance.now()
  }

  /** The call that began at `began` has ended. */
  endStore(call: string, began: number, exit: Exit.Exit<unknown, unknown>): void {
    this.storeCalls--
    ServerMetrics.storeCalls.of(call, outcomeOf(exit)).updateUnsafe(1, this.context)
    ServerMetrics.storeLatency.of(call).updateUnsafe(performance.now() - began, this.context)
  }
}

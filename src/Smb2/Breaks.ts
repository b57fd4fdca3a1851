/**
 * Oplock and lease breaks (MS-SMB2 2.2.23 to 2.2.25): the server revokes a client's right to cache.
 *
 * This client caches nothing by an oplock or a lease. It therefore acknowledges every break at once, so that the other
 * client does not wait. The open reports what the break has left.
 */
import * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import type * as Connection from "./Connection.ts"
import * as Header from "./Header.ts"
import type { FileId } from "./Message/Common.ts"
import { Command, LeaseFlags, OplockLevel } from "./Message/Constants.ts"
import * as OplockBreak from "./Message/OplockBreak.ts"

/**
 * The oplock or lease that an open still has.
 *
 * @since 0.1.0
 */
export interface Caching {
  oplockLevel: number
  leaseState: number
}

interface CachingOpen extends Caching {
  readonly survives: (caching: Caching) => boolean
  readonly send: (body: Uint8Array) => void
}

const fileKey = (fileId: FileId): string => `${fileId.persistent}:${fileId.volatile}`
const leaseKeyText = (key: Uint8Array): string => Buffer.from(key).toString("hex")

/**
 * The opens of one connection that hold an oplock or a lease.
 *
 * @category models
 * @since 0.1.0
 */
export class Breaks {
  private readonly byFile = new Map<string, CachingOpen>()
  private readonly byLease = new Map<string, Set<CachingOpen>>()

  /** Handles the breaks of the connection. */
  attach(connection: Connection.Connection): void {
    connection.onBreak = (reply) => {
      const message = Codec.decode("SMB2 OPLOCK_BREAK", Codec.at(Header.size, OplockBreak.Response))(reply.packet)
      if (Result.isFailure(message)) return connection.fail(message.failure)
      const value = message.success
      const { meter } = connection.options
      if (value._tag === "OplockBreak") {
        meter?.broken("oplock")
        this.oplock(value.fileId, value.oplockLevel)
      } else if (value._tag === "LeaseBreakNotification") {
        meter?.broken("lease")
        this.lease(value.leaseKey, value.newLeaseState, value.flags)
      }
    }
  }

  /** The opens of the connection, also those without an oplock or a lease. */
  get opens(): number {
    return this.byFile.size
  }

  /** Whether every open of the connection survives its end. */
  get allSurvive(): boolean {
    for (const open of this.byFile.values()) if (!open.survives(open)) return false
    return true
  }

  private oplock(fileId: FileId, oplockLevel: number): void {
    const caching = this.byFile.get(fileKey(fileId))
    // An open that was closed while the break was on its way needs no acknowledgment.
    if (caching === undefined) return
    const acknowledged = caching.oplockLevel !== OplockLevel.SMB2_OPLOCK_LEVEL_II
    caching.oplockLevel = oplockLevel
    if (acknowledged) {
      caching.send(Codec.encode(OplockBreak.Request)({ _tag: "OplockBreakAcknowledgment", oplockLevel, fileId }))
    }
  }

  private lease(leaseKey: Uint8Array, leaseState: number, flags: number): void {
    const cachingOpens = this.byLease.get(leaseKeyText(leaseKey))
    if (cachingOpens === undefined) return
    let answered = (flags & LeaseFlags.SMB2_NOTIFY_BREAK_LEASE_FLAG_ACK_REQUIRED) === 0
    for (const caching of cachingOpens) {
      caching.leaseState = leaseState
      if (answered) continue
      answered = true
      caching.send(
        Codec.encode(OplockBreak.Request)({ _tag: "LeaseBreakAcknowledgment", leaseKey, leaseState })
      )
    }
  }

  /**
   * Keeps track of an open until the returned function is called. `survives` says whether the open survives the end of
   * its connection, with the oplock or lease that it has then.
   */
  hold(
    fileId: FileId,
    oplockLevel: number,
    lease: { readonly leaseKey: Uint8Array; readonly leaseState: number } | undefined,
    survives: (caching: Caching) => boolean,
    submit: (outgoing: Pick<Connection.Outgoing, "command" | "body" | "passes">) => void
  ): { readonly caching: Caching; readonly release: () => void } {
    const caching: CachingOpen = {
      oplockLevel,
      leaseState: lease?.leaseState ?? 0,
      survives,
      send: (body) => submit({ command: Command.OPLOCK_BREAK, body, passes: true })
    }
    const key = fileKey(fileId)
    const leaseKey = lease === undefined ? undefined : leaseKeyText(lease.leaseKey)
    this.byFile.set(key, caching)
    if (leaseKey !== undefined) {
      const cachingOpens = this.byLease.get(leaseKey) ?? new Set()
      cachingOpens.add(caching)
      this.byLease.set(leaseKey, cachingOpens)
    }
    return {
      caching,
      release: () => {
        this.byFile.delete(key)
        const cachingOpens = leaseKey === undefined ? undefined : this.byLease.get(leaseKey)
        cachingOpens?.delete(caching)
        if (cachingOpens?.size === 0) this.byLease.delete(leaseKey!)
      }
    }
  }
}

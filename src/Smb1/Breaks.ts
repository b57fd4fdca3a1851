/**
 * Oplock breaks (MS-CIFS 3.2.5.42): the server revokes a client's right to cache, by an unsolicited LOCKING_ANDX.
 *
 * This client caches nothing by an oplock. It therefore acknowledges every break at once, so that the other client does
 * not wait. The open reports what the break has left. Levels are those of SMB 2, as in `Share`.
 */
import * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import type * as Connection from "./Connection.ts"
import * as Header from "./Header.ts"
import { Command, TypeOfLock } from "./Message/Constants.ts"
import { Locking } from "./Message/Simple.ts"

/**
 * OplockLevel of SMB 2 for each of SMB 1's: none, exclusive, batch, level II.
 *
 * @since 0.1.0
 */
export const oplockLevels: ReadonlyArray<number> = [0, 8, 9, 1]

/**
 * The oplock that an open still has.
 *
 * @since 0.1.0
 */
export interface Caching {
  oplockLevel: number
  readonly leaseState: 0
}

interface Ids {
  readonly tid: number
  readonly session: { readonly uid: number }
}

interface CachingOpen extends Caching {
  readonly ids: Ids
}

/**
 * The opens of one connection that hold an oplock.
 *
 * @category models
 * @since 0.1.0
 */
export class Breaks {
  private readonly cachingOpens = new Map<string, CachingOpen>()

  /** Handles the breaks of the connection. */
  attach(connection: Connection.Connection): void {
    connection.onBreak = (reply) => {
      const decoded = Codec.decode("SMB1 LOCKING_ANDX Request", Codec.at(Header.size, Locking))(reply.packet)
      if (Result.isFailure(decoded)) return connection.fail(decoded.failure)
      const { fid, newOpLockLevel } = decoded.success
      connection.options.meter?.broken("oplock")
      const caching = this.cachingOpens.get(`${reply.header.tid}:${fid}`)
      // An open that was closed while the break was on its way needs no acknowledgment.
      if (caching === undefined) return
      const acknowledged = caching.oplockLevel > 1
      caching.oplockLevel = newOpLockLevel === 1 ? 1 : 0
      if (!acknowledged) return
      connection.sendOneWay({
        command: Command.SMB_COM_LOCKING_ANDX,
        body: Codec.encode(Locking)({
          fid,
          typeOfLock: TypeOfLock.OPLOCK_RELEASE,
          newOpLockLevel,
          timeout: 0,
          unlocks: [],
          locks: []
        }),
        tid: caching.ids.tid,
        uid: caching.ids.session.uid
      })
    }
  }

  /** The opens of the connection, also those without an oplock. */
  get opens(): number {
    return this.cachingOpens.size
  }

  /** Keeps track of an open until the returned function is called. */
  hold(fid: number, oplockLevel: number, ids: Ids): { readonly caching: Caching; readonly release: () => void } {
    const caching: CachingOpen = { oplockLevel, leaseState: 0, ids }
    const key = `${ids.tid}:${fid}`
    this.cachingOpens.set(key, caching)
    return {
      caching,
      release: () => {
        caching.oplockLevel = 0
        // The server may have given the FID to another open since then.
        if (this.cachingOpens.get(key) === caching) this.cachingOpens.delete(key)
      }
    }
  }
}

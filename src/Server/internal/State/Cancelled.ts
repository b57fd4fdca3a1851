/**
 * CANCELs (MS-SMB2 3.3.5.16) of requests that do not wait: the store works on them, and cannot be stopped. A request can
 * have to wait for another client after that. Then its CANCEL must not be forgotten.
 */
/** A request by its AsyncId, if it has one, or else by its MessageId. */
interface Named {
  readonly asyncId: bigint
  readonly messageId: number
}

/** The most CANCELs that are kept for a connection: the last ones count. */
const most = 512

const keyOf = ({ asyncId, messageId }: Named): string => asyncId === 0n ? `m${messageId}` : `a${asyncId}`

/**
 * The CANCELs of a connection. Both identifiers are used once on a connection, so an old CANCEL is for no later request.
 *
 * @category models
 */
export class Cancelled<Session> {
  /** The session of each. */
  private readonly sessions = new Map<string, Session | undefined>()

  /** Keeps a CANCEL of a request of that session. */
  add(named: Named, session: Session | undefined): void {
    if (this.sessions.size >= most) this.sessions.delete(this.sessions.keys().next().value!)
    this.sessions.set(keyOf(named), session)
  }

  /** Whether a request was cancelled by a user of its session. Forgets its CANCELs. */
  take({ asyncId, messageId }: Named, session: Session | undefined): boolean {
    if (this.sessions.size === 0) return false
    let found = false
    for (const named of [{ asyncId, messageId }, { asyncId: 0n, messageId }]) {
      const key = keyOf(named)
      // A user cannot cancel the requests of another user of the connection.
      if (!this.sessions.has(key) || this.sessions.get(key) !== session) continue
      this.sessions.delete(key)
      found = true
    }
    return found
  }
}

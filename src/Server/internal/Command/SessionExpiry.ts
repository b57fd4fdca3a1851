/**
 * The end of a user's proof (MS-SMB2 3.3.5.2.9): a session expires with its Kerberos ticket, or after the time that the
 * server allows. Its user must authenticate again. Until then the server carries out only what gives things back. The
 * opens, locks and leases of the session stay.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { CommandName } from "../../../Smb2/Message/Message.ts"
import type { Server, Session } from "../State/Model.ts"

/** The most milliseconds that a timer can wait. */
const longest = 0x7fff_ffff

const expireAfter = (server: Server, session: Session, time: number): void => {
  if (time === Infinity) return
  session.stopExpiring = server.after(
    Math.min(time, longest),
    Effect.sync(() => {
      session.stopExpiring = undefined
      if (time > longest) expireAfter(server, session, time - longest)
      else session.expired = true
    })
  )
}

/** Begins the time of a session whose user has just authenticated. `lifetime`: milliseconds until the ticket ends. */
export const begin = (server: Server, session: Session, lifetime: number | undefined): void => {
  session.stopExpiring?.()
  session.stopExpiring = undefined
  session.expired = false
  const allowed = Duration.toMillis(Duration.fromInputUnsafe(server.limits.sessionTime))
  const time = Math.min(allowed, lifetime ?? Infinity)
  if (!session.ended) expireAfter(server, session, time)
}

/** The commands that a session with an expired user may still send, besides those that need no session. */
const allowed: ReadonlySet<CommandName> = new Set(["LOGOFF", "CLOSE", "LOCK"])

/** Whether a command has to wait until the user has authenticated again. */
export const refuses = (session: Session | undefined, command: CommandName): boolean =>
  session?.expired === true && !allowed.has(command)

/**
 * The place of an open in the limits of its user and of the server, while its CREATE runs.
 */
import type { Server, Session, Usage } from "./Model.ts"

/** An open that is about to be made. It counts from the beginning, so that several at once do not exceed a limit. */
export class OpenReservation {
  readonly #server: Server
  readonly #session: Session
  readonly #usage: Usage
  #waits = true

  constructor(server: Server, session: Session, usage: Usage) {
    this.#server = server
    this.#session = session
    this.#usage = usage
    this.#usage.opens++
    session.opening++
    server.opening++
  }

  /** The open is made: it counts for this user until it is closed. An open that was undone can be made again. */
  use(): Usage {
    if (this.#waits) this.#settle()
    else this.#usage.opens++
    return this.#usage
  }

  /** Ends the reservation, unless the open was made. */
  release(): void {
    if (!this.#waits) return
    this.#settle()
    this.#usage.opens--
    this.#usage.release()
  }

  #settle(): void {
    this.#waits = false
    this.#session.opening--
    this.#server.opening--
  }
}

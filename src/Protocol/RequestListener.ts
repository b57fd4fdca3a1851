/**
 * A view of the requests of a client and of their responses, for a person who wants to see them. It never gets a body:
 * no token of a logon, no data of a file.
 */
import * as Context from "effect/Context"

/**
 * A request.
 *
 * @category models
 * @since 0.2.0
 */
export interface Request {
  /** Its number on the connection: MessageId, or MID of SMB 1. */
  readonly id: number
  /** The name of the command: `CREATE`. */
  readonly command: string
  /** The path of a TREE_CONNECT, or the name of a CREATE below its share. */
  readonly about?: string | undefined
}

/**
 * The functions that a connection calls. They must not throw, and the connection waits for them.
 *
 * @category models
 * @since 0.2.0
 */
export interface RequestListener {
  /** The request was given to the transport. */
  readonly sent: (request: Request) => void
  /** The last response came, with this NTSTATUS. */
  readonly answered: (request: Request, status: number) => void
  /**
   * The connection ended before a response came. Not called for TREE_DISCONNECT and LOGOFF: a client need not wait for
   * their responses.
   */
  readonly unanswered: (request: Request, message: string) => void
}

/**
 * Makes the listener of each new connection. Default: none, which costs one comparison for each request. The client
 * reads it when its layer is built.
 *
 * @category settings
 * @since 0.2.0
 */
export const CurrentRequestListener: Context.Reference<
  ((endpoint: { readonly host: string; readonly port: number }) => RequestListener) | undefined
> = Context.Reference("effect-smb/Protocol/CurrentRequestListener", {
  defaultValue: (): ((endpoint: { readonly host: string; readonly port: number }) => RequestListener) | undefined =>
    undefined
})

/**
 * The seam between the protocol and the network: a stream of bytes both ways, in plain callbacks.
 *
 * It is the hot path, so no Effect runs per chunk. Ownership of buffers: a chunk passed to `onData` belongs to the
 * transport and is valid only until the callback returns. Chunks passed to `send` belong to the transport from then on
 * and must not be changed.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { TransportError } from "./Errors.ts"

/**
 * The functions that a connection calls. After `onClose` it calls nothing more.
 *
 * @since 0.1.0
 */
export interface Handlers {
  readonly onData: (chunk: Uint8Array) => void
  readonly onClose: (error: TransportError) => void
}

/**
 * An open stream of bytes.
 *
 * @since 0.1.0
 */
export interface Duplex {
  /**
   * Sends the chunks in order. Calls `onSent` when it no longer needs them. After the stream has ended it does nothing:
   * `onClose` was called.
   */
  readonly send: (chunks: ReadonlyArray<Uint8Array>, onSent?: () => void) => void
  /** Ends the stream at once. `onClose` is not called for it. */
  readonly close: () => void
}

/**
 * Where to connect.
 *
 * @since 0.1.0
 */
export interface Endpoint {
  readonly host: string
  /** Default of SMB: 445. */
  readonly port: number
}

/**
 * Opens streams of bytes to servers. The stream closes with its scope.
 *
 * Layers: `TcpTransport.layer()`, and the scripted and recorded transports of the test kit.
 *
 * @category services
 * @since 0.1.0
 */
export class Transport extends Context.Service<Transport, {
  readonly connect: (
    endpoint: Endpoint,
    handlers: Handlers
  ) => Effect.Effect<Duplex, TransportError, Scope.Scope>
}>()("effect-smb/Protocol/Transport") {}

/**
 * The errors of a connection when its stream or its peer has failed, the same in each version of the protocol.
 */
import { ProtocolError, type ProtocolReason, TransportError, type TransportReason } from "./Errors.ts"

/**
 * The peer of a connection.
 *
 * @since 0.1.0
 */
export interface Peer {
  readonly server: string
  readonly port: number
}

/**
 * The peer breaks the protocol.
 *
 * @since 0.1.0
 */
export const protocolError = (peer: Peer, tag: ProtocolReason["_tag"], detail: string): ProtocolError =>
  new ProtocolError({ reason: { _tag: tag }, server: peer.server, detail })

/**
 * The stream has failed.
 *
 * @since 0.1.0
 */
export const transportError = (peer: Peer, tag: TransportReason["_tag"], detail?: string): TransportError =>
  new TransportError({
    reason: { _tag: tag },
    server: peer.server,
    port: peer.port,
    ...(detail === undefined ? {} : { detail })
  })

/**
 * The stream does not continue with a frame: `FrameReader` found a wrong length in bytes or a wrong first byte.
 *
 * @since 0.1.0
 */
export const frameError = (
  peer: Peer & { readonly maximumFrame: number },
  what: "length" | "type",
  value: number
): ProtocolError =>
  what === "length"
    ? protocolError(peer, "PacketTooLarge", `a packet of ${value} bytes is beyond the limit of ${peer.maximumFrame}`)
    : protocolError(peer, "NotSmb", `the answer is not SMB (its first byte is ${value})`)

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
    : notSmb(peer, "SMB", `the first byte is ${value}`)

/**
 * The peer's packets are not of the expected protocol, for example "SMB 2 or 3". `because` says how they differ.
 *
 * @since 0.2.0
 */
export const notSmb = (peer: Peer, protocol: string, because?: string): ProtocolError =>
  protocolError(
    peer,
    "NotSmb",
    `the service at port ${peer.port} does not speak ${protocol}${because === undefined ? "" : ` (${because})`}. ` +
      "Check the host and the port: another service may listen there"
  )

/**
 * The packet is not marked as a response.
 *
 * @since 0.2.0
 */
export const notAResponse = (peer: Peer): ProtocolError =>
  protocolError(peer, "UnexpectedResponse", "the server sent a request instead of a response: the server is at fault")

/**
 * A response has another command than its request. The commands are given by name.
 *
 * @since 0.2.0
 */
export const otherCommand = (peer: Peer, request: string, response: string): ProtocolError =>
  protocolError(
    peer,
    "UnexpectedResponse",
    `the server sent a response to ${response} for a request of ${request}: the server is at fault`
  )

/**
 * The server has not responded to any request for this time, in milliseconds.
 *
 * @since 0.2.0
 */
export const silent = (peer: Peer, milliseconds: number): TransportError =>
  transportError(peer, "TimedOut", `no response for ${milliseconds} ms`)

/**
 * The errors of a connection when its stream or its peer has failed, the same in each version of the protocol.
 */
import { ProtocolError, TransportError } from "./Errors.ts"

/** The peer of a connection. */
export interface Peer {
  readonly server: string
  readonly port: number
}

/** The peer breaks the protocol. */
export const protocolError = (peer: Peer, reason: ProtocolError["reason"], detail: string): ProtocolError =>
  new ProtocolError({ reason, server: peer.server, detail })

/** The stream has failed. */
export const transportError = (peer: Peer, reason: TransportError["reason"], detail?: string): TransportError =>
  new TransportError({
    reason,
    server: peer.server,
    port: peer.port,
    ...(detail === undefined ? {} : { detail })
  })

/** The stream does not continue with a frame: `FrameReader` found a wrong length in bytes or a wrong first byte. */
export const frameError = (
  peer: Peer & { readonly maximumFrame: number },
  what: "length" | "type",
  value: number
): ProtocolError =>
  what === "length"
    ? protocolError(peer, "TooLarge", `a packet of ${value} bytes is beyond the limit of ${peer.maximumFrame}`)
    : protocolError(peer, "NotSmb", `what answers does not speak SMB (its first byte is ${value})`)

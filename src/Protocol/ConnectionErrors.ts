/**
 * How a connection says that its stream or its peer has failed, the same in each version of the protocol.
 */
import { ProtocolError, TransportError } from "./Errors.ts"

/** Whom a connection speaks to. */
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

/** The stream holds no frame where one is due: what `FrameReader` found, a length in bytes or a first byte. */
export const frameError = (
  peer: Peer & { readonly maximumFrame: number },
  what: "length" | "type",
  value: number
): ProtocolError =>
  what === "length"
    ? protocolError(peer, "TooLarge", `a packet of ${value} bytes is beyond the limit of ${peer.maximumFrame}`)
    : protocolError(peer, "NotSmb", `what answers does not speak SMB (its first byte is ${value})`)

/**
 * The SMB 1 multi-protocol NEGOTIATE (MS-SMB2 3.2.4.2.2.1): an SMB 1 packet whose dialects are "SMB 2.002" and "SMB
 * 2.???". It reaches servers behind old filters, and tells a server that has only SMB 1 from one that is broken. This
 * module uses nothing else of SMB 1.
 */
import * as Effect from "effect/Effect"
import * as Codec from "../Codec/Codec.ts"
import type { Malformed } from "../Codec/Malformed.ts"
import * as ConnectionErrors from "../Protocol/ConnectionErrors.ts"
import type { ProtocolError } from "../Protocol/Errors.ts"
import * as Negotiation from "../Protocol/Negotiation.ts"
import type * as Connection from "./Connection.ts"
import * as Header from "./Header.ts"
import { Dialect } from "./Message/Constants.ts"
import * as Negotiate from "./Message/Negotiate.ts"

/** 0xFF 'S' 'M' 'B', little-endian. */
const smb1 = 0x424d53ff

/**
 * The SMB_COM_NEGOTIATE request (MS-CIFS 2.2.4.52.1) that offers SMB 2 and nothing else.
 *
 * @since 0.1.0
 */
export const encodeRequest = (dialects: ReadonlyArray<number>): Uint8Array => {
  const names = Negotiation.smb2Strings({
    smb202: dialects.includes(Dialect.SMB_2_0_2),
    later: dialects.some((dialect) => dialect > Dialect.SMB_2_0_2)
  })
  const data = Buffer.concat(names.map((name) => Buffer.from(`\u0002${name}\0`, "latin1")))
  const packet = new Uint8Array(35 + data.length)
  const view = Header.view(packet)
  view.setUint32(0, smb1, true)
  packet[4] = 0x72
  // Flags: case-insensitive, canonical; Flags2: long names, NT status, extended security, Unicode.
  packet[9] = 0x18
  view.setUint16(10, 0xc853, true)
  view.setUint16(26, 0xfeff, true)
  view.setUint16(33, data.length, true)
  packet.set(data, 35)
  return packet
}

/**
 * The error for a packet that is not SMB 2.
 *
 * @since 0.1.0
 */
export const otherProtocol = (connection: Connection.Connection, packet: Uint8Array): ProtocolError =>
  packet.length >= 4 && Header.view(packet).getUint32(0, true) === smb1
    ? connection.protocolError(
      "Smb1Only",
      "the server speaks only SMB 1, which is insecure and not asked for: enable SMB 2 or 3 on the server, " +
        "or ask for SMB 1 (`dialects: [\"NT1\"]`)"
    )
    : ConnectionErrors.notSmb(connection.options, "SMB 2 or 3")

/**
 * Sends the request, unless the response is there already. The response is an SMB 2 NEGOTIATE response, for 2.0.2 or
 * for the wildcard.
 *
 * @since 0.1.0
 */
export const negotiate = (
  connection: Connection.Connection,
  dialects: ReadonlyArray<number>,
  answered?: Uint8Array
): Effect.Effect<Negotiate.Response, Connection.ConnectionError> =>
  Effect.callback<Connection.Reply, Connection.ConnectionError>((resume) => {
    connection.submitMultiProtocolNegotiate(
      encodeRequest(dialects),
      (error, reply) => resume(error === undefined ? Effect.succeed(reply!) : Effect.fail(error)),
      answered
    )
  }).pipe(
    Effect.flatMap((reply): Effect.Effect<Negotiate.Response, Malformed> =>
      Effect.fromResult(
        Codec.decode("SMB2 NEGOTIATE Response", Codec.at(Header.size, Negotiate.Response))(reply.packet)
      )
    )
  )

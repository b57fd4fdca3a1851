/**
 * Compounds: several messages in one packet (MS-SMB2 2.2.1, 3.2.5.1.9, 3.3.5.2.7). Requests and responses are cut in the
 * same way.
 */
import * as Result from "effect/Result"
import { Malformed } from "../Codec/Malformed.ts"
import * as Header from "./Header.ts"

/**
 * One message of a packet: its header, and its bytes from there to its end.
 *
 * @since 0.2.0
 */
export interface Segment {
  readonly header: Header.Header
  readonly bytes: Uint8Array
}

/**
 * The message that begins at byte `at`. NextCommand can only lead forward, inside the packet.
 *
 * @since 0.2.0
 */
export const segment = (packet: Uint8Array, at: number): Result.Result<Segment, Malformed> => {
  const malformed = (offset: number, expected: string) =>
    Result.fail(new Malformed({ structure: "SMB2 packet", offset, expected }))
  if (packet.length - at < Header.size + 2) return malformed(at, "a header and a body")
  const view = Header.view(packet)
  if (view.getUint32(at, true) !== Header.protocolId || view.getUint16(at + 4, true) !== Header.size) {
    return malformed(at, "an SMB 2 header")
  }
  const header = Header.read(view, at)
  const next = header.nextCommand
  if (next !== 0 && (next < Header.size + 2 || at + next > packet.length || next % 8 !== 0)) {
    return malformed(at + 20, `a NextCommand inside the packet, not ${next}`)
  }
  const end = next === 0 ? packet.length : at + next
  return Result.succeed({ header, bytes: at === 0 && end === packet.length ? packet : packet.subarray(at, end) })
}

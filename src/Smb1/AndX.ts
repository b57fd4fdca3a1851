/**
 * Several commands in one packet (MS-CIFS 2.2.3.4): each names the next one and where it begins.
 *
 * The client sends no chains. smbd 4.17 answers NT_CREATE_ANDX, READ_ANDX and CLOSE in one packet correctly. But if the
 * READ meets a lock, the header of the response has random bytes. That ends the connection and everything in flight on
 * it. One saved round trip is not worth that.
 *
 * The links of a received chain can only lead forward, each behind the whole previous command, and the number of
 * commands is limited: a chain that loops, points back or overlaps is `Malformed`.
 */
import * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import { Reader } from "../Codec/Cursor.ts"
import type { Malformed } from "../Codec/Malformed.ts"
import * as Header from "./Header.ts"
import { Command } from "./Message/Constants.ts"

/**
 * One command of a chain.
 *
 * @since 0.1.0
 */
export interface Part {
  readonly command: number
  /** The bytes from WordCount on. */
  readonly body: Uint8Array
}

/**
 * A command of a received chain, and where it begins: bytes from the header to its WordCount.
 *
 * @since 0.1.0
 */
export interface Place {
  readonly command: number
  readonly offset: number
}

/** The most commands of a chain; the documents have no longer ones. */
const longest = 8

const chaining: ReadonlySet<number> = new Set<number>([
  Command.SMB_COM_LOCKING_ANDX,
  Command.SMB_COM_READ_ANDX,
  Command.SMB_COM_WRITE_ANDX,
  Command.SMB_COM_SESSION_SETUP_ANDX,
  Command.SMB_COM_LOGOFF_ANDX,
  Command.SMB_COM_TREE_CONNECT_ANDX,
  Command.SMB_COM_NT_CREATE_ANDX
])

/**
 * Whether a command can have another one behind it.
 *
 * @since 0.1.0
 */
export const canLead = (command: number): boolean => chaining.has(command)

/**
 * The bodies behind one header, each linked to the next. The header names the first command.
 *
 * @since 0.1.0
 */
export const chain = (parts: ReadonlyArray<Part>): Uint8Array => {
  const starts: Array<number> = []
  let length = 0
  for (const { body } of parts) {
    // At a multiple of four, so that Unicode in each is aligned as in a separate packet.
    length = (length + 3) & ~3
    starts.push(length)
    length += body.length
  }
  const whole = new Uint8Array(length)
  for (let i = 0; i < parts.length; i++) {
    const at = starts[i]!
    whole.set(parts[i]!.body, at)
    const next = parts[i + 1]
    if (next === undefined) break
    if (!canLead(parts[i]!.command)) throw new RangeError(`command ${parts[i]!.command} leads no chain`)
    const offset = Header.size + starts[i + 1]!
    whole[at + 1] = next.command
    whole[at + 3] = offset & 0xff
    whole[at + 4] = offset >>> 8
  }
  return whole
}

/** The end of the command that begins at `offset`: behind its words and its bytes. */
const endOf = (reader: Reader, offset: number): number => {
  reader.offset = offset
  const words = reader.u8()
  reader.claim(words * 2, "bytes of words")
  const bytes = reader.u16()
  reader.claim(bytes, "bytes of SMB_Data")
  return reader.offset
}

/**
 * The commands of a received packet.
 *
 * @since 0.1.0
 */
export const parts = (packet: Uint8Array): Result.Result<ReadonlyArray<Place>, Malformed> =>
  Codec.attempt("SMB1 AndX chain", () => {
    const reader = new Reader(packet)
    reader.claim(Header.size, "bytes of header")
    const places: Array<Place> = []
    let command = packet[4]!
    let offset: number = Header.size
    for (;;) {
      const end = endOf(reader, offset)
      places.push({ command, offset })
      // A failed command has no words, and the commands behind it were not run.
      if (!canLead(command) || packet[offset]! < 2) return places
      const next = packet[offset + 1]!
      if (next === Command.SMB_COM_NO_ANDX_COMMAND) return places
      const to = packet[offset + 3]! | (packet[offset + 4]! << 8)
      if (to < end || to >= packet.length) {
        reader.fail(`an AndXOffset behind byte ${end} of ${packet.length}, not ${to}`, offset + 3)
      }
      if (places.length === longest) reader.fail(`a chain of at most ${longest} commands`, offset)
      command = next
      offset = to
    }
  })

/**
 * What is wrong with the chain of a response, if anything. The client asked for no chain, so it ignores the commands
 * behind the first; but a chain that loops or points back makes the response invalid. Some servers write a zero if
 * nothing follows.
 *
 * @since 0.1.0
 */
export const unsound = (packet: Uint8Array): Malformed | undefined => {
  const at = Header.size
  if (packet[at + 1] === Command.SMB_COM_NO_ANDX_COMMAND || packet[at]! < 2 || !canLead(packet[4]!)) return undefined
  if (packet[at + 3] === 0 && packet[at + 4] === 0) return undefined
  const found = parts(packet)
  return Result.isFailure(found) ? found.failure : undefined
}

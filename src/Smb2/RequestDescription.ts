/** What a request of SMB 2 is about, for a listener: its command, and the name in a TREE_CONNECT or a CREATE. */
import * as Commands from "./Commands.ts"
import * as Header from "./Header.ts"
import { Command } from "./Message/Constants.ts"

/** The text that a body's offset (from the start of the header) and length point at. */
const textAt = (body: Uint8Array, at: number): string | undefined => {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const offset = view.getUint16(at, true) - Header.size
  const length = view.getUint16(at + 2, true)
  return length === 0 || offset < 0 || offset + length > body.length
    ? undefined
    : new TextDecoder("utf-16le").decode(body.subarray(offset, offset + length))
}

/**
 * Describes a request from its command and its body (MS-SMB2 2.2.9, 2.2.13).
 *
 * @since 0.2.0
 */
export const describe = (
  { body, command }: { readonly command: number; readonly body: Uint8Array }
): { readonly command: string; readonly about?: string | undefined } => ({
  command: Commands.commandName(command),
  about: command === Command.TREE_CONNECT
    ? textAt(body, 4)
    : command === Command.CREATE
    ? textAt(body, 44)
    : undefined
})

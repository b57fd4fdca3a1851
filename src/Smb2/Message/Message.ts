/**
 * Every SMB 2 message by its command, for code that handles all of them: the scripted peer, the server, tools, fuzzers.
 *
 * A connection that knows which message it expects uses the command's own module instead.
 */
import type * as Result from "effect/Result"
import * as Codec from "../../Codec/Codec.ts"
import { Reader } from "../../Codec/Cursor.ts"
import type { Malformed } from "../../Codec/Malformed.ts"
import * as Cancel from "./Cancel.ts"
import * as ChangeNotify from "./ChangeNotify.ts"
import * as Close from "./Close.ts"
import { fromHeader } from "./Common.ts"
import { Command } from "./Constants.ts"
import * as Create from "./Create.ts"
import * as Echo from "./Echo.ts"
import { ErrorResponse } from "./ErrorResponse.ts"
import * as Flush from "./Flush.ts"
import * as Ioctl from "./Ioctl.ts"
import * as Lock from "./Lock.ts"
import * as Negotiate from "./Negotiate.ts"
import * as OplockBreak from "./OplockBreak.ts"
import * as QueryDirectory from "./QueryDirectory.ts"
import * as QueryInfo from "./QueryInfo.ts"
import * as Read from "./Read.ts"
import * as SessionSetup from "./SessionSetup.ts"
import * as SetInfo from "./SetInfo.ts"
import * as TreeConnect from "./TreeConnect.ts"
import * as Write from "./Write.ts"

/**
 * The bodies of each command. CANCEL has no response: its entry is the layout of an error response to it.
 *
 * @category tables
 * @since 0.1.0
 */
export const messages = {
  NEGOTIATE: { request: Negotiate.Request, response: Negotiate.Response },
  SESSION_SETUP: { request: SessionSetup.Request, response: SessionSetup.Response },
  LOGOFF: { request: SessionSetup.LogoffRequest, response: SessionSetup.LogoffResponse },
  TREE_CONNECT: { request: TreeConnect.Request, response: TreeConnect.Response },
  TREE_DISCONNECT: { request: TreeConnect.DisconnectRequest, response: TreeConnect.DisconnectResponse },
  CREATE: { request: Create.Request, response: Create.Response },
  CLOSE: { request: Close.Request, response: Close.Response },
  FLUSH: { request: Flush.Request, response: Flush.Response },
  READ: { request: Read.Request, response: Read.Response },
  WRITE: { request: Write.Request, response: Write.Response },
  LOCK: { request: Lock.Request, response: Lock.Response },
  IOCTL: { request: Ioctl.Request, response: Ioctl.Response },
  CANCEL: { request: Cancel.Request, response: ErrorResponse },
  ECHO: { request: Echo.Request, response: Echo.Response },
  QUERY_DIRECTORY: { request: QueryDirectory.Request, response: QueryDirectory.Response },
  CHANGE_NOTIFY: { request: ChangeNotify.Request, response: ChangeNotify.Response },
  QUERY_INFO: { request: QueryInfo.Request, response: QueryInfo.Response },
  SET_INFO: { request: SetInfo.Request, response: SetInfo.Response },
  OPLOCK_BREAK: { request: OplockBreak.Request, response: OplockBreak.Response }
} as const

/**
 * A command by its name (MS-SMB2 2.2.1).
 *
 * @since 0.1.0
 */
export type CommandName = keyof typeof messages

/**
 * The body of any request.
 *
 * @category models
 * @since 0.1.0
 */
export type Request = {
  readonly [C in CommandName]: { readonly _tag: C; readonly body: Codec.Type<typeof messages[C]["request"]> }
}[CommandName]

/**
 * The body of any response: the command's own, or an error.
 *
 * @category models
 * @since 0.1.0
 */
export type Response =
  | {
    readonly [C in CommandName]: { readonly _tag: C; readonly body: Codec.Type<typeof messages[C]["response"]> }
  }[CommandName]
  | { readonly _tag: "ERROR"; readonly body: ErrorResponse }

const names: ReadonlyMap<number, CommandName> = new Map(
  Object.entries(Command).map(([name, command]) => [command, name as CommandName])
)

/**
 * The name of a command, or undefined for an unknown number.
 *
 * @since 0.1.0
 */
export const commandName = (command: number): CommandName | undefined => names.get(command)

const PENDING = 0x0000_0103
const BUFFER_OVERFLOW = 0x8000_0005
const MORE_PROCESSING_REQUIRED = 0xc000_0016

/**
 * Whether a response's body is an ERROR response (MS-SMB2 2.2.2, 3.3.4.4). It is one if the status is no success, with
 * three exceptions: a logon that goes on, data of which only a part fitted, and a response with the command's own body.
 * Its StructureSize shows the last case, for example a refused server-side copy that states the server's limits.
 *
 * @since 0.1.0
 */
export const isError = (command: number, status: number, structureSize: number): boolean => {
  if (structureSize !== 9) return false
  if (status === PENDING) return true
  if (status >>> 30 === 0) return false
  switch (command) {
    case Command.SESSION_SETUP:
      return status !== MORE_PROCESSING_REQUIRED
    case Command.QUERY_DIRECTORY:
    case Command.QUERY_INFO:
      return status !== BUFFER_OVERFLOW
    default:
      return true
  }
}

const nameOr = (command: number, reader: Reader): CommandName =>
  names.get(command) ??
    reader.fail(`a command up to ${Command.OPLOCK_BREAK}, not ${command}`, reader.start + fromHeader)

/**
 * Decodes a request's body. `bodyOffset` is its offset in `packet`, 64 bytes after its header. `end` is the end of the
 * message: that of the packet, except in a compound. The result holds views of `packet`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeRequest = (
  command: number,
  packet: Uint8Array,
  bodyOffset: number,
  end = packet.length
): Result.Result<Request, Malformed> =>
  Codec.attempt(`${names.get(command) ?? "unknown"} request`, () => {
    const reader = windowOf(packet, bodyOffset, end)
    const name = nameOr(command, reader)
    return { _tag: name, body: messages[name].request.read(reader) } as Request
  })

/**
 * Decodes a response's body; `isError` uses `status` to tell whether it is an error. Otherwise like `decodeRequest`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeResponse = (
  command: number,
  status: number,
  packet: Uint8Array,
  bodyOffset: number,
  end = packet.length
): Result.Result<Response, Malformed> =>
  Codec.attempt(`${names.get(command) ?? "unknown"} response`, () => {
    const reader = windowOf(packet, bodyOffset, end)
    const name = nameOr(command, reader)
    const structureSize = reader.u16()
    reader.offset = reader.start
    return isError(command, status >>> 0, structureSize)
      ? { _tag: "ERROR", body: ErrorResponse.read(reader) }
      : { _tag: name, body: messages[name].response.read(reader) } as Response
  })

const windowOf = (packet: Uint8Array, from: number, end: number): Reader =>
  new Reader(packet).window(from, end - from, "a body inside its packet")

/**
 * Encodes a request's body.
 *
 * @since 0.1.0
 */
export const encodeRequest = (request: Request): Uint8Array<ArrayBuffer> =>
  Codec.encode(messages[request._tag].request as Codec.Codec<any>)(request.body)

/**
 * Encodes a response's body.
 *
 * @since 0.1.0
 */
export const encodeResponse = (response: Response): Uint8Array<ArrayBuffer> =>
  Codec.encode((response._tag === "ERROR" ? ErrorResponse : messages[response._tag].response) as Codec.Codec<any>)(
    response.body
  )

/**
 * The stream of a connection cut into frames (Direct TCP, MS-SMB2 2.1), and the content of a frame: for recordings.
 */
import * as FrameReader from "../../Protocol/FrameReader.ts"
import * as Compound from "../../Smb2/Compound.ts"
import * as Encryption from "../../Smb2/Encryption.ts"
import * as Header from "../../Smb2/Header.ts"
import * as Message from "../../Smb2/Message/Message.ts"

/** Cuts a stream into whole frames, each with its four bytes of length; copies its input. */
export class Splitter {
  private held: Uint8Array = new Uint8Array(0)

  /** The frames that are complete with these bytes. */
  push(chunks: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> {
    let bytes = new Uint8Array(Buffer.concat([this.held, ...chunks]))
    const frames: Array<Uint8Array> = []
    for (;;) {
      const end = bytes.length < FrameReader.headerSize
        ? Number.POSITIVE_INFINITY
        : FrameReader.headerSize + Header.view(bytes).getUint32(0) % 0x1000000
      if (bytes.length < end) break
      frames.push(bytes.slice(0, end))
      bytes = bytes.slice(end)
    }
    this.held = bytes
    return frames
  }

  /** The received part of a frame that did not end. */
  rest(): Uint8Array {
    return this.held
  }
}

/** One packet of a compound. */
export interface Part {
  readonly header: Header.Header
  readonly command: Message.CommandName | undefined
  /** The bytes from the header on. */
  readonly bytes: Uint8Array
}

/** The content of a frame: the parts of a compound, or something else. */
export type Contents =
  | { readonly _tag: "Smb2"; readonly parts: ReadonlyArray<Part> }
  | { readonly _tag: "Encrypted" | "Smb1" | "Unknown" }

const smb1 = 0x424d53ff

export const read = (frame: Uint8Array): Contents => {
  const packet = frame.subarray(FrameReader.headerSize)
  if (packet.length < 4) return { _tag: "Unknown" }
  const identifier = Header.view(packet).getUint32(0, true)
  if (identifier === Encryption.protocolId) return { _tag: "Encrypted" }
  if (identifier === smb1) return { _tag: "Smb1" }
  const parts: Array<Part> = []
  for (let at = 0; at < packet.length;) {
    const found = Compound.segment(packet, at)
    if (found._tag === "Failure") return { _tag: "Unknown" }
    const { bytes, header } = found.success
    parts.push({ header, command: Message.commandName(header.command), bytes })
    at += bytes.length
  }
  return { _tag: "Smb2", parts }
}

/** The commands of a frame as a person would name them: `CREATE + READ + CLOSE (message 4)`. */
export const name = (frame: Uint8Array): string => {
  const contents = read(frame)
  switch (contents._tag) {
    case "Smb2": {
      const commands = contents.parts.map(({ command, header }) => command ?? `command ${header.command}`)
      return `${commands.join(" + ")} (message ${contents.parts[0]?.header.messageId})`
    }
    case "Encrypted":
      return "an encrypted packet"
    case "Smb1":
      return "an SMB 1 packet"
    case "Unknown":
      return "a packet of no known protocol"
  }
}

/** The commands of a frame without details: two frames with the same commands have equal text. */
export const kind = (frame: Uint8Array): string => {
  const contents = read(frame)
  return contents._tag === "Smb2" ? contents.parts.map(({ header }) => header.command).join() : contents._tag
}

/** Does a frame only say that its sender goes, or cancels something? */
export const isFarewell = (frame: Uint8Array): boolean => {
  const contents = read(frame)
  return contents._tag === "Smb2" &&
    contents.parts.every(({ command }) => command === "LOGOFF" || command === "TREE_DISCONNECT")
}

/** How many responses are due to a frame from a client; an unreadable frame counts as one request. */
export const asked = (frame: Uint8Array): number => {
  const contents = read(frame)
  return contents._tag === "Smb2" ? contents.parts.filter(({ command }) => command !== "CANCEL").length : 1
}

/** How many requests get their final response in a frame from a server. */
export const answered = (frame: Uint8Array): number => {
  const contents = read(frame)
  return contents._tag === "Smb2"
    ? contents.parts.filter(({ header }) => header.messageId !== Header.unsolicited && !Header.isInterim(header))
      .length
    : 1
}

/** The first byte in which two frames differ. */
export const difference = (one: Uint8Array, other: Uint8Array): number | undefined => {
  const length = Math.min(one.length, other.length)
  for (let at = 0; at < length; at++) {
    if (one[at] !== other[at]) return at
  }
  return one.length === other.length ? undefined : length
}

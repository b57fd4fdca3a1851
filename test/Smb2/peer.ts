/** A connection whose peer is the test itself: the packets that it sent, and responses as the test makes them. */
import * as FrameReader from "../../src/Protocol/FrameReader.ts"
import * as Connection from "../../src/Smb2/Connection.ts"
import * as Header from "../../src/Smb2/Header.ts"
import { Command, HeaderFlags } from "../../src/Smb2/Message/Constants.ts"

/** One message that the connection sent. */
export interface Sent {
  readonly header: Header.Header
  /** From its header to its end, with the padding. */
  readonly packet: Uint8Array
}

export interface Ended {
  readonly error?: Connection.ConnectionError
  readonly reply?: Connection.Reply
}

export const options: Connection.Options = {
  server: "peer",
  port: 445,
  maximumFrame: 100_000,
  creditTarget: 64,
  tickInterval: 1000,
  requestTimeout: 30_000,
  pendingTimeout: 300_000,
  keepAlive: 15_000
}

const split = (frame: Uint8Array): ReadonlyArray<Sent> => {
  const messages: Array<Sent> = []
  for (let at = 0; at < frame.length;) {
    const header = Header.read(Header.view(frame), at)
    const end = header.nextCommand === 0 ? frame.length : at + header.nextCommand
    messages.push({ header, packet: frame.slice(at, end) })
    at = end
  }
  return messages
}

/** A frame around bytes. */
export const frame = (packet: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(4 + packet.length)
  FrameReader.writeHeader(bytes, packet.length)
  bytes.set(packet, 4)
  return bytes
}

/** A response's packet. */
export const response = (header: Partial<Header.Header>, body: Uint8Array = Uint8Array.of(4, 0, 0, 0)): Uint8Array => {
  const packet = new Uint8Array(Header.size + body.length)
  Header.write(Header.view(packet), 0, {
    creditCharge: 1,
    status: 0,
    command: Command.ECHO,
    credits: 1,
    flags: HeaderFlags.SMB2_FLAGS_SERVER_TO_REDIR,
    nextCommand: 0,
    messageId: 0,
    asyncId: 0n,
    treeId: 0,
    sessionId: 0n,
    ...header
  })
  packet.set(body, Header.size)
  return packet
}

export const echo: Connection.Outgoing = { command: Command.ECHO, body: Uint8Array.of(4, 0, 0, 0) }

/** A connection with `credits` granted by an answered first request. */
export const make = (some: Partial<Connection.Options> = {}, credits = 100) => {
  const connection = new Connection.Connection({ ...options, ...some })
  const frames: Array<ReadonlyArray<Sent>> = []
  const failures: Array<Connection.ConnectionError> = []
  const ended: Array<Ended> = []
  let closed = false
  connection.attach({
    send: (chunks) => void frames.push(split(new Uint8Array(Buffer.concat(chunks)).slice(4))),
    close: () => {
      closed = true
    }
  })
  connection.onFailed = (error) => void failures.push(error)
  const push = (packet: Uint8Array) => connection.onData(frame(packet))
  const answer = (to: Header.Header, header: Partial<Header.Header> = {}, body?: Uint8Array) =>
    push(response({ command: to.command, messageId: to.messageId, ...header }, body))
  /** Submits a request or a compound, and returns how each part ended. */
  const submit = (...outgoings: ReadonlyArray<Connection.Outgoing>) => {
    const mine: Array<Ended> = outgoings.map(() => ({}))
    const abandon = connection.submit(
      outgoings,
      outgoings.map((_, i) => (error, reply) => {
        const end = { ...(error === undefined ? {} : { error }), ...(reply === undefined ? {} : { reply }) }
        ended.push(end)
        mine[i] = end
      })
    )
    return { ends: mine, abandon }
  }
  const first = submit(echo)
  if (credits > 0) {
    answer(frames[0]![0]!.header, { credits })
    frames.length = 0
    ended.length = 0
  }
  return {
    connection,
    frames,
    failures,
    ended,
    push,
    answer,
    submit,
    first,
    isClosed: () => closed,
    sent: () => frames.flat()
  }
}

/**
 * Requests as bytes: headers, compounds, signatures, the transform header, the frame. Pure except for the session's
 * keys.
 *
 * A payload is never copied: the output is a list of chunks, the first of which begins with room for the frame's
 * header.
 */
import * as Allocate from "../Codec/Allocate.ts"
import * as FrameReader from "../Protocol/FrameReader.ts"
import type * as Transport from "../Protocol/Transport.ts"
import type { Credits } from "./Credits.ts"
import type * as Encryption from "./Encryption.ts"
import * as Header from "./Header.ts"
import { Command, HeaderFlags } from "./Message/Constants.ts"
import type { Batch, Pending } from "./RequestInFlight.ts"
import * as Signing from "./Signing.ts"

/**
 * The chunks of a batch, and its requests while they wait for their responses.
 *
 * @since 0.1.0
 */
export const encodeBatch = (
  batch: Batch,
  credits: Pick<Credits<Batch>, "messageId" | "creditCharge" | "creditRequest">
): { readonly chunks: ReadonlyArray<Uint8Array>; readonly pendings: Array<Pending>; readonly encrypted: boolean } => {
  const { outgoings } = batch
  const count = outgoings.length
  const { security } = outgoings[0]!
  const encrypted = outgoings[0]!.encrypted === true && security?.encrypt !== undefined
  const pendings: Array<Pending> = []
  const all: Array<Uint8Array> = []
  for (let i = 0; i < count; i++) {
    const outgoing = outgoings[i]!
    const last = i === count - 1
    const charge = outgoing.creditCharge ?? 1
    const payload = outgoing.payload
    const unpadded = Header.size + outgoing.body.length + (payload?.length ?? 0)
    const padded = last ? unpadded : (unpadded + 7) & ~7
    const prefix = i === 0 ? FrameReader.headerSize : 0
    // The header's chunk also has the padding, unless a payload is between them.
    const inline = payload === undefined ? padded : Header.size + outgoing.body.length
    const buffer = new Uint8Array(prefix + inline)
    const message = prefix === 0 ? buffer : buffer.subarray(prefix)
    const messageId = credits.messageId(charge)
    Header.write(Header.view(message), 0, {
      creditCharge: credits.creditCharge(charge),
      status: 0,
      command: outgoing.command,
      credits: credits.creditRequest(charge),
      flags: (outgoing.flags ?? 0) | (i > 0 ? HeaderFlags.SMB2_FLAGS_RELATED_OPERATIONS : 0),
      nextCommand: last ? 0 : padded,
      messageId,
      asyncId: 0n,
      treeId: outgoing.treeId ?? 0,
      sessionId: outgoing.security?.sessionId ?? 0n
    })
    message.set(outgoing.body, Header.size)
    const chunks = payload === undefined ? [message] : [message, payload]
    if (payload !== undefined && padded > unpadded) chunks.push(new Uint8Array(padded - unpadded))
    const signed = !encrypted && security?.sign !== undefined && (security.signsAll || outgoing.mustSign === true)
    if (signed) Signing.apply(security.sign, chunks, "client", messageId, false)
    outgoing.onSent?.(message)
    all.push(buffer)
    for (let j = 1; j < chunks.length; j++) all.push(chunks[j]!)
    pendings.push({
      outgoing,
      messageId,
      encrypted,
      signed,
      complete: batch.completes[i],
      asyncId: 0n,
      isAsync: false,
      answered: false,
      ticks: 0,
      batch: pendings
    })
  }
  return { chunks: all, pendings, encrypted }
}

/**
 * StructureSize 4 and nothing else: the body of CANCEL and ECHO.
 *
 * @since 0.1.0
 */
export const emptyBody = Uint8Array.of(4, 0, 0, 0)

/**
 * The CANCEL of a request: it names the AsyncId if there is one, and costs no credit (MS-SMB2 3.2.4.24).
 *
 * @since 0.1.0
 */
export const encodeCancel = (pending: Pending): ReadonlyArray<Uint8Array> => {
  const packet = new Uint8Array(FrameReader.headerSize + Header.size + emptyBody.length)
  const message = packet.subarray(FrameReader.headerSize)
  Header.write(Header.view(message), 0, {
    creditCharge: 0,
    status: 0,
    command: Command.CANCEL,
    credits: 0,
    flags: pending.isAsync ? HeaderFlags.SMB2_FLAGS_ASYNC_COMMAND : 0,
    nextCommand: 0,
    messageId: pending.messageId,
    asyncId: pending.asyncId,
    treeId: pending.outgoing.treeId ?? 0,
    sessionId: pending.outgoing.security?.sessionId ?? 0n
  })
  message.set(emptyBody, Header.size)
  const { security } = pending.outgoing
  if (pending.signed) Signing.apply(security!.sign!, [message], "client", pending.messageId, true)
  return [packet]
}

/**
 * Encrypts a packet if required, frames it and sends it.
 *
 * @since 0.1.0
 */
export const transmit = (
  duplex: Transport.Duplex,
  chunks: ReadonlyArray<Uint8Array>,
  encrypt: Encryption.Encrypt | undefined
): void => {
  let out = chunks
  if (encrypt !== undefined) {
    out = [
      new Uint8Array(FrameReader.headerSize),
      ...encrypt([chunks[0]!.subarray(FrameReader.headerSize), ...chunks.slice(1)])
    ]
  }
  let length = -FrameReader.headerSize
  for (const chunk of out) length += chunk.length
  FrameReader.writeHeader(out[0]!, length)
  // The cipher text has its own memory, which is no longer needed when it has been sent.
  if (encrypt === undefined) duplex.send(out)
  else duplex.send(out, () => out.forEach(Allocate.release))
}

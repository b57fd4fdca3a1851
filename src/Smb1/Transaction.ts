/**
 * Transactions as a whole: a request cut into packets that the server takes, and a response put together from as many as
 * it sends (MS-CIFS 3.2.4.1.5, 3.2.5.1.4).
 *
 * A response's totals are bounded by what was asked for. Its parts may come in any order, but each byte once: parts that
 * overlap, stand outside the totals, or bring nothing, are `Malformed`, so that a response has an end.
 */
import * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import { Malformed } from "../Codec/Malformed.ts"
import type { Outgoing, Reply } from "./Connection.ts"
import * as Header from "./Header.ts"
import { Command } from "./Message/Constants.ts"
import * as Message from "./Message/Transaction.ts"

/** Which of the three commands. */
export type Kind = "TRANSACTION" | "TRANSACTION2" | "NT_TRANSACT"

/** A transaction to run. Counts in bytes; `setup` in words. */
export interface Request {
  readonly kind: Kind
  /** `\PIPE\` for TRANSACTION. */
  readonly name?: string
  /** The subcommand of NT_TRANSACT; the others have it in the setup. */
  readonly function?: number
  readonly setup: ReadonlyArray<number>
  readonly parameters: Uint8Array
  readonly data: Uint8Array
  readonly maxSetupCount?: number
  readonly maxParameterCount: number
  readonly maxDataCount: number
}

/** A response as a whole. Of a failure, all is empty. The bytes are the receiver's. */
export interface Response {
  readonly setup: ReadonlyArray<number>
  readonly parameters: Uint8Array
  readonly data: Uint8Array
}

const nothing = new Uint8Array(0)
const empty: Response = { setup: [], parameters: nothing, data: nothing }

const commands = {
  TRANSACTION: [Command.SMB_COM_TRANSACTION, Command.SMB_COM_TRANSACTION_SECONDARY],
  TRANSACTION2: [Command.SMB_COM_TRANSACTION2, Command.SMB_COM_TRANSACTION2_SECONDARY],
  NT_TRANSACT: [Command.SMB_COM_NT_TRANSACT, Command.SMB_COM_NT_TRANSACT_SECONDARY]
} as const

const secondaryCodec: Record<Kind, Codec.Codec<Message.Secondary>> = {
  TRANSACTION: Message.TransactionSecondary,
  TRANSACTION2: Message.Transaction2Secondary,
  NT_TRANSACT: Message.NtTransactSecondary
}

// -----------------------------------------------------------------------------
// out
// -----------------------------------------------------------------------------

/** The packets of a request: the first, and those that follow when the server has said that it takes them. */
export const encode = (
  request: Request,
  options: { readonly unicode: boolean; readonly maxBufferSize: number }
): Pick<Outgoing, "command" | "body"> & { readonly secondaries?: NonNullable<Outgoing["secondaries"]> } => {
  const { data, kind, parameters, setup } = request
  const name = request.name ?? ""
  // A server that would take nothing in a packet is refused by Negotiate.
  const first = options.maxBufferSize - Message.requestOverhead - setup.length * 2 - (name.length + 1) * 2
  let parametersSent = Math.min(parameters.length, Math.max(first, 0))
  let dataSent = Math.min(data.length, Math.max(first - parametersSent, 0))
  const whole: Message.Request = {
    name,
    function: request.function ?? 0,
    setup,
    totalParameterCount: parameters.length,
    totalDataCount: data.length,
    maxParameterCount: request.maxParameterCount,
    maxDataCount: request.maxDataCount,
    maxSetupCount: request.maxSetupCount ?? 0,
    parameters: parameters.subarray(0, parametersSent),
    data: data.subarray(0, dataSent)
  }
  const codec = kind === "NT_TRANSACT" ? Message.NtRequest : Message.ShortRequest(options.unicode)
  const [command, further] = commands[kind]
  const outgoing = { command, body: Codec.encode(codec)(whole) }
  const secondaries: Array<{ readonly command: number; readonly body: Uint8Array }> = []
  const room = options.maxBufferSize - Message.secondaryOverhead
  while (parametersSent < parameters.length || dataSent < data.length) {
    const someParameters = Math.min(parameters.length - parametersSent, room)
    const someData = Math.min(data.length - dataSent, room - someParameters)
    secondaries.push({
      command: further,
      body: Codec.encode(secondaryCodec[kind])({
        totalParameterCount: parameters.length,
        totalDataCount: data.length,
        parameters: parameters.subarray(parametersSent, parametersSent + someParameters),
        parameterDisplacement: parametersSent,
        data: data.subarray(dataSent, dataSent + someData),
        dataDisplacement: dataSent,
        fid: 0xffff
      })
    })
    parametersSent += someParameters
    dataSent += someData
  }
  return secondaries.length === 0 ? outgoing : { ...outgoing, secondaries }
}

// -----------------------------------------------------------------------------
// in
// -----------------------------------------------------------------------------

/** One of the two blocks of a response, as far as it has come. */
class Block {
  private readonly ranges: Array<{ readonly at: number; readonly end: number }> = []
  private bytes: Uint8Array = nothing
  private filled = 0
  total: number

  /** `most` bytes were asked for. */
  constructor(most: number) {
    this.total = most
  }

  get complete(): boolean {
    return this.filled >= this.total
  }

  /** Takes a part; says what is wrong with it, if something is. */
  add(bytes: Uint8Array, at: number, total: number): string | undefined {
    // The totals are those of the first response, and may become less, never more (MS-CIFS 2.2.4.33.2).
    if (total > this.total) return `a total of at most ${this.total} bytes, not ${total}`
    this.total = total
    const end = at + bytes.length
    if (end > total) return `bytes inside the total of ${total}, not ${at} to ${end}`
    if (bytes.length === 0) return undefined
    for (const range of this.ranges) {
      if (at < range.end && range.at < end) return `bytes that have not come yet, not ${at} to ${end}`
    }
    this.keep(bytes, at)
    this.ranges.push({ at, end })
    this.filled += bytes.length
    return undefined
  }

  /** A part that is the whole stays where it is. Of any other, the packet that it came in is let go. */
  private keep(bytes: Uint8Array, at: number): void {
    if (this.ranges.length === 0) {
      if (bytes.length === this.total) {
        this.bytes = bytes
        return
      }
      this.bytes = new Uint8Array(this.total)
    }
    this.bytes.set(bytes, at)
  }

  join(): Uint8Array | undefined {
    // A total that became less after a part had come.
    if (this.ranges.some(({ end }) => end > this.total)) return undefined
    return this.bytes.subarray(0, this.total)
  }
}

/** The most packets of one response: what 128 KiB of a byte each could be is not waited for. */
const mostParts = 4096

/**
 * Puts a response together. `collect` is for `Outgoing.collect`; `response` has the whole afterwards.
 *
 * @category models
 */
export class Collector {
  private readonly kind: Kind
  private readonly parameters: Block
  private readonly data: Block
  private setup: ReadonlyArray<number> = []
  private count = 0

  constructor(request: Pick<Request, "kind" | "maxParameterCount" | "maxDataCount">) {
    this.kind = request.kind
    this.parameters = new Block(request.maxParameterCount)
    this.data = new Block(request.maxDataCount)
  }

  private malformed(offset: number, expected: string): Malformed {
    return new Malformed({ structure: `SMB1 ${this.kind} Response`, offset, expected })
  }

  readonly collect = (reply: Reply): "more" | "done" | Malformed => {
    // A failure has no words, and is the only answer.
    if (reply.packet[Header.size] === 0) {
      return this.count === 0 ? "done" : this.malformed(Header.size, "the rest of a response")
    }
    const decoded = Codec.decode(
      `SMB1 ${this.kind} Response`,
      Codec.at(Header.size, this.kind === "NT_TRANSACT" ? Message.NtResponse : Message.ShortResponse)
    )(reply.packet)
    if (Result.isFailure(decoded)) return decoded.failure
    const part = decoded.success
    const wrong = this.parameters.add(part.parameters, part.parameterDisplacement, part.totalParameterCount) ??
      this.data.add(part.data, part.dataDisplacement, part.totalDataCount)
    if (wrong !== undefined) return this.malformed(Header.size, wrong)
    if (this.count === 0) this.setup = part.setup
    this.count++
    if (this.parameters.complete && this.data.complete) return "done"
    if (part.parameters.length + part.data.length === 0 || this.count >= mostParts) {
      return this.malformed(Header.size, "a response that brings something")
    }
    return "more"
  }

  /** The whole response, when `collect` has said `done`. */
  response(): Result.Result<Response, Malformed> {
    if (this.count === 0) return Result.succeed(empty)
    const parameters = this.parameters.join()
    const data = this.data.join()
    return parameters === undefined || data === undefined
      ? Result.fail(this.malformed(Header.size, "parts inside the last total"))
      : Result.succeed({ setup: this.setup, parameters, data })
  }
}

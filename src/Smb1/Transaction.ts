/**
 * Whole transactions: a request is cut into packets that the server accepts, and a response is put together from all
 * packets that the server sends (MS-CIFS 3.2.4.1.5, 3.2.5.1.4).
 *
 * A response's totals are limited by the request. Its parts can come in any order, but each byte once: parts that
 * overlap, lie outside the totals, or bring nothing, are `Malformed`, so that a response has an end.
 */
import * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import { Malformed } from "../Codec/Malformed.ts"
import type { Outgoing, Reply } from "./Connection.ts"
import * as Header from "./Header.ts"
import { Command } from "./Message/Constants.ts"
import * as Message from "./Message/Transaction.ts"

/**
 * Which of the three commands.
 *
 * @since 0.1.0
 */
export type Kind = "TRANSACTION" | "TRANSACTION2" | "NT_TRANSACT"

/**
 * A transaction to run. Counts in bytes; `setup` in words.
 *
 * @since 0.1.0
 */
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

/**
 * A whole response. For a failure, all fields are empty. The receiver owns the bytes.
 *
 * @since 0.1.0
 */
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

/**
 * The packets of a request: the first, and those that follow when the server has accepted it.
 *
 * @since 0.1.0
 */
export const encode = (
  request: Request,
  options: { readonly unicode: boolean; readonly maxBufferSize: number }
): Pick<Outgoing, "command" | "body"> & { readonly secondaries?: NonNullable<Outgoing["secondaries"]> } => {
  const { data, kind, parameters, setup } = request
  const name = request.name ?? ""
  // Negotiate refuses a server whose packets are too small for this.
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

/** The received part of one of the two blocks of a response. */
class Block {
  private readonly ranges: Array<{ readonly at: number; readonly end: number }> = []
  private bytes: Uint8Array = nothing
  private filled = 0
  total: number

  /** `most` is the number of requested bytes. */
  constructor(most: number) {
    this.total = most
  }

  get complete(): boolean {
    return this.filled >= this.total
  }

  /** Adds a part; returns what is wrong with it, if anything. */
  add(bytes: Uint8Array, at: number, total: number): string | undefined {
    // The totals are those of the first response, and can become smaller, never larger (MS-CIFS 2.2.4.33.2).
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

  /** A part that is the whole is kept in place. Any other part is copied, and its packet is released. */
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
    // A total that became smaller after a part had come.
    if (this.ranges.some(({ end }) => end > this.total)) return undefined
    return this.bytes.subarray(0, this.total)
  }
}

/** The most packets of one response: 128 KiB in packets of one byte are not accepted. */
const mostParts = 4096

/**
 * Puts a response together. `collect` is for `Outgoing.collect`; afterwards `response` has the whole.
 *
 * @category models
 * @since 0.1.0
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
    // A failure has no words, and is the only response.
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

  /** The whole response, after `collect` has returned `done`. */
  response(): Result.Result<Response, Malformed> {
    if (this.count === 0) return Result.succeed(empty)
    const parameters = this.parameters.join()
    const data = this.data.join()
    return parameters === undefined || data === undefined
      ? Result.fail(this.malformed(Header.size, "parts inside the last total"))
      : Result.succeed({ setup: this.setup, parameters, data })
  }
}

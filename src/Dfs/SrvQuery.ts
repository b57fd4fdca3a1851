/**
 * A query for SRV records (RFC 2782), for name servers whose answers the system's resolver rejects.
 *
 * Samba's own name server compresses the target of a record. RFC 2782 forbids that. Node's resolver, c-ares, then
 * rejects the whole answer; Windows and older resolvers read it. `DomainControllers` therefore asks again by this
 * module. It sends one question over UDP, and reads the names with `Netlogon`'s codec: pointers lead back only, and no
 * name leaves the message.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { randomInt } from "node:crypto"
import { createSocket } from "node:dgram"
import { isIP, isIPv6 } from "node:net"
import * as Codec from "../Codec/Codec.ts"
import { Reader } from "../Codec/Cursor.ts"
import type { Malformed } from "../Codec/Malformed.ts"
import { Name } from "./Netlogon.ts"

const atServer = { server: Schema.String }

/**
 * Why a query failed. `server` is the name server that was asked last, as `resolve` got it.
 *
 * @category models
 * @since 0.2.0
 */
export const SrvQueryReason = Schema.TaggedUnion({
  NoNameServer: {},
  InvalidName: {},
  TimedOut: atServer,
  MalformedResponse: { ...atServer, detail: Schema.String },
  QueryFailed: { ...atServer, detail: Schema.String }
})
export type SrvQueryReason = typeof SrvQueryReason.Type

/**
 * No name server has said which records a name has.
 *
 * - `NoNameServer`: no name server is known.
 * - `InvalidName`: the DNS cannot have that name.
 * - `TimedOut`: the name server did not answer in time.
 * - `MalformedResponse`: its response makes no sense, or is a refusal.
 * - `QueryFailed`: another error of the system; `detail` has its text.
 *
 * @category errors
 * @since 0.1.0
 */
export class SrvQueryError extends Schema.TaggedError<SrvQueryError>()("SrvQueryError", {
  name: Schema.String,
  reason: SrvQueryReason
}) {
  override get message(): string {
    const server = "server" in this.reason ? this.reason.server : "any name server"
    return `the SRV records of ${this.name} could not be read from ${server}: ${
      SrvQueryReason.match(this.reason, {
        NoNameServer: () => "no name server is configured. Add one to the network settings of this machine",
        InvalidName: () => "the name is not a valid DNS name. Check the domain",
        TimedOut: () => "it did not respond within a second. Check its address, and the firewalls on the way",
        MalformedResponse: ({ detail }) => detail,
        QueryFailed: ({ detail }) => detail
      })
    }`
  }
}

/**
 * One record. `target` has no dot at its end.
 *
 * @since 0.1.0
 */
export interface Srv {
  readonly priority: number
  readonly weight: number
  readonly port: number
  readonly target: string
}

const Type = { SRV: 33, OPT: 41 } as const
const classInternet = 1

/** The most bytes of an answer (RFC 6891, 6.2.3): they fit into a packet of most networks. */
const payload = 1232

/**
 * The query (RFC 1035, 4.1), which also states the longest answer.
 *
 * @since 0.1.0
 */
export const encodeQuery = (id: number, name: string): Uint8Array => {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(id, 0)
  // The flag "recursion desired".
  header.writeUInt16BE(0x0100, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(1, 10)
  const question = Buffer.alloc(4)
  question.writeUInt16BE(Type.SRV, 0)
  question.writeUInt16BE(classInternet, 2)
  const options = Buffer.alloc(11)
  options.writeUInt16BE(Type.OPT, 1)
  options.writeUInt16BE(payload, 3)
  return Buffer.concat([header, Codec.encode(Name)(name), question, options])
}

const u16 = (reader: Reader): number => reader.view.getUint16(reader.claim(2))

/** NOERROR and NXDOMAIN (RFC 1035, 4.1.1). */
const noError = 0
const nameError = 3

/**
 * The records of an answer; an empty list if the name does not exist. Fails with `Malformed`, also if it answers
 * another question or is a refusal.
 *
 * @category conversions
 * @since 0.1.0
 */
export const decodeAnswer = (
  bytes: Uint8Array,
  asked: { readonly id: number; readonly name: string }
): Result.Result<ReadonlyArray<Srv>, Malformed> =>
  Codec.attempt("DNS message", () => {
    const reader = new Reader(bytes)
    if (u16(reader) !== asked.id) reader.fail(`the identifier ${asked.id}`, 0)
    const flags = u16(reader)
    if ((flags & 0x8000) === 0) reader.fail("an answer", 2)
    const code = flags & 0xf
    if (code !== noError && code !== nameError) reader.fail(`an answer, not the refusal ${code}`, 2)
    if (u16(reader) !== 1) reader.fail("one question", 4)
    const count = u16(reader)
    reader.claim(4)
    const place = reader.offset
    const name = Name.read(reader)
    if (name.toLowerCase() !== asked.name.toLowerCase() || u16(reader) !== Type.SRV || u16(reader) !== classInternet) {
      reader.fail("the question that was asked", place)
    }
    const records: Array<Srv> = []
    for (let i = 0; i < count; i++) {
      Name.read(reader)
      const type = u16(reader)
      reader.claim(6)
      const end = reader.claim(0) + 2 + u16(reader)
      if (end > reader.end) reader.fail(`a record inside its message, not to byte ${end}`)
      if (type === Type.SRV) {
        records.push({ priority: u16(reader), weight: u16(reader), port: u16(reader), target: Name.read(reader) })
        if (reader.offset !== end) reader.fail(`the record's end at byte ${end}`)
      }
      reader.offset = end
    }
    return code === nameError ? [] : records
  })

/** An address with an optional port, as `dns.getServers` gives it: `10.0.0.1`, `10.0.0.1:53`, `fe80::1` or `[fe80::1]:53`. */
const parts = (server: string): { readonly host: string; readonly port: number } => {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(server) ?? []
  return { host: bracketed ?? plain ?? server, port: Number(port ?? 53) }
}

/**
 * Whether a text is an address, with or without a port, as `resolve` takes it.
 *
 * @category predicates
 * @since 0.2.0
 */
export const isNameServer = (text: string): boolean => {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  if (Number(port ?? 53) > 0xffff) return false
  return bracketed !== undefined ? isIPv6(bracketed) : isIP(plain ?? text) !== 0
}

const exchange = (server: string, name: string, question: Uint8Array): Effect.Effect<Uint8Array, SrvQueryError> =>
  Effect.callback<Uint8Array, SrvQueryError>((resume) => {
    const { host, port } = parts(server)
    const socket = createSocket(isIPv6(host.split("%", 1)[0]!) ? "udp6" : "udp4")
    const close = () => {
      socket.removeAllListeners()
      socket.on("error", () => {})
      socket.close()
    }
    const fail = (error: Error) => {
      close()
      resume(Effect.fail(new SrvQueryError({ name, reason: { _tag: "QueryFailed", server, detail: error.message } })))
    }
    socket.on("error", fail)
    socket.on("message", (message) => {
      close()
      resume(Effect.succeed(new Uint8Array(message)))
    })
    // A connected socket accepts datagrams from its peer only, and reports that no process listens on the port.
    socket.connect(port, host, () => socket.send(question))
    return Effect.sync(close)
  }).pipe(Effect.timeoutOrElse({
    duration: "1 second",
    orElse: () => Effect.fail(new SrvQueryError({ name, reason: { _tag: "TimedOut", server } }))
  }))

/**
 * Asks name servers, one after the other, with a timeout of a second each. Fails with the error of the last one.
 *
 * @category requests
 * @since 0.1.0
 */
export const resolve = (
  name: string,
  servers: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Srv>, SrvQueryError> => {
  const ask = Effect.fnUntraced(function*(server: string): Effect.fn.Return<ReadonlyArray<Srv>, SrvQueryError> {
    if (!isNameServer(server)) {
      const detail = "it is no address: write it as 10.0.0.1, 10.0.0.1:53, fe80::1 or [fe80::1]:53"
      return yield* new SrvQueryError({ name, reason: { _tag: "QueryFailed", server, detail } })
    }
    const id = randomInt(0x1_0000)
    const question = yield* Effect.try({
      try: () => encodeQuery(id, name),
      catch: () => new SrvQueryError({ name, reason: { _tag: "InvalidName" } })
    })
    const answer = decodeAnswer(yield* exchange(server, name, question), { id, name })
    if (Result.isSuccess(answer)) return answer.success
    const detail = answer.failure.message
    return yield* new SrvQueryError({ name, reason: { _tag: "MalformedResponse", server, detail } })
  })
  return servers.slice(1).reduce(
    (before, server) => Effect.catch(before, () => ask(server)),
    servers[0] === undefined
      ? Effect.fail(new SrvQueryError({ name, reason: { _tag: "NoNameServer" } }))
      : ask(servers[0])
  )
}

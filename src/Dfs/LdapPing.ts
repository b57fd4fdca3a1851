/**
 * The LDAP ping (MS-ADTS 6.3.3): asks a domain controller for the site of this machine, in one datagram, before any
 * logon.
 *
 * The request is a search of the rootDSE for the attribute Netlogon; `Netlogon` decodes its value. The package `ldapts`
 * writes the message and reads BER; it is loaded when the first ping is sent. Its decoder of responses is not used,
 * because the sender of a response has not proved its identity. This module decodes the message, and nothing in it can
 * lead outside of the datagram (docs/adr/0010-ldap-ping.md).
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Ldapts from "ldapts"
import { randomInt } from "node:crypto"
import { createSocket } from "node:dgram"
import { lookup as systemLookup } from "node:dns"
import type { LookupFunction } from "node:net"
import { Malformed } from "../Codec/Malformed.ts"
import * as Arguments from "../Protocol/Arguments.ts"
import * as Spans from "../Protocol/Spans.ts"
import { reasonOf } from "./internal/Transitions.ts"
import * as Netlogon from "./Netlogon.ts"

/**
 * Why a ping failed.
 *
 * @category models
 * @since 0.2.0
 */
export const LdapPingReason = Schema.TaggedUnion({
  TimedOut: {},
  ConnectionRefused: {},
  HostUnreachable: {},
  HostNotFound: {},
  DomainNotServed: {},
  PingFailed: { detail: Schema.String }
})
export type LdapPingReason = typeof LdapPingReason.Type

/**
 * A ping of a controller failed. The reasons of `TransportError` have the same names here.
 *
 * - `TimedOut`: the controller did not answer in time.
 * - `ConnectionRefused`: no program listens at that port.
 * - `HostUnreachable`: the network knows no way to the address.
 * - `HostNotFound`: the name has no address.
 * - `DomainNotServed`: the controller does not serve the domain.
 * - `PingFailed`: another error of the system, or the package `ldapts` is missing; `detail` has its text.
 *
 * @category errors
 * @since 0.1.0
 */
export class LdapPingError extends Schema.TaggedError<LdapPingError>()("LdapPingError", {
  reason: LdapPingReason,
  server: Schema.String,
  domain: Schema.String
}) {
  override get message(): string {
    const what = LdapPingReason.match(this.reason, {
      TimedOut: () => "has not answered in time",
      ConnectionRefused: () => "has no LDAP there",
      HostUnreachable: () => "cannot be reached",
      HostNotFound: () => "has no address",
      DomainNotServed: () => "does not serve that domain",
      PingFailed: ({ detail }) => `could not be asked: ${detail}`
    })
    return `LDAP ping of ${this.server} for the domain ${this.domain}: it ${what}`
  }
}

/**
 * The options of pings.
 *
 * @since 0.1.0
 */
export interface Options {
  /** The timeout of the whole ping. Default: 1 second. */
  readonly timeout?: Duration.Input | undefined
  /** The UDP port of controllers. Default: 389. */
  readonly port?: number | undefined
  /** How names become addresses. Default: the system's resolver. */
  readonly lookup?: LookupFunction | undefined
}

const {
  NETLOGON_NT_VERSION_5,
  NETLOGON_NT_VERSION_5EX,
  NETLOGON_NT_VERSION_IP,
  NETLOGON_NT_VERSION_WITH_CLOSEST_SITE
} = Netlogon.NtVersion

/** The versions that Windows asks for: the extended response, and the next site too. */
const askedVersion = NETLOGON_NT_VERSION_5 | NETLOGON_NT_VERSION_5EX | NETLOGON_NT_VERSION_WITH_CLOSEST_SITE |
  NETLOGON_NT_VERSION_IP

/** Tags of LDAP (RFC 4511, 4.1.1, 4.5.2 and appendix B). */
const Tag = { Sequence: 0x30, Set: 0x31, OctetString: 0x04, SearchResultEntry: 0x64, SearchResultDone: 0x65 } as const

/** An optional package; it is looked for once. */
const ldapts = Effect.tryPromise({
  try: () => import("ldapts"),
  catch: (cause) => `the package ldapts cannot be loaded (${reasonOf(cause)})`
})

/** Asks for a name with a dot; without a dot, asks for any domain that the controller serves. */
const request = (
  { AndFilter, EqualityFilter, SearchRequest }: typeof Ldapts,
  domain: string,
  messageId: number
): Uint8Array => {
  const version = Buffer.alloc(4)
  version.writeUInt32LE(askedVersion)
  return new SearchRequest({
    messageId,
    baseDN: "",
    scope: "base",
    timeLimit: 0,
    attributes: ["Netlogon"],
    filter: new AndFilter({
      filters: [
        ...(domain.includes(".") ? [new EqualityFilter({ attribute: "DnsDomain", value: domain })] : []),
        new EqualityFilter({ attribute: "NtVer", value: version })
      ]
    })
  }).write()
}

/**
 * The value of the attribute in an LDAPMessage; `undefined` if the controller's response has no entry, or an entry
 * without the attribute.
 *
 * @category conversions
 * @since 0.1.0
 */
export const netlogonOf = (
  { BerReader }: Pick<typeof Ldapts, "BerReader">,
  message: Uint8Array,
  messageId: number
): Result.Result<Uint8Array | undefined, Malformed> => {
  const reader = new BerReader(Buffer.from(message.buffer, message.byteOffset, message.byteLength))
  const broken = (expected: string) =>
    Result.fail(new Malformed({ structure: "LDAPMessage", offset: Math.min(reader.offset, message.length), expected }))
  /** Enters a sequence if the message holds the whole of it. */
  const enter = (tag: number): boolean => reader.readSequence(tag) !== null && reader.length <= reader.remain
  try {
    if (!enter(Tag.Sequence)) return broken("an LDAPMessage")
    if (reader.readInt() !== messageId) return broken(`the messageID ${messageId}`)
    if (reader.peek() === Tag.SearchResultDone) return Result.succeed(undefined)
    if (!enter(Tag.SearchResultEntry)) return broken("a SearchResultEntry")
    if (reader.readString() === null) return broken("an objectName")
    if (!enter(Tag.Sequence)) return broken("a PartialAttributeList")
    if (reader.length === 0) return Result.succeed(undefined)
    // The request asked for no other attribute.
    if (!enter(Tag.Sequence)) return broken("a PartialAttribute")
    if (reader.readString()?.toLowerCase() !== "netlogon") return broken("the attribute Netlogon")
    if (!enter(Tag.Set)) return broken("a set of values")
    if (reader.length === 0) return Result.succeed(undefined)
    const value = reader.readString(Tag.OctetString, true)
    return value === null ? broken("a value") : Result.succeed(value)
  } catch (error) {
    // The package's message for a wrong tag or length.
    return broken(reasonOf(error))
  }
}

const reasons: Readonly<Record<string, LdapPingReason>> = {
  ECONNREFUSED: { _tag: "ConnectionRefused" },
  ENOTFOUND: { _tag: "HostNotFound" },
  EAI_AGAIN: { _tag: "HostNotFound" },
  EHOSTUNREACH: { _tag: "HostUnreachable" },
  ENETUNREACH: { _tag: "HostUnreachable" },
  EADDRNOTAVAIL: { _tag: "HostUnreachable" }
}

/** Sends a datagram, again after a while, and gives the first response from that address. */
const exchange = (
  server: string,
  domain: string,
  datagram: Uint8Array,
  { lookup = systemLookup as LookupFunction, port = 389 }: Options
): Effect.Effect<Uint8Array, LdapPingError> =>
  Effect.callback((resume) => {
    let close = (): void => {}
    let over = false
    const end = (result: Effect.Effect<Uint8Array, LdapPingError>): void => {
      if (over) return
      over = true
      close()
      resume(result)
    }
    const fail = (cause: NodeJS.ErrnoException): void => {
      const reason = reasons[cause.code ?? ""] ?? { _tag: "PingFailed", detail: cause.message }
      end(Effect.fail(new LdapPingError({ reason, server, domain })))
    }
    lookup(server, {}, (error, address, family) => {
      if (over) return
      if (error !== null || typeof address !== "string") return fail(error ?? new Error("no address"))
      const socket = createSocket(family === 6 ? "udp6" : "udp4")
      let timer: NodeJS.Timeout | undefined
      close = () => {
        clearTimeout(timer)
        socket.removeAllListeners()
        socket.on("error", () => {})
        socket.close()
      }
      socket.on("error", fail)
      socket.on("message", (message) => end(Effect.succeed(new Uint8Array(message))))
      // A connected socket accepts datagrams from its peer only, and reports that no process listens on the port.
      socket.connect(port, address, () => {
        const send = () =>
          socket.send(datagram, (error) => {
            if (error !== null) fail(error)
          })
        send()
        timer = setTimeout(send, 400)
      })
    })
    return Effect.sync(() => {
      over = true
      close()
    })
  })

/** Throws the error of the first option that cannot be used: Node would end the process for a wrong port. */
const assertOptions = (options: Options): void =>
  Arguments.assertOptions({
    timeout: [Arguments.duration, options.timeout],
    port: [Arguments.port, options.port]
  })

/**
 * Asks a controller about a domain and this machine's place in it. Fails with `LdapPingError`, or `Malformed` with the
 * server's name. `ArgumentError` is a defect, for a port or a time that cannot be used.
 *
 * @category requests
 * @since 0.1.0
 */
export const ping = (
  server: string,
  domain: string,
  options: Options = {}
): Effect.Effect<Netlogon.SamLogonResponseEx, LdapPingError | Malformed> =>
  Effect.gen(function*() {
    const module = yield* Effect.mapError(
      ldapts,
      (detail) => new LdapPingError({ reason: { _tag: "PingFailed", detail }, server, domain })
    )
    // An attacker that cannot see the request must not be able to guess the number.
    const messageId = randomInt(1, 0x7fff_ffff)
    const message = yield* exchange(server, domain, request(module, domain, messageId), options)
    const said = ({ expected, offset, structure }: Malformed) => new Malformed({ structure, offset, expected, server })
    const value = yield* Effect.mapError(Effect.fromResult(netlogonOf(module, message, messageId)), said)
    if (value === undefined) return yield* new LdapPingError({ reason: { _tag: "DomainNotServed" }, server, domain })
    return yield* Effect.mapError(Effect.fromResult(Netlogon.decode(value)), said)
  }).pipe(
    (asking) =>
      Effect.suspend(() => {
        assertOptions(options)
        return Effect.timeoutOrElse(asking, {
          duration: options.timeout ?? "1 second",
          orElse: () => Effect.fail(new LdapPingError({ reason: { _tag: "TimedOut" }, server, domain }))
        })
      }),
    (pinging) =>
      Spans.effect(pinging, "LdapPing.ping", {
        kind: "client",
        attributes: {
          [Spans.Attribute.serverAddress]: server,
          [Spans.Attribute.networkTransport]: "udp",
          [Spans.Attribute.dfsDomain]: domain
        }
      })
  )

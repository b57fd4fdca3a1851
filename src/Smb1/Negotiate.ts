/**
 * Opens a connection and negotiates "NT LM 0.12" (MS-CIFS 3.2.4.2.2, MS-SMB 3.2.4.2.2), or SMB 2 if the client offers
 * it too and the server has it.
 *
 * The server's response is checked: a dialect that was not offered, or limits that are too small for any message, end
 * the connection with a typed error.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Entropy from "../Auth/Entropy.ts"
import * as Codec from "../Codec/Codec.ts"
import * as Defaults from "../Protocol/Defaults.ts"
import { fromStatus, type ProtocolError, type RequestError } from "../Protocol/Errors.ts"
import * as Multiplexer from "../Protocol/Multiplexer.ts"
import * as Negotiation from "../Protocol/Negotiation.ts"
import { CurrentRequestListener } from "../Protocol/RequestListener.ts"
import { CurrentRequestMeter } from "../Protocol/RequestMeter.ts"
import * as Spans from "../Protocol/Spans.ts"
import * as Transport from "../Protocol/Transport.ts"
import * as UncName from "../Protocol/UncName.ts"
import * as Connection from "./Connection.ts"
import * as Header from "./Header.ts"
import { Capabilities, Command, Flags2, SecurityMode } from "./Message/Constants.ts"
import * as Negotiate from "./Message/Negotiate.ts"
import * as Settings from "./Settings.ts"

/**
 * The result of the negotiation.
 *
 * @since 0.1.0
 */
export interface Negotiated extends Negotiate.Response {
  /** Whether names are in Unicode. */
  readonly unicode: boolean
  readonly extendedSecurity: boolean
  /** The largest packet that this client accepts, as it told the server. */
  readonly clientMaxBufferSize: number
  /** The time of this machine when the response came, in milliseconds since 1970. */
  readonly receivedAt: number
}

/**
 * A connection with the result of its negotiation.
 *
 * @since 0.1.0
 */
export interface Agreed {
  readonly connection: Connection.Connection
  readonly negotiated: Negotiated
  readonly entropy: Entropy.Source
  /**
   * Classes that the server has refused to pass through although it announces that it passes them: command and class.
   */
  readonly unpassed: Set<string>
}

/**
 * A server that responded to the offer of SMB 2: its stream, and its first packet.
 *
 * @since 0.1.0
 */
export type Smb2Answer = Negotiation.AnsweredBySmb2

/**
 * The errors of opening a connection: no server, no agreement, malformed bytes, or the server's refusal.
 *
 * @since 0.1.0
 */
export type NegotiateError = RequestError

/** Flags2 of the first packet; later packets have those of them that were negotiated. */
const wantedFlags2 = (options: Settings.Smb1Options): number =>
  Flags2.SMB_FLAGS2_LONG_NAMES | Flags2.SMB_FLAGS2_EAS | Flags2.SMB_FLAGS2_IS_LONG_NAME |
  Flags2.SMB_FLAGS2_NT_STATUS |
  (options.unicode ? Flags2.SMB_FLAGS2_UNICODE : 0) |
  (options.extendedSecurity ? Flags2.SMB_FLAGS2_EXTENDED_SECURITY : 0)

const decodeResponse = Codec.decode("SMB1 NEGOTIATE Response", Codec.at(Header.size, Negotiate.Response))

/** Checks the server's choice against the client's offer, and against its requirements. */
const agree = (
  connection: Connection.Connection,
  settings: Settings.Settings,
  options: Settings.Smb1Options,
  reply: Connection.Reply,
  receivedAt: number
): Effect.Effect<Negotiated, NegotiateError> => {
  const refuse = (reason: ProtocolError["reason"]["_tag"], detail: string) =>
    Effect.fail(connection.protocolError(reason, detail))
  if (reply.header.status !== 0) {
    return Effect.fail(fromStatus(reply.header.status, "NEGOTIATE", UncName.format(connection.options)))
  }
  if (reply.packet[Header.size] === 1) {
    return refuse(
      "DialectRefused",
      `the server has no ${Negotiate.ntLm012}, the only SMB 1 that is spoken here: where SMB 1 is turned off, offer ` +
        "SMB 2 or 3 too (`dialects`)"
    )
  }
  const decoded = decodeResponse(reply.packet)
  if (Result.isFailure(decoded)) return Effect.fail(decoded.failure)
  const response = decoded.success
  // The dialect is the first in the offer, and the only one of SMB 1.
  if (response.dialectIndex !== 0) {
    return refuse("DialectRefused", `the server chose dialect number ${response.dialectIndex}, which was not offered`)
  }
  if ((response.securityMode & SecurityMode.NEGOTIATE_USER_SECURITY) === 0) {
    return refuse("DialectRefused", "the server protects each share by a password, which this client does not support")
  }
  if ((response.securityMode & SecurityMode.NEGOTIATE_ENCRYPT_PASSWORDS) === 0) {
    return refuse("DialectRefused", "the server wants passwords in clear text, which are never sent")
  }
  const needed = Capabilities.CAP_NT_SMBS | Capabilities.CAP_STATUS32 | Capabilities.CAP_LARGE_FILES
  if ((response.capabilities & needed) !== needed) {
    return refuse("DialectRefused", "the server lacks what Windows NT brought to SMB 1, without which nothing goes")
  }
  if (response.maxBufferSize < 1024) {
    return refuse(
      "UnexpectedResponse",
      `the server takes packets of ${response.maxBufferSize} bytes, which is too little`
    )
  }
  if (response.security._tag === "Challenge" && response.security.challenge.length !== 8) {
    return refuse("UnexpectedResponse", "the server's challenge does not have 8 bytes")
  }
  const enabled = SecurityMode.NEGOTIATE_SECURITY_SIGNATURES_ENABLED |
    SecurityMode.NEGOTIATE_SECURITY_SIGNATURES_REQUIRED
  if (settings.signing === "required" && (response.securityMode & enabled) === 0) {
    return refuse(
      "SigningUnavailable",
      "signing is required, but the server does not sign SMB 1: enable it there, or allow unsigned sessions " +
        "(`signing: \"if-required\"`)"
    )
  }
  if (settings.encryption === "required") {
    return refuse(
      "EncryptionUnavailable",
      "encryption is required, which SMB 1 does not have (`encryption: \"if-offered\"`)"
    )
  }
  return Effect.succeed({
    ...response,
    unicode: options.unicode && (response.capabilities & Capabilities.CAP_UNICODE) !== 0,
    extendedSecurity: response.security._tag === "Extended",
    clientMaxBufferSize: options.maxBufferSize,
    receivedAt
  })
}

/**
 * Connects to a server and negotiates: SMB 1, or SMB 2 if the settings allow it and the server knows it. The connection
 * ends with the scope.
 *
 * @since 0.1.0
 */
export const connect = Effect.fnUntraced(function*(
  endpoint: Transport.Endpoint,
  settings: Settings.Settings,
  wanted?: Defaults.Given<Settings.Smb1Options>
): Effect.fn.Return<Agreed | Smb2Answer, NegotiateError, Transport.Transport | Scope.Scope> {
  const options = Defaults.complete(Settings.defaults, wanted)
  const transport = yield* Transport.Transport
  const listen = yield* CurrentRequestListener
  const connection = new Connection.Connection({
    ...Multiplexer.optionsOf(endpoint, settings),
    listener: listen?.(endpoint),
    meter: yield* CurrentRequestMeter
  })
  let handlers: Transport.Handlers = connection
  const duplex = yield* transport.connect(endpoint, {
    onData: (chunk) => handlers.onData(chunk),
    onClose: (error) => handlers.onClose(error)
  })
  connection.attach(duplex)
  let ours = true
  yield* Multiplexer.live(connection, () => ours)
  const others = Negotiation.smb2Strings({
    smb202: settings.dialects.includes("2.0.2"),
    later: settings.dialects.some((name) => name !== "2.0.2" && name !== "NT1")
  })
  const asking = Effect.callback<Connection.Reply | Smb2Answer, Connection.ConnectionError>((resume) => {
    if (others.length > 0) {
      connection.onSmb2 = (packet) => {
        ours = false
        resume(Effect.succeed({
          duplex,
          packet,
          handOver: (to) => {
            handlers = to
          }
        }))
        return true
      }
    }
    const flags2 = wantedFlags2(options)
    connection.submit(
      {
        command: Command.SMB_COM_NEGOTIATE,
        body: Codec.encode(Negotiate.Request)({ dialects: [Negotiate.ntLm012, ...others] }),
        flags2,
        tid: 0xffff
      },
      (error, reply) => {
        // A server that has chosen SMB 1 may not change to SMB 2 afterwards.
        connection.onSmb2 = undefined
        resume(error === undefined ? Effect.succeed(reply!) : Effect.fail(error))
      }
    )
  })
  const negotiating = Effect.flatMap(
    asking,
    (answer): Effect.Effect<Negotiated | Smb2Answer, NegotiateError> =>
      "duplex" in answer
        ? Effect.succeed(answer)
        : Effect.flatMap(Clock.currentTimeMillis, (now) => agree(connection, settings, options, answer, now))
  )
  const negotiated = yield* Spans.effect(negotiating, "SmbClient.negotiate", {
    kind: "client",
    attributes: Spans.ofServer(connection.options)
  })
  if ("duplex" in negotiated) return negotiated
  connection.maxMpxCount = Math.max(1, negotiated.maxMpxCount)
  connection.flags2 = wantedFlags2({
    ...options,
    unicode: negotiated.unicode,
    extendedSecurity: negotiated.extendedSecurity
  })
  yield* Effect.logWarning(
    `${endpoint.host} is spoken to by SMB 1, which is insecure: nothing is encrypted, and signatures are weak`
  )
  return { connection, negotiated, entropy: yield* Entropy.Entropy, unpassed: new Set() }
})

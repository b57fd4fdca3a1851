/**
 * Opens a connection and negotiates dialect, signing and encryption (MS-SMB2 3.2.4.2, 3.2.5.2).
 *
 * Everything that the server says is checked: a dialect that was not offered, an SMB 1 response, or missing
 * preauthentication integrity end the connection with a typed error.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import * as Entropy from "../Auth/Entropy.ts"
import * as Codec from "../Codec/Codec.ts"
import type { Malformed } from "../Codec/Malformed.ts"
import { fromStatus, type ProtocolError, type RequestError, type SmbError } from "../Protocol/Errors.ts"
import * as Multiplexer from "../Protocol/Multiplexer.ts"
import type * as Negotiation from "../Protocol/Negotiation.ts"
import { CurrentRequestListener } from "../Protocol/RequestListener.ts"
import { CurrentRequestMeter } from "../Protocol/RequestMeter.ts"
import * as Spans from "../Protocol/Spans.ts"
import * as Transport from "../Protocol/Transport.ts"
import * as UncName from "../Protocol/UncName.ts"
import * as Connection from "./Connection.ts"
import * as Dialects from "./Dialects.ts"
import type * as Encryption from "./Encryption.ts"
import * as Header from "./Header.ts"
import {
  Capabilities,
  Cipher,
  Command,
  Dialect,
  HashAlgorithm,
  SecurityMode,
  SigningAlgorithm
} from "./Message/Constants.ts"
import * as Negotiate from "./Message/Negotiate.ts"
import * as MultiProtocolNegotiate from "./MultiProtocolNegotiate.ts"
import * as Settings from "./Settings.ts"
import type * as Signing from "./Signing.ts"

/**
 * The result of the negotiation.
 *
 * @since 0.1.0
 */
export interface Negotiated {
  readonly dialect: number
  /** SMB2_GLOBAL_CAP_* of the server. */
  readonly capabilities: number
  /** The server's SMB2_NEGOTIATE_SIGNING_*. */
  readonly securityMode: number
  readonly serverGuid: Uint8Array
  /** The server's time in its response, in 100 ns ticks since 1601. */
  readonly systemTime: bigint
  /** The time of this machine when the response came, in milliseconds since 1970. */
  readonly receivedAt: number
  /** Bytes. */
  readonly maxTransactSize: number
  /** Bytes. */
  readonly maxReadSize: number
  /** Bytes. */
  readonly maxWriteSize: number
  /** The server's first token: its SPNEGO hints. */
  readonly securityBuffer: Uint8Array
  readonly signing: Signing.Algorithm
  /** Absent if the connection cannot encrypt. */
  readonly cipher: Encryption.Algorithm | undefined
  /** SHA-512 over the bytes of the negotiation (3.1.1). */
  readonly preauthHash: Uint8Array
  /** The client's request, for FSCTL_VALIDATE_NEGOTIATE_INFO. */
  readonly asked: Negotiate.Request
}

/**
 * A connection with the result of its negotiation.
 *
 * @since 0.1.0
 */
export interface Agreed {
  readonly connection: Connection.Connection
  readonly negotiated: Negotiated
  /** The source of the keys and GUIDs of the connection's opens. */
  readonly entropy: Entropy.Source
}

/**
 * The errors of opening a connection: no server, no agreement, malformed bytes, or the server's refusal.
 *
 * @since 0.1.0
 */
export type NegotiateError = RequestError

/**
 * The running SHA-512 of preauthentication integrity: hash of the previous hash and the next message.
 *
 * @since 0.1.0
 */
export const extendPreauthHash = (hash: Uint8Array, packet: Uint8Array): Uint8Array =>
  createHash("sha512").update(hash).update(packet).digest()

/**
 * The ClientGuids of one client, by host name (MS-SMB2 3.2.1.1): a server gives durable opens with leases back only to
 * the ClientGuid that made them, so each connection to a server has the same. Absent: each connection has its own.
 *
 * @since 0.2.0
 */
export const ClientGuids: Context.Reference<Map<string, Uint8Array> | undefined> = Context.Reference(
  "effect-smb/Smb2/ClientGuids",
  { defaultValue: (): Map<string, Uint8Array> | undefined => undefined }
)

/** The ClientGuid for a host, with the random bytes that this client has used there before. */
const guidFor = (
  host: string,
  entropy: Entropy.Source,
  guids: Map<string, Uint8Array> | undefined
): Uint8Array => {
  const guid = guids?.get(host) ?? entropy.bytes(16, `ClientGuid for ${host}`)
  guids?.set(host, guid)
  return guid
}

const makeRequest = (
  settings: Settings.Settings,
  host: string,
  entropy: Entropy.Source,
  guids: Map<string, Uint8Array> | undefined
): Negotiate.Request => {
  const dialects = Settings.smb2Dialects(settings.dialects).map((name) => Dialects.revisions[name]).sort((a, b) =>
    a - b
  )
  const newest = dialects[dialects.length - 1]!
  const encrypts = settings.ciphers.length > 0
  let capabilities = 0
  // A 2.0.2 or 2.1 client sends none (MS-SMB2 2.2.3).
  if (newest >= Dialect.SMB_3_0) {
    capabilities = Capabilities.SMB2_GLOBAL_CAP_DFS | Capabilities.SMB2_GLOBAL_CAP_LEASING |
      Capabilities.SMB2_GLOBAL_CAP_LARGE_MTU | Capabilities.SMB2_GLOBAL_CAP_PERSISTENT_HANDLES |
      (encrypts ? Capabilities.SMB2_GLOBAL_CAP_ENCRYPTION : 0)
  }
  const contexts: Array<Negotiate.NegotiateContext> = []
  if (newest >= Dialect.SMB_3_1_1) {
    contexts.push({
      _tag: "PreauthIntegrityCapabilities",
      hashAlgorithms: [HashAlgorithm.SHA_512],
      salt: entropy.bytes(32, `NEGOTIATE salt for ${host}`)
    })
    if (encrypts) {
      contexts.push({
        _tag: "EncryptionCapabilities",
        ciphers: settings.ciphers.map((name) => Cipher[name])
      })
    }
    contexts.push({
      _tag: "SigningCapabilities",
      signingAlgorithms: settings.signingAlgorithms.map((name) => SigningAlgorithm[name])
    })
    contexts.push({ _tag: "NetnameNegotiateContextId", netName: host })
  }
  return {
    securityMode: settings.signing === "required"
      ? SecurityMode.SMB2_NEGOTIATE_SIGNING_REQUIRED
      : SecurityMode.SMB2_NEGOTIATE_SIGNING_ENABLED,
    capabilities,
    clientGuid: newest >= Dialect.SMB_2_1 ? guidFor(host, entropy, guids) : new Uint8Array(16),
    dialects,
    negotiateContexts: contexts
  }
}

/** Checks the server's choice against the client's offer. */
const agree = (
  connection: Connection.Connection,
  settings: Settings.Settings,
  asked: Negotiate.Request,
  response: Negotiate.Response,
  preauthHash: Uint8Array,
  receivedAt: number
): Effect.Effect<Negotiated, ProtocolError> => {
  const refuse = (reason: ProtocolError["reason"]["_tag"], detail: string) =>
    Effect.fail(connection.protocolError(reason, detail))
  const dialect = response.dialectRevision
  if (!asked.dialects.includes(dialect)) {
    return refuse("DialectRefused", `the server chose dialect ${Dialects.nameOf(dialect)}, which was not offered`)
  }
  let signing: Signing.Algorithm = dialect >= Dialect.SMB_3_0 ? SigningAlgorithm.AES_CMAC : SigningAlgorithm.HMAC_SHA256
  let cipher: Encryption.Algorithm | undefined
  if (dialect === Dialect.SMB_3_1_1) {
    const seen = new Set<string>()
    for (const context of response.negotiateContexts) {
      if (context._tag === "Unknown") continue
      if (seen.has(context._tag)) return refuse("UnexpectedResponse", `the server sent ${context._tag} twice`)
      seen.add(context._tag)
      switch (context._tag) {
        case "PreauthIntegrityCapabilities":
          if (context.hashAlgorithms.length !== 1 || context.hashAlgorithms[0] !== HashAlgorithm.SHA_512) {
            return refuse("UnexpectedResponse", "the server chose an unknown hash for preauthentication integrity")
          }
          break
        case "EncryptionCapabilities": {
          // 0 says that the server has none of the offered ciphers.
          const chosen = context.ciphers[0]
          if (context.ciphers.length !== 1) return refuse("UnexpectedResponse", "the server chose no single cipher")
          if (chosen !== 0) {
            const name = settings.ciphers.find((name) => Cipher[name] === chosen)
            if (name === undefined) {
              return refuse("UnexpectedResponse", `the server chose cipher ${chosen}, which was not offered`)
            }
            cipher = Cipher[name]
          }
          break
        }
        case "SigningCapabilities": {
          const chosen = settings.signingAlgorithms.find((name) =>
            SigningAlgorithm[name] === context.signingAlgorithms[0]
          )
          if (context.signingAlgorithms.length !== 1 || chosen === undefined) {
            return refuse("UnexpectedResponse", "the server chose a signing algorithm that was not offered")
          }
          signing = SigningAlgorithm[chosen]
          break
        }
      }
    }
    if (!seen.has("PreauthIntegrityCapabilities")) {
      return refuse("Downgrade", "the server's answer lacks preauthentication integrity, which SMB 3.1.1 demands")
    }
  } else if (
    dialect >= Dialect.SMB_3_0 && settings.ciphers.length > 0 &&
    (response.capabilities & Capabilities.SMB2_GLOBAL_CAP_ENCRYPTION) !== 0
  ) {
    cipher = Cipher.AES_128_CCM
  }
  if (settings.encryption === "required" && cipher === undefined) {
    return refuse(
      "EncryptionUnavailable",
      `encryption is required, but the server cannot encrypt with dialect ${Dialects.nameOf(dialect)} ` +
        "(`encryption: \"if-offered\"` goes on without)"
    )
  }
  // A server with such small limits cannot be used.
  if (response.maxReadSize < 4096 || response.maxWriteSize < 4096 || response.maxTransactSize < 4096) {
    return refuse("UnexpectedResponse", "the server's limits on reading and writing make no sense")
  }
  return Effect.succeed({
    dialect,
    capabilities: response.capabilities,
    securityMode: response.securityMode,
    serverGuid: response.serverGuid,
    systemTime: response.systemTime,
    receivedAt,
    maxTransactSize: response.maxTransactSize,
    maxReadSize: response.maxReadSize,
    maxWriteSize: response.maxWriteSize,
    securityBuffer: response.securityBuffer,
    signing,
    cipher,
    preauthHash,
    asked
  })
}

const decodeResponse = (
  reply: Connection.Reply,
  server: UncName.Server
): Result.Result<Negotiate.Response, Malformed | SmbError> =>
  reply.header.status === 0
    ? Codec.decode("SMB2 NEGOTIATE Response", Codec.at(Header.size, Negotiate.Response))(reply.packet)
    : Result.fail(fromStatus(reply.header.status, "NEGOTIATE", UncName.format(server)))

const negotiate = Effect.fnUntraced(function*(
  connection: Connection.Connection,
  settings: Settings.Settings,
  entropy: Entropy.Source,
  begun: BegunBySmb1 | undefined
) {
  const { server } = connection.options
  const asked = makeRequest(settings, server, entropy, yield* ClientGuids)
  if (settings.multiProtocol || begun !== undefined) {
    const answer = yield* MultiProtocolNegotiate.negotiate(connection, asked.dialects, begun?.packet)
    if (answer.dialectRevision !== Dialect.SMB_2_WILDCARD) {
      // An SMB 1 packet does not carry these: the server received zeros, and confirms zeros.
      const heard = { ...asked, capabilities: 0, securityMode: 0, clientGuid: new Uint8Array(16) }
      return yield* agree(connection, settings, heard, answer, new Uint8Array(64), yield* Clock.currentTimeMillis)
    }
  }
  let hash: Uint8Array = new Uint8Array(64)
  const reply = yield* Connection.request(connection, {
    command: Command.NEGOTIATE,
    body: Codec.encode(Negotiate.Request)(asked),
    onSent: (packet) => {
      hash = extendPreauthHash(hash, packet)
    }
  })
  const receivedAt = yield* Clock.currentTimeMillis
  const response = yield* Effect.fromResult(decodeResponse(reply, connection.options))
  return yield* agree(connection, settings, asked, response, extendPreauthHash(hash, reply.packet), receivedAt)
})

/**
 * A negotiation that SMB 1 began, and that the server answered with SMB 2.
 *
 * @since 0.1.0
 */
export type BegunBySmb1 = Negotiation.AnsweredBySmb2

const open = Effect.fnUntraced(
  function*(endpoint: Transport.Endpoint, settings: Settings.Settings, begun?: BegunBySmb1) {
    const listen = yield* CurrentRequestListener
    const meter = yield* CurrentRequestMeter
    const connection = new Connection.Connection({
      ...Multiplexer.optionsOf(endpoint, settings),
      listener: listen?.(endpoint),
      meter,
      creditTarget: settings.credits,
      pendingTimeout: Duration.toMillis(Settings.pendingTimeout(settings))
    })
    connection.onOtherProtocol = (packet) => MultiProtocolNegotiate.otherProtocol(connection, packet)
    if (begun === undefined) {
      const transport = yield* Transport.Transport
      connection.attach(yield* transport.connect(endpoint, connection))
    } else {
      connection.attach(begun.duplex)
      begun.handOver(connection)
    }
    yield* Multiplexer.live(connection)
    const entropy = yield* Entropy.Entropy
    const negotiated = yield* Spans.effect(
      Effect.tap(
        negotiate(connection, settings, entropy, begun),
        ({ dialect }) => Spans.annotate({ [Spans.Attribute.dialect]: Dialects.nameOf(dialect) })
      ),
      "SmbClient.negotiate",
      { kind: "client", attributes: Spans.ofServer(connection.options) }
    )
    connection.multiCredit = negotiated.dialect !== Dialect.SMB_2_0_2 &&
      (negotiated.capabilities & Capabilities.SMB2_GLOBAL_CAP_LARGE_MTU) !== 0
    return { connection, negotiated, entropy }
  }
)

/**
 * Connects to a server and negotiates. The connection ends with the scope.
 *
 * A server that closes the connection on an SMB 2 NEGOTIATE may know only SMB 1. The client then asks it again by SMB
 * 1's multi-protocol NEGOTIATE, which makes that certain (`ProtocolError` with reason `Smb1Only`).
 *
 * @since 0.1.0
 */
export const connect = (
  endpoint: Transport.Endpoint,
  settings: Settings.Settings
): Effect.Effect<Agreed, NegotiateError, Transport.Transport | Scope.Scope> =>
  open(endpoint, settings).pipe(
    Effect.catchTag("TransportError", (error) =>
      error.reason._tag === "ConnectionClosed" && !settings.multiProtocol
        ? open(endpoint, { ...settings, multiProtocol: true }).pipe(
          Effect.mapError((
            second
          ) => (second._tag === "ProtocolError" && second.reason._tag === "Smb1Only" ? second : error))
        )
        : Effect.fail(error))
  )

/**
 * Continues after the server answered a multi-protocol NEGOTIATE of SMB 1 with SMB 2. The connection ends with the
 * scope.
 *
 * @since 0.1.0
 */
export const resume = (
  endpoint: Transport.Endpoint,
  settings: Settings.Settings,
  begun: BegunBySmb1
): Effect.Effect<Agreed, NegotiateError, Transport.Transport | Scope.Scope> => open(endpoint, settings, begun)

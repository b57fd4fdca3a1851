/**
 * NEGOTIATE on the server's side (MS-SMB2 3.3.5.3, 3.3.5.4): dialect, algorithms, the preauthentication hash, and
 * FSCTL_VALIDATE_NEGOTIATE_INFO, by which a 3.0 client checks the negotiation.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { createHash, randomBytes } from "node:crypto"
import * as Acceptor from "../../../Auth/Acceptor.ts"
import * as Codec from "../../../Codec/Codec.ts"
import * as FileTime from "../../../Codec/FileTime.ts"
import { has } from "../../../Codec/Flags.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type * as Encryption from "../../../Smb2/Encryption.ts"
import {
  Capabilities,
  Cipher,
  Command,
  Dialect,
  HashAlgorithm,
  SecurityMode,
  SigningAlgorithm
} from "../../../Smb2/Message/Constants.ts"
import * as Fsctl from "../../../Smb2/Message/Fsctl.ts"
import * as Message from "../../../Smb2/Message/Message.ts"
import type * as Negotiate from "../../../Smb2/Message/Negotiate.ts"
import type * as Signing from "../../../Smb2/Signing.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { Connection } from "../State/Model.ts"
import { type Refusal, refusal, type Reply, reply } from "../Wire/Reply.ts"

const securityMode = (connection: Connection): number =>
  SecurityMode.SMB2_NEGOTIATE_SIGNING_ENABLED |
  (connection.server.settings.signing === "required" ? SecurityMode.SMB2_NEGOTIATE_SIGNING_REQUIRED : 0)

const hostsDfs = (connection: Connection): number =>
  connection.server.dfs === undefined ? 0 : Capabilities.SMB2_GLOBAL_CAP_DFS

/**
 * Capabilities that the server shows only to clients that have them too (3.3.5.4): other clients may not understand
 * them.
 */
const mutual = ({ server: { kept } }: Connection): number =>
  Capabilities.SMB2_GLOBAL_CAP_MULTI_CHANNEL | Capabilities.SMB2_GLOBAL_CAP_DIRECTORY_LEASING |
  (kept === undefined ? 0 : Capabilities.SMB2_GLOBAL_CAP_PERSISTENT_HANDLES)

const capabilitiesOf = (connection: Connection, dialect: number, cipher: number | undefined, asked: number): number =>
  dialect === Dialect.SMB_2_0_2
    ? hostsDfs(connection)
    : hostsDfs(connection) | Capabilities.SMB2_GLOBAL_CAP_LARGE_MTU | Capabilities.SMB2_GLOBAL_CAP_LEASING |
      (dialect >= Dialect.SMB_3_0 ? mutual(connection) & asked : 0) |
      (cipher !== undefined && dialect < Dialect.SMB_3_1_1 ? Capabilities.SMB2_GLOBAL_CAP_ENCRYPTION : 0)

const response = (
  connection: Connection,
  dialectRevision: number,
  capabilities: number,
  systemTime: bigint,
  negotiateContexts: ReadonlyArray<Negotiate.NegotiateContext>
): Negotiate.Response => {
  const { server } = connection
  const most = dialectRevision === Dialect.SMB_2_0_2 || dialectRevision === Dialect.SMB_2_WILDCARD
    ? 65536
    : server.limits.transfer
  return {
    securityMode: securityMode(connection),
    dialectRevision,
    serverGuid: server.guid,
    capabilities,
    maxTransactSize: most,
    maxReadSize: most,
    maxWriteSize: most,
    systemTime,
    serverStartTime: 0n,
    securityBuffer: Acceptor.offer(connection.server.settings.kerberos !== undefined),
    negotiateContexts
  }
}

/**
 * The response to an SMB 1 NEGOTIATE that offers SMB 2 (3.3.5.3.1, 3.3.5.3.2). Undefined if it does not offer that, or
 * if the connection has had such a response before.
 */
export const multiProtocol = (connection: Connection, frame: Uint8Array): Uint8Array | undefined => {
  const { negotiated, server } = connection
  if (negotiated.dialect !== 0 || frame.length < 35 || frame[4] !== 0x72) return undefined
  const text = Buffer.from(frame.buffer, frame.byteOffset + 35, frame.length - 35).toString("latin1")
  const wildcard = text.includes("\u0002SMB 2.???\0") && server.settings.dialects.some((d) => d > Dialect.SMB_2_0_2)
  const plain = text.includes("\u0002SMB 2.002\0") && server.settings.dialects.includes(Dialect.SMB_2_0_2)
  if (!wildcard && !plain) return undefined
  const dialect = wildcard ? Dialect.SMB_2_WILDCARD : Dialect.SMB_2_0_2
  negotiated.dialect = dialect
  return Message.encodeResponse({ _tag: "NEGOTIATE", body: response(connection, dialect, 0, 0n, []) })
}

/** Handles NEGOTIATE. */
export const negotiate = (incoming: Incoming, asked: Negotiate.Request): Effect.Effect<Reply, Refusal> =>
  Effect.flatMap(Clock.currentTimeMillis, (millis) => {
    const { connection } = incoming
    const { negotiated, server } = connection
    if (negotiated.dialect !== 0 && negotiated.dialect !== Dialect.SMB_2_WILDCARD) {
      // A second NEGOTIATE ends the connection (3.3.5.4).
      return Effect.andThen(
        Effect.sync(() => connection.close()),
        Effect.fail(refusal(NtStatus.STATUS_INVALID_PARAMETER))
      )
    }
    if (asked.dialects.length === 0) return Effect.fail(refusal(NtStatus.STATUS_INVALID_PARAMETER))
    const common = asked.dialects.filter((dialect) => server.settings.dialects.includes(dialect))
    if (common.length === 0) return Effect.fail(refusal(NtStatus.STATUS_NOT_SUPPORTED))
    const dialect = Math.max(...common)
    const encrypts = server.settings.encryption !== "disabled"
    const contexts: Array<Negotiate.NegotiateContext> = []
    let cipher: number | undefined
    let signing: number = dialect >= Dialect.SMB_3_0 ? SigningAlgorithm.AES_CMAC : SigningAlgorithm.HMAC_SHA256
    if (dialect === Dialect.SMB_3_1_1) {
      const preauth = asked.negotiateContexts.filter((context) => context._tag === "PreauthIntegrityCapabilities")
      if (preauth.length !== 1 || !("hashAlgorithms" in preauth[0]!)) {
        return Effect.fail(refusal(NtStatus.STATUS_INVALID_PARAMETER))
      }
      if (!preauth[0].hashAlgorithms.includes(HashAlgorithm.SHA_512)) {
        return Effect.fail(refusal(NtStatus.STATUS_SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP))
      }
      contexts.push({
        _tag: "PreauthIntegrityCapabilities",
        hashAlgorithms: [HashAlgorithm.SHA_512],
        salt: Uint8Array.from(randomBytes(32))
      })
      for (const context of asked.negotiateContexts) {
        if (context._tag === "EncryptionCapabilities" && "ciphers" in context && encrypts) {
          const known: ReadonlyArray<number> = Object.values(Cipher)
          cipher = context.ciphers.find((one) => known.includes(one))
          contexts.push({ _tag: "EncryptionCapabilities", ciphers: [cipher ?? 0] })
        } else if (context._tag === "SigningCapabilities" && "signingAlgorithms" in context) {
          const known: ReadonlyArray<number> = Object.values(SigningAlgorithm)
          const algorithm = context.signingAlgorithms.find((one) => known.includes(one))
          if (algorithm !== undefined) {
            signing = algorithm
            contexts.push({ _tag: "SigningCapabilities", signingAlgorithms: [algorithm] })
          }
        }
      }
    } else if (
      dialect >= Dialect.SMB_3_0 && encrypts && has(asked.capabilities, Capabilities.SMB2_GLOBAL_CAP_ENCRYPTION)
    ) {
      cipher = Cipher.AES_128_CCM
    }
    negotiated.dialect = dialect
    negotiated.clientGuidBytes = Uint8Array.from(asked.clientGuid)
    negotiated.clientGuid = Buffer.from(asked.clientGuid).toString("hex")
    negotiated.clientCapabilities = asked.capabilities
    negotiated.clientSecurityMode = asked.securityMode
    negotiated.clientDialects = asked.dialects
    negotiated.cipher = cipher as Encryption.Algorithm | undefined
    negotiated.signing = signing as Signing.Algorithm
    negotiated.capabilities = capabilitiesOf(connection, dialect, cipher, asked.capabilities)
    negotiated.multiCredit = dialect !== Dialect.SMB_2_0_2
    negotiated.maxTransactSize = dialect === Dialect.SMB_2_0_2 ? 65536 : server.limits.transfer
    if (dialect === Dialect.SMB_3_1_1) extend(negotiated, [incoming.packet])
    return Effect.succeed(
      reply({
        _tag: "NEGOTIATE",
        body: response(connection, dialect, negotiated.capabilities, FileTime.fromMillis(millis), contexts)
      })
    )
  })

const hash = (before: Uint8Array, chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const digest = createHash("sha512").update(before)
  for (const chunk of chunks) digest.update(chunk)
  return digest.digest()
}

/** Adds a message to the hash from which the keys of 3.1.1 are derived (MS-SMB2 3.1.4.4.1, 3.3.5.4). */
export const extend = (into: { preauthHash: Uint8Array }, chunks: ReadonlyArray<Uint8Array>): void => {
  into.preauthHash = hash(into.preauthHash, chunks)
}

/** Adds the responses of a negotiation, and of a logon that continues, to their hashes, exactly as they are sent. */
export const remember = (
  connection: Connection,
  incoming: Incoming,
  sessionId: bigint,
  status: number,
  chunks: ReadonlyArray<Uint8Array>
): void => {
  if (connection.dialect !== Dialect.SMB_3_1_1) return
  if (incoming.header.command === Command.NEGOTIATE && status === 0) extend(connection.negotiated, chunks)
  if (incoming.header.command !== Command.SESSION_SETUP || status !== NtStatus.STATUS_MORE_PROCESSING_REQUIRED) return
  const logon = connection.server.sessions.get(sessionId)?.logons.get(connection)
  if (logon !== undefined) extend(logon, chunks)
}

/**
 * FSCTL_VALIDATE_NEGOTIATE_INFO (3.3.5.15.12): the connection ends if the client's values differ from its NEGOTIATE.
 */
export const validate = (incoming: Incoming, input: Uint8Array, room: number): Effect.Effect<Uint8Array, Refusal> =>
  Effect.suspend(() => {
    const { connection } = incoming
    const { negotiated, server } = connection
    const decoded = Codec.decode("VALIDATE_NEGOTIATE_INFO Request", Fsctl.ValidateNegotiateInfoRequest)(input)
    const heard = decoded._tag === "Success" ? decoded.success : undefined
    const common = heard?.dialects.filter((dialect) => server.settings.dialects.includes(dialect)) ?? []
    if (
      // 24 bytes: the size of VALIDATE_NEGOTIATE_INFO Response (2.2.32.6).
      heard === undefined || room < 24 || negotiated.dialect === Dialect.SMB_3_1_1 ||
      Buffer.compare(heard.guid, negotiated.clientGuidBytes) !== 0 ||
      heard.capabilities !== negotiated.clientCapabilities || heard.securityMode !== negotiated.clientSecurityMode ||
      common.length === 0 || Math.max(...common) !== negotiated.dialect
    ) {
      connection.close()
      return Effect.fail(refusal(NtStatus.STATUS_ACCESS_DENIED))
    }
    return Effect.succeed(
      Codec.encode(Fsctl.ValidateNegotiateInfoResponse)({
        capabilities: negotiated.capabilities,
        guid: server.guid,
        securityMode: securityMode(connection),
        dialect: negotiated.dialect
      })
    )
  })

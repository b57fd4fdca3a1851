/**
 * The responses of the test kit's peer to NEGOTIATE.
 */
import * as Acceptor from "../../Auth/Acceptor.ts"
import { has } from "../../Codec/Flags.ts"
import * as Dialects from "../../Smb2/Dialects.ts"
import type * as Encryption from "../../Smb2/Encryption.ts"
import {
  Capabilities,
  Cipher,
  Dialect,
  HashAlgorithm,
  SecurityMode,
  SigningAlgorithm
} from "../../Smb2/Message/Constants.ts"
import type * as Negotiate from "../../Smb2/Message/Negotiate.ts"
import type * as Signing from "../../Smb2/Signing.ts"
import type { ServerOptions } from "../TestServer.ts"

/** The result of a negotiation. */
export interface Agreed {
  readonly dialect: number
  readonly cipher: Encryption.Algorithm | undefined
  readonly signing: Signing.Algorithm
  readonly response: Negotiate.Response
}

const serverGuid = new Uint8Array(16).fill(0x5e)
const mebibyte = 1024 * 1024

/** The response to a NEGOTIATE. */
export const respond = (
  options: ServerOptions,
  dialectRevision: number,
  cipher: Encryption.Algorithm | undefined,
  negotiateContexts: ReadonlyArray<Negotiate.NegotiateContext>
): Negotiate.Response => {
  const { maximumTransfer, namespace, referrals, signing } = options
  const multiCredit = dialectRevision !== Dialect.SMB_2_0_2
  const most = multiCredit ? maximumTransfer ?? mebibyte : Math.min(maximumTransfer ?? mebibyte, 65536)
  const encrypts = cipher !== undefined && dialectRevision < Dialect.SMB_3_1_1
  return {
    securityMode: SecurityMode.SMB2_NEGOTIATE_SIGNING_ENABLED |
      (signing === "required" ? SecurityMode.SMB2_NEGOTIATE_SIGNING_REQUIRED : 0),
    dialectRevision,
    serverGuid,
    capabilities: (referrals === undefined && namespace === undefined ? 0 : Capabilities.SMB2_GLOBAL_CAP_DFS) |
      (multiCredit ? Capabilities.SMB2_GLOBAL_CAP_LARGE_MTU : 0) |
      (encrypts ? Capabilities.SMB2_GLOBAL_CAP_ENCRYPTION : 0),
    maxTransactSize: most,
    maxReadSize: most,
    maxWriteSize: most,
    systemTime: 0n,
    serverStartTime: 0n,
    securityBuffer: Acceptor.offer(),
    negotiateContexts
  }
}

/** What server and client have in common; undefined if they have no common dialect. */
export const agree = (options: ServerOptions, asked: Negotiate.Request): Agreed | undefined => {
  const newest = Dialects.revisions[options.dialect ?? "3.1.1"]
  const common = asked.dialects.filter((dialect) => dialect <= newest)
  if (common.length === 0) return undefined
  const dialect = Math.max(...common)
  let cipher: Encryption.Algorithm | undefined
  const ciphers: ReadonlyArray<number> =
    (options.ciphers ?? ["AES_128_GCM", "AES_128_CCM", "AES_256_GCM", "AES_256_CCM"])
      .map((name) => Cipher[name])
  const algorithms: ReadonlyArray<number> = (options.signingAlgorithms ?? ["AES_GMAC", "AES_CMAC", "HMAC_SHA256"])
    .map((name) => SigningAlgorithm[name])
  let signing: Signing.Algorithm = dialect >= Dialect.SMB_3_0 ? SigningAlgorithm.AES_CMAC : SigningAlgorithm.HMAC_SHA256
  const contexts: Array<Negotiate.NegotiateContext> = []
  if (dialect === Dialect.SMB_3_1_1) {
    contexts.push({
      _tag: "PreauthIntegrityCapabilities",
      hashAlgorithms: [HashAlgorithm.SHA_512],
      salt: new Uint8Array(32)
    })
    for (const context of asked.negotiateContexts) {
      if (context._tag === "EncryptionCapabilities" && "ciphers" in context) {
        const chosen = context.ciphers.find((offered) => ciphers.includes(offered)) ?? 0
        if (chosen !== 0) cipher = chosen as Encryption.Algorithm
        contexts.push({ _tag: "EncryptionCapabilities", ciphers: [chosen] })
      }
      if (context._tag === "SigningCapabilities" && "signingAlgorithms" in context) {
        const algorithm = context.signingAlgorithms.find((offered) => algorithms.includes(offered))
        if (algorithm !== undefined) {
          signing = algorithm as Signing.Algorithm
          contexts.push({ _tag: "SigningCapabilities", signingAlgorithms: [algorithm] })
        }
      }
    }
  } else if (
    dialect >= Dialect.SMB_3_0 && ciphers.includes(Cipher.AES_128_CCM) &&
    has(asked.capabilities, Capabilities.SMB2_GLOBAL_CAP_ENCRYPTION)
  ) {
    cipher = Cipher.AES_128_CCM
  }
  return { dialect, cipher, signing, response: respond(options, dialect, cipher, contexts) }
}

/**
 * NEGOTIATE (MS-SMB2 2.2.3, 2.2.4): dialects, capabilities and, for SMB 3.1.1, negotiate contexts.
 *
 * The connection chooses among the offered algorithms.
 */
import * as Codec from "../../Codec/Codec.ts"
import { bytes16, choose, fromHeader, peekU16, typedContext } from "./Common.ts"
import { Dialect } from "./Constants.ts"

// -----------------------------------------------------------------------------
// negotiate contexts
// -----------------------------------------------------------------------------

/**
 * SMB2_NEGOTIATE_CONTEXT (2.2.3.1, 2.2.4.1), tagged with the name of its data. The identifiers of algorithms are in
 * `Constants`.
 *
 * @category models
 * @since 0.1.0
 */
export const NegotiateContext = typedContext({
  PreauthIntegrityCapabilities: {
    type: 0x0001,
    data: Codec.struct({
      hashAlgorithmCount: Codec.countOf("hashAlgorithms"),
      saltLength: Codec.lengthOf("salt", Codec.u16),
      hashAlgorithms: Codec.list(Codec.u16),
      salt: Codec.buffer(Codec.bytes)
    })
  },
  EncryptionCapabilities: {
    type: 0x0002,
    data: Codec.struct({ cipherCount: Codec.countOf("ciphers"), ciphers: Codec.list(Codec.u16) })
  },
  CompressionCapabilities: {
    type: 0x0003,
    data: Codec.struct({
      compressionAlgorithmCount: Codec.countOf("compressionAlgorithms"),
      padding: Codec.reserved(Codec.u16),
      flags: Codec.u32,
      compressionAlgorithms: Codec.list(Codec.u16)
    })
  },
  NetnameNegotiateContextId: { type: 0x0005, data: Codec.struct({ netName: Codec.utf16 }) },
  TransportCapabilities: { type: 0x0006, data: Codec.struct({ flags: Codec.u32 }) },
  RdmaTransformCapabilities: {
    type: 0x0007,
    data: Codec.struct({
      transformCount: Codec.countOf("rdmaTransformIds"),
      reserved1: Codec.reserved(Codec.u16),
      reserved2: Codec.reserved(Codec.u32),
      rdmaTransformIds: Codec.list(Codec.u16)
    })
  },
  SigningCapabilities: {
    type: 0x0008,
    data: Codec.struct({
      signingAlgorithmCount: Codec.countOf("signingAlgorithms"),
      signingAlgorithms: Codec.list(Codec.u16)
    })
  }
})
export type NegotiateContext = Codec.Type<typeof NegotiateContext>

// -----------------------------------------------------------------------------
// request
// -----------------------------------------------------------------------------

/**
 * The request. `negotiateContexts` are sent only if `dialects` has 3.1.1; otherwise those eight bytes are
 * ClientStartTime, which is reserved.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  /** SMB2_NEGOTIATE_SIGNING_*. */
  readonly securityMode: number
  readonly capabilities: number
  readonly clientGuid: Uint8Array
  readonly dialects: ReadonlyArray<number>
  readonly negotiateContexts: ReadonlyArray<NegotiateContext>
}

const requestStart = {
  structureSize: Codec.constant(Codec.u16, 36),
  dialectCount: Codec.countOf("dialects"),
  securityMode: Codec.u16,
  reserved: Codec.reserved(Codec.u16),
  capabilities: Codec.u32,
  clientGuid: bytes16
}

const withoutContexts: Codec.Codec<Request> = Codec.map(
  Codec.struct({ ...requestStart, clientStartTime: Codec.reserved(Codec.u64), dialects: Codec.list(Codec.u16) }),
  (value): Request => ({ ...value, negotiateContexts: [] }),
  (value) => value
)

const withContexts: Codec.Codec<Request> = Codec.struct({
  ...requestStart,
  negotiateContextOffset: Codec.offsetOf("negotiateContexts"),
  negotiateContextCount: Codec.countOf("negotiateContexts"),
  reserved2: Codec.reserved(Codec.u16),
  dialects: Codec.list(Codec.u16),
  negotiateContexts: Codec.list(NegotiateContext, { align: 8 })
}, { origin: fromHeader })

export const Request: Codec.Codec<Request> = choose(
  36,
  (r) => {
    const dialectCount = peekU16(r, 2)
    for (let i = 0; i < dialectCount; i++) {
      if (peekU16(r, 36 + 2 * i) === Dialect.SMB_3_1_1) return withContexts
    }
    return withoutContexts
  },
  (value) => value.dialects.includes(Dialect.SMB_3_1_1) ? withContexts : withoutContexts
)

// -----------------------------------------------------------------------------
// response
// -----------------------------------------------------------------------------

/**
 * The response. `securityBuffer` is the server's first SPNEGO token, and can be empty. `negotiateContexts` are sent
 * only if `dialectRevision` is 3.1.1.
 *
 * @category models
 * @since 0.1.0
 */
export interface Response {
  readonly securityMode: number
  readonly dialectRevision: number
  readonly serverGuid: Uint8Array
  readonly capabilities: number
  /** Bytes. */
  readonly maxTransactSize: number
  /** Bytes. */
  readonly maxReadSize: number
  /** Bytes. */
  readonly maxWriteSize: number
  /** 100 ns ticks since 1601. */
  readonly systemTime: bigint
  /** 100 ns ticks since 1601. */
  readonly serverStartTime: bigint
  readonly securityBuffer: Uint8Array
  readonly negotiateContexts: ReadonlyArray<NegotiateContext>
}

const responseMiddle = {
  serverGuid: bytes16,
  capabilities: Codec.u32,
  maxTransactSize: Codec.u32,
  maxReadSize: Codec.u32,
  maxWriteSize: Codec.u32,
  systemTime: Codec.u64,
  serverStartTime: Codec.u64,
  securityBufferOffset: Codec.offsetOf("securityBuffer", Codec.u16),
  securityBufferLength: Codec.lengthOf("securityBuffer", Codec.u16)
}

const responseWithoutContexts: Codec.Codec<Response> = Codec.map(
  Codec.struct({
    structureSize: Codec.constant(Codec.u16, 65),
    securityMode: Codec.u16,
    dialectRevision: Codec.u16,
    reserved: Codec.reserved(Codec.u16),
    ...responseMiddle,
    reserved2: Codec.reserved(Codec.u32),
    securityBuffer: Codec.buffer(Codec.bytes, { placed: true })
  }, { origin: fromHeader }),
  (value): Response => ({ ...value, negotiateContexts: [] }),
  (value) => value
)

const responseWithContexts: Codec.Codec<Response> = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 65),
  securityMode: Codec.u16,
  dialectRevision: Codec.u16,
  negotiateContextCount: Codec.countOf("negotiateContexts"),
  ...responseMiddle,
  negotiateContextOffset: Codec.offsetOf("negotiateContexts"),
  securityBuffer: Codec.buffer(Codec.bytes, { placed: true }),
  negotiateContexts: Codec.list(NegotiateContext, { align: 8 })
}, { origin: fromHeader })

export const Response: Codec.Codec<Response> = choose(
  64,
  (r) => peekU16(r, 4) === Dialect.SMB_3_1_1 ? responseWithContexts : responseWithoutContexts,
  (value) => value.dialectRevision === Dialect.SMB_3_1_1 ? responseWithContexts : responseWithoutContexts
)

/**
 * The three messages of NTLM (MS-NLMP 2.2.1) and their structures (2.2.2), both ways. `AvPair` has the
 * attributes of a target.
 *
 * Variable parts have a length, a capacity and an offset, and can be anywhere in the message. They are coded by hand
 * with the cursor, and each is read in its own window. Decoded bytes are views of the input message.
 */
import * as Codec from "../Codec/Codec.ts"
import type { Reader, Writer } from "../Codec/Cursor.ts"
import * as Oem from "../Codec/Oem.ts"
import { type AvPair, avPairs } from "./AvPair.ts"
import { unicode } from "./internal/NtlmText.ts"

/**
 * NEGOTIATE flags (MS-NLMP 2.2.2.5).
 *
 * @since 0.1.0
 */
export const NegotiateFlags = {
  NTLMSSP_NEGOTIATE_UNICODE: 0x00000001,
  NTLM_NEGOTIATE_OEM: 0x00000002,
  NTLMSSP_REQUEST_TARGET: 0x00000004,
  NTLMSSP_NEGOTIATE_SIGN: 0x00000010,
  NTLMSSP_NEGOTIATE_SEAL: 0x00000020,
  NTLMSSP_NEGOTIATE_DATAGRAM: 0x00000040,
  NTLMSSP_NEGOTIATE_LM_KEY: 0x00000080,
  NTLMSSP_NEGOTIATE_NTLM: 0x00000200,
  NTLMSSP_NEGOTIATE_ANONYMOUS: 0x00000800,
  NTLMSSP_NEGOTIATE_OEM_DOMAIN_SUPPLIED: 0x00001000,
  NTLMSSP_NEGOTIATE_OEM_WORKSTATION_SUPPLIED: 0x00002000,
  NTLMSSP_NEGOTIATE_ALWAYS_SIGN: 0x00008000,
  NTLMSSP_TARGET_TYPE_DOMAIN: 0x00010000,
  NTLMSSP_TARGET_TYPE_SERVER: 0x00020000,
  NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY: 0x00080000,
  NTLMSSP_NEGOTIATE_IDENTIFY: 0x00100000,
  NTLMSSP_REQUEST_NON_NT_SESSION_KEY: 0x00400000,
  NTLMSSP_NEGOTIATE_TARGET_INFO: 0x00800000,
  NTLMSSP_NEGOTIATE_VERSION: 0x02000000,
  NTLMSSP_NEGOTIATE_128: 0x20000000,
  NTLMSSP_NEGOTIATE_KEY_EXCH: 0x40000000,
  NTLMSSP_NEGOTIATE_56: 0x80000000
} as const

/**
 * Whether a flag is set.
 *
 * @since 0.1.0
 */
export const has = (flags: number, flag: keyof typeof NegotiateFlags): boolean => (flags & NegotiateFlags[flag]) !== 0

/**
 * The union of flags, as an unsigned number.
 *
 * @since 0.1.0
 */
export const flagsOf = (...names: ReadonlyArray<keyof typeof NegotiateFlags>): number =>
  names.reduce((flags, name) => (flags | NegotiateFlags[name]) >>> 0, 0)

// -----------------------------------------------------------------------------
// shared by the messages
// -----------------------------------------------------------------------------

/**
 * VERSION (MS-NLMP 2.2.2.10): for debugging only; peers check its presence and the revision.
 *
 * @since 0.1.0
 */
export interface Version {
  readonly productMajorVersion: number
  readonly productMinorVersion: number
  readonly productBuild: number
  readonly ntlmRevisionCurrent: number
}

/**
 * The version that this package sends: NTLMSSP_REVISION_W2K3, with a Windows version that has SMB 3.1.1.
 *
 * @since 0.1.0
 */
export const version: Version = {
  productMajorVersion: 10,
  productMinorVersion: 0,
  productBuild: 0,
  ntlmRevisionCurrent: 0x0f
}

const versionCodec: Codec.Codec<Version> = Codec.struct({
  productMajorVersion: Codec.u8,
  productMinorVersion: Codec.u8,
  productBuild: Codec.u16,
  reserved: Codec.reservedBytes(3),
  ntlmRevisionCurrent: Codec.u8
})

const signature = Uint8Array.of(0x4e, 0x54, 0x4c, 0x4d, 0x53, 0x53, 0x50, 0x00) // "NTLMSSP\0"

/**
 * Whether bytes begin as an NTLM message does.
 *
 * @since 0.1.0
 */
export const isNtlm = (bytes: Uint8Array): boolean => signature.every((byte, i) => bytes[i] === byte)

const text = (bytes: Uint8Array, flags: number): string =>
  has(flags, "NTLMSSP_NEGOTIATE_UNICODE")
    ? unicode(bytes)
    : Oem.decode(bytes)

const textBytes = (value: string, flags: number): Uint8Array =>
  has(flags, "NTLMSSP_NEGOTIATE_UNICODE") ? Buffer.from(value, "utf16le") : Oem.encode(value)

const readStart = (r: Reader, messageType: number): void => {
  if (!isNtlm(r.take(8))) r.fail("the signature NTLMSSP", r.start)
  const found = r.u32()
  if (found !== messageType) r.fail(`MessageType ${messageType}, not ${found}`, r.start + 8)
}

interface Fields {
  readonly length: number
  readonly offset: number
}

const readFields = (r: Reader): Fields => {
  const length = r.u16()
  r.u16() // the capacity, which only the sender needs
  return { length, offset: r.u32() }
}

const payload = (r: Reader, fields: Fields, name: string): Reader =>
  fields.length === 0
    ? r.window(r.start, 0)
    : r.window(r.start + fields.offset, fields.length, `${name} inside its message`)

const payloadBytes = (r: Reader, fields: Fields, name: string): Uint8Array => payload(r, fields, name).rest()

/** Writes the fixed part by `fixed`, in which `place` announces buffers, then the buffers in the given order. */
const write = (
  w: Writer,
  messageType: number,
  fixed: (place: (bytes: Uint8Array) => void) => void,
  order: ReadonlyArray<Uint8Array>
): void => {
  const start = w.offset
  const places: Array<{ readonly at: number; readonly bytes: Uint8Array }> = []
  w.put(signature)
  w.u32(messageType)
  fixed((bytes) => {
    places.push({ at: w.offset, bytes })
    w.zeros(8)
  })
  for (const bytes of order) {
    const offset = w.offset - start
    w.put(bytes)
    for (const place of places) {
      if (place.bytes !== bytes) continue
      w.patch(place.at, (at) => {
        at.u16(bytes.length)
        at.u16(bytes.length)
        at.u32(offset)
      })
    }
  }
}

/** A message whose flags promise a version has room for it: otherwise its payload would be read as one. */
const writeVersion = (
  w: Writer,
  { negotiateFlags, version }: { readonly negotiateFlags: number; readonly version: Version | undefined }
): void => {
  if (version !== undefined) versionCodec.write(w, version)
  else if (has(negotiateFlags, "NTLMSSP_NEGOTIATE_VERSION")) w.zeros(8)
}

// -----------------------------------------------------------------------------
// NEGOTIATE_MESSAGE
// -----------------------------------------------------------------------------

/**
 * NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1).
 *
 * @since 0.1.0
 */
export interface Negotiate {
  readonly negotiateFlags: number
  /** In OEM characters (`Oem`). */
  readonly domainName: string
  /** In OEM characters (`Oem`). */
  readonly workstation: string
  readonly version: Version | undefined
}

/**
 * @category codecs
 *
 * @since 0.1.0
 */
export const negotiate: Codec.Codec<Negotiate> = Codec.make<Negotiate>(
  16,
  (r) => {
    readStart(r, 1)
    const negotiateFlags = r.u32()
    // Some clients omit the fields after the flags.
    const none = { length: 0, offset: 0 }
    const domain = r.remaining >= 8 ? readFields(r) : none
    const station = r.remaining >= 8 ? readFields(r) : none
    const withVersion = has(negotiateFlags, "NTLMSSP_NEGOTIATE_VERSION") && r.remaining >= 8
    return {
      negotiateFlags,
      domainName: has(negotiateFlags, "NTLMSSP_NEGOTIATE_OEM_DOMAIN_SUPPLIED")
        ? text(payloadBytes(r, domain, "DomainName"), 0)
        : "",
      workstation: has(negotiateFlags, "NTLMSSP_NEGOTIATE_OEM_WORKSTATION_SUPPLIED")
        ? text(payloadBytes(r, station, "WorkstationName"), 0)
        : "",
      version: withVersion ? versionCodec.read(r) : undefined
    }
  },
  (w, value) => {
    const domain = textBytes(value.domainName, 0)
    const station = textBytes(value.workstation, 0)
    write(w, 1, (place) => {
      w.u32(value.negotiateFlags)
      place(domain)
      place(station)
      writeVersion(w, value)
    }, [domain, station])
  }
)

// -----------------------------------------------------------------------------
// CHALLENGE_MESSAGE
// -----------------------------------------------------------------------------

/**
 * CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2).
 *
 * @since 0.1.0
 */
export interface Challenge {
  readonly targetName: string
  readonly negotiateFlags: number
  /** Eight bytes. */
  readonly serverChallenge: Uint8Array
  readonly targetInfo: ReadonlyArray<AvPair>
  readonly version: Version | undefined
}

/**
 * @category codecs
 *
 * @since 0.1.0
 */
export const challenge: Codec.Codec<Challenge> = Codec.make<Challenge>(
  32,
  (r) => {
    readStart(r, 2)
    const targetName = readFields(r)
    const negotiateFlags = r.u32()
    const serverChallenge = r.take(8)
    const withInfo = has(negotiateFlags, "NTLMSSP_NEGOTIATE_TARGET_INFO")
    // Without target information its fields are there too, and mean nothing; only very old servers omit them.
    const none = { length: 0, offset: 0 }
    const fields = withInfo || r.remaining >= 16 ? (r.take(8), readFields(r)) : none
    const targetInfo = withInfo ? fields : none
    const withVersion = has(negotiateFlags, "NTLMSSP_NEGOTIATE_VERSION") && r.remaining >= 8
    return {
      targetName: text(payloadBytes(r, targetName, "TargetName"), negotiateFlags),
      negotiateFlags,
      serverChallenge,
      targetInfo: targetInfo.length === 0 ? [] : avPairs.read(payload(r, targetInfo, "TargetInfo")),
      version: withVersion ? versionCodec.read(r) : undefined
    }
  },
  (w, value) => {
    const targetName = textBytes(value.targetName, value.negotiateFlags)
    const targetInfo = has(value.negotiateFlags, "NTLMSSP_NEGOTIATE_TARGET_INFO")
      ? Codec.encode(avPairs)(value.targetInfo)
      : new Uint8Array(0)
    write(w, 2, (place) => {
      place(targetName)
      w.u32(value.negotiateFlags)
      w.put(value.serverChallenge)
      w.zeros(8)
      place(targetInfo)
      writeVersion(w, value)
    }, [targetName, targetInfo])
  }
)

// -----------------------------------------------------------------------------
// AUTHENTICATE_MESSAGE
// -----------------------------------------------------------------------------

/**
 * AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3).
 *
 * @since 0.1.0
 */
export interface Authenticate {
  readonly lmChallengeResponse: Uint8Array
  readonly ntChallengeResponse: Uint8Array
  readonly domainName: string
  readonly userName: string
  readonly workstation: string
  readonly encryptedRandomSessionKey: Uint8Array
  readonly negotiateFlags: number
  readonly version: Version | undefined
  /** Sixteen bytes at `micOffset`, if the message has room for them before its payload. */
  readonly mic: Uint8Array | undefined
}

/**
 * Where the MIC stands in an AUTHENTICATE_MESSAGE, in bytes from its start.
 *
 * @since 0.1.0
 */
export const micOffset = 72

const payloadStart = 88

/**
 * @category codecs
 *
 * @since 0.1.0
 */
export const authenticate: Codec.Codec<Authenticate> = Codec.make<Authenticate>(
  52,
  (r) => {
    readStart(r, 3)
    const lm = readFields(r)
    const nt = readFields(r)
    const domain = readFields(r)
    const user = readFields(r)
    const station = readFields(r)
    const key = readFields(r)
    const negotiateFlags = r.u32()
    // Only the start of the payload shows whether VERSION and MIC are present.
    const first = [lm, nt, domain, user, station, key].reduce(
      (least, fields) => fields.length === 0 ? least : Math.min(least, fields.offset),
      r.end - r.start
    )
    const withVersion = first >= micOffset && has(negotiateFlags, "NTLMSSP_NEGOTIATE_VERSION")
    const version = withVersion ? versionCodec.read(r) : undefined
    const mic = first >= payloadStart ? r.window(r.start + micOffset, 16).rest() : undefined
    return {
      lmChallengeResponse: payloadBytes(r, lm, "LmChallengeResponse"),
      ntChallengeResponse: payloadBytes(r, nt, "NtChallengeResponse"),
      domainName: text(payloadBytes(r, domain, "DomainName"), negotiateFlags),
      userName: text(payloadBytes(r, user, "UserName"), negotiateFlags),
      workstation: text(payloadBytes(r, station, "Workstation"), negotiateFlags),
      encryptedRandomSessionKey: payloadBytes(r, key, "EncryptedRandomSessionKey"),
      negotiateFlags,
      version,
      mic
    }
  },
  (w, value) => {
    const domain = textBytes(value.domainName, value.negotiateFlags)
    const user = textBytes(value.userName, value.negotiateFlags)
    const station = textBytes(value.workstation, value.negotiateFlags)
    const { encryptedRandomSessionKey: key, lmChallengeResponse: lm, ntChallengeResponse: nt } = value
    write(w, 3, (place) => {
      place(lm)
      place(nt)
      place(domain)
      place(user)
      place(station)
      place(key)
      w.u32(value.negotiateFlags)
      if (value.version === undefined) w.zeros(8)
      else versionCodec.write(w, value.version)
      if (value.mic === undefined) w.zeros(16)
      else w.put(value.mic)
    }, [domain, user, station, lm, nt, key])
  }
)

// -----------------------------------------------------------------------------
// NTLMv2_RESPONSE
// -----------------------------------------------------------------------------

/**
 * NTLMv2_CLIENT_CHALLENGE (MS-NLMP 2.2.2.7): the data that the client's proof covers with the server's challenge.
 *
 * @since 0.1.0
 */
export interface ClientChallenge {
  /** 100 ns ticks since 1601. */
  readonly timeStamp: bigint
  /** Eight bytes. */
  readonly challengeFromClient: Uint8Array
  readonly avPairs: ReadonlyArray<AvPair>
}

/**
 * NTLMv2_CLIENT_CHALLENGE with the four zeros that MS-NLMP 3.3.2 puts after it. Some peers omit them: they are written,
 * but not required.
 *
 * @category codecs
 * @since 0.1.0
 */
export const clientChallenge: Codec.Codec<ClientChallenge> = Codec.make<ClientChallenge>(
  28,
  (r) => {
    const at = r.offset
    if (r.u8() !== 1 || r.u8() !== 1) r.fail("RespType and HiRespType 1", at)
    r.take(6)
    const timeStamp = r.u64()
    const challengeFromClient = r.take(8)
    r.take(4)
    return { timeStamp, challengeFromClient, avPairs: avPairs.read(r) }
  },
  (w, value) => {
    w.u8(1)
    w.u8(1)
    w.zeros(6)
    w.u64(value.timeStamp)
    w.put(value.challengeFromClient)
    w.zeros(4)
    avPairs.write(w, value.avPairs)
    w.zeros(4)
  }
)

/**
 * NTLMv2_RESPONSE (MS-NLMP 2.2.2.8), as the bytes that the proof covers and their meaning.
 *
 * @since 0.1.0
 */
export interface NtlmV2Response {
  /** NTProofStr: 16 bytes. */
  readonly response: Uint8Array
  /** The bytes of `clientChallenge`, as sent. */
  readonly temp: Uint8Array
  readonly clientChallenge: ClientChallenge
}

/**
 * Reads NtChallengeResponse as an NTLMv2_RESPONSE.
 *
 * @since 0.1.0
 */
export const ntlmV2Response = (r: Reader): NtlmV2Response => {
  const response = r.take(16)
  const temp = r.bytes.subarray(r.offset, r.end)
  return { response, temp, clientChallenge: clientChallenge.read(r) }
}

/**
 * A copy of an AUTHENTICATE_MESSAGE with its MIC.
 *
 * @since 0.1.0
 */
export const withMic = (message: Uint8Array, mic: Uint8Array): Uint8Array<ArrayBuffer> => {
  const out = Uint8Array.from(message)
  out.set(mic, micOffset)
  return out
}

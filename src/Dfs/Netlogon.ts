/**
 * The response of a domain controller to an LDAP ping: NETLOGON_SAM_LOGON_RESPONSE_EX (MS-ADTS 6.3.1.9), with the site
 * of the client's machine.
 *
 * Its names are those of RFC 1035, 3.1 and 4.1.4: labels with a length before each, and pointers to earlier names,
 * which count from the start of the structure. A pointer can only lead back, so that no name runs in a circle.
 * `LdapPing` sends and receives the bytes.
 */
import type * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import { Reader } from "../Codec/Cursor.ts"
import * as Guid from "../Codec/Guid.ts"
import type { Malformed } from "../Codec/Malformed.ts"

/**
 * NETLOGON_NT_VERSION (MS-ADTS 6.3.1.1): what a client understands, and which optional fields a response has.
 *
 * @since 0.1.0
 */
export const NtVersion = {
  NETLOGON_NT_VERSION_1: 0x00000001,
  NETLOGON_NT_VERSION_5: 0x00000002,
  NETLOGON_NT_VERSION_5EX: 0x00000004,
  NETLOGON_NT_VERSION_5EX_WITH_IP: 0x00000008,
  NETLOGON_NT_VERSION_WITH_CLOSEST_SITE: 0x00000010,
  NETLOGON_NT_VERSION_IP: 0x20000000
} as const

/**
 * The operation codes of extended responses (MS-ADTS 6.3.1.3): the controller runs, is paused, or does not know the
 * user.
 *
 * @since 0.1.0
 */
export const Opcode = {
  LOGON_SAM_LOGON_RESPONSE_EX: 23,
  LOGON_SAM_PAUSE_RESPONSE_EX: 24,
  LOGON_SAM_USER_UNKNOWN_EX: 25
} as const

/**
 * DS_FLAG: the controller is in the site of the client (MS-ADTS 6.3.1.2).
 *
 * @since 0.1.0
 */
export const DS_CLOSEST_FLAG = 0x00000080

/** A name takes at most 255 bytes on the wire, a label 63 (RFC 1035 2.3.4). */
const longestName = 255
const longestLabel = 63

const pointer = 0xc0

/**
 * A name of labels, joined by dots; empty for the root. Pointers are followed, and never written.
 *
 * @category codecs
 * @since 0.1.0
 */
export const Name: Codec.Codec<string> = Codec.make(
  1,
  (reader) => {
    const labels: Array<string> = []
    let length = 0
    let at: Reader = reader
    /** A pointer must lead to a place before everything that has been read of this name. */
    let before = reader.offset
    for (;;) {
      const place = at.offset
      const size = at.u8()
      if (size === 0) return labels.join(".")
      if ((size & pointer) === pointer) {
        const target = reader.start + (((size & 0x3f) << 8) | at.u8())
        if (target >= before) at.fail("a pointer to an earlier name", place)
        before = target
        at = new Reader(reader.bytes, reader.start, reader.end, reader.view)
        at.offset = target
        continue
      }
      if (size > longestLabel) at.fail(`a label of at most ${longestLabel} bytes, not ${size}`, place)
      length += size + 1
      if (length >= longestName) at.fail(`a name of at most ${longestName} bytes`, place)
      labels.push(Buffer.from(at.take(size)).toString("utf8"))
    }
  },
  (writer, value) => {
    if (value !== "") {
      for (const label of value.split(".")) {
        const bytes = Buffer.from(label, "utf8")
        if (bytes.length === 0 || bytes.length > longestLabel) throw new RangeError(`no label: ${label}`)
        writer.u8(bytes.length)
        writer.put(bytes)
      }
    }
    writer.u8(0)
  }
)

const Start = Codec.struct({
  opcode: Codec.u16,
  sbz: Codec.reserved(Codec.u16),
  flags: Codec.u32,
  domainGuid: Guid.Guid,
  dnsForestName: Name,
  dnsDomainName: Name,
  dnsHostName: Name,
  netbiosDomainName: Name,
  netbiosComputerName: Name,
  userName: Name,
  dcSiteName: Name,
  clientSiteName: Name
})

const End = Codec.struct({
  ntVersion: Codec.u32,
  lmNtToken: Codec.constant(Codec.u16, 0xffff),
  lm20Token: Codec.constant(Codec.u16, 0xffff)
})

/**
 * NETLOGON_SAM_LOGON_RESPONSE_EX. `clientSiteName` is empty if the controller knows no site for the client's address;
 * `dcSockAddr` and `nextClosestSiteName` are present if `ntVersion` says so.
 *
 * @category models
 * @since 0.1.0
 */
export interface SamLogonResponseEx extends Codec.Type<typeof Start> {
  /** A `sockaddr` of Windows, undecoded. */
  readonly dcSockAddr?: Uint8Array
  readonly nextClosestSiteName?: string
  readonly ntVersion: number
}

/**
 * The codec of `SamLogonResponseEx`.
 *
 * @since 0.1.0
 */
export const SamLogonResponseEx: Codec.Codec<SamLogonResponseEx> = Codec.make(
  Start.minimumSize + End.minimumSize,
  (reader) => {
    const start = Start.read(reader)
    // The fields at the end say which fields stand before them.
    if (reader.remaining < End.minimumSize) reader.fail(`${End.minimumSize} more bytes, not ${reader.remaining}`)
    const { ntVersion } = End.read(reader.window(reader.end - End.minimumSize, End.minimumSize))
    const has = (flag: number): boolean => (ntVersion & flag) !== 0
    const dcSockAddr = has(NtVersion.NETLOGON_NT_VERSION_5EX_WITH_IP) ? reader.take(reader.u8()) : undefined
    const nextClosestSiteName =
      has(NtVersion.NETLOGON_NT_VERSION_WITH_CLOSEST_SITE) && reader.remaining > End.minimumSize
        ? Name.read(reader)
        : undefined
    if (reader.remaining !== End.minimumSize) {
      reader.fail(`the ${End.minimumSize} bytes of NtVersion and tokens, not ${reader.remaining}`)
    }
    reader.offset = reader.end
    return {
      ...start,
      ...(dcSockAddr === undefined ? {} : { dcSockAddr }),
      ...(nextClosestSiteName === undefined ? {} : { nextClosestSiteName }),
      ntVersion
    }
  },
  (writer, value) => {
    Start.write(writer, value)
    if (value.dcSockAddr !== undefined) {
      writer.u8(value.dcSockAddr.length)
      writer.put(value.dcSockAddr)
    }
    if (value.nextClosestSiteName !== undefined) Name.write(writer, value.nextClosestSiteName)
    End.write(writer, value)
  }
)

const structure = "NETLOGON_SAM_LOGON_RESPONSE_EX"

/**
 * Decodes a response; `Malformed` if it is not an extended one, also if the controller is paused.
 *
 * @category conversions
 * @since 0.1.0
 */
export const decode = (bytes: Uint8Array): Result.Result<SamLogonResponseEx, Malformed> =>
  Codec.attempt(structure, () => {
    const reader = new Reader(bytes)
    const value = SamLogonResponseEx.read(reader)
    if (value.opcode !== Opcode.LOGON_SAM_LOGON_RESPONSE_EX && value.opcode !== Opcode.LOGON_SAM_USER_UNKNOWN_EX) {
      reader.fail(`an Opcode of ${Opcode.LOGON_SAM_LOGON_RESPONSE_EX}, not ${value.opcode}`, 0)
    }
    return value
  })

/**
 * Encodes a response, for a program that plays a controller.
 *
 * @category conversions
 * @since 0.1.0
 */
export const encode: (value: SamLogonResponseEx) => Uint8Array<ArrayBuffer> = Codec.encode(SamLogonResponseEx)

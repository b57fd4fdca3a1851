/**
 * Kerberos without a domain: the holder of a service's key makes tickets for it with any content (RFC 4120, RFC 3962,
 * RFC 4121). For the system's library on both sides: keytabs, ticket caches, and a client's first token.
 */
import { createCipheriv, createHmac, randomBytes } from "node:crypto"
import * as Der from "../../src/Auth/Der.ts"

const aes256 = 18
export const realm = "CORP.TEST"
export const service = "fs1.corp.test"

// -----------------------------------------------------------------------------
// aes256-cts-hmac-sha1-96
// -----------------------------------------------------------------------------

/** Spreads a constant over 16 bytes (RFC 3961 5.1). */
const fold = (input: Uint8Array): Uint8Array => {
  const n = 16
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))
  const length = input.length * n / gcd(input.length, n)
  const bits = input.length * 8
  const bitOf = (at: number): number => (input[at >>> 3]! >>> (7 - at % 8)) & 1
  const spread = new Uint8Array(length)
  for (let at = 0; at < length * 8; at++) {
    const turn = Math.floor(at / bits)
    const from = ((at % bits - 13 * turn) % bits + bits) % bits
    spread[at >>> 3]! |= bitOf(from) << (7 - at % 8)
  }
  const sum = new Uint8Array(n)
  let carry = 0
  for (let at = length - 1; at >= 0; at--) {
    carry += sum[at % n]! + spread[at]!
    sum[at % n] = carry & 255
    carry >>>= 8
  }
  for (let at = n - 1; carry > 0; at = (at + n - 1) % n) {
    carry += sum[at]!
    sum[at] = carry & 255
    carry >>>= 8
  }
  return sum
}

const block = (key: Uint8Array, input: Uint8Array): Uint8Array => {
  const cipher = createCipheriv("aes-256-ecb", key, null).setAutoPadding(false)
  return Buffer.concat([cipher.update(input), cipher.final()])
}

const derive = (key: Uint8Array, usage: number, kind: number): Uint8Array => {
  const first = block(key, fold(Uint8Array.of(0, 0, 0, usage, kind)))
  return Buffer.concat([first, block(key, first)])
}

const hash = (key: Uint8Array, message: Uint8Array): Uint8Array =>
  createHmac("sha1", key).update(message).digest().subarray(0, 12)

/** CBC with ciphertext stealing (RFC 3962 5). More than a block. */
const steal = (key: Uint8Array, plain: Uint8Array): Uint8Array => {
  const rest = (plain.length - 1) % 16 + 1
  const padded = Buffer.concat([plain, Buffer.alloc(16 - rest)])
  const cipher = createCipheriv("aes-256-cbc", key, Buffer.alloc(16)).setAutoPadding(false)
  const whole = Buffer.concat([cipher.update(padded), cipher.final()])
  const { length } = whole
  return Buffer.concat([
    whole.subarray(0, length - 32),
    whole.subarray(length - 16),
    whole.subarray(length - 32, length - 32 + rest)
  ])
}

const encrypt = (key: Uint8Array, usage: number, plain: Uint8Array): Uint8Array => {
  const confounded = Buffer.concat([randomBytes(16), plain])
  return Buffer.concat([
    steal(derive(key, usage, 0xaa), confounded),
    hash(derive(key, usage, 0x55), confounded)
  ])
}

// -----------------------------------------------------------------------------
// messages
// -----------------------------------------------------------------------------

const sequence = (...items: ReadonlyArray<Uint8Array>) => Der.value(0x30, ...items)
const octets = (bytes: Uint8Array) => Der.value(0x04, bytes)
const text = (of: string) => Der.value(0x1b, Buffer.from(of))
const bits = (of: number) => Der.value(0x03, Uint8Array.of(0, of >>> 24, (of >>> 16) & 255, (of >>> 8) & 255, of & 255))
const integer = (of: number): Uint8Array => {
  const bytes = Buffer.alloc(5)
  bytes.writeIntBE(of, 0, 5)
  let from = 0
  while (from < 4 && (bytes[from] === 0 && bytes[from + 1]! < 128 || bytes[from] === 255 && bytes[from + 1]! > 127)) {
    from++
  }
  return Der.value(0x02, bytes.subarray(from))
}
const time = (of: Date) => Der.value(0x18, Buffer.from(`${of.toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`))
const field = (n: number, value: Uint8Array) => Der.value(0xa0 + n, value)
const application = (n: number, ...fields: ReadonlyArray<Uint8Array>) => Der.value(0x60 + n, sequence(...fields))
const name = (type: number, ...parts: ReadonlyArray<string>) =>
  sequence(field(0, integer(type)), field(1, sequence(...parts.map(text))))
const encrypted = (cipher: Uint8Array, kvno?: number) =>
  sequence(
    field(0, integer(aes256)),
    ...kvno === undefined ? [] : [field(1, integer(kvno))],
    field(2, octets(cipher))
  )

/** An element of authorization data: its type, and its data. */
export type Element = readonly [number, Uint8Array]

/** AuthorizationData (RFC 4120 5.2.6). */
export const authorization = (elements: ReadonlyArray<Element>): Uint8Array =>
  sequence(...elements.map(([type, data]) => sequence(field(0, integer(type)), field(1, octets(data)))))

/** AD-AND-OR (5.2.6.3). */
export const andOr = (count: number, elements: ReadonlyArray<Element>): Uint8Array =>
  sequence(field(0, integer(count)), field(1, authorization(elements)))

/** AD-KDCIssued (5.2.6.2), with a checksum that no KDC made. */
export const kdcIssued = (elements: ReadonlyArray<Element>): Uint8Array =>
  sequence(
    field(0, sequence(field(0, integer(16)), field(1, octets(Buffer.alloc(12))))),
    field(3, authorization(elements))
  )

/** A service's key, and a session's. */
export const makeKey = (): Uint8Array => Uint8Array.from(randomBytes(32))

export interface TicketOptions {
  readonly user?: string
  readonly authorization?: Uint8Array | undefined
  /** Milliseconds by which the issuer's clock is ahead of this machine's. */
  readonly ahead?: number
  /** Version of the key. Default: 1. */
  readonly version?: number
  /** The service's host. */
  readonly host?: string
}

const now = ({ ahead = 0 }: TicketOptions): Date => new Date(Date.now() + ahead)

/** A ticket for the service that is valid from now for an hour. */
export const ticket = (key: Uint8Array, session: Uint8Array, options: TicketOptions = {}): Uint8Array => {
  const start = now(options)
  const later = new Date(start.getTime() + 3_600_000)
  const part = application(
    3,
    field(0, bits(0)),
    field(1, sequence(field(0, integer(aes256)), field(1, octets(session)))),
    field(2, text(realm)),
    field(3, name(1, options.user ?? "joe")),
    field(4, sequence(field(0, integer(1)), field(1, octets(new Uint8Array(0))))),
    field(5, time(start)),
    field(7, time(later)),
    ...options.authorization === undefined ? [] : [field(10, options.authorization)]
  )
  return application(
    1,
    field(0, integer(5)),
    field(1, text(realm)),
    field(2, name(2, "cifs", options.host ?? service)),
    field(3, encrypted(encrypt(key, 2, part), options.version ?? 1))
  )
}

let counted = 0

/** A client's first token: the ticket, and an authenticator by the session's key. */
export const token = (
  of: Uint8Array,
  session: Uint8Array,
  options: TicketOptions & { readonly mutual?: boolean } = {}
): Uint8Array => {
  const flags = 0x20 | (options.mutual === true ? 2 : 0)
  const authenticator = application(
    2,
    field(0, integer(5)),
    field(1, text(realm)),
    field(2, name(1, options.user ?? "joe")),
    field(
      3,
      sequence(
        field(0, integer(0x8003)),
        field(1, octets(Buffer.concat([Buffer.from([16, 0, 0, 0]), Buffer.alloc(16), Buffer.from([flags, 0, 0, 0])])))
      )
    ),
    field(4, integer(++counted)),
    field(5, time(now(options))),
    field(7, integer(0)),
    ...options.authorization === undefined ? [] : [field(8, options.authorization)]
  )
  const request = application(
    14,
    field(0, integer(5)),
    field(1, integer(14)),
    field(2, bits(options.mutual === true ? 0x2000_0000 : 0)),
    field(3, of),
    field(4, encrypted(encrypt(session, 11, authenticator)))
  )
  return Der.value(0x60, Der.identifier("1.2.840.113554.1.2.2"), Uint8Array.of(1, 0), request)
}

/** GSS_GetMIC of the client with the session's key (RFC 4121 4.2.6.1). */
export const mic = (session: Uint8Array, message: Uint8Array): Uint8Array => {
  const head = Buffer.concat([Buffer.from([4, 4, 0, 255, 255, 255, 255, 255]), Buffer.alloc(8)])
  return Buffer.concat([head, hash(derive(session, 25, 0x99), Buffer.concat([message, head]))])
}

// -----------------------------------------------------------------------------
// files
// -----------------------------------------------------------------------------

const u16 = (of: number) => Buffer.from([of >>> 8, of & 255])
const u32 = (of: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(of)
  return bytes
}
const short = (of: string | Uint8Array) => Buffer.concat([u16(of.length), Buffer.from(of)])
const long = (of: string | Uint8Array) => Buffer.concat([u32(of.length), Buffer.from(of)])

/** A keytab with the service's key. */
export const keytab = (key: Uint8Array): Uint8Array => {
  const entry = Buffer.concat([
    ...[u16(2), short(realm), short("cifs"), short(service), u32(2), u32(1), Uint8Array.of(1)],
    ...[u16(aes256), short(key)]
  ])
  return Buffer.concat([Uint8Array.of(5, 2), u32(entry.length), entry])
}

/** A user's ticket cache with a ticket for the service. */
export const cache = (of: Uint8Array, session: Uint8Array, user = "joe"): Uint8Array => {
  const principal = (type: number, ...parts: ReadonlyArray<string>) =>
    Buffer.concat([u32(type), u32(parts.length), long(realm), ...parts.map(long)])
  const now = Math.floor(Date.now() / 1000)
  const times = [now - 1, now - 1, now + 3600, 0].map(u32)
  return Buffer.concat([
    ...[Uint8Array.of(5, 4), u16(0), principal(1, user), principal(1, user), principal(2, "cifs", service)],
    ...[u16(aes256), long(session), ...times, Uint8Array.of(0), u32(0), u32(0), u32(0), long(of), u32(0)]
  ])
}

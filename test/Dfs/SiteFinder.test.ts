/**
 * LDAP pings (MS-ADTS 6.3) against the recorded bytes of a Samba 4.17 controller, and against controllers on this
 * machine that send malformed or no responses.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, References, Result } from "effect"
import { BerReader } from "ldapts"
import { createSocket, type Socket } from "node:dgram"
import * as LdapPing from "../../src/Dfs/LdapPing.ts"
import * as Netlogon from "../../src/Dfs/Netlogon.ts"
import * as SiteFinder from "../../src/Dfs/SiteFinder.ts"

const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"))

/** Samba's response to the ping of a machine in its first site, and its response for another domain. */
const netlogon =
  "17000000fd130000dfbaa0534f18fb428398485a3697047004636f7270047465737400c01803646331c01804434f5250000344" +
  "433100001744656661756c742d46697273742d536974652d4e616d6500c03705000000ffffffff"
const served = `3073020101646e0400306a306804086e65746c6f676f6e315c045a${netlogon}300c02010165070a010004000400`
const notServed = "300c02010165070a010004000400"

/** As tshark 4.0 reads the same bytes. */
const read: Netlogon.SamLogonResponseEx = {
  opcode: 23,
  flags: 0x13fd,
  domainGuid: "53a0badf-184f-42fb-8398-485a36970470",
  dnsForestName: "corp.test",
  dnsDomainName: "corp.test",
  dnsHostName: "dc1.corp.test",
  netbiosDomainName: "CORP",
  netbiosComputerName: "DC1",
  userName: "",
  dcSiteName: "Default-First-Site-Name",
  clientSiteName: "Default-First-Site-Name",
  ntVersion: 5
}

const malformed = <A>(result: Result.Result<A, { readonly offset: number; readonly expected: string }>) =>
  Result.isFailure(result) ? `${result.failure.offset}: ${result.failure.expected}` : "is read"

describe("NETLOGON_SAM_LOGON_RESPONSE_EX", () => {
  it("is read as tshark reads it, with its pointers", () => {
    assert.deepStrictEqual(Result.getOrThrow(Netlogon.decode(hex(netlogon))), read)
  })
  it("is decoded from its encoding, with the optional fields that Samba omits", () => {
    const { NETLOGON_NT_VERSION_5EX_WITH_IP, NETLOGON_NT_VERSION_WITH_CLOSEST_SITE } = Netlogon.NtVersion
    const full = {
      ...read,
      dcSockAddr: hex("020001850a633e020000000000000000"),
      nextClosestSiteName: "Hamburg",
      ntVersion: NETLOGON_NT_VERSION_5EX_WITH_IP | NETLOGON_NT_VERSION_WITH_CLOSEST_SITE | 5
    }
    assert.deepStrictEqual(Result.getOrThrow(Netlogon.decode(Netlogon.encode(full))), full)
  })
  const patched = (at: number, bytes: string) => {
    const copy = hex(netlogon)
    copy.set(hex(bytes), at)
    return malformed(Netlogon.decode(copy))
  }
  it.each<[string, number, string, RegExp]>([
    ["a pointer to itself", 0x18, "c018", /^24: a pointer to an earlier name/],
    ["a pointer forward", 0x23, "c037", /^35: a pointer to an earlier name/],
    ["a label with a reserved length", 0x18, "40", /^24: a label of at most 63 bytes, not 64/],
    ["a label past the end", 0x37, "3f", /more bytes, not/],
    ["another operation code", 0, "1800", /^0: an Opcode of 23, not 24/],
    ["other tokens", netlogon.length / 2 - 4, "0000", /lmNtToken 65535, not 0/],
    ["a missing address", netlogon.length / 2 - 8, "08", /bytes/]
  ])("%s is malformed", (_, at, bytes, expected) => assert.match(patched(at, bytes), expected))
  it("with a name of more than 255 bytes is malformed, also by pointers", () => {
    const label = `3f${"61".repeat(63)}`
    const bytes = (names: string) => hex(`${netlogon.slice(0, 48)}${names}${netlogon.slice(48)}`)
    assert.match(malformed(Netlogon.decode(bytes(`${label.repeat(4)}00`))), /a name of at most 255 bytes/)
    assert.match(
      malformed(Netlogon.decode(bytes(`${label.repeat(3)}00${label}c018`))),
      /a name of at most 255 bytes/
    )
  })
  it("is malformed when truncated, and never makes the decoder throw when changed", () => {
    const bytes = hex(netlogon)
    for (let length = 0; length < bytes.length; length++) {
      assert.match(malformed(Netlogon.decode(bytes.subarray(0, length))), /^\d+: /)
    }
    let seed = 7
    const random = (below: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below
    for (let round = 0; round < 5000; round++) {
      const copy = bytes.slice()
      for (let i = 0; i <= round % 4; i++) copy[random(copy.length)] = random(256)
      Netlogon.decode(copy)
    }
  })
})

describe("the LDAP message of a ping's response", () => {
  const valueOf = (bytes: Uint8Array, id = 1) => LdapPing.netlogonOf({ BerReader }, bytes, id)
  it("gives the attribute Netlogon, or nothing when the domain is not served", () => {
    assert.strictEqual(Buffer.from(Result.getOrThrow(valueOf(hex(served)))!).toString("hex"), netlogon)
    assert.isUndefined(Result.getOrThrow(valueOf(hex(notServed))))
    // Windows writes lengths of four bytes.
    const long = (tag: string, content: string) =>
      `${tag}84${(content.length / 2).toString(16).padStart(8, "0")}${content}`
    const attribute = long("30", `04084e65746c6f676f6e${long("31", long("04", netlogon))}`)
    const message = long("30", `020101${long("64", `0400${long("30", attribute)}`)}`)
    assert.strictEqual(Buffer.from(Result.getOrThrow(valueOf(hex(message)))!).toString("hex"), netlogon)
    // An entry without attributes.
    assert.isUndefined(Result.getOrThrow(valueOf(hex("300902010164040400" + "3000"))))
  })
  it.each<[string, string, RegExp]>([
    ["nothing", "", /^0: an LDAPMessage/],
    ["a length past the end", "3073020101", /^2: an LDAPMessage/],
    ["another message's identifier", served.replace("020101", "020102"), /the messageID 1/],
    ["another operation", "300c02010161070a010004000400", /Expected 0x64/],
    ["another attribute", served.replace("6e65746c", "6e65746d"), /the attribute Netlogon/],
    // The package's own reader of entries would never end here.
    ["attributes that never end", "300d0201016408040030847fffffff", /a PartialAttributeList/]
  ])("%s is malformed", (_, bytes, expected) => assert.match(malformed(valueOf(hex(bytes))), expected))
  it("is malformed when truncated, and never makes the decoder throw when changed", () => {
    const bytes = hex(served)
    for (let length = 0; length < 117; length++) assert.match(malformed(valueOf(bytes.subarray(0, length))), /^\d+: /)
    for (let at = 0; at < bytes.length; at++) {
      for (const byte of [0, 1, 0x30, 0x7f, 0x80, 0x84, 0xff]) {
        const copy = bytes.slice()
        copy[at] = byte
        const found = valueOf(copy)
        if (Result.isSuccess(found) && found.success !== undefined) Netlogon.decode(found.success)
      }
    }
  })
})

/** A controller on this machine that responds by a function of the request; `undefined` is no response. */
const controller = (answer: (request: Buffer) => Uint8Array | undefined) =>
  Effect.acquireRelease(
    Effect.callback<Socket>((resume) => {
      const socket = createSocket("udp4")
      socket.on("message", (request, { address, port }) => {
        const said = answer(request)
        if (said !== undefined) socket.send(said, port, address)
      })
      socket.bind(0, "127.0.0.1", () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => socket.close())
  ).pipe(Effect.map((socket) => socket.address().port))

/** Samba's response with the identifier of the request, which can be longer. */
const answered = (request: Buffer): Uint8Array => {
  const id = request.subarray(2, 4 + request[3]!)
  const entry = hex(served).subarray(5, 117)
  return Buffer.concat([Buffer.from([0x30, id.length + entry.length]), id, entry])
}

describe("LdapPing.ping", () => {
  it.live("sends the filter that Samba accepts, and reads the response", () =>
    Effect.gen(function*() {
      const asked: Array<Buffer> = []
      const port = yield* controller((request) => {
        asked.push(request)
        return answered(request)
      })
      const found = yield* LdapPing.ping("127.0.0.1", "corp.test", { port })
      assert.deepStrictEqual(found, read)
      // Except for the identifier, these are the bytes that a Samba controller responded to.
      const filter = "a3160409446e73446f6d61696e0409636f72702e74657374a30d04054e7456657204041600002" + "0"
      assert.include(asked[0]!.toString("hex"), `0a01000a0100020100020100010100a027${filter}300a04084e65746c6f676f6e`)
      yield* LdapPing.ping("127.0.0.1", "CORP", { port })
      // A name without a dot is not a DNS name: the ping asks for the controller's own domain.
      assert.notInclude(asked.at(-1)!.toString("latin1"), "DnsDomain")
    }))
  it.live("sends the request again when the first is lost", () =>
    Effect.gen(function*() {
      let count = 0
      const port = yield* controller((request) => (count++ === 0 ? undefined : answered(request)))
      assert.strictEqual((yield* LdapPing.ping("127.0.0.1", "corp.test", { port })).netbiosDomainName, "CORP")
    }))
  it.live("fails with TimedOut, DomainNotServed, Malformed or ConnectionRefused, and for a server without an address", () =>
    Effect.gen(function*() {
      const silent = yield* controller(() => undefined)
      const other = yield* controller((request) => {
        const id = request.subarray(2, 4 + request[3]!)
        return Buffer.concat([Buffer.from([0x30, id.length + 9]), id, hex("65070a010004000400")])
      })
      const garbage = yield* controller(() => hex("3084ffffffff"))
      const nobody = yield* Effect.scoped(controller(() => undefined))
      const ping = (port: number, server = "127.0.0.1") =>
        Effect.map(
          Effect.flip(LdapPing.ping(server, "corp.test", { port, timeout: "150 millis" })),
          (error) => error._tag === "Malformed" ? `${error._tag} ${error.server}` : error.reason._tag
        )
      assert.deepStrictEqual(yield* Effect.all([silent, other, garbage, nobody].map((port) => ping(port))), [
        "TimedOut",
        "DomainNotServed",
        "Malformed 127.0.0.1",
        "ConnectionRefused"
      ])
      const lookup = (_: string, __: unknown, done: (error: NodeJS.ErrnoException) => void) =>
        done(Object.assign(new Error("no"), { code: "ENOTFOUND" }))
      const error = yield* Effect.flip(LdapPing.ping("dc9", "corp.test", { lookup: lookup as never }))
      assert.strictEqual(error.message, "LDAP ping of dc9 for the domain corp.test: it has no address")
    }))
})

describe("the finder of sites", () => {
  const find = (controllers: ReadonlyArray<string>, port: number) =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const log = Logger.make(({ message }) => void lines.push(String(message)))
      const finder = yield* Effect.provide(SiteFinder.SiteFinder, SiteFinder.layerLdap({ port, timeout: "1 second" }))
      const site = yield* finder.find("corp.test", controllers).pipe(
        Effect.provideService(References.MinimumLogLevel, "Debug"),
        Effect.provide(Logger.layer([log]))
      )
      return { site, lines }
    })
  it.live("gives the site of the first controller that responds, and logs the others", () =>
    Effect.gen(function*() {
      const port = yield* controller(answered)
      const { lines, site } = yield* find(["127.0.0.9", "[::1]", "127.0.0.1"], port)
      assert.strictEqual(site, "Default-First-Site-Name")
      assert.match(lines.join(), /LDAP ping of 127\.0\.0\.9 for the domain corp\.test: it has no LDAP there/)
    }))
  it.live("finds no site when no controller responds, none is known, or this machine is in none", () =>
    Effect.gen(function*() {
      const nobody = yield* Effect.scoped(controller(() => undefined))
      assert.isUndefined((yield* find(["127.0.0.1"], nobody)).site)
      assert.isUndefined((yield* find([], nobody)).site)
      const homeless = Buffer.from(Netlogon.encode({ ...read, dnsForestName: "", clientSiteName: "" }))
      const port = yield* controller((request) => {
        const id = request.subarray(2, 4 + request[3]!)
        const wrap = (tag: number, content: Uint8Array) =>
          Buffer.concat([Buffer.from([tag, 0x81, content.length]), content])
        const attribute = Buffer.concat([hex("04084e65746c6f676f6e"), wrap(0x31, wrap(0x04, homeless))])
        return wrap(
          0x30,
          Buffer.concat([id, wrap(0x64, Buffer.concat([hex("0400"), wrap(0x30, wrap(0x30, attribute))]))])
        )
      })
      assert.strictEqual((yield* LdapPing.ping("127.0.0.1", "corp.test", { port })).clientSiteName, "")
      assert.isUndefined((yield* find(["127.0.0.1"], port)).site)
    }))
})

/**
 * Negotiation, logon and encryption of the client with scripted servers that refuse, downgrade, forge packets or never
 * end the logon (MS-SMB2 3.2.5.2, 3.2.5.3).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted } from "effect"
import { Credentials, ProtocolError, SmbClient, SmbError, TestTransport } from "effect-smb"
import * as Header from "../../src/Smb2/Header.ts"
import { Dialect } from "../../src/Smb2/Message/Constants.ts"

const user = Credentials.password("user", Redacted.make("password"))
const files = { data: { "f.txt": "text" } }

interface Case {
  readonly server?: Omit<TestTransport.ServerOptions, "shares">
  readonly client?: SmbClient.Options
  readonly as?: Credentials.Credential
}

/** Reads a file. */
const read = ({ as, client, server }: Case) =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    return yield* smb.readFileString("\\\\nas\\data\\f.txt")
  }).pipe(
    Effect.provide(
      SmbClient.layer(client).pipe(
        Layer.provide([TestTransport.layerFiles(files, server), Credentials.layer(as ?? user)])
      )
    )
  )

const reason = (some: Case) =>
  Effect.map(Effect.flip(read(some)), (error) => "reason" in error ? `${error._tag} ${error.reason._tag}` : error._tag)

/** Changes the NEGOTIATE response, as the peer or a third party could. */
const negotiated = (change: (packet: Uint8Array) => void): TestTransport.Fault =>
  TestTransport.fault("NEGOTIATE", {
    tamper: (packet) => {
      change(packet)
      return packet
    }
  })

const u16 = (at: number, value: number) => negotiated((packet) => Header.view(packet).setUint16(at, value, true))

/** The offset of a negotiate context, by its type. */
const contextAt = (packet: Uint8Array, type: number): number => {
  const view = Header.view(packet)
  let at = view.getUint32(64 + 60, true)
  for (let left = view.getUint16(64 + 6, true); left > 0; left--) {
    if (view.getUint16(at, true) === type) return at
    at = (at + 8 + view.getUint16(at + 2, true) + 7) & ~7
  }
  throw new Error(`no context ${type}`)
}

const context = (type: number, change: (view: DataView, at: number) => void) =>
  negotiated((packet) => change(Header.view(packet), contextAt(packet, type)))

describe("negotiation with a server", () => {
  const cases: ReadonlyArray<readonly [string, Case, string]> = [
    [
      "a dialect that was not offered",
      { server: { faults: [u16(68, Dialect.SMB_3_1_1)] }, client: { dialects: ["2.1"] } },
      "ProtocolError DialectRefused"
    ],
    ["a dialect that does not exist", { server: { faults: [u16(68, 0x0400)] } }, "ProtocolError DialectRefused"],
    [
      "the wildcard to an SMB 2 NEGOTIATE",
      { server: { faults: [u16(68, Dialect.SMB_2_WILDCARD)] } },
      "ProtocolError DialectRefused"
    ],
    [
      "no dialect in common",
      { server: { dialect: "2.1" }, client: { dialects: ["3.0", "3.1.1"] } },
      "SmbError NotSupported"
    ],
    [
      "no preauthentication integrity",
      { server: { faults: [context(1, (view, at) => view.setUint16(at, 99, true))] } },
      "ProtocolError Downgrade"
    ],
    [
      "another hash",
      { server: { faults: [context(1, (view, at) => view.setUint16(at + 12, 2, true))] } },
      "ProtocolError UnexpectedResponse"
    ],
    ["a cipher that was not offered", {
      server: { faults: [context(2, (view, at) => view.setUint16(at + 10, 9, true))] }
    }, "ProtocolError UnexpectedResponse"],
    ["two ciphers", { server: { faults: [context(2, (view, at) => view.setUint16(at + 8, 2, true))] } }, "Malformed"],
    ["a signing algorithm that was not offered", {
      server: { faults: [context(8, (view, at) => view.setUint16(at + 10, 77, true))] }
    }, "ProtocolError UnexpectedResponse"],
    [
      "a context twice",
      { server: { faults: [context(8, (view, at) => view.setUint16(at, 2, true))] } },
      "ProtocolError UnexpectedResponse"
    ],
    ["transfer limits of 100 bytes", { server: { maximumTransfer: 100 } }, "ProtocolError UnexpectedResponse"],
    [
      "no encryption where it is required",
      { server: { dialect: "2.1" }, client: { encryption: "required" } },
      "ProtocolError EncryptionUnavailable"
    ],
    [
      "no cipher in common",
      { server: { ciphers: [] }, client: { encryption: "required" } },
      "ProtocolError EncryptionUnavailable"
    ],
    ["SMB 1", {
      server: {
        faults: [
          TestTransport.fault("NEGOTIATE", { packet: Uint8Array.of(0xff, 0x53, 0x4d, 0x42, ...Array(40).fill(0)) })
        ]
      }
    }, "ProtocolError Smb1Only"],
    ["no SMB at all", { server: { faults: [TestTransport.fault("NEGOTIATE", "garbage")] } }, "ProtocolError NotSmb"],
    [
      "a truncated response",
      { server: { faults: [TestTransport.fault("NEGOTIATE", { cutAfter: 50 })] } },
      "TransportError ConnectionClosed"
    ]
  ]
  it.effect.each(cases)(
    "that answers with %s is refused",
    ([, some, expected]) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* reason(some), expected)
      })
  )

  it.effect.each(["2.0.2", "2.1", "3.0.2", "3.1.1"] as const)(
    "by SMB 1's multi-protocol NEGOTIATE reaches dialect %s",
    (dialect) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* read({ server: { dialect }, client: { multiProtocol: true } }), "text")
      })
  )

  it.effect("is refused when its response was changed: BadSignature in 3.1.1, Downgrade in older dialects", () =>
    Effect.gen(function*() {
      // 3.1.1: the keys differ.
      const guid = negotiated((packet) => {
        packet[64 + 8]! ^= 1
      })
      assert.strictEqual(yield* reason({ server: { faults: [guid] } }), "ProtocolError BadSignature")
      // 3.0 and 3.0.2: the client asks the server again, with a signature.
      for (const dialect of ["3.0", "3.0.2"] as const) {
        assert.strictEqual(yield* reason({ server: { dialect, faults: [guid] } }), "ProtocolError Downgrade")
        const refused = TestTransport.fault("IOCTL", { status: "STATUS_ACCESS_DENIED" })
        assert.strictEqual(yield* reason({ server: { dialect, faults: [refused] } }), "ProtocolError Downgrade")
      }
      // A third party that downgrades to 2.1 is found by the same request.
      assert.strictEqual(
        yield* reason({ server: { dialect: "2.1", faults: [guid] } }),
        "ProtocolError Downgrade"
      )
    }))

  // MS-SMB2 3.2.5.14.12: the connection ends for an unsigned response, ACCESS_DENIED, and a success that differs.
  it.effect.each(
    (["2.0.2", "2.1", "3.0", "3.0.2"] as const).flatMap((dialect) =>
      ([
        "STATUS_FILE_CLOSED",
        "STATUS_INVALID_DEVICE_REQUEST",
        "STATUS_NOT_SUPPORTED",
        "STATUS_INVALID_PARAMETER",
        "STATUS_NOT_IMPLEMENTED",
        "STATUS_UNSUCCESSFUL"
      ] as const).map((status) => ({ dialect, status }))
    )
  )(
    "of $dialect continues when FSCTL_VALIDATE_NEGOTIATE_INFO gets a signed $status, and fails unsigned",
    ({ dialect, status }) =>
      Effect.gen(function*() {
        const refuses = (some: TestTransport.Answer) => ({
          server: { dialect, faults: [TestTransport.fault("IOCTL", { status, ...some })] }
        })
        assert.strictEqual(yield* read(refuses({})), "text")
        assert.strictEqual(yield* reason(refuses({ signature: "none" })), "ProtocolError NotSigned")
        assert.strictEqual(yield* reason(refuses({ signature: "wrong" })), "ProtocolError BadSignature")
      })
  )
})

describe("a logon", () => {
  it.effect("with a wrong password or an unknown user is LogonFailure, and the error does not show the password", () =>
    Effect.gen(function*() {
      for (const name of ["user", "nobody"]) {
        const wrong = Credentials.password(name, Redacted.make("S3cret-wrong"))
        const error = yield* Effect.flip(read({ as: wrong }))
        assert(error instanceof SmbError)
        assert.strictEqual(error.reason._tag, "LogonFailure")
        assert.notInclude(`${error} ${error.message} ${JSON.stringify(error)}`, "S3cret")
      }
    }))

  it.effect("as guest fails when signing or encryption is required, and else logs a warning", () =>
    Effect.gen(function*() {
      const stranger = Credentials.password("stranger", Redacted.make("x"))
      const guest = { as: stranger, server: { guest: true } }
      assert.strictEqual(yield* reason(guest), "ProtocolError SigningUnavailable")
      const said: Array<string> = []
      const logger = Logger.make(({ message }) => void said.push([message].flat().join(" ")))
      assert.strictEqual(
        yield* Effect.provide(
          read({ ...guest, client: { signing: "if-required" } }),
          Layer.fresh(Logger.layer([logger]))
        ),
        "text"
      )
      assert.match(said.join("\n"), /nas has logged the user on as a guest.*neither signed/)
      assert.strictEqual(
        yield* reason({ ...guest, client: { signing: "if-required", encryption: "required" } }),
        "ProtocolError EncryptionUnavailable"
      )
      assert.strictEqual(yield* read({ as: Credentials.anonymous, server: { anonymous: true } }), "text")
    }))

  it.effect("without encryption is named in the error of a TREE_CONNECT that is refused with ACCESS_DENIED", () =>
    Effect.gen(function*() {
      const faults = [TestTransport.fault("TREE_CONNECT", { status: "STATUS_ACCESS_DENIED" })]
      const message = (some: Case) => Effect.map(Effect.flip(read(some)), (error) => error.message)
      assert.match(
        yield* message({ server: { faults }, client: { dialects: ["2.1"] } }),
        /may not use this share\..*demands encryption, which dialect 2\.1 .*\(`dialects`\)/
      )
      assert.match(
        yield* message({ server: { faults, guest: true }, as: Credentials.guest }),
        /demands encryption, which a guest's session does not have/
      )
      assert.notMatch(yield* message({ server: { faults } }), /encryption/)
    }))

  it.effect("as guest that is refused says that the server accepts no guests", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        read({ as: Credentials.guest, server: {} })
      )
      assert.match(error.message, /^\\\\nas: The server accepts no guests\. .*STATUS_LOGON_FAILURE/)
    }))

  it.effect("fails when the last SESSION_SETUP response is unsigned or signed wrongly", () =>
    Effect.gen(function*() {
      const last = (signature: "none" | "wrong") => [TestTransport.fault("SESSION_SETUP", { signature }, { skip: 1 })]
      assert.strictEqual(yield* reason({ server: { faults: last("none") } }), "ProtocolError NotSigned")
      assert.strictEqual(yield* reason({ server: { faults: last("wrong") } }), "ProtocolError BadSignature")
      const old = { dialect: "2.1" as const }
      assert.strictEqual(yield* reason({ server: { ...old, faults: last("wrong") } }), "ProtocolError BadSignature")
    }))

  it.effect("that never ends fails with a typed error", () =>
    Effect.gen(function*() {
      const again = TestTransport.fault("SESSION_SETUP", { status: "STATUS_MORE_PROCESSING_REQUIRED" })
      const error = yield* Effect.flip(read({ server: { faults: [again] } }))
      assert.include(["ProtocolError", "AuthenticationError", "Malformed"], error._tag)
    }))

  it.effect("with later unsigned or wrongly signed responses fails with NotSigned or BadSignature", () =>
    Effect.gen(function*() {
      for (const command of ["TREE_CONNECT", "CREATE"] as const) {
        const faulty = (signature: "none" | "wrong") => ({
          server: { faults: [TestTransport.fault(command, { signature })] }
        })
        assert.strictEqual(yield* reason(faulty("none")), "ProtocolError NotSigned")
        assert.strictEqual(yield* reason(faulty("wrong")), "ProtocolError BadSignature")
      }
    }))
})

describe("encryption of SMB 2", () => {
  it.effect("works when the server requires it for the session or the share", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* read({ server: { encryption: "required" } }), "text")
      assert.strictEqual(yield* read({ server: { encryption: { shares: ["data"] } } }), "text")
      assert.strictEqual(yield* read({ server: { dialect: "3.0", encryption: { shares: ["data"] } } }), "text")
    }))

  it.effect("fails with EncryptionUnavailable when one side requires it and the other has none", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* reason({ server: { encryption: { shares: ["data"] } }, client: { ciphers: [] } }),
        "ProtocolError EncryptionUnavailable"
      )
      assert.strictEqual(
        yield* reason({ server: { dialect: "2.1", encryption: "required" } }),
        "ProtocolError EncryptionUnavailable"
      )
      assert.instanceOf(
        yield* Effect.flip(read({ server: { ciphers: [] }, client: { encryption: "required" } })),
        ProtocolError
      )
    }))
})

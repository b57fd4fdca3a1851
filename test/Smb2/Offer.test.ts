/**
 * What a client says of itself in NEGOTIATE (MS-SMB2 2.2.3, 3.2.4.2.2.2), which limits it takes, and how long it goes on with
 * a logon.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream } from "effect"
import { Authenticator, Credentials, SmbClient, TestTransport } from "effect-smb"
import * as Header from "../../src/Smb2/Header.ts"
import { Capabilities, Cipher, Dialect, HeaderFlags } from "../../src/Smb2/Message/Constants.ts"
import { deriveKeys } from "../../src/Smb2/Session.ts"

const files = { data: { "f.txt": new Uint8Array(200_000).fill(7) } }

interface Case {
  readonly server?: Omit<TestTransport.ServerOptions, "shares">
  readonly client?: SmbClient.Options
  readonly streamed?: boolean
}

/** Reads the file, and gives the requests, and what failed. */
const requests = ({ client, server, streamed = false }: Case) =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const path = "\\\\nas\\data\\f.txt"
    const result = yield* Effect.result(streamed ? Stream.runDrain(smb.stream(path)) : smb.readFile(path))
    const all = yield* (yield* TestTransport.TestServers).requests
    return { all, result }
  }).pipe(Effect.provide(
    SmbClient.layer(client).pipe(
      Layer.provideMerge(TestTransport.layerFiles(files, server)),
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
    )
  ))

const {
  SMB2_GLOBAL_CAP_DFS: DFS,
  SMB2_GLOBAL_CAP_ENCRYPTION: ENCRYPTION,
  SMB2_GLOBAL_CAP_LARGE_MTU: LARGE_MTU,
  SMB2_GLOBAL_CAP_LEASING: LEASING,
  SMB2_GLOBAL_CAP_PERSISTENT_HANDLES: PERSISTENT_HANDLES
} = Capabilities

describe("a NEGOTIATE", () => {
  const three = DFS | LEASING | LARGE_MTU | PERSISTENT_HANDLES
  const all = [
    "PreauthIntegrityCapabilities",
    "EncryptionCapabilities",
    "SigningCapabilities",
    "NetnameNegotiateContextId"
  ]
  const offers: ReadonlyArray<
    readonly [
      NonNullable<SmbClient.Options>["dialects"],
      SmbClient.Options,
      {
        readonly dialects: ReadonlyArray<number>
        readonly capabilities: number
        readonly guid: boolean
        readonly contexts: ReadonlyArray<string>
      }
    ]
  > = [
    [["2.0.2"], {}, { dialects: [Dialect.SMB_2_0_2], capabilities: 0, guid: false, contexts: [] }],
    [["2.1"], {}, { dialects: [Dialect.SMB_2_1], capabilities: 0, guid: true, contexts: [] }],
    [["2.1", "2.0.2"], {}, {
      dialects: [Dialect.SMB_2_0_2, Dialect.SMB_2_1],
      capabilities: 0,
      guid: true,
      contexts: []
    }],
    [["3.0"], {}, { dialects: [Dialect.SMB_3_0], capabilities: three | ENCRYPTION, guid: true, contexts: [] }],
    [["3.0"], { ciphers: [] }, { dialects: [Dialect.SMB_3_0], capabilities: three, guid: true, contexts: [] }],
    [["3.0.2", "2.1"], {}, {
      dialects: [Dialect.SMB_2_1, Dialect.SMB_3_0_2],
      capabilities: three | ENCRYPTION,
      guid: true,
      contexts: []
    }],
    [["3.1.1"], {}, { dialects: [Dialect.SMB_3_1_1], capabilities: three | ENCRYPTION, guid: true, contexts: all }],
    [["3.1.1", "3.0"], { ciphers: [] }, {
      dialects: [Dialect.SMB_3_0, Dialect.SMB_3_1_1],
      capabilities: three,
      guid: true,
      contexts: all.filter((name) => name !== "EncryptionCapabilities")
    }]
  ]
  it.effect.each(offers)("of %j", ([dialects, options, expected]) =>
    Effect.gen(function*() {
      for (const signing of ["required", "if-required"] as const) {
        const { all } = yield* requests({
          client: { ...options, signing, ...(dialects === undefined ? {} : { dialects }) }
        })
        const { request } = all[0]!
        assert(request._tag === "NEGOTIATE")
        const { capabilities, clientGuid, dialects: offered, negotiateContexts, securityMode } = request.body
        assert.deepStrictEqual(
          {
            dialects: offered,
            capabilities,
            guid: clientGuid.some((byte) => byte !== 0),
            contexts: negotiateContexts.map(({ _tag }) => _tag)
          },
          expected
        )
        assert.strictEqual(securityMode, signing === "required" ? 2 : 1)
        // 2.2.5: the logon says the same, and of the capabilities only that the client knows DFS.
        const logons = all.flatMap(({ request }) => request._tag === "SESSION_SETUP" ? [request.body] : [])
        assert.isAbove(logons.length, 0)
        for (const logon of logons) {
          assert.deepInclude(logon, {
            flags: 0,
            securityMode,
            capabilities: capabilities & DFS,
            previousSessionId: 0n
          })
        }
        for (const context of negotiateContexts) {
          if (context._tag !== "PreauthIntegrityCapabilities") continue
          assert.deepStrictEqual(context.hashAlgorithms, [1])
          assert.lengthOf(context.salt, 32)
        }
      }
    }))
})

describe("a server's limits", () => {
  const limit = (at: number, value: number): TestTransport.Fault =>
    TestTransport.fault("NEGOTIATE", {
      tamper: (packet) => {
        Header.view(packet).setUint32(64 + at, value, true)
        return packet
      }
    })
  // MS-SMB2 2.2.4.
  it.effect.each([["MaxTransactSize", 28], ["MaxReadSize", 32], ["MaxWriteSize", 36]] as const)(
    "of less than 4 KiB are refused: %s",
    ([, at]) =>
      Effect.gen(function*() {
        for (const value of [0, 4095]) {
          const { result } = yield* requests({ server: { faults: [limit(at, value)] } })
          assert(result._tag === "Failure")
          assert.deepInclude(result.failure, { _tag: "ProtocolError", reason: { _tag: "UnexpectedResponse" } })
        }
      })
  )
  it.effect("of 4 KiB are kept to", () =>
    Effect.gen(function*() {
      const { all, result } = yield* requests({ server: { maximumTransfer: 4096 }, streamed: true })
      assert.deepInclude(result, { _tag: "Success" })
      const lengths = all.flatMap(({ request }) => request._tag === "READ" ? [request.body.length] : [])
      assert.isAbove(lengths.length, 40)
      assert.isAtMost(Math.max(...lengths), 4096)
    }))

  // 2.2.1: before 2.1 CreditCharge is reserved, no matter which capabilities the server has.
  it.effect("of 2.0.2 have no credits for several units", () =>
    Effect.gen(function*() {
      const { all, result } = yield* requests({
        client: { dialects: ["2.0.2"] },
        server: { dialect: "2.0.2", faults: [limit(24, LARGE_MTU)] }
      })
      assert.deepInclude(result, { _tag: "Success" })
      assert.deepStrictEqual(all.filter(({ header }) => header.creditCharge !== 0), [])
      const newer = yield* requests({ client: { dialects: ["2.1"] } })
      assert.isAbove(Math.max(...newer.all.map(({ header }) => header.creditCharge)), 1)
    }))
})

describe("encryption", () => {
  it.effect("is announced by a server of 3.0 if it is to be agreed on, and is part of 3.0 and newer", () =>
    Effect.gen(function*() {
      for (
        const [dialect, announced, expected] of [["3.0", true, "Success"], ["3.0", false, "Failure"]] as const
      ) {
        const { result } = yield* requests({
          client: { dialects: [dialect], encryption: "required" },
          server: {
            dialect,
            faults: announced ? [] : [TestTransport.fault("NEGOTIATE", {
              tamper: (packet) => {
                Header.view(packet).setUint32(64 + 24, LARGE_MTU, true)
                return packet
              }
            })]
          }
        })
        assert.strictEqual(result._tag, expected)
        if (result._tag === "Failure") {
          assert.deepInclude(result.failure, { _tag: "ProtocolError", reason: { _tag: "EncryptionUnavailable" } })
        }
      }
    }))

  it.effect("is not agreed on by a client without ciphers, though the server of 3.0 has it", () =>
    Effect.gen(function*() {
      const { result } = yield* requests({
        client: { dialects: ["3.0"], ciphers: [], encryption: "required" },
        server: {
          dialect: "3.0",
          faults: [TestTransport.fault("NEGOTIATE", {
            tamper: (packet) => {
              Header.view(packet).setUint32(64 + 24, LARGE_MTU | ENCRYPTION, true)
              return packet
            }
          })]
        }
      })
      assert(result._tag === "Failure")
      assert.deepInclude(result.failure, { _tag: "ProtocolError", reason: { _tag: "EncryptionUnavailable" } })
    }))

  // MS-SMB2 3.1.4.2: AES-256 takes Session.FullSessionKey, everything else the first 16 bytes.
  it("of 256 bits has keys of the whole session key, and of 128 bits of its first half", () => {
    const whole = Uint8Array.from({ length: 32 }, (_, i) => i)
    const keys = (key: Uint8Array, cipher: number) => {
      const { clientToServer, serverToClient, signing } = deriveKeys(
        Dialect.SMB_3_1_1,
        new Uint8Array(64),
        key,
        cipher as 1
      ) as any
      return [signing, clientToServer, serverToClient].map((one) => Buffer.from(one).toString("hex"))
    }
    for (const cipher of [Cipher.AES_128_CCM, Cipher.AES_128_GCM]) {
      assert.deepStrictEqual(keys(whole, cipher), keys(whole.subarray(0, 16), cipher))
    }
    for (const cipher of [Cipher.AES_256_CCM, Cipher.AES_256_GCM]) {
      const [signing, ...ciphers] = keys(whole, cipher)
      const [sameSigning, ...others] = keys(whole.subarray(0, 16), cipher)
      assert.strictEqual(signing, sameSigning)
      for (const [i, key] of ciphers.entries()) {
        assert.lengthOf(key!, 64)
        assert.notStrictEqual(key, others[i])
      }
    }
  })
})

it.effect("a server that hangs up on NEGOTIATE is asked once more, and the first error stays unless it has only SMB 1", () =>
  Effect.gen(function*() {
    const { all, result } = yield* requests({
      server: {
        faults: [
          TestTransport.fault("NEGOTIATE", "drop", { times: 1 }),
          TestTransport.fault("NEGOTIATE", "garbage")
        ]
      }
    })
    assert.strictEqual(all.filter(({ command }) => command === "NEGOTIATE").length, 2)
    assert(result._tag === "Failure")
    assert.deepInclude(result.failure, { _tag: "TransportError", reason: { _tag: "ConnectionClosed" } })
    const other = yield* requests({
      server: {
        faults: [
          TestTransport.fault("NEGOTIATE", "drop", { times: 1 }),
          TestTransport.fault("NEGOTIATE", { packet: Uint8Array.of(0xff, 0x53, 0x4d, 0x42, ...Array(40).fill(0)) })
        ]
      }
    })
    assert(other.result._tag === "Failure")
    assert.deepInclude(other.result.failure, { _tag: "ProtocolError", reason: { _tag: "Smb1Only" } })
  }))

describe("a logon", () => {
  /** A mechanism that logs on in one leg, and ends without a key. */
  const keyless = (unauthenticated: boolean) =>
    Layer.succeed(Authenticator.Authenticator, {
      make: () =>
        Effect.succeed({
          unauthenticated,
          step: () => Effect.succeed({ token: new Uint8Array(8), done: true }),
          accept: () => Effect.void,
          sessionKey: () => undefined
        })
    })
  it.effect("without a session key is refused where signing is required, and is neither signed nor asked otherwise", () =>
    Effect.gen(function*() {
      const run = (signing: "required" | "if-required", unauthenticated: boolean) =>
        Effect.gen(function*() {
          const smb = yield* SmbClient.SmbClient
          const result = yield* Effect.result(smb.readFile("\\\\nas\\data\\f.txt"))
          return { result, all: yield* (yield* TestTransport.TestServers).requests }
        }).pipe(Effect.provide(
          SmbClient.layerWithAuthenticator({ signing }).pipe(
            Layer.provideMerge(TestTransport.layerFiles(files, {
              faults: [TestTransport.fault("SESSION_SETUP", {
                response: { _tag: "SESSION_SETUP", body: { sessionFlags: 0, securityBuffer: new Uint8Array(0) } },
                header: { sessionId: 5n }
              })]
            })),
            Layer.provide([
              Credentials.layer(Credentials.password("user", Redacted.make("password"))),
              keyless(unauthenticated)
            ])
          )
        ))
      const refused = yield* run("required", false)
      assert(refused.result._tag === "Failure")
      assert.deepInclude(refused.result.failure, { _tag: "ProtocolError", reason: { _tag: "SigningUnavailable" } })
      assert.notInclude(refused.all.map(({ command }) => command), "TREE_CONNECT")
      for (const [signing, unauthenticated] of [["if-required", false], ["required", true]] as const) {
        const { all } = yield* run(signing, unauthenticated)
        const connect = all.find(({ command }) => command === "TREE_CONNECT")
        assert.deepInclude(connect, { signed: false, encrypted: false })
      }
    }))

  // 2.2.2: an error response with the token as its data. 2.2.6: the command's own response. Both are in use.
  it.effect.each<readonly [string, string, string | undefined]>([
    ["in an error response", "0900 0000 03000000 746f6b", "746f6b"],
    ["in the command's own response", "0900 0000 4800 0300 746f6b", "746f6b"],
    ["in the command's own response, behind other bytes", "0900 0000 4c00 0300 ffffffff 746f6b", "746f6b"],
    ["of one byte in an error response", "0900 0000 01000000 74", "74"],
    ["that does not exist, in an error response", "0900 0000 00000000 00", undefined],
    ["that does not exist, in the shortest error response", "0900 0000 00000000", undefined],
    ["that does not exist, in a response that is cut off", "0900 0000", undefined],
    ["outside of its response", "0900 0000 ff00 0300 746f6b", undefined]
  ])("that is refused gives the mechanism the server's token %s", ([, body, token]) =>
    Effect.gen(function*() {
      const heard: Array<string> = []
      const error = yield* Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        return yield* Effect.flip(smb.readFile("\\\\nas\\data\\f.txt"))
      }).pipe(Effect.provide(
        SmbClient.layerWithAuthenticator().pipe(
          Layer.provide([
            TestTransport.layerFiles(files, {
              faults: [TestTransport.fault("SESSION_SETUP", {
                status: "STATUS_LOGON_FAILURE",
                tamper: (packet) =>
                  new Uint8Array(Buffer.concat([packet.subarray(0, 64), Buffer.from(body.replace(/ /g, ""), "hex")]))
              })]
            }),
            Credentials.layer(Credentials.password("user", Redacted.make("password"))),
            Layer.succeed(Authenticator.Authenticator, {
              make: () =>
                Effect.succeed({
                  unauthenticated: false,
                  step: () => Effect.succeed({ token: new Uint8Array(8), done: false }),
                  accept: () => Effect.void,
                  sessionKey: () => undefined,
                  refused: (input) => {
                    heard.push(Buffer.from(input).toString("hex"))
                    return undefined
                  }
                })
            })
          ])
        )
      ))
      assert(error._tag === "SmbError" && error.reason._tag === "LogonFailure")
      assert.deepStrictEqual(heard, token === undefined ? [] : [token])
    }))

  it.effect("whose mechanism and server never come to an end is left after eight legs", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.readFile("\\\\nas\\data\\f.txt"))
      assert.deepInclude(error, { _tag: "ProtocolError", reason: { _tag: "UnexpectedResponse" } })
      assert.match(error.message, /does not come to an end/)
      const { commands } = yield* TestTransport.TestServers
      assert.lengthOf((yield* commands).filter((command) => command === "SESSION_SETUP"), 8)
    }).pipe(Effect.provide(
      SmbClient.layerWithAuthenticator().pipe(
        Layer.provideMerge(TestTransport.layerFiles(files, {
          faults: [TestTransport.fault("SESSION_SETUP", {
            status: "STATUS_MORE_PROCESSING_REQUIRED",
            response: { _tag: "SESSION_SETUP", body: { sessionFlags: 0, securityBuffer: new Uint8Array(4) } }
          })]
        })),
        Layer.provide([
          Credentials.layer(Credentials.password("user", Redacted.make("password"))),
          Layer.succeed(Authenticator.Authenticator, {
            make: () =>
              Effect.succeed({
                unauthenticated: false,
                step: () => Effect.succeed({ token: new Uint8Array(8), done: false }),
                accept: () => Effect.void,
                sessionKey: () => undefined
              })
          })
        ])
      )
    )))
})

describe("the requests after a logon", () => {
  // MS-SMB2 3.2.4.1.1: a client signs if its own policy or the server's NEGOTIATE response demands it.
  it.effect.each(
    [
      { client: "if-required", server: undefined, isSigned: false },
      { client: "if-required", server: "required", isSigned: true },
      { client: "required", server: undefined, isSigned: true }
    ] as const
  )(
    "are signed if a side demands it: client $client, server $server",
    ({ client, isSigned, server }) =>
      Effect.gen(function*() {
        for (const dialect of ["2.0.2", "2.1"] as const) {
          const { all, result } = yield* requests({
            client: { signing: client, dialects: [dialect] },
            server: server === undefined ? {} : { signing: server }
          })
          assert.strictEqual(result._tag, "Success")
          const flags = all.filter(({ request }) => ["CREATE", "READ"].includes(request._tag)).map(({ header }) =>
            header.flags
          )
          assert.isNotEmpty(flags)
          for (const one of flags) assert.strictEqual((one & HeaderFlags.SMB2_FLAGS_SIGNED) !== 0, isSigned)
        }
      })
  )
})

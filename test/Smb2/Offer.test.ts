/**
 * What a client says of itself in NEGOTIATE (MS-SMB2 2.2.3, 3.2.4.2.2.2), which limits it takes, and how long it goes on with
 * a logon.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream } from "effect"
import { Authenticator, Credentials, SmbClient, TestTransport } from "effect-smb"
import * as Header from "../../src/Smb2/Header.ts"

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
      Layer.provideMerge(TestTransport.files(files, server)),
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
    )
  ))

const [DFS, LEASING, LARGE_MTU, ENCRYPTION] = [1, 2, 4, 0x40] as const

describe("a NEGOTIATE", () => {
  const three = DFS | LEASING | LARGE_MTU
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
    [["2.0.2"], {}, { dialects: [0x202], capabilities: 0, guid: false, contexts: [] }],
    [["2.1"], {}, { dialects: [0x210], capabilities: 0, guid: true, contexts: [] }],
    [["2.1", "2.0.2"], {}, { dialects: [0x202, 0x210], capabilities: 0, guid: true, contexts: [] }],
    [["3.0"], {}, { dialects: [0x300], capabilities: three | ENCRYPTION, guid: true, contexts: [] }],
    [["3.0"], { ciphers: [] }, { dialects: [0x300], capabilities: three, guid: true, contexts: [] }],
    [["3.0.2", "2.1"], {}, { dialects: [0x210, 0x302], capabilities: three | ENCRYPTION, guid: true, contexts: [] }],
    [["3.1.1"], {}, { dialects: [0x311], capabilities: three | ENCRYPTION, guid: true, contexts: all }],
    [["3.1.1", "3.0"], { ciphers: [] }, {
      dialects: [0x300, 0x311],
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
          assert.deepInclude(result.failure, { _tag: "ProtocolError", reason: "Unexpected" })
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

  // 2.2.1: before 2.1 CreditCharge is reserved, whatever the server says that it can.
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

describe("a logon", () => {
  it.effect("whose mechanism and server never come to an end is left after eight legs", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.readFile("\\\\nas\\data\\f.txt"))
      assert.deepInclude(error, { _tag: "ProtocolError", reason: "Unexpected" })
      assert.match(error.message, /does not come to an end/)
      const { commands } = yield* TestTransport.TestServers
      assert.lengthOf((yield* commands).filter((command) => command === "SESSION_SETUP"), 8)
    }).pipe(Effect.provide(
      SmbClient.layerWithAuthenticator().pipe(
        Layer.provideMerge(TestTransport.files(files, {
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

/** `info`: what the client knows of a server and a session, and how the command shows it. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Redacted } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import { TestClock } from "effect/testing"
import * as Info from "../../src/Cli/Info.ts"
import * as FileTime from "../../src/Codec/FileTime.ts"
import { namesOf } from "../../src/Protocol/ServerInformation.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import { Command } from "../../src/Smb1/Message/Constants.ts"
import * as Peer from "../Smb1/peer.ts"
import * as Served from "./served.ts"

describe("a client", () => {
  it.live("knows what the negotiation and the logon have brought", () =>
    Effect.gen(function*() {
      const { port } = yield* Served.server({ name: "NAS7", signing: "enabled" })
      const smb = Context.get(
        yield* Layer.build(Served.client({ signingAlgorithms: ["AES_CMAC"] })),
        SmbClient.SmbClient
      )
      const target = { server: "127.0.0.1", port, share: "", path: "" }
      const before = yield* smb.negotiate(target)
      assert.deepInclude(before, {
        dialect: "3.1.1",
        requiresSigning: false,
        signingAlgorithm: "AES_CMAC",
        cipher: "AES_128_GCM",
        limits: { read: 8388608, write: 8388608, transact: 8388608 }
      })
      assert.includeMembers([...before.capabilities], ["LEASING", "LARGE_MTU"])
      assert.isBelow(Math.abs(before.clockSkew!), 5000)
      assert.lengthOf(before.serverGuid!, 16)
      const after = yield* smb.logOn(target)
      assert.deepInclude(after, { mechanism: "NTLM", isGuest: false, signed: true, encrypted: false })
      assert.strictEqual(after.announced?.computer, "NAS7")
      yield* after.echo
    }))

  it.live("knows an encrypted session, and a dialect without ciphers", () =>
    Effect.gen(function*() {
      const { port } = yield* Served.server({ signing: "required" })
      const target = { server: "127.0.0.1", port, share: "", path: "" }
      const logOn = (options: SmbClient.Options) =>
        Effect.flatMap(Layer.build(Served.client(options)), (context) =>
          Context.get(context, SmbClient.SmbClient).logOn(target))
      const encrypted = yield* logOn({ encryption: "required", ciphers: ["AES_256_CCM"] })
      assert.deepInclude(encrypted, { cipher: "AES_256_CCM", encrypted: true, signed: false, requiresSigning: true })
      yield* encrypted.echo
      assert.deepInclude(yield* logOn({ dialects: ["2.1"] }), {
        dialect: "2.1",
        signingAlgorithm: "HMAC_SHA256",
        cipher: undefined,
        signed: true
      })
    }))

  it.effect("gets the server's refusal of an ECHO as an error", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const session = yield* smb.logOn({ server: "nas", port: 445, share: "", path: "" })
      assert.deepInclude(yield* Effect.flip(session.echo), { _tag: "SmbError", command: "ECHO" })
      // A server without a clock sends 0.
      assert.isUndefined(session.systemTime)
      assert.isUndefined(session.clockSkew)
    }).pipe(
      Effect.scoped,
      Effect.provide(
        SmbClient.layer().pipe(
          Layer.provide([
            TestTransport.layerFiles({}, {
              faults: [TestTransport.fault("ECHO", { status: "STATUS_ACCESS_DENIED" })]
            }),
            Credentials.layer(Credentials.password("user", Redacted.make("password")))
          ])
        )
      )
    ))

  it.effect("knows an SMB 1 server by its own NEGOTIATE and SESSION_SETUP, and sends it an ECHO of SMB 1", () => {
    const systemTime = FileTime.fromMillis(7_200_000 + Date.UTC(2026, 0, 1))
    const peer = Peer.make(({ header }) =>
      header.command === Command.SMB_COM_NEGOTIATE
        ? {
          body: Peer.negotiated({
            systemTime,
            security: { _tag: "Challenge", challenge: new Uint8Array(8), domainName: "OFFICE", serverName: "OLD" }
          })
        }
        : undefined
    )
    return Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      const smb = yield* SmbClient.SmbClient
      const session = yield* smb.logOn({ server: "old", port: 445, share: "", path: "" })
      assert.deepInclude(session, {
        dialect: "NT1",
        capabilities: ["UNICODE", "LARGE_FILES", "NT_SMBS", "STATUS32", "NT_FIND", "INFOLEVEL_PASSTHRU"],
        nativeLanMan: "a peer",
        mechanism: "NTLM",
        announced: { computer: "OLD", domain: "OFFICE" },
        systemTime,
        clockSkew: 7_200_000,
        requiresSigning: false,
        signed: false
      })
      yield* session.echo
      assert.strictEqual(peer.requests.at(-1)?.header.command, Command.SMB_COM_ECHO)
    }).pipe(
      Effect.scoped,
      Effect.provide(
        SmbClient.layer({ dialects: ["NT1"], signing: "if-required" }).pipe(
          Layer.provide([peer.layer, Credentials.layer(Served.credential)]),
          Layer.provideMerge(Layer.fresh(Logger.layer([])))
        )
      )
    )
  })

  it("has each capability by name, and an unknown one as a number", () => {
    assert.deepStrictEqual(namesOf(0x8000_0005, { CAP_A: 1, CAP_B: 2, CAP_C: 4 }, "CAP_"), ["A", "C", "0x80000000"])
    assert.deepStrictEqual(namesOf(0, { CAP_A: 1 }, "CAP_"), [])
  })
})

describe("info", () => {
  it.live("shows a server, a line for each fact, and its shares with those in DFS", () =>
    Effect.gen(function*() {
      const { port } = yield* Served.server({
        shares: { data: MemoryStore.make() },
        namespaces: { roots: { public: { links: { plans: ["\\\\fs1\\plans"] } } } }
      })
      const server = Served.path(`//127.0.0.1:${port}`)
      yield* Effect.gen(function*() {
        const { lines } = yield* Served.printed(Info.info(server, Served.credential, { json: false }))
        const facts = Object.fromEntries(lines.map((line) => [/^([^:]*): /.exec(line)?.[1], line.slice(14).trim()]))
        assert.strictEqual(facts.dialect, "3.1.1")
        assert.match(facts.signing!, /^every message, by AES_GMAC; the server /)
        assert.strictEqual(facts.encryption, "off; possible by AES_128_GCM")
        assert.strictEqual(facts.user, "joe by NTLM")
        assert.match(facts.time!, /Z, the same as here$/)
        assert.match(facts.latency!, /^\d+(\.\d\d)? ms \(median of 9 round trips\)$/)
        assert.match(lines.find((line) => line.startsWith("  public"))!, /disk +DFS/)
        assert.notMatch(lines.find((line) => line.startsWith("  data"))!, /DFS/)
        const json = yield* Served.printed(Info.info(server, Served.credential, { json: true }))
        const [object] = json.objects()
        assert.deepInclude(object, { dialect: "3.1.1", user: "joe", isGuest: false, signed: true, encrypted: false })
        assert.isNumber(object.latency)
        assert.deepInclude(object.shares.find(({ name }: { name: string }) => name === "public"), { dfs: true })
        assert.notInclude(json.out, "secret")
      }).pipe(Effect.provide(Served.client()))
    }))

  it.effect("shows the rest if the server does not list its shares", () =>
    Effect.gen(function*() {
      const { lines } = yield* Served.printed(
        Info.info(Served.path("//nas"), Served.credential, { json: false })
      )
      assert.match(lines.at(-1)!, /^shares: +not listed: .*STATUS_/)
    }).pipe(Effect.provide(
      SmbClient.layer().pipe(
        Layer.provide([
          TestTransport.layerFiles({}),
          Credentials.layer(Credentials.password("user", Redacted.make("password")))
        ])
      )
    )))

  it("says how far a clock is off", () => {
    assert.deepStrictEqual([0, -1500, 3200, -90_000, 420_000, 7_500_000, -86_400_000].map(Info.skewOf), [
      "the same as here",
      "the same as here",
      "3.2 s ahead of this machine",
      "90.0 s behind this machine",
      "7 minutes ahead of this machine",
      "2 hours ahead of this machine",
      "24 hours behind this machine"
    ])
  })
})

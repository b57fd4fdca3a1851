/**
 * FSCTL_VALIDATE_NEGOTIATE_INFO as a client asks it (MS-SMB2 3.2.5.5), and what it makes of each response (3.2.5.14.12).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, Result } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import { TestClock } from "effect/testing"
import * as Codec from "../../src/Codec/Codec.ts"
import * as Header from "../../src/Smb2/Header.ts"
import { Capabilities, Dialect } from "../../src/Smb2/Message/Constants.ts"
import * as Fsctl from "../../src/Smb2/Message/Fsctl.ts"

const user = Credentials.password("user", Redacted.make("password"))
const files = { data: { "f.txt": "text" }, more: { "f.txt": "more" } }

interface Case {
  readonly server?: Omit<TestTransport.ServerOptions, "shares">
  readonly client?: SmbClient.Options
  readonly as?: Credentials.Credential
}

const provide = ({ as, client, server }: Case) =>
  Effect.provide(
    SmbClient.layer(client).pipe(
      Layer.provideMerge(TestTransport.layerFiles(files, server)),
      Layer.provide(Credentials.layer(as ?? user))
    )
  )

/** Reads a file of each share, and gives the requests that the server received. */
const requests = (some: Case, ...shares: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    for (const share of shares) yield* smb.readFileString(`\\\\nas\\${share}\\f.txt`)
    return yield* (yield* TestTransport.TestServers).requests
  }).pipe(provide(some))

type Info = Fsctl.ValidateNegotiateInfoResponse

/** A server of a dialect whose signed response is another one than the right one. */
const answering = (
  dialect: "2.1" | "3.0" | "3.0.2",
  change: (right: Info) => Info | Uint8Array,
  client?: SmbClient.Options
): Case => {
  let right: Info | undefined
  return {
    ...(client === undefined ? {} : { client }),
    server: {
      dialect,
      faults: [
        TestTransport.fault("NEGOTIATE", {
          // MS-SMB2 2.2.4: what the server says of itself.
          tamper: (packet) => {
            const view = Header.view(packet)
            right = {
              securityMode: view.getUint16(64 + 2, true),
              dialect: view.getUint16(64 + 4, true),
              guid: packet.slice(64 + 8, 64 + 24),
              capabilities: view.getUint32(64 + 24, true)
            }
            return packet
          }
        }),
        TestTransport.fault("IOCTL", ({ request }) => {
          assert(request._tag === "IOCTL")
          const said = change(right!)
          return {
            response: {
              _tag: "IOCTL",
              body: {
                ctlCode: request.body.ctlCode,
                fileId: request.body.fileId,
                flags: 0,
                input: new Uint8Array(0),
                output: said instanceof Uint8Array ? said : Codec.encode(Fsctl.ValidateNegotiateInfoResponse)(said)
              }
            }
          }
        })
      ]
    }
  }
}

/** What comes of reading a file: `done`, or the error. */
const outcome = (some: Case) =>
  Effect.map(
    Effect.result(requests(some, "data")),
    Result.match({
      onSuccess: () => "done",
      onFailure: (error) =>
        "reason" in error ? `${error._tag} ${(error.reason as { readonly _tag: string })._tag}` : error._tag
    })
  )

const encoded = (right: Info) => Codec.encode(Fsctl.ValidateNegotiateInfoResponse)(right)

describe.each(["2.1", "3.0", "3.0.2"] as const)("a server of %s", (dialect) => {
  const answers: ReadonlyArray<readonly [string, (right: Info) => Info | Uint8Array, string]> = [
    ["what it said before", (right) => right, "done"],
    ["another dialect", (right) => ({ ...right, dialect: Dialect.SMB_2_0_2 }), "ProtocolError Downgrade"],
    ["a newer dialect", (right) => ({ ...right, dialect: Dialect.SMB_3_1_1 }), "ProtocolError Downgrade"],
    [
      "more capabilities",
      (right) => ({ ...right, capabilities: right.capabilities | Capabilities.SMB2_GLOBAL_CAP_NOTIFICATIONS }),
      "ProtocolError Downgrade"
    ],
    [
      "fewer capabilities",
      (right) => ({ ...right, capabilities: Capabilities.SMB2_GLOBAL_CAP_NOTIFICATIONS }),
      "ProtocolError Downgrade"
    ],
    [
      "that it requires signing",
      (right) => ({ ...right, securityMode: right.securityMode ^ 2 }),
      "ProtocolError Downgrade"
    ],
    ["that it cannot sign", (right) => ({ ...right, securityMode: right.securityMode & 2 }), "ProtocolError Downgrade"],
    [
      "another ServerGuid",
      (right) => ({ ...right, guid: right.guid.map((b, i) => i === 15 ? b ^ 1 : b) }),
      "ProtocolError Downgrade"
    ],
    ["no ServerGuid", (right) => ({ ...right, guid: new Uint8Array(16).fill(0xee) }), "ProtocolError Downgrade"],
    ["less than the structure", (right) => encoded(right).subarray(0, 23), "Malformed"],
    ["nothing", () => new Uint8Array(0), "Malformed"]
  ]
  it.effect.each(answers)("that confirms %s", ([, change, expected]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* outcome(answering(dialect, change)), expected)
    }))

  it.effect("is asked once for each session, under a signature, for what the negotiation said", () =>
    Effect.gen(function*() {
      for (const signing of ["required", "if-required"] as const) {
        const all = yield* requests({ server: { dialect }, client: { signing } }, "data", "more", "data")
        const asked = all.filter(({ command }) => command === "IOCTL")
        assert.lengthOf(asked, 1)
        const { header, request, signed } = asked[0]!
        assert.isTrue(signed, "also where nothing else is signed")
        assert(request._tag === "IOCTL")
        assert.deepInclude(request.body, {
          ctlCode: Fsctl.Fsctl.FSCTL_VALIDATE_NEGOTIATE_INFO,
          fileId: { persistent: 0xffff_ffff_ffff_ffffn, volatile: 0xffff_ffff_ffff_ffffn },
          maxInputResponse: 0,
          maxOutputResponse: 24,
          flags: 1
        })
        assert.notStrictEqual(header.treeId, 0)
        // Before anything else is done on the share.
        const order = all.map(({ command }) => command).filter((command) => command !== "SESSION_SETUP")
        assert.deepStrictEqual(order.slice(0, 3), ["NEGOTIATE", "TREE_CONNECT", "IOCTL"])
        const negotiate = all[0]!.request
        assert(negotiate._tag === "NEGOTIATE")
        const { capabilities, clientGuid, dialects, securityMode } = negotiate.body
        assert.deepStrictEqual(
          Result.getOrThrow(Codec.decode("", Fsctl.ValidateNegotiateInfoRequest)(request.body.input)),
          { capabilities, guid: clientGuid, securityMode, dialects }
        )
        assert.strictEqual(securityMode, signing === "required" ? 2 : 1)
      }
    }))

  it.effect("is not believed without a signature, or by a wrong one", () =>
    Effect.gen(function*() {
      for (const signing of ["required", "if-required"] as const) {
        const said = (signature: "none" | "wrong") =>
          outcome({
            server: { dialect, faults: [TestTransport.fault("IOCTL", { signature })] },
            client: { signing }
          })
        assert.strictEqual(yield* said("none"), "ProtocolError NotSigned")
        assert.strictEqual(yield* said("wrong"), "ProtocolError BadSignature")
      }
    }))

  it.effect("that ends the connection has heard something else (3.3.5.15.12)", () =>
    Effect.gen(function*() {
      const faults = [TestTransport.fault("IOCTL", "drop")]
      assert.strictEqual(yield* outcome({ server: { dialect, faults } }), "ProtocolError Downgrade")
    }))

  it.effect("that never comes proves nothing: the request has timed out", () =>
    Effect.gen(function*() {
      const faults = [TestTransport.fault("IOCTL", "silence")]
      const asking = yield* Effect.forkChild(
        outcome({ server: { dialect, faults }, client: { requestTimeout: "5 seconds" } })
      )
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(asking), "TransportError TimedOut")
    }))
})

describe("a client", () => {
  const asks = (some: Case) =>
    Effect.map(requests(some, "data"), (all) => all.filter(({ command }) => command === "IOCTL").length)

  const clients: ReadonlyArray<readonly [string, Case, number]> = [
    ["of 3.0 alone", { client: { dialects: ["3.0"] } }, 1],
    ["of 3.0.2 alone", { client: { dialects: ["3.0.2"] } }, 1],
    ["of 2.1 and 3.0, with a server of 2.1", { client: { dialects: ["2.1", "3.0"] }, server: { dialect: "2.1" } }, 1],
    ["of 2.1 at most, which cannot be talked down further by much", { client: { dialects: ["2.0.2", "2.1"] } }, 0],
    ["of 3.1.1, whose keys depend on the negotiation", {}, 0],
    ["that is a guest, and has no key", {
      as: Credentials.guest,
      server: { dialect: "3.0", guest: true },
      client: { signing: "if-required" }
    }, 0],
    ["of a session that is encrypted", { server: { dialect: "3.0", encryption: "required" } }, 1],
    ["of a share that is encrypted", { server: { dialect: "3.0", encryption: { shares: ["data"] } } }, 1]
  ]
  it.effect.each(clients)("%s", ([, some, expected]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* asks(some), expected)
    }))

  // 3.2.5.5: the server heard an SMB 1 packet, which has no such fields. After the wildcard it heard those of SMB 2.
  it.effect("that began with SMB 1 asks for what that packet said", () =>
    Effect.gen(function*() {
      for (const dialect of ["2.0.2", "2.1"] as const) {
        const all = yield* requests({ server: { dialect }, client: { multiProtocol: true } }, "data")
        const [asked] = all.flatMap(({ request }) => request._tag === "IOCTL" ? [request.body.input] : [])
        const said = Result.getOrThrow(Codec.decode("", Fsctl.ValidateNegotiateInfoRequest)(asked!))
        const nothing = dialect === "2.0.2"
        assert.strictEqual(said.securityMode, nothing ? 0 : 2)
        assert.strictEqual(said.capabilities === 0, nothing)
        assert.strictEqual(said.guid.every((byte) => byte === 0), nothing)
      }
    }))

  it.effect("asks a server once that does not know the question", () =>
    Effect.gen(function*() {
      const all = yield* requests(
        {
          server: { dialect: "2.1", faults: [TestTransport.fault("IOCTL", { status: "STATUS_FILE_CLOSED" })] }
        },
        "data",
        "more"
      )
      assert.lengthOf(all.filter(({ command }) => command === "IOCTL"), 1)
    }))

  it.effect("asks again after a question that was not answered", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const read = smb.readFileString("\\\\nas\\data\\f.txt")
      assert.deepInclude(yield* Effect.flip(read), { _tag: "ProtocolError", reason: { _tag: "Downgrade" } })
      assert.strictEqual(yield* read, "text")
      const { commands } = yield* TestTransport.TestServers
      assert.lengthOf((yield* commands).filter((command) => command === "IOCTL"), 2)
    }).pipe(provide({
      server: {
        dialect: "3.0",
        faults: [TestTransport.fault("IOCTL", { status: "STATUS_ACCESS_DENIED" }, { times: 1 })]
      }
    })))
})

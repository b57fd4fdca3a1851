/**
 * How a client reads the KRB-ERROR of a server that refuses its ticket (RFC 4120 5.9.1), and what the failed logon
 * says then. The errors are those that MIT's krb5_mk_error makes for cifs/fs1.corp.test@CORP.TEST.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as Authenticator from "../../src/Auth/Authenticator.ts"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as Der from "../../src/Auth/Der.ts"
import * as KrbError from "../../src/Auth/internal/KrbError.ts"
import * as Kerberos from "../../src/Auth/Kerberos.ts"
import * as Spnego from "../../src/Auth/Spnego.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import type * as NtStatus from "../../src/Codec/NtStatus.ts"
import * as TestTransport from "../../src/Testing/TestTransport.ts"

/** The error with its code in the place of the one byte that differs. */
const mit = (code: number): Uint8Array =>
  new Uint8Array(Buffer.from(
    "7e723070a003020105a10302011ea211180f32303236313133303030353332305aa303020107a411180f32303236313133303031353332305a" +
      `a505020301e240a6030201${code.toString(16).padStart(2, "0")}` +
      "a90b1b09434f52502e54455354aa20301ea003020101a11730151b04636966731b0d6673312e636f72702e74657374",
    "hex"
  ))
const inGss = (error: Uint8Array): Uint8Array =>
  Der.value(Der.Tag.application, Der.identifier(Spnego.Mechanism.kerberos), Uint8Array.of(3, 0), error)
const inSpnego = (responseToken: Uint8Array): Uint8Array =>
  Spnego.encode({ _tag: "NegTokenResp", negState: Spnego.NegState.reject, responseToken })

const ticket = Credentials.kerberos({ ccache: "/nowhere/ticket" })

describe("a server's KRB-ERROR", () => {
  it("is read with and without the frame of the GSS-API", () => {
    for (const code of [6, 33, 37, 45]) {
      assert.strictEqual(KrbError.codeOf(mit(code)), code)
      assert.strictEqual(KrbError.codeOf(inGss(mit(code))), code)
    }
  })
  it("is undefined for truncated or other bytes, and no changed byte makes the reader throw", () => {
    const bytes = inGss(mit(37))
    for (let length = 0; length < bytes.length; length++) {
      assert.isUndefined(KrbError.codeOf(bytes.subarray(0, length)))
    }
    for (let at = 0; at < bytes.length; at++) {
      for (const byte of [0, 1, 0x30, 0x80, 0xff]) KrbError.codeOf(Object.assign(bytes.slice(), { [at]: byte }))
    }
    assert.isUndefined(KrbError.codeOf(new Uint8Array(0)))
    assert.isUndefined(KrbError.codeOf(Uint8Array.of(0x4e, 0x54, 0x4c, 0x4d)))
  })
  it.effect.each<readonly [number, string | undefined]>([
    [37, "ClockSkew"],
    [33, "ClockSkew"],
    [32, "NoCredential"],
    [41, "IntegrityFailure"],
    [44, "LogonRejected"],
    [45, "LogonRejected"],
    // Only a domain can say that the password is wrong, and the client would not try the password again.
    [24, undefined],
    [6, undefined]
  ])("of code %s becomes the reason %s", ([code, reason]) =>
    Effect.scoped(Effect.gen(function*() {
      const session = yield* Kerberos.make().make(ticket, { server: "fs1.corp.test" })
      for (const token of [mit(code), inGss(mit(code)), inSpnego(inGss(mit(code))), inSpnego(mit(code))]) {
        const said = session.refused!(token)
        assert.strictEqual(said?.reason._tag, reason)
        if (said !== undefined) assert.strictEqual(said.server, "fs1.corp.test")
      }
    })))
})

/** A logon by NTLM that reads the server's refusals as Kerberos does. */
const authenticator = Layer.succeed(Authenticator.Authenticator, {
  make: (credential, target) =>
    Effect.gen(function*() {
      const ntlm = yield* Authenticator.makeNtlm().make(credential, target)
      const kerberos = yield* Kerberos.make().make(ticket, target)
      return { ...ntlm, refused: (input: Uint8Array) => kerberos.refused?.(input) }
    })
})

const logOn = (status: NtStatus.Name, body?: Uint8Array) =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const error: any = yield* Effect.flip(smb.readFile("\\\\nas\\data\\x"))
    return error
  }).pipe(Effect.provide(
    SmbClient.layerWithAuthenticator().pipe(
      Layer.provide([
        authenticator,
        TestTransport.layer({
          nas: {
            shares: { data: {} },
            faults: [{ on: "SESSION_SETUP", skip: 1, is: { status, ...(body === undefined ? {} : { body }) } }]
          }
        }),
        Credentials.layer(Credentials.password("user", Redacted.make("password")))
      ])
    )
  ))

/** An error response (MS-SMB2 2.2.2), and the response of the command (2.2.6), with a token. */
const bodies = (token: Uint8Array) => {
  const head = new DataView(new ArrayBuffer(8))
  head.setUint16(0, 9, true)
  const asError = new DataView(head.buffer.slice(0))
  asError.setUint32(4, token.length, true)
  const asResponse = new DataView(head.buffer.slice(0))
  asResponse.setUint16(4, 72, true)
  asResponse.setUint16(6, token.length, true)
  return [asError, asResponse].map((start) => new Uint8Array(Buffer.concat([new Uint8Array(start.buffer), token])))
}

describe("a failed logon", () => {
  it.effect("is ClockSkew when the status or the token says that the clocks are too far apart", () =>
    Effect.gen(function*() {
      const byStatus = yield* logOn("STATUS_TIME_DIFFERENCE_AT_DC")
      assert.deepInclude(byStatus, { _tag: "AuthenticationError", reason: { _tag: "ClockSkew" }, server: "nas" })
      for (const body of bodies(inSpnego(inGss(mit(37))))) {
        const error = yield* logOn("STATUS_LOGON_FAILURE", body)
        assert.deepInclude(error, { _tag: "AuthenticationError", reason: { _tag: "ClockSkew" }, server: "nas" })
        assert.match(error.message, /clocks are too far apart.*look at that of the server/)
      }
    }))
  it.effect("is LogonFailure and advises to export the keytab when the server has no key of the ticket's version", () =>
    Effect.gen(function*() {
      for (const body of bodies(inSpnego(inGss(mit(44))))) {
        const error = yield* logOn("STATUS_LOGON_FAILURE", body)
        assert.deepInclude(error, { _tag: "SmbError", statusName: "STATUS_LOGON_FAILURE", command: "SESSION_SETUP" })
        assert.match(error.message, /no key of the ticket's version: export its keytab again/)
      }
    }))
  it.effect("is LogonFailure without a detail when its token is missing or says nothing", () =>
    Effect.gen(function*() {
      for (const body of [undefined, ...bodies(new Uint8Array(30)), new Uint8Array(3), ...bodies(inSpnego(mit(24)))]) {
        const error = yield* logOn("STATUS_LOGON_FAILURE", body)
        assert.deepInclude(error, { _tag: "SmbError", statusName: "STATUS_LOGON_FAILURE" })
        assert.isUndefined(error.detail)
      }
    }))
})

/**
 * The response to a bare challenge, for SMB 1 without extended security: the example of MS-NLMP 4.2.4, and credentials
 * that have no such response.
 */
import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import { Credentials, NtlmCrypto, NtlmV2Response } from "effect-smb/Auth"

const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"))
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

// MS-NLMP 4.2.1: the values that all examples have in common.
const options = {
  server: "nas",
  serverChallenge: hex("0123456789abcdef"),
  domainName: "Domain",
  serverName: "Server",
  time: 0n,
  clientChallenge: hex("aa".repeat(8))
}
const user = Credentials.password("Domain\\User", Redacted.make("Password"))

const temp = (names: string) => `0101000000000000${"00".repeat(8)}${"aa".repeat(8)}00000000${names}0000000000000000`

describe("NtlmV2Response.answer", () => {
  it("gives the responses and the key of the document's example (MS-NLMP 4.2.4)", () => {
    for (
      const credential of [
        user,
        Credentials.ntHash("Domain\\User", Redacted.make<Uint8Array>(NtlmCrypto.ntHash("Password")))
      ]
    ) {
      const answer = Result.getOrThrow(NtlmV2Response.answer(credential, options))
      assert.deepStrictEqual([answer.user, answer.domain], ["User", "Domain"])
      assert.strictEqual(toHex(answer.lmChallengeResponse), `86c35097ac9cec102554764a57cccc19${"aa".repeat(8)}`)
      assert.strictEqual(
        toHex(answer.ntChallengeResponse),
        "68cd0ab851e51c96aabc927bebef6a1c" +
          temp("02000c0044006f006d00610069006e0001000c00530065007200760065007200")
      )
      assert.strictEqual(toHex(Redacted.value(answer.sessionKey!)), "8de40ccadbc14a82f15cb0ad0de95ca3")
    }
  })

  it("leaves out a name that the server did not send", () => {
    const names = (domainName: string, serverName: string) =>
      toHex(Result.getOrThrow(NtlmV2Response.answer(user, { ...options, domainName, serverName })).ntChallengeResponse)
        .slice(32)
    assert.strictEqual(names("", ""), temp(""))
    assert.strictEqual(names("D", ""), temp("020002004400"))
    assert.strictEqual(names("", "S"), temp("010002005300"))
  })

  it("is empty and has no key for an anonymous logon", () => {
    const answer = Result.getOrThrow(NtlmV2Response.answer(Credentials.anonymous, options))
    assert.deepStrictEqual(answer, {
      user: "",
      domain: "",
      lmChallengeResponse: new Uint8Array(0),
      ntChallengeResponse: new Uint8Array(0),
      sessionKey: undefined
    })
  })

  it.each([
    ["a ticket", Credentials.kerberos({ ccache: "/nowhere/ticket" }), /ticket is of no use/],
    ["an empty user name", Credentials.password("", Redacted.make("Password")), /the user name is empty/],
    ["an NT hash of 4 bytes", Credentials.ntHash("joe", Redacted.make(new Uint8Array(4))), /16 bytes/]
  ])("fails with InvalidCredential for %s", (_, credential, detail) => {
    const answer = NtlmV2Response.answer(credential, options)
    assert(Result.isFailure(answer))
    assert.deepInclude(answer.failure, {
      reason: { _tag: "InvalidCredential" },
      mechanism: "NTLM",
      server: "nas"
    })
    assert.match(answer.failure.detail, detail)
  })
})

/**
 * SPNEGO tokens (RFC 4178, MS-SPNG): decoded and encoded against recorded tokens of Windows and Samba, and malformed
 * tokens that are refused.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as NtlmCrypto from "../../src/Auth/NtlmCrypto.ts"
import * as NtlmMessage from "../../src/Auth/NtlmMessage.ts"
import * as Spnego from "../../src/Auth/Spnego.ts"
import * as Codec from "../../src/Codec/Codec.ts"
import * as samba from "./fixtures/samba.ts"
import * as windows from "./fixtures/windows.ts"

const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"))
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const decode = (token: string) => Result.getOrThrow(Spnego.decode(hex(token)))

describe("recorded SPNEGO tokens of Windows", () => {
  const [offer, init, challenge, authenticate, final] = windows.tokens.map(decode)

  it("are decoded with their mechanisms and states", () => {
    assert(offer?._tag === "NegTokenInit" && init?._tag === "NegTokenInit")
    assert.deepStrictEqual(offer.mechTypes, [Spnego.Mechanism.negoEx, Spnego.Mechanism.ntlmssp])
    assert.strictEqual(Buffer.from(offer.mechToken!.subarray(0, 8)).toString("latin1"), "NEGOEXTS")
    assert.deepStrictEqual(init.mechTypes, [Spnego.Mechanism.ntlmssp])
    assert(challenge?._tag === "NegTokenResp" && final?._tag === "NegTokenResp")
    assert.strictEqual(challenge.negState, Spnego.NegState.acceptIncomplete)
    assert.strictEqual(challenge.supportedMech, Spnego.Mechanism.ntlmssp)
    assert.strictEqual(final.negState, Spnego.NegState.acceptCompleted)
  })

  it("have the MIC and the mechListMICs that their session key gives", () => {
    assert(init?._tag === "NegTokenInit" && challenge?._tag === "NegTokenResp")
    assert(authenticate?._tag === "NegTokenResp" && final?._tag === "NegTokenResp")
    const key = hex(windows.sessionKey)
    const message = authenticate.responseToken!
    const { mic, negotiateFlags, userName } = Result.getOrThrow(
      Codec.decode("AUTHENTICATE_MESSAGE", NtlmMessage.authenticate)(message)
    )
    assert.strictEqual(userName, "administrator")
    const zeroed = NtlmMessage.withMic(message, new Uint8Array(16))
    assert.strictEqual(
      toHex(NtlmCrypto.mic(key, init.mechToken!, challenge.responseToken!, zeroed)),
      toHex(mic!)
    )
    const list = Spnego.mechTypeList(init.mechTypes)
    assert.strictEqual(
      toHex(NtlmCrypto.firstSignature(negotiateFlags, key, "client", list)),
      toHex(authenticate.mechListMic!)
    )
    assert.strictEqual(
      toHex(NtlmCrypto.firstSignature(negotiateFlags, key, "server", list)),
      toHex(final.mechListMic!)
    )
  })

  it("hold NTLM messages that are encoded to the recorded bytes", () => {
    const message = authenticateBytes()
    const decoded = Result.getOrThrow(Codec.decode("AUTHENTICATE_MESSAGE", NtlmMessage.authenticate)(message))
    assert.strictEqual(toHex(Codec.encode(NtlmMessage.authenticate)(decoded)), toHex(message))
    assert(challenge?._tag === "NegTokenResp")
    const decodedChallenge = Result.getOrThrow(
      Codec.decode("CHALLENGE_MESSAGE", NtlmMessage.challenge)(challenge.responseToken!)
    )
    assert.strictEqual(toHex(Codec.encode(NtlmMessage.challenge)(decodedChallenge)), toHex(challenge.responseToken!))
  })

  const authenticateBytes = () => {
    assert(authenticate?._tag === "NegTokenResp")
    return authenticate.responseToken!
  }
})

describe("the mechListMIC of a NegTokenInit", () => {
  const der = (tag: number, ...content: ReadonlyArray<number>) => [tag, content.length, ...content]
  const mic = der(0x04, 1, 2, 3)
  /** A NegTokenInit in its frame (RFC 4178 4.2), with these fields. */
  const token = (...fields: ReadonlyArray<ReadonlyArray<number>>) => {
    const init = der(0xa0, ...der(0x30, ...fields.flat()))
    return Uint8Array.from(der(0x60, ...der(0x06, 0x2b, 6, 1, 5, 5, 2), ...init))
  }
  const hints = der(0xa3, ...der(0x30, ...der(0xa0, ...der(0x1b, 0x78))))

  it.each([
    // RFC 4178 4.2.1 has the MIC in field 3; NegTokenInit2 (MS-SPNG 2.2.1) has hints there, and the MIC in field 4.
    ["in field 3", token(der(0xa3, ...mic)), undefined],
    ["in field 4", token(der(0xa4, ...mic)), undefined],
    ["in field 4, behind the hints", token(hints, der(0xa4, ...mic)), "x"]
  ])("is read %s", (_, bytes, hintName) => {
    const read = Result.getOrThrow(Spnego.decode(bytes))
    assert(read._tag === "NegTokenInit")
    assert.strictEqual(toHex(read.mechListMic!), "010203")
    assert.strictEqual(read.hintName, hintName)
  })
})

describe("Spnego.encode", () => {
  // RFC 4178 4.2.1 and MS-SPNG 2.2.1, by hand: 0x04 0x01 0x09 is the MIC, and 0x1b 0x01 0x78 the hint.
  it.each([
    ["in field 3", undefined, "60" + "11" + "06062b0601050502" + "a007" + "3005" + "a303" + "040109"],
    [
      "in field 4, behind the hints",
      "x",
      "60" + "1a" + "06062b0601050502" + "a010" + "300e" + "a307" + "3005" + "a003" + "1b0178" + "a403" + "040109"
    ]
  ])("writes the mechListMIC %s", (_, hintName, expected) => {
    const token = { _tag: "NegTokenInit", mechTypes: [], mechListMic: hex("09"), hintName } as const
    assert.strictEqual(toHex(Spnego.encode(token)), expected)
  })

  // With the long forms of lengths, the hints and the MIC.
  const captured = [...windows.tokens, ...samba.user, ...samba.anonymous, ...samba.guest]
  it.each(captured.map((token, i) => [i, token] as const))("gives the bytes of captured token %d", (_, token) => {
    assert.strictEqual(toHex(Spnego.encode(decode(token))), token)
  })

  it("writes a first token without a list, and reads it", () => {
    const token = Spnego.encode({ _tag: "NegTokenInit", mechTypes: [], mechToken: hex("0102") })
    // RFC 4178 4.2.1 by hand: no [0], and the token in [2].
    assert.strictEqual(toHex(token), "60" + "12" + "06062b0601050502" + "a008" + "3006" + "a204" + "0402" + "0102")
    assert.deepInclude(decode(toHex(token)), { _tag: "NegTokenInit", mechTypes: [] })
  })

  it("writes object identifiers of all sizes", () => {
    const mechTypes = [...Object.values(Spnego.Mechanism), "2.25.329800735698586629295641978511506172918", "2.999"]
    const token = Spnego.encode({ _tag: "NegTokenInit", mechTypes })
    const decoded = Result.getOrThrow(Spnego.decode(token))
    assert(decoded._tag === "NegTokenInit")
    assert.deepStrictEqual(decoded.mechTypes, mechTypes)
    // X.660: 2.999 is 06 02 88 37; RFC 4178 and MS-SPNG name the others.
    for (const identifier of ["06028837", "06092a864886f712010202", "06092a864882f712010202", "06062b0601050502"]) {
      assert.include(toHex(token), identifier)
    }
  })
})

describe("Spnego.decode", () => {
  it.each([
    ["nothing", "", 0],
    ["another tag", "6200", 0],
    ["a length past the end", "6048060a", 2],
    ["a length of indefinite form", "6080060a", 1],
    ["a length of five bytes", "60850000000001", 1],
    ["a length of 4 GiB", "6084ffffffff00", 6],
    ["another mechanism than SPNEGO", "600b06092a864886f712010202", 2],
    ["a negState out of range", "a1073005a0030a0107", 8],
    ["a negState of two bytes", "a1083006a0040a020000", 8],
    ["an identifier of a mechanism without end", `a147${"3045a1430641"}${"2a".repeat(65)}`, 8],
    ["an inner value longer than its field", "a1073005a0030a0200", 8]
  ])("refuses %s as Malformed", (_, token, offset) => {
    const result = Spnego.decode(hex(token))
    assert(Result.isFailure(result))
    assert.strictEqual(result.failure._tag, "Malformed")
    assert.strictEqual(result.failure.offset, offset)
  })

  it("reads 64 mechanisms, and refuses more", () => {
    const offer = (count: number) =>
      Spnego.decode(Spnego.encode({
        _tag: "NegTokenInit",
        mechTypes: Array.from({ length: count }, (_, i) => `1.3.6.1.4.1.${i}`)
      }))
    const most = Result.getOrThrow(offer(64))
    assert(most._tag === "NegTokenInit")
    assert.strictEqual(most.mechTypes.length, 64)
    const more = offer(65)
    assert(Result.isFailure(more))
    assert.include(more.failure.message, "at most 64 mechanisms")
  })
})

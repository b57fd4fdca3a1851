/**
 * The codecs of DFS referral requests and responses (MS-DFSC 2.2) against recorded bytes of Windows, smbd and a Samba
 * domain controller, which were read by hand or by tshark, and against malformed and random input.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import {
  decodeReferralRequest,
  decodeReferralRequestEx,
  encodeReferralRequest,
  encodeReferralRequestEx,
  ReferralRequestExFromBytes,
  ReferralRequestFromBytes
} from "../../src/Dfs/ReferralRequest.ts"
import {
  decodeReferralResponse,
  encodeReferralResponse,
  makeReferralResponse,
  type ReferralEntry,
  type ReferralResponse,
  ReferralResponseFromBytes
} from "../../src/Dfs/ReferralResponse.ts"
import type { Malformed, Unsupported } from "../../src/Protocol/DfsError.ts"
import { random, samba, sambaDomain, vectors } from "./vectors.ts"

const hex = (text: string) => new Uint8Array(Buffer.from(text.replace(/\s/g, ""), "hex"))

/** A copy of the bytes, as an encoder gives them. */
const own = (bytes: Uint8Array) => new Uint8Array(bytes)

const root = { size: 34, serverType: 1, referralEntryFlags: 0, timeToLive: 300 } as const
const list = { versionNumber: 3, size: 18, serverType: 0, referralEntryFlags: 2, timeToLive: 600 } as const

// Read from the bytes by hand.
const responses: Record<string, ReferralResponse> = {
  "response-v4-root": {
    pathConsumed: 32,
    numberOfReferrals: 1,
    referralHeaderFlags: 3,
    referralEntries: [{
      versionNumber: 4,
      ...root,
      referralEntryFlags: 4,
      dfsPath: "\\LAB.LOCAL\\Files",
      dfsAlternatePath: "\\LAB.LOCAL\\Files",
      networkAddress: "\\LAB-DC1.LAB.LOCAL\\Files"
    }]
  },
  "response-v4-link-two-targets": {
    pathConsumed: 60,
    numberOfReferrals: 2,
    referralHeaderFlags: 2,
    referralEntries: [
      {
        versionNumber: 4,
        ...root,
        serverType: 0,
        referralEntryFlags: 4,
        dfsPath: "\\LAB-DC1.LAB.LOCAL\\Files\\Sales",
        dfsAlternatePath: "\\LAB-DC1.LAB.LOCAL\\Files\\Sales",
        networkAddress: "\\LAB-FS2\\Sales"
      },
      {
        versionNumber: 4,
        ...root,
        serverType: 0,
        dfsPath: "\\LAB-DC1.LAB.LOCAL\\Files\\Sales",
        dfsAlternatePath: "\\LAB-DC1.LAB.LOCAL\\Files\\Sales",
        networkAddress: "\\LAB-FS1\\Sales"
      }
    ]
  },
  "response-domain-namelist": {
    pathConsumed: 0,
    numberOfReferrals: 2,
    referralHeaderFlags: 0,
    referralEntries: [
      { ...list, specialName: "\\TEST", expandedNames: [] },
      { ...list, specialName: "\\TEST.local", expandedNames: [] }
    ]
  },
  "response-dc-namelist": {
    pathConsumed: 0,
    numberOfReferrals: 1,
    referralHeaderFlags: 0,
    referralEntries: [{
      ...list,
      specialName: "\\domain.test",
      expandedNames: ["\\DC01.domain.test", "\\DC01.domain.test2"]
    }]
  },
  "response-v1": {
    pathConsumed: 0,
    numberOfReferrals: 2,
    referralHeaderFlags: 0,
    referralEntries: [
      { versionNumber: 1, size: 24, serverType: 1, referralEntryFlags: 0, shareName: "\\DOMAIN" },
      { versionNumber: 1, size: 24, serverType: 0, referralEntryFlags: 0, shareName: "\\DOMAIN" }
    ]
  },
  "response-v2-null-offsets": {
    pathConsumed: 0,
    numberOfReferrals: 2,
    referralHeaderFlags: 0,
    referralEntries: ["\\DOMAIN", "\\domain.local"].map((dfsPath) => ({
      versionNumber: 2 as const,
      size: 22,
      serverType: 0,
      referralEntryFlags: 0,
      proximity: 0,
      timeToLive: 600,
      dfsPath
    }))
  }
}

describe("a recorded DFS message", () => {
  it.each(Object.keys(responses))("is decoded as read by hand, and encoded to the same bytes: %s", (name) => {
    assert.deepStrictEqual(decodeReferralResponse(vectors[name]!), Result.succeed(responses[name]!))
    assert.deepStrictEqual(encodeReferralResponse(responses[name]!), Result.succeed(own(vectors[name]!)))
  })

  it("is decoded as read by hand, and encoded to the same bytes: request-v4", () => {
    const value = { maxReferralLevel: 4, requestFileName: "\\ADC.aviv.local\\dfs\\Docs" }
    assert.deepStrictEqual(decodeReferralRequest(vectors["request-v4"]!), Result.succeed(value))
    assert.deepStrictEqual(encodeReferralRequest(value), Result.succeed(own(vectors["request-v4"]!)))
  })

  it("is decoded as read by hand, and encoded without Windows' stray bytes: request-ex-root", () => {
    const value = {
      maxReferralLevel: 4,
      requestFileName: "\\LAB.LOCAL\\Files",
      siteName: "Default-First-Site-Name"
    }
    assert.deepStrictEqual(decodeReferralRequestEx(vectors["request-ex-root"]!), Result.succeed(value))
    assert.deepStrictEqual(
      encodeReferralRequestEx(value),
      Result.succeed(own(vectors["request-ex-root"]!.subarray(0, 94)))
    )
  })

  it("is tested for every vector", () => {
    assert.deepStrictEqual(
      Object.keys(vectors).sort(),
      [...Object.keys(responses), "request-v4", "request-ex-root"].sort()
    )
  })
})

describe("a recorded referral of smbd", () => {
  it.each(samba.map((one) => [`${one.path} at level ${one.maxReferralLevel}`, one] as const))(
    "has tshark's values, and is decoded again from its encoding: %s",
    (_, one) => {
      const request = Result.getOrThrow(decodeReferralRequest(hex(one.request)))
      assert.deepStrictEqual(request, { maxReferralLevel: one.maxReferralLevel, requestFileName: one.path })
      assert.deepStrictEqual(encodeReferralRequest(request), Result.succeed(hex(one.request)))

      const response = Result.getOrThrow(decodeReferralResponse(hex(one.response)))
      const entries = response.referralEntries
      const each = (f: (entry: any) => number | string) => entries.map((entry) => String(f(entry)))
      assert.deepStrictEqual({
        "smb.dfs.path_consumed": [String(response.pathConsumed)],
        "smb.dfs.num_referrals": [String(response.numberOfReferrals)],
        "smb.dfs.referral.version": each((entry) => entry.versionNumber),
        "smb.dfs.referral.size": each((entry) => entry.size),
        "smb.dfs.referral.server.type": each((entry) => entry.serverType),
        "smb.dfs.referral.ttl": each((entry) => entry.timeToLive),
        "smb.dfs.referral.path": each((entry) => entry.dfsPath),
        "smb.dfs.referral.alt_path": each((entry) => entry.dfsAlternatePath),
        "smb.dfs.referral.node": each((entry) => entry.networkAddress)
      }, one.tshark)
      // smbd writes its text again for each entry; the value is the same.
      const bytes = Result.getOrThrow(encodeReferralResponse(response))
      if (entries.length === 1) assert.deepStrictEqual(bytes, hex(one.response))
      assert.deepStrictEqual(decodeReferralResponse(bytes), Result.succeed(response))
    }
  )
})

describe("decoding refuses", () => {
  const failure = (bytes: Uint8Array) => {
    const result = decodeReferralResponse(bytes)
    assert(Result.isFailure(result))
    return result.failure
  }
  const changed = (name: string, at: number, ...values: ReadonlyArray<number>) => {
    const bytes = vectors[name]!.slice()
    bytes.set(values, at)
    return bytes
  }
  const malformed = (bytes: Uint8Array, offset: number, expected: RegExp) => {
    const error = failure(bytes)
    assert.strictEqual(error._tag, "Malformed")
    assert.strictEqual(error.offset, offset)
    assert.match(error.message, expected)
  }

  it("a Size below the version's minimum", () => {
    malformed(changed("response-v4-root", 10, 33), 10, /Size of at least 34, not 33/)
    malformed(changed("response-v2-null-offsets", 10, 21), 10, /at least 22/)
    malformed(changed("response-dc-namelist", 10, 17), 10, /at least 18/)
    malformed(changed("response-v1", 10, 9), 10, /at least 10/)
    malformed(changed("response-v1", 10, 0), 10, /at least 10, not 0/)
  })
  it("a Size beyond the message", () => {
    malformed(changed("response-v4-root", 10, 0xff, 0xff), 10, /an entry inside the message/)
  })
  it("an offset outside the message, or into its own entry", () => {
    malformed(changed("response-v4-root", 24, 0xff, 0xff), 24, /NetworkAddress inside the message/)
    malformed(changed("response-v4-root", 24, 2, 0), 24, /NetworkAddress after its entry, not at 2/)
  })
  it("text without its NUL, or of an odd number of bytes", () => {
    malformed(vectors["response-v4-root"]!.slice(0, 158), 110, /NetworkAddress that ends with a NUL/)
    malformed(vectors["response-v4-root"]!.slice(0, 159), 110, /NetworkAddress that ends with a NUL/)
    malformed(changed("response-v1", 30, 0x41), 16, /ends with a NUL/)
  })
  it("mixed versions", () => {
    malformed(changed("response-v4-link-two-targets", 42, 3), 42, /VersionNumber 4 as in the first entry, not 3/)
  })
  it("counts that the message cannot hold", () => {
    malformed(changed("response-v4-root", 2, 0xff, 0xff), 2, /room for 65535 entries/)
    malformed(changed("response-dc-namelist", 22, 0xff, 0xff), 52, /room for 65535 of ExpandedName/)
    malformed(changed("response-dc-namelist", 22, 3, 0), 126, /ExpandedName/)
    malformed(changed("response-dc-namelist", 24, 0, 0), 24, /ExpandedNameOffset for 2 names/)
  })
  it("an unknown version as Unsupported", () => {
    for (const version of [0, 5, 0xffff]) {
      const error = failure(changed("response-v4-root", 8, version & 0xff, version >> 8))
      assert.strictEqual(error._tag, "Unsupported")
      assert.strictEqual(error.offset, 8)
      assert.match(error.message, new RegExp(`referral version ${version} at byte 8 is not supported`))
    }
  })
  it("EX lengths that are odd or too long, and texts with a NUL inside", () => {
    const ex = (at: number, value: number) => {
      const bytes = vectors["request-ex-root"]!.slice()
      bytes[at] = value
      const result = decodeReferralRequestEx(bytes)
      assert(Result.isFailure(result))
      return result.failure.message
    }
    assert.match(ex(4, 88), /RequestData inside the message/)
    assert.match(ex(8, 33), /an even number of bytes, not 33/)
    // A length in characters, as some clients have sent it.
    assert.match(ex(8, 17), /an even number of bytes/)
    assert.match(ex(44, 50), /SiteName inside the request data/)
    assert.match(ex(12, 0), /RequestFileName without a NUL inside/)
  })

  it("nothing of an EX request whose texts have no NUL, or one each: the lengths say where a text ends", () => {
    const request = (name: string, site: string | undefined) => {
      const texts = [name, ...(site === undefined ? [] : [site])].map((text) => Buffer.from(text, "utf16le"))
      const data = Buffer.concat(texts.flatMap((text) => [Buffer.from([text.length & 0xff, text.length >> 8]), text]))
      const head = Buffer.alloc(8)
      head.writeUInt16LE(4, 0)
      head.writeUInt16LE(site === undefined ? 0 : 1, 2)
      head.writeUInt32LE(data.length, 4)
      return Result.getOrThrow(decodeReferralRequestEx(Buffer.concat([head, data])))
    }
    const requestFileName = "\\corp.test\\data"
    for (const end of ["", "\0"]) {
      for (const siteEnd of ["", "\0"]) {
        assert.deepStrictEqual(request(requestFileName + end, `Berlin${siteEnd}`), {
          maxReferralLevel: 4,
          requestFileName,
          siteName: "Berlin"
        })
      }
      assert.deepStrictEqual(request(requestFileName + end, undefined), { maxReferralLevel: 4, requestFileName })
      assert.deepStrictEqual(request(end, end), { maxReferralLevel: 4, requestFileName: "", siteName: "" })
    }
  })

  it("many entries that all point into one text", () => {
    // 1,000 entries, each with three names of up to 16,000 code units at different offsets.
    const count = 1000
    const bytes = new Uint8Array(8 + count * 34 + 32000)
    const view = new DataView(bytes.buffer)
    bytes.fill(0x41, 8 + count * 34)
    view.setUint16(bytes.length - 2, 0, true)
    view.setUint16(2, count, true)
    for (let i = 0; i < count; i++) {
      const start = 8 + i * 34
      view.setUint16(start, 3, true)
      view.setUint16(start + 2, 34, true)
      for (let j = 0; j < 3; j++) view.setUint16(start + 12 + j * 2, (count - i) * 34 + (i * 3 + j) * 2, true)
    }
    const error = failure(bytes)
    assert.match(error.message, /text in proportion to the message/)
  })

  it("many name lists that multiply one list of short names by pointing to it", () => {
    // 500 name lists, each of the same 16,000 empty names.
    const count = 500
    const names = 16_000
    const bytes = new Uint8Array(8 + count * 18 + names * 2)
    const view = new DataView(bytes.buffer)
    view.setUint16(2, count, true)
    for (let i = 0; i < count; i++) {
      const start = 8 + i * 18
      view.setUint16(start, 3, true)
      view.setUint16(start + 2, 18, true)
      view.setUint16(start + 6, 2, true)
      view.setUint16(start + 14, names, true)
      view.setUint16(start + 16, (count - i) * 18, true)
    }
    assert.match(failure(bytes).message, /text in proportion to the message/)
  })
})

describe("encoding refuses", () => {
  it.each<[string, ReferralResponse]>([
    ["a wrong count", { ...responses["response-v1"]!, numberOfReferrals: 3 }],
    ["mixed versions", {
      ...responses["response-v1"]!,
      referralEntries: [
        responses["response-v1"]!.referralEntries[0]!,
        responses["response-v2-null-offsets"]!.referralEntries[0]!
      ]
    }],
    [
      "a Size that is too small",
      makeReferralResponse({
        pathConsumed: 0,
        referralEntries: [{ versionNumber: 1, size: 24, serverType: 0, referralEntryFlags: 0, shareName: "\\DOMAINS" }]
      })
    ],
    [
      "a NUL",
      makeReferralResponse({
        pathConsumed: 0,
        referralEntries: [{ versionNumber: 1, serverType: 0, referralEntryFlags: 0, shareName: "\\a\0b" }]
      })
    ],
    [
      "a name list without the flag NameListReferral",
      makeReferralResponse({
        pathConsumed: 0,
        referralEntries: [{ ...list, referralEntryFlags: 0, expandedNames: [] }]
      })
    ],
    [
      "text beyond the reach of a 16-bit offset",
      makeReferralResponse({
        pathConsumed: 0,
        referralEntries: Array.from({ length: 2 }, (_, i) => ({
          versionNumber: 3 as const,
          ...root,
          dfsPath: "x".repeat(20000) + i,
          networkAddress: "y".repeat(20000)
        }))
      })
    ]
  ])("%s", (_, value) => {
    const result = encodeReferralResponse(value)
    assert(Result.isFailure(result))
    assert.strictEqual(result.failure._tag, "Unencodable")
  })
  it("request names with a NUL, or too long", () => {
    assert(Result.isFailure(encodeReferralRequest({ maxReferralLevel: 4, requestFileName: "\\a\0" })))
    assert(Result.isFailure(encodeReferralRequest({ maxReferralLevel: 65536, requestFileName: "\\a" })))
    assert(Result.isFailure(encodeReferralRequestEx({ maxReferralLevel: 4, requestFileName: "x".repeat(32767) })))
    assert(Result.isSuccess(encodeReferralRequestEx({ maxReferralLevel: 4, requestFileName: "x".repeat(32766) })))
  })
})

describe("a DFS message", () => {
  const decoders = [decodeReferralResponse, decodeReferralRequest, decodeReferralRequestEx] as const

  /** Decoding gives a value, or Malformed or Unsupported. */
  const typed = (bytes: Uint8Array) => {
    for (const decode of decoders) {
      const result: Result.Result<unknown, Malformed | Unsupported> = decode(bytes)
      if (Result.isFailure(result)) {
        assert.include(["Malformed", "Unsupported"], result.failure._tag)
        assert.isAtMost(result.failure.offset ?? 0, bytes.length)
      }
    }
  }

  it("gives a value, Malformed or Unsupported when truncated at any length", () => {
    for (const [name, bytes] of Object.entries(vectors)) {
      for (let length = 0; length < bytes.length; length++) {
        typed(bytes.subarray(0, length))
        // No response is complete without its last text.
        if (name.startsWith("response")) assert(Result.isFailure(decodeReferralResponse(bytes.subarray(0, length))))
      }
    }
  })

  it("gives a value, Malformed or Unsupported with any bit flipped", () => {
    for (const bytes of Object.values(vectors)) {
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = bytes.slice()
        flipped[bit >> 3]! ^= 1 << (bit & 7)
        typed(flipped)
      }
    }
  })

  it("gives a value, Malformed or Unsupported when it is random, also behind a valid header", () => {
    const { below } = random(1)
    for (let round = 0; round < 3000; round++) {
      const bytes = Uint8Array.from({ length: below(300) }, () => below(256))
      typed(bytes)
      if (bytes.length < 12) continue
      bytes.set([below(100), 0, 1 + below(4), 0, 0, 0, 0, 0, 1 + below(4), 0, 18 + below(20), 0])
      typed(bytes)
    }
  })

  it("with random content is decoded from its encoding", () => {
    const { below, chance } = random(2)
    const text = (most: number) => {
      let value = ""
      for (let n = below(most); n > 0; n--) {
        value += String.fromCharCode(chance(0.9) ? 0x20 + below(96) : 1 + below(0xffff))
      }
      return value
    }
    const some = <K extends string>(key: K) => (chance(0.3) ? {} : { [key]: text(12) })
    const entry = (version: number): any => {
      const pad = chance(0.2) ? below(8) * 2 : 0
      const common = { versionNumber: version, serverType: below(2) }
      const ttl = { timeToLive: below(2 ** 32) }
      const paths = () => ({ ...some("dfsPath"), ...some("dfsAlternatePath"), ...some("networkAddress") })
      if (version === 1) {
        const shareName = text(20)
        return { ...common, referralEntryFlags: 0, shareName, size: 10 + shareName.length * 2 + pad }
      }
      if (version === 2) {
        return { ...common, referralEntryFlags: 0, size: 22 + pad, proximity: below(2 ** 32), ...ttl, ...paths() }
      }
      if (chance(0.5)) return { ...common, referralEntryFlags: chance(0.5) ? 4 : 0, size: 34 + pad, ...ttl, ...paths() }
      const expandedNames = Array.from({ length: below(5) }, () => text(12))
      return { ...common, referralEntryFlags: 2, size: 18 + pad, ...ttl, ...some("specialName"), expandedNames }
    }
    for (let round = 0; round < 1000; round++) {
      const version = 1 + below(4)
      const referralEntries: ReadonlyArray<ReferralEntry> = Array.from({ length: below(6) }, () => entry(version))
      const value = makeReferralResponse({ pathConsumed: below(65536), referralHeaderFlags: below(8), referralEntries })
      const bytes = Result.getOrThrow(encodeReferralResponse(value))
      assert.deepStrictEqual(decodeReferralResponse(bytes), Result.succeed(value))
      const request = { maxReferralLevel: below(65536), requestFileName: text(30) }
      assert.deepStrictEqual(
        decodeReferralRequest(Result.getOrThrow(encodeReferralRequest(request))),
        Result.succeed(request)
      )
      const ex = { ...request, ...some("siteName") }
      assert.deepStrictEqual(
        decodeReferralRequestEx(Result.getOrThrow(encodeReferralRequestEx(ex))),
        Result.succeed(ex)
      )
    }
  })
})

describe("the Schemas of DFS messages", () => {
  it("decode and encode recorded messages", () => {
    for (const [name, value] of Object.entries(responses)) {
      assert.deepStrictEqual(Schema.decodeUnknownSync(ReferralResponseFromBytes)(vectors[name]!), value)
      assert.deepStrictEqual(Schema.encodeSync(ReferralResponseFromBytes)(value), vectors[name]!)
    }
    const request = Schema.decodeUnknownSync(ReferralRequestFromBytes)(vectors["request-v4"]!)
    assert.deepStrictEqual(Schema.encodeSync(ReferralRequestFromBytes)(request), vectors["request-v4"]!)
    const ex = Schema.decodeUnknownSync(ReferralRequestExFromBytes)(vectors["request-ex-root"]!)
    assert.strictEqual(ex.siteName, "Default-First-Site-Name")
  })
  it("name the position of a malformed response in their error", () => {
    assert.throws(
      () => Schema.decodeUnknownSync(ReferralResponseFromBytes)(vectors["response-v1"]!.subarray(0, 20)),
      /RESP_GET_DFS_REFERRAL is malformed at byte/
    )
  })
})

describe("a recorded referral of a Samba domain controller", () => {
  // Read from the bytes by hand. A list without names still has an offset for them.
  const list = (specialName: string, ...expandedNames: ReadonlyArray<string>) => ({
    versionNumber: 3,
    size: 34,
    serverType: 0,
    referralEntryFlags: 2,
    timeToLive: 600,
    specialName,
    expandedNames
  })
  const expected: Record<string, ReadonlyArray<unknown>> = {
    "": [list("\\CORP"), list("\\corp.test")],
    "\\corp.test": [list("corp.test", "\\dc1.corp.test")],
    "\\CORP": [list("CORP", "\\DC1")]
  }

  it.each(sambaDomain.map((one) => [`${one.path || "nothing"} at level ${one.maxReferralLevel}`, one] as const))(
    "has the names or the path that were read by hand: %s",
    (_, one) => {
      const request = { maxReferralLevel: one.maxReferralLevel, requestFileName: one.path }
      assert.deepStrictEqual(encodeReferralRequest(request), Result.succeed(hex(one.request)))
      const response = Result.getOrThrow(decodeReferralResponse(hex(one.response)))
      if (one.path in expected) {
        assert.deepStrictEqual(response.referralEntries as ReadonlyArray<unknown>, expected[one.path]!)
        assert.strictEqual(response.pathConsumed, 0)
      } else {
        assert.strictEqual(response.pathConsumed, one.path.length * 2)
        for (const entry of response.referralEntries) {
          assert.strictEqual((entry as { readonly dfsPath?: string }).dfsPath, one.path)
        }
      }
    }
  )
})

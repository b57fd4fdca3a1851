/**
 * The server's side of DFS referrals (MS-DFSC 3.2.5, 3.3.5): responses computed from a namespace, against recorded
 * bytes of Windows, smbd and a Samba domain controller; the namespace as JSON; and malformed requests.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { readFileSync } from "node:fs"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as Namespace from "../../src/Dfs/Namespace.ts"
import { decodeReferralRequest, decodeReferralRequestEx } from "../../src/Dfs/ReferralRequest.ts"
import {
  decodeReferralResponse,
  type NameListReferral,
  type ReferralResponse,
  type ReferralV3
} from "../../src/Dfs/ReferralResponse.ts"
import { samba, sambaDomain, vectors } from "./vectors.ts"

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

const ask = (
  namespace: Namespace.Namespace,
  requestFileName: string,
  options: { readonly level?: number; readonly room?: number; readonly site?: string } = {}
) =>
  Namespace.answer(namespace, {
    maxReferralLevel: options.level ?? 4,
    requestFileName,
    ...(options.site === undefined ? {} : { siteName: options.site })
  }, { maximumOutput: options.room ?? 8192 })

const bytesOf = (answer: Namespace.Answer): string =>
  answer._tag === "Response" ? hex(answer.bytes) : `status ${answer.status.toString(16)}`

const statusOf = (answer: Namespace.Answer): number => answer._tag === "Status" ? answer.status >>> 0 : 0

const addresses = (answer: Namespace.Answer) => {
  assert(answer._tag === "Response")
  return answer.response.referralEntries.map((entry) => (entry as ReferralV3).networkAddress)
}

const windows: Namespace.Namespace = {
  roots: {
    Files: {
      targets: ["\\\\LAB-DC1.LAB.LOCAL\\Files"],
      links: { Sales: { targets: ["\\\\LAB-FS2\\Sales", "//LAB-FS1/Sales"], timeToLive: 300 } }
    }
  }
}

describe("Namespace.answer gives, from the same data, the recorded referral of", () => {
  it("Windows for a root, to Windows' own EX request", () => {
    const request = Result.getOrThrow(decodeReferralRequestEx(vectors["request-ex-root"]!))
    const answer = Namespace.answer(windows, request, { maximumOutput: 8192 })
    assert.strictEqual(bytesOf(answer), hex(vectors["response-v4-root"]!))
  })

  it("Windows for a link with two targets", () => {
    assert.strictEqual(
      bytesOf(ask(windows, "\\LAB-DC1.LAB.LOCAL\\Files\\Sales\\2026\\a.txt")),
      hex(vectors["response-v4-link-two-targets"]!)
    )
  })

  it("a domain controller for its domains, and for a domain's controllers", () => {
    const domains = { "TEST.local": { netbiosName: "TEST", controllers: ["dc"] } }
    assert.strictEqual(bytesOf(ask({ roots: {}, domains }, "")), hex(vectors["response-domain-namelist"]!))
    const controllers = ["DC01.domain.test", "DC01.domain.test2"]
    const answer = ask({ roots: {}, domains: { "domain.test": { controllers } } }, "\\domain.test")
    assert.strictEqual(bytesOf(answer), hex(vectors["response-dc-namelist"]!))
  })

  // smbd responds to level 1 with version 2, and to level 4 with version 3.
  it.each(samba.filter(({ maxReferralLevel }) => maxReferralLevel !== 1))(
    "smbd for $path at level $maxReferralLevel",
    ({ request, response }) => {
      const share = "\\\\127.0.0.14\\share"
      const namespace: Namespace.Namespace = {
        roots: {
          dfs: {
            timeToLive: 600,
            maxReferralLevel: 3,
            links: {
              one: { targets: [share], timeToLive: 600 },
              two: { targets: ["\\\\127.0.0.9\\share", share], timeToLive: 600 }
            }
          }
        }
      }
      const asked = Result.getOrThrow(decodeReferralRequest(new Uint8Array(Buffer.from(request, "hex"))))
      const answer = Namespace.answer(namespace, asked, { maximumOutput: 8192 })
      assert(answer._tag === "Response")
      const theirs = Result.getOrThrow(decodeReferralResponse(new Uint8Array(Buffer.from(response, "hex"))))
      assert.deepStrictEqual(answer.response.referralEntries, theirs.referralEntries)
      assert.strictEqual(answer.response.pathConsumed, theirs.pathConsumed)
    }
  )
})

const sets: Namespace.Namespace = {
  roots: {
    public: {
      targetFailback: true,
      links: {
        far: {
          targets: [
            { path: "\\\\c\\s", set: 1 },
            { path: "\\\\a\\s", site: "Oslo" },
            { path: "\\\\off\\s", state: "offline" },
            { path: "\\\\b\\s", site: "Bern" },
            { path: "\\\\d\\s", set: 1, site: "Bern" }
          ]
        },
        none: [{ path: "\\\\off\\s", state: "offline" }],
        "media\\films": ["\\\\a\\films"],
        other: { targets: ["\\\\b\\space"], interlink: true }
      }
    },
    old: { links: {}, maxReferralLevel: 2 }
  }
}

describe("Namespace.answer", () => {
  it("orders targets by set and site, and marks sets and failback in version 4 only", () => {
    const answer = ask(sets, "\\S\\PUBLIC\\Far\\x")
    assert.deepStrictEqual(addresses(answer), ["\\a\\s", "\\b\\s", "\\c\\s", "\\d\\s"])
    assert.deepStrictEqual(addresses(ask(sets, "\\s\\public\\far", { site: "BERN" })), [
      "\\b\\s",
      "\\a\\s",
      "\\d\\s",
      "\\c\\s"
    ])
    assert(answer._tag === "Response")
    assert.deepStrictEqual(answer.response.referralEntries.map((entry) => entry.referralEntryFlags), [4, 0, 4, 0])
    assert.strictEqual(answer.response.referralHeaderFlags, 6)
    assert.strictEqual(answer.response.pathConsumed, "\\S\\PUBLIC\\Far".length * 2)
    const three = ask(sets, "\\s\\public\\far", { level: 3 })
    assert(three._tag === "Response")
    assert.deepStrictEqual(three.response.referralEntries.map((entry) => entry.referralEntryFlags), [0, 0, 0, 0])
    assert.strictEqual(three.response.referralHeaderFlags, 2)
  })

  it.each([[1, 1, 1], [2, 2, 2], [3, 3, 2], [4, 4, 2], [9, 4, 2]])(
    "responds to level %i with version %i, and with version %i when the root's maximum is 2",
    (level, version, limited) => {
      const versionOf = (answer: Namespace.Answer) =>
        answer._tag === "Response" ? answer.response.referralEntries[0]!.versionNumber : statusOf(answer)
      assert.strictEqual(versionOf(ask(sets, "\\s\\public", { level })), version)
      assert.strictEqual(versionOf(ask(sets, "\\s\\old", { level })), limited)
    }
  )

  it("gives as many entries as fit, and STATUS_BUFFER_OVERFLOW when none fits", () => {
    const whole = ask(sets, "\\s\\public\\far")
    assert(whole._tag === "Response")
    const less = ask(sets, "\\s\\public\\far", { room: whole.bytes.length - 1 })
    assert.deepStrictEqual(addresses(less), ["\\a\\s", "\\b\\s", "\\c\\s"])
    assert.deepStrictEqual(bytesOf(ask(sets, "\\s\\public\\far", { room: whole.bytes.length })), hex(whole.bytes))
    assert.strictEqual(statusOf(ask(sets, "\\s\\public\\far", { room: 60 })), NtStatus.STATUS_BUFFER_OVERFLOW)
  })

  it("responds with a status for unknown roots, links without online targets, domains and server names", () => {
    assert.strictEqual(statusOf(ask(sets, "\\s\\nowhere\\x")), NtStatus.STATUS_NOT_FOUND)
    assert.strictEqual(statusOf(ask(sets, "\\s\\public\\none")), NtStatus.STATUS_DFS_UNAVAILABLE)
    assert.strictEqual(statusOf(ask(sets, "\\unknown.test")), NtStatus.STATUS_INVALID_PARAMETER)
    assert.strictEqual(statusOf(ask(sets, "")), NtStatus.STATUS_INVALID_PARAMETER)
    const elsewhere = Namespace.answer(sets, { maxReferralLevel: 4, requestFileName: "\\t\\public" }, {
      maximumOutput: 8192,
      serverNames: ["s"]
    })
    assert.strictEqual(statusOf(elsewhere), NtStatus.STATUS_NOT_FOUND)
  })

  it("refers a domain's SYSVOL to its controllers, and sets only ReferralServers for an interlink", () => {
    const domains = { "corp.test": { controllers: ["dc1", "dc2"] } }
    const sysvol = ask({ roots: {}, domains }, "\\corp.test\\SYSVOL")
    assert.deepStrictEqual(addresses(sysvol), ["\\dc1\\SYSVOL", "\\dc2\\SYSVOL"])
    // As a Samba controller does; the domain lab sends it the same requests.
    const refused = [["\\corp.test\\sysvol\\corp.test\\Policies", 3], ["\\corp.test", 2], ["", 2]] as const
    assert.deepStrictEqual(
      refused.map(([path, level]) => statusOf(ask({ roots: {}, domains }, path, { level }))),
      [NtStatus.STATUS_NOT_FOUND, NtStatus.STATUS_UNSUCCESSFUL, NtStatus.STATUS_UNSUCCESSFUL]
    )
    const interlink = ask(sets, "\\s\\public\\other\\x")
    assert(interlink._tag === "Response")
    assert.strictEqual(interlink.response.referralHeaderFlags & 3, 1)
  })

  it("sets both header bits in each version 1 referral: of a root, a link, an interlink and SYSVOL", () => {
    const domains = { "corp.test": { controllers: ["dc1"] } }
    for (const path of ["\\s\\public", "\\s\\public\\far", "\\s\\public\\other", "\\corp.test\\SYSVOL"]) {
      const answer = ask({ ...sets, domains }, path, { level: 1 })
      assert(answer._tag === "Response", path)
      assert.strictEqual(answer.response.referralEntries[0]!.versionNumber, 1)
      assert.strictEqual(answer.response.referralHeaderFlags, 3, path)
    }
  })

  it("says STATUS_NO_SUCH_FILE of a root that the domain does not have, and STATUS_NOT_FOUND below it", () => {
    const domain = { ...sets, domains: { "corp.test": { controllers: ["dc1"] } } }
    assert.strictEqual(statusOf(ask(domain, "\\corp.test\\nowhere")), NtStatus.STATUS_NO_SUCH_FILE)
    assert.strictEqual(statusOf(ask(domain, "\\corp.test\\nowhere\\link")), NtStatus.STATUS_NOT_FOUND)
    assert.strictEqual(statusOf(ask(domain, "\\other\\nowhere")), NtStatus.STATUS_NOT_FOUND)
  })
})

describe("Namespace.answer for a domain's controllers", () => {
  const domains = {
    "corp.test": { netbiosName: "CORP", controllers: ["dc1.corp.test", "10.0.0.2", "a-very-long-controller.corp.test"] }
  }
  const controllers = (answer: Namespace.Answer) => {
    assert(answer._tag === "Response")
    return answer.response.referralEntries.flatMap((entry) => (entry as NameListReferral).expandedNames)
  }

  it("gives DNS names for the DNS name, and NetBIOS names for the NetBIOS name; addresses stay", () => {
    const namespace = { roots: { dfs: { links: {} } }, domains }
    const full = ["\\dc1.corp.test", "\\10.0.0.2", "\\a-very-long-controller.corp.test"]
    const short = ["\\DC1", "\\10.0.0.2", "\\A-VERY-LONG-CON"]
    for (const [name, names] of [["Corp.Test", full], ["corp", short]] as const) {
      assert.deepStrictEqual(controllers(ask(namespace, `\\${name}`)), names)
      for (const share of ["sysvol", "NETLOGON", "dfs"]) {
        assert.deepStrictEqual(
          addresses(ask(namespace, `\\${name}\\${share}`)),
          names.map((one) => `${one}\\${share}`)
        )
      }
    }
  })

  // For a root Samba gives the domain's name, as for an ordinary server's root: not compared here.
  it.each(sambaDomain.filter(({ path }) => !path.includes("dfs")))(
    "gives the names of Samba's controller for '$path' at level $maxReferralLevel",
    ({ request, response }) => {
      const domains = { "corp.test": { netbiosName: "CORP", controllers: ["dc1.corp.test"] } }
      const read = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"))
      const asked = Result.getOrThrow(decodeReferralRequest(read(request)))
      const answer = Namespace.answer({ roots: {}, domains }, asked, { maximumOutput: 8192 })
      assert(answer._tag === "Response")
      const names = (all: ReferralResponse) =>
        all.referralEntries.map((entry) => {
          assert(entry.versionNumber >= 3)
          const one = entry as ReferralV3 | NameListReferral
          // Samba writes some names of a list without their backslash.
          return "expandedNames" in one
            ? [one.specialName, ...one.expandedNames].map((name) => name?.replace(/^\\/, ""))
            : [one.dfsPath, one.networkAddress]
        })
      const theirs = Result.getOrThrow(decodeReferralResponse(read(response)))
      assert.deepStrictEqual(names(answer.response), names(theirs))
      assert.strictEqual(answer.response.pathConsumed, theirs.pathConsumed)
    }
  )
})

describe("Namespace.covers and normalise", () => {
  it("find a link by whole components in any case", () => {
    assert.deepStrictEqual(Namespace.covers(sets, "PUBLIC", ["MEDIA", "films", "x"])?.path, ["media", "films"])
    assert.isUndefined(Namespace.covers(sets, "public", ["media"]))
    assert.isUndefined(Namespace.covers(sets, "public", ["farther"]))
    assert.isUndefined(Namespace.covers(sets, "other", ["far"]))
    assert.isUndefined(Namespace.covers(sets, "public", []))
  })

  it("strip server and share from a name with the DFS flag", () => {
    assert.strictEqual(Namespace.normalise("srv\\Public\\a\\b", "public"), "a\\b")
    assert.strictEqual(Namespace.normalise("\\srv\\public", "public"), "")
    assert.isUndefined(Namespace.normalise("srv\\other\\a", "public"))
    // Without a share, the name is the share's own folder.
    assert.strictEqual(Namespace.normalise("srv", "public"), "")
    assert.strictEqual(Namespace.normalise("", "public"), "")
    assert.strictEqual(Namespace.normalise("\\\\srv\\public\\a", "PUBLIC"), "a")
  })
})

describe("Namespace.fromJson", () => {
  it("reads a namespace that the Schema encoded", () => {
    const text = JSON.stringify(Schema.encodeSync(Namespace.Namespace)(sets))
    assert.deepStrictEqual(Result.getOrThrow(Namespace.fromJson(text)), sets)
  })

  it.each([
    ["an invalid target", { roots: { r: { links: { a: ["server"] } } } }, "server\\share"],
    ["a link without targets", { roots: { r: { links: { a: [] } } } }, "length"],
    ["a link below a link", { roots: { r: { links: { a: ["//s/x"], "a/b": ["//s/x"] } } } }, "below the link"],
    [
      "two links whose names differ in case only",
      { roots: { r: { links: { a: ["//s/x"], A: ["//s/x"] } } } },
      "below the link"
    ],
    ["a link's name with ..", { roots: { r: { links: { "a/../b": ["//s/x"] } } } }, "below its root"],
    ["an unknown level", { roots: { r: { links: {}, maxReferralLevel: 5 } } }, "maxReferralLevel"],
    ["a root's name with a backslash", { roots: { "a\\b": { links: {} } } }, "no single name"],
    ["two roots whose names differ in case only", { roots: { a: { links: {} }, A: { links: {} } } }, "twice"],
    ["a root without a name", { roots: { "": { links: {} } } }, "\"\" is no single name"],
    ["a root's name with a slash", { roots: { "a/b": { links: {} } } }, "no single name"],
    ["a root's name that no file can have", { roots: { "a*": { links: {} } } }, "no single name"],
    ["a link without a name", { roots: { r: { links: { "/": ["//s/x"] } } } }, "below its root, and not \"/\""],
    [
      "the odd link of two",
      { roots: { r: { links: { a: ["//s/x"], "b?": ["//s/x"] } } } },
      "a link is named by a path below its root, and not \"b?\""
    ],
    [
      "a link above a link",
      { roots: { r: { links: { "a/b": ["//s/x"], a: ["//s/x"] } } } },
      "the link a\\b lies on or below the link a"
    ],
    [
      "two links whose names differ in case only",
      { roots: { r: { links: { "b/a": ["//s/x"], "B\\A": ["//s/x"] } } } },
      "the link B\\A lies on or below the link b\\a"
    ],
    [
      // Comparing each of them with all others would take hours.
      "a link far below another one, of 200,000",
      {
        roots: {
          r: {
            links: Object.fromEntries([
              ...Array.from({ length: 200_000 }, (_, i) => [`f/${i}`, ["//s/x"]]),
              ["F/7/a/b/c", ["//s/x"]]
            ])
          }
        }
      },
      "the link F\\7\\a\\b\\c lies on or below the link f\\7"
    ],
    ["a root without targets", { roots: { r: { targets: [], links: {} } } }, "length"],
    ["a target of a root", { roots: { r: { targets: ["//s"], links: {} } } }, "with or without a path below"],
    ["a target with ..", { roots: { r: { links: { a: [{ path: "//s/x/../y" }] } } } }, "a target is"],
    ["an unknown state", { roots: { r: { links: { a: [{ path: "//s/x", state: "gone" }] } } } }, "state"],
    ["half a set", { roots: { r: { links: { a: [{ path: "//s/x", set: 0.5 }] } } } }, "set"],
    ["level 0", { roots: { r: { links: {}, maxReferralLevel: 0 } } }, "maxReferralLevel"],
    ["seconds below 0", { roots: { r: { links: {}, timeToLive: -1 } } }, "timeToLive"],
    ["seconds beyond 32 bits", { roots: { r: { links: { a: { targets: ["//s/x"], timeToLive: 2 ** 32 } } } } }, "time"],
    ["a domain without controllers", { roots: {}, domains: { "c.test": { controllers: [] } } }, "length"],
    ["a controller's name with a slash", { roots: {}, domains: { "c.test": { controllers: ["a/b"] } } }, "single name"],
    ["an empty controller's name", { roots: {}, domains: { "c.test": { controllers: [""] } } }, "single name"],
    ["a NetBIOS name with ..", { roots: {}, domains: { c: { netbiosName: "..", controllers: ["d"] } } }, "single name"],
    [
      "two domains whose names differ in case only",
      { roots: {}, domains: { c: { controllers: ["d"] }, C: { controllers: ["d"] } } },
      "a name stands there twice"
    ],
    ["a namespace without roots", {}, "roots"]
  ])("refuses %s", (_, value, words) => {
    const read = Namespace.fromJson(JSON.stringify(value))
    assert(Result.isFailure(read))
    assert.include(read.failure.message, words)
  })
})

it("Namespace.fromJson accepts names that only begin alike, and each limit of a number", () => {
  const links = { ab: ["//s/x"], a: ["//s/x"], "c/d": ["\\\\s\\x\\deep"], "c/de": ["//s/x"] }
  const value = {
    roots: {
      r: { links, timeToLive: 0, maxReferralLevel: 1, targets: ["//[::1]/r"] },
      R2: { links: {}, timeToLive: 2 ** 32 - 1, maxReferralLevel: 4 }
    },
    domains: { "c.test": { netbiosName: "C", controllers: ["d.c.test"], timeToLive: 1 } }
  }
  assert.deepStrictEqual<unknown>(Result.getOrThrow(Namespace.fromJson(JSON.stringify(value))), value)
})

it("Namespace.isRoot and linksOf find a root in any case, and nothing elsewhere", () => {
  assert.deepStrictEqual(["PUBLIC", "old", "far", ""].map((name) => Namespace.isRoot(sets, name)), [
    true,
    true,
    false,
    false
  ])
  assert.deepStrictEqual(Namespace.linksOf(sets, "Public").map(({ link, path }) => [path, link.targets.length]), [
    [["far"], 5],
    [["none"], 1],
    [["media", "films"], 1],
    [["other"], 1]
  ])
  assert.deepStrictEqual(Namespace.linksOf(sets, "old"), [])
  assert.deepStrictEqual(Namespace.linksOf(sets, "nowhere"), [])
})

it("Namespace.fromJson reads the example of docs/hosting.md, and orders its targets by site", () => {
  const text = readFileSync(new URL("../../docs/hosting.md", import.meta.url), "utf8")
  const namespace = Result.getOrThrow(Namespace.fromJson(/```json\n(.*?)```/s.exec(text)![1]!))
  assert.deepStrictEqual(addresses(ask(namespace, "\\s\\public\\media\\films\\x", { site: "Bern" })), [
    "\\nas2\\films",
    "\\nas1\\films",
    "\\archive\\films"
  ])
})

describe("a referral request that differs from the document", () => {
  /** The level, then the name unchanged. */
  const plain = (level: number, name: string, ...more: ReadonlyArray<number>) => {
    const bytes = Buffer.concat([Buffer.alloc(2), Buffer.from(name, "utf16le"), Uint8Array.from(more)])
    bytes.writeUInt16LE(level)
    return Namespace.answer(windows, Result.getOrThrow(decodeReferralRequest(bytes)), { maximumOutput: 8192 })
  }
  const root = bytesOf(ask(windows, "\\LAB-DC1.LAB.LOCAL\\Files"))

  it("gets the referral with a missing NUL, extra bytes, slashes or level 0, and an error with ..", () => {
    for (
      const answer of [
        plain(4, "\\LAB-DC1.LAB.LOCAL\\Files\0"),
        // The name ends with the message, in an odd byte, or before stray text.
        plain(4, "\\LAB-DC1.LAB.LOCAL\\Files"),
        plain(4, "\\LAB-DC1.LAB.LOCAL\\Files", 0),
        plain(4, "\\LAB-DC1.LAB.LOCAL\\Files\0\\more", 7)
      ]
    ) assert.strictEqual(bytesOf(answer), root)
    // Some or all separators are slashes.
    for (const name of ["/LAB-DC1.LAB.LOCAL/Files\0", "\\LAB-DC1.LAB.LOCAL/Files"]) {
      assert.strictEqual(bytesOf(plain(4, name)), root)
    }
    assert.deepStrictEqual(
      addresses(plain(4, "/LAB-DC1.LAB.LOCAL/Files/Sales/2026")),
      addresses(ask(windows, "\\LAB-DC1.LAB.LOCAL\\Files\\Sales\\2026"))
    )
    // Every client understands version 1.
    assert.strictEqual(
      bytesOf(plain(0, "\\LAB-DC1.LAB.LOCAL\\Files\0")),
      bytesOf(plain(1, "\\LAB-DC1.LAB.LOCAL\\Files\0"))
    )
    assert.strictEqual(statusOf(plain(4, "\\LAB-DC1.LAB.LOCAL\\Files\\..\0")), NtStatus.STATUS_INVALID_PARAMETER)
  })

  it("gets the root's referral when no link is on the path", () => {
    assert.strictEqual(bytesOf(ask(windows, "\\LAB-DC1.LAB.LOCAL\\Files\\Nothing\\there")), root)
  })
})

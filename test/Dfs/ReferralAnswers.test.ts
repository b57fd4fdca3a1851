/**
 * The responses to domain, DC, sysvol, root and link referral requests: their status, header and entries, as each
 * section of MS-DFSC 3.2.5 and 3.3.5 demands them, and what fits into the client's buffer.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as Namespace from "../../src/Dfs/Namespace.ts"
import { decodeReferralResponse, type ReferralResponse } from "../../src/Dfs/ReferralResponse.ts"

interface Asked {
  readonly level?: number
  readonly room?: number
  readonly site?: string
  readonly serverNames?: ReadonlyArray<string>
}

/** The status by its name, or the response as a client decodes it from its bytes. */
const ask = (namespace: Namespace.Namespace, requestFileName: string, asked: Asked = {}): string | ReferralResponse => {
  const answer = Namespace.answer(namespace, {
    maxReferralLevel: asked.level ?? 4,
    requestFileName,
    ...(asked.site === undefined ? {} : { siteName: asked.site })
  }, { maximumOutput: asked.room ?? 65_536, serverNames: asked.serverNames })
  if (answer._tag === "Status") {
    return Object.entries(NtStatus).find(([, code]) => code === answer.status)?.[0] ?? String(answer.status)
  }
  assert.isAtMost(answer.bytes.length, asked.room ?? 65_536)
  const decoded = Result.getOrThrow(decodeReferralResponse(answer.bytes))
  assert.deepStrictEqual(decoded, answer.response)
  return decoded
}
const response = (...asked: Parameters<typeof ask>): ReferralResponse => {
  const answer = ask(...asked)
  assert(typeof answer !== "string", String(answer))
  return answer
}
const entries = (...asked: Parameters<typeof ask>): ReadonlyArray<any> => response(...asked).referralEntries
const sizeOf = (namespace: Namespace.Namespace, path: string, level = 4): number => {
  const answer = Namespace.answer(namespace, { maxReferralLevel: level, requestFileName: path }, {
    maximumOutput: 65_536
  })
  assert(answer._tag === "Response")
  return answer.bytes.length
}

const list = (specialName: string, timeToLive: number, ...expandedNames: ReadonlyArray<string>) => ({
  versionNumber: 3,
  size: 18,
  serverType: 0,
  referralEntryFlags: 2,
  timeToLive,
  specialName,
  expandedNames
})

const forest: Namespace.Namespace = {
  roots: {},
  domains: {
    "corp.test": { netbiosName: "CORP", controllers: ["dc1.corp.test", "dc2.corp.test"] },
    "far.test": { controllers: ["dc.far.test"], timeToLive: 900 }
  }
}
/** More domains than 56 KiB of names can hold. */
const many: Namespace.Namespace = {
  roots: {},
  domains: Object.fromEntries(
    Array.from({ length: 300 }, (_, i) => [
      `${"x".repeat(60)}.domain${i}.test`,
      { netbiosName: `DOMAIN${i}`, controllers: ["dc"] }
    ])
  )
}

describe("the response to a domain referral request (3.3.5.2)", () => {
  it.each([3, 4, 5, 0xffff])("has all names of all domains, in version 3, for level %i", (level) => {
    assert.deepStrictEqual<unknown>(ask(forest, "", { level }), {
      pathConsumed: 0,
      numberOfReferrals: 3,
      referralHeaderFlags: 0,
      // Each entry has the same time to live: the shortest one.
      referralEntries: [list("\\CORP", 600), list("\\corp.test", 600), list("\\far.test", 600)]
    })
  })

  it("has the time to live of a domain that sets its own", () => {
    const domains = {
      "a.test": { controllers: ["dc"], timeToLive: 30 },
      "b.test": { controllers: ["dc"], timeToLive: 5 }
    }
    assert.deepStrictEqual(entries({ roots: {}, domains }, "").map((one) => one.timeToLive), [5, 5])
  })

  it.each([0, 1, 2])("is STATUS_UNSUCCESSFUL at level %i, which has no lists of names", (level) => {
    assert.strictEqual(ask(forest, "", { level }), "STATUS_UNSUCCESSFUL")
  })

  it("is STATUS_INVALID_PARAMETER from a server that is no domain controller, at any level (3.2.5.2)", () => {
    for (const namespace of [{ roots: { dfs: { links: {} } } }, { roots: {}, domains: {} }]) {
      for (const level of [1, 4]) assert.strictEqual(ask(namespace, "", { level }), "STATUS_INVALID_PARAMETER")
    }
  })

  it("is STATUS_BUFFER_OVERFLOW while a domain does not fit and the buffer is below 56 KiB", () => {
    const whole = sizeOf(forest, "")
    assert.strictEqual(response(forest, "", { room: whole }).numberOfReferrals, 3)
    for (const room of [whole - 1, 40, 0]) {
      assert.strictEqual(ask(forest, "", { room }), "STATUS_BUFFER_OVERFLOW")
    }
    assert.strictEqual(ask(many, "", { room: 57_343 }), "STATUS_BUFFER_OVERFLOW")
  })

  it("has 56 KiB of domains at most, each with both of its names", () => {
    const found = entries(many, "", { room: 57_344 }).map((one) => String(one.specialName))
    assert.isTrue(found.length > 0 && found.length < 600)
    assert.deepStrictEqual(
      found,
      Object.entries(many.domains!).flatMap(([name, { netbiosName }]) => [`\\${netbiosName}`, `\\${name}`])
        .slice(0, found.length)
    )
    assert.strictEqual(found.length % 2, 0)
    assert.deepStrictEqual(entries(many, "", { room: 65_536 }).length, found.length)
    // One more domain would not have fitted.
    const domains = Object.fromEntries(Object.entries(many.domains!).slice(0, found.length / 2 + 1))
    assert.isAbove(
      8 +
        Object.entries(domains).reduce(
          (sum, [name, one]) => sum + 36 + (name.length + 2 + one.netbiosName!.length + 2) * 2,
          0
        ),
      57_344
    )
  })
})

describe("the response to a DC referral request (3.3.5.3)", () => {
  it.each([
    ["\\corp.test", ["\\dc1.corp.test", "\\dc2.corp.test"], 600],
    ["\\CORP.Test", ["\\dc1.corp.test", "\\dc2.corp.test"], 600],
    ["\\corp", ["\\DC1", "\\DC2"], 600],
    ["\\far.test", ["\\dc.far.test"], 900]
  ])("has one entry with the asked name %s and its controllers", (name, controllers, time) => {
    for (const level of [3, 4, 9]) {
      assert.deepStrictEqual<unknown>(ask(forest, name, { level }), {
        pathConsumed: 0,
        numberOfReferrals: 1,
        referralHeaderFlags: 0,
        referralEntries: [list(name, time, ...controllers)]
      })
    }
  })

  it.each([
    ["\\corp.test", 2, "STATUS_UNSUCCESSFUL"],
    ["\\corp.test", 0, "STATUS_UNSUCCESSFUL"],
    ["\\other.test", 4, "STATUS_INVALID_PARAMETER"],
    ["\\other.test", 2, "STATUS_INVALID_PARAMETER"],
    ["\\FAR", 4, "STATUS_INVALID_PARAMETER"]
  ])("is for %s at level %i %s", (name, level, status) => {
    assert.strictEqual(ask(forest, name, { level }), status)
  })

  it("has as many complete names of controllers as fit, and STATUS_BUFFER_OVERFLOW if none fits", () => {
    const whole = sizeOf(forest, "\\corp.test")
    const second = "\\dc2.corp.test\0".length * 2
    const names = (room: number) => {
      const answer = ask(forest, "\\corp.test", { room })
      return typeof answer === "string" ? answer : (answer.referralEntries[0] as any).expandedNames
    }
    assert.deepStrictEqual(names(whole), ["\\dc1.corp.test", "\\dc2.corp.test"])
    assert.deepStrictEqual(names(whole - 1), ["\\dc1.corp.test"])
    assert.deepStrictEqual(names(whole - second), ["\\dc1.corp.test"])
    assert.deepStrictEqual(names(whole - second - 1), "STATUS_BUFFER_OVERFLOW")
  })
})

describe("the response to a sysvol referral request (3.3.5.4)", () => {
  it.each([1, 2, 3, 4])("refers to the controllers' share at level %i", (level) => {
    for (const share of ["SYSVOL", "netlogon"]) {
      const { pathConsumed, referralEntries, referralHeaderFlags } = response(forest, `\\CORP\\${share}`, { level })
      assert.strictEqual(pathConsumed, `\\CORP\\${share}`.length * 2)
      assert.strictEqual(referralHeaderFlags, level === 1 ? 3 : 2)
      assert.deepStrictEqual(
        referralEntries.map((one: any) => [one.versionNumber, one.serverType, one.shareName ?? one.networkAddress]),
        ["DC1", "DC2"].map((dc) => [level, 0, `\\${dc}\\${share}`])
      )
      assert.deepStrictEqual(referralEntries.map((one) => one.referralEntryFlags), level === 4 ? [4, 0] : [0, 0])
      if (level === 1) continue
      for (const one of referralEntries as ReadonlyArray<any>) {
        assert.strictEqual(one.timeToLive, 600)
        assert.strictEqual(one.dfsPath, `\\CORP\\${share}`)
        assert.strictEqual(one.dfsAlternatePath, `\\CORP\\${share}`)
      }
    }
  })

  it("has the domain's own time to live, and is STATUS_NOT_FOUND below SYSVOL and for another domain", () => {
    assert.strictEqual(entries(forest, "\\far.test\\SYSVOL")[0].timeToLive, 900)
    for (const path of ["\\corp.test\\SYSVOL\\x", "\\corp.test\\NETLOGON\\x\\y", "\\other.test\\SYSVOL"]) {
      assert.strictEqual(ask(forest, path), "STATUS_NOT_FOUND", path)
    }
  })
})

const namespace: Namespace.Namespace = {
  roots: {
    dfs: {
      targetFailback: true,
      targets: ["\\\\fs1\\dfs", { path: "\\\\fs2\\dfs", set: 1 }],
      links: {
        "dir1\\link1": ["//fs1/data/sub"],
        own: { targets: ["\\\\a\\x", "\\\\b\\x"], timeToLive: 7, targetFailback: false },
        inter: { targets: ["\\\\corp.test\\dfs2"], interlink: true }
      }
    },
    timed: { timeToLive: 60, links: { back: { targets: ["\\\\a\\x"], targetFailback: true } } }
  }
}

describe("the response to a root or link referral request (3.2.5.5)", () => {
  // Root or link, PathConsumed as a path, the header's flags at level 4, seconds, and targets.
  const cases: ReadonlyArray<
    readonly [path: string, type: number, prefix: string, flags: number, ttl: number, targets: ReadonlyArray<string>]
  > = [
    ["\\MyServer\\DFS", 1, "\\MyServer\\DFS", 7, 300, ["\\fs1\\dfs", "\\fs2\\dfs"]],
    ["\\MyServer\\dfs\\dir1\\link2\\dir2", 1, "\\MyServer\\dfs", 7, 300, ["\\fs1\\dfs", "\\fs2\\dfs"]],
    ["\\MyServer\\dfs\\dir1", 1, "\\MyServer\\dfs", 7, 300, ["\\fs1\\dfs", "\\fs2\\dfs"]],
    // The document's own example.
    ["\\MyServer\\dfs\\dir1\\link1\\dir2", 0, "\\MyServer\\dfs\\dir1\\link1", 6, 1800, ["\\fs1\\data\\sub"]],
    ["\\s\\DFS\\DIR1\\LINK1", 0, "\\s\\DFS\\DIR1\\LINK1", 6, 1800, ["\\fs1\\data\\sub"]],
    ["\\s\\dfs\\inter\\x", 0, "\\s\\dfs\\inter", 5, 1800, ["\\corp.test\\dfs2"]],
    ["\\s\\timed", 1, "\\s\\timed", 3, 60, ["\\s\\timed"]],
    ["\\s\\timed\\back", 0, "\\s\\timed\\back", 6, 1800, ["\\a\\x"]]
  ]
  it.each(cases)("is for %s of type %i, for the prefix %s", (path, serverType, prefix, flags, timeToLive, targets) => {
    for (const level of [1, 2, 3, 4]) {
      const { pathConsumed, referralEntries, referralHeaderFlags } = response(namespace, path, { level })
      assert.strictEqual(pathConsumed, prefix.length * 2)
      // TargetFailback is for version 4 alone, and version 1 has both of the others always.
      assert.strictEqual(referralHeaderFlags, level === 4 ? flags : level === 1 ? 3 : flags & 3, `level ${level}`)
      assert.deepStrictEqual<unknown>(
        referralEntries.map((one) => Object.assign({}, one, { size: 0, referralEntryFlags: 0 })),
        targets.map((target) => ({
          versionNumber: level,
          size: 0,
          serverType,
          referralEntryFlags: 0,
          ...(level === 2 ? { proximity: 0 } : {}),
          ...(level === 1
            ? { shareName: target }
            : { timeToLive, dfsPath: prefix, dfsAlternatePath: prefix, networkAddress: target })
        }))
      )
    }
  })

  it("marks the first target of each set in version 4", () => {
    assert.deepStrictEqual(entries(namespace, "\\s\\dfs").map((one) => one.referralEntryFlags), [4, 4])
    assert.deepStrictEqual(entries(namespace, "\\s\\dfs\\own").map((one) => one.referralEntryFlags), [4, 0])
    assert.deepStrictEqual(entries(namespace, "\\s\\dfs", { level: 3 }).map((one) => one.referralEntryFlags), [0, 0])
  })

  it("has the targets of the client's site first in each set, in the given order otherwise", () => {
    const targets = [
      { path: "\\\\late\\s", set: 2, site: "Bern" },
      { path: "\\\\low\\s", set: -1 },
      { path: "\\\\one\\s", site: "Oslo" },
      { path: "\\\\two\\s" },
      { path: "\\\\three\\s", set: 0, site: "bern" }
    ]
    const found = (site?: string) =>
      entries({ roots: { r: { links: { l: targets } } } }, "\\s\\r\\l", site === undefined ? {} : { site })
        .map((one) => one.networkAddress.split("\\")[1])
    assert.deepStrictEqual(found(), ["low", "one", "two", "three", "late"])
    assert.deepStrictEqual(found("BERN"), ["low", "three", "one", "two", "late"])
    assert.deepStrictEqual(found("Rome"), ["low", "one", "two", "three", "late"])
  })

  it("leaves out offline targets, and is STATUS_DFS_UNAVAILABLE without an online one, of a root as of a link", () => {
    const down = { path: "\\\\down\\s", state: "offline" } as const
    const up = { path: "\\\\up\\s", state: "online" } as const
    const roots = { none: { targets: [down], links: { none: [down], one: [down, up] } } }
    assert.strictEqual(ask({ roots }, "\\s\\none"), "STATUS_DFS_UNAVAILABLE")
    assert.strictEqual(ask({ roots }, "\\s\\none\\none"), "STATUS_DFS_UNAVAILABLE")
    assert.deepStrictEqual(entries({ roots }, "\\s\\none\\one").map((one) => one.networkAddress), ["\\up\\s"])
  })

  it("is STATUS_NOT_FOUND for an unknown namespace and for another server's name", () => {
    assert.strictEqual(ask(namespace, "\\s\\other"), "STATUS_NOT_FOUND")
    assert.strictEqual(ask(namespace, "\\s\\other\\x"), "STATUS_NOT_FOUND")
    assert.strictEqual(ask(namespace, "\\t\\dfs", { serverNames: ["s"] }), "STATUS_NOT_FOUND")
    assert.strictEqual(ask(namespace, "\\t\\dfs", { serverNames: [] }), "STATUS_NOT_FOUND")
    for (const serverNames of [["S"], ["t", "s"]]) {
      assert.strictEqual(response(namespace, "\\s\\dfs", { serverNames }).numberOfReferrals, 2)
    }
  })

  it("of a domain is given for the domain's names too, no matter which names the server has (3.3.5.5)", () => {
    const domain: Namespace.Namespace = { roots: { r: { links: { l: ["\\\\a\\x"] } } }, domains: forest.domains! }
    const serverNames = ["dc1"]
    for (
      const [name, controllers] of [["corp.test", ["dc1.corp.test", "dc2.corp.test"]], ["CORP", [
        "DC1",
        "DC2"
      ]]] as const
    ) {
      assert.deepStrictEqual(
        entries(domain, `\\${name}\\r`, { serverNames }).map((one) => one.networkAddress),
        controllers.map((dc) => `\\${dc}\\r`)
      )
      assert.strictEqual(entries(domain, `\\${name}\\r\\l\\x`, { serverNames })[0].networkAddress, "\\a\\x")
      assert.strictEqual(ask(domain, `\\${name}\\none`, { serverNames }), "STATUS_NO_SUCH_FILE")
      assert.strictEqual(ask(domain, `\\${name}\\none\\l`, { serverNames }), "STATUS_NOT_FOUND")
    }
    assert.strictEqual(entries(domain, "\\dc1\\r", { serverNames })[0].networkAddress, "\\dc1\\r")
  })

  it("leaves out the last targets that do not fit, and is STATUS_BUFFER_OVERFLOW when the first does not", () => {
    for (const level of [1, 2, 3, 4]) {
      const whole = sizeOf(namespace, "\\s\\dfs\\own", level)
      const one = sizeOf({ roots: { dfs: { links: { own: ["\\\\a\\x"] } } } }, "\\s\\dfs\\own", level)
      const found = (room: number) => {
        const answer = ask(namespace, "\\s\\dfs\\own", { level, room })
        return typeof answer === "string" ? answer : answer.referralEntries.length
      }
      assert.deepStrictEqual(
        [whole, whole - 1, one, one - 1, 0].map(found),
        [2, 1, 1, "STATUS_BUFFER_OVERFLOW", "STATUS_BUFFER_OVERFLOW"],
        `level ${level}`
      )
    }
  })

  it("leaves out targets whose text lies beyond 16-bit offsets, no matter how large the buffer is", () => {
    const targets = Array.from({ length: 40 }, (_, i) => `\\\\server${i}\\${"x".repeat(1000)}`)
    const found = entries({ roots: { r: { links: { l: targets } } } }, "\\s\\r\\l", { room: 1 << 20 })
    assert.isTrue(found.length > 30 && found.length < 40)
    assert.strictEqual(found.at(-1).networkAddress, targets[found.length - 1]!.slice(1))
  })
})

describe("a malformed name in a request", () => {
  it.each(["\\s\\..\\x", "\\s\\d:\\a*", "\\.", "\\s\\r\\a?b", "\\s\\r\\a|b"])(
    "is STATUS_INVALID_PARAMETER: %s",
    (path) => {
      assert.strictEqual(ask(namespace, path), "STATUS_INVALID_PARAMETER")
    }
  )
  it("is none for doubled, leading or trailing separators of both kinds", () => {
    for (const path of ["\\\\s\\\\dfs\\", "//s/dfs/", "s\\dfs", "\\s/dfs"]) {
      assert.strictEqual(response(namespace, path).pathConsumed, "\\s\\dfs".length * 2, path)
    }
  })
})

describe("Namespace.shortName", () => {
  it.each([
    ["dc1.corp.test", "DC1"],
    ["dc1", "DC1"],
    ["abcdefghijklmno.test", "ABCDEFGHIJKLMNO"],
    ["abcdefghijklmnop.test", "ABCDEFGHIJKLMNO"],
    ["10.0.0.2", "10.0.0.2"],
    ["fe80::1", "fe80::1"],
    ["1.2.3.corp", "1"]
  ])("gives for %s the NetBIOS name %s", (host, name) => {
    assert.strictEqual(Namespace.shortName(host), name)
  })
})

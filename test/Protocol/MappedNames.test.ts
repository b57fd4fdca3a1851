/**
 * Proves which parts of a path are mapped between the names of callers and those of servers, and that an error of DFS of
 * every kind gets the caller's names, and nothing else changes in it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as DfsError from "../../src/Protocol/DfsError.ts"
import * as MappedNames from "../../src/Protocol/MappedNames.ts"

describe("a mapped path", () => {
  it.each([
    ["\\\\[fe80::1]\\a:b\\c:d", "\\\\[fe80::1]\\a:b\\c\uf022d"],
    ["\\\\ns\\dfs\\end.\\x ", "\\\\ns\\dfs\\end\uf029\\x\uf028"],
    ["\\ns\\dfs\\what?", "\\ns\\dfs\\what\uf025"],
    ["\\\\ns\\a:b", "\\\\ns\\a:b"],
    ["\\\\[::1]", "\\\\[::1]"],
    ["", ""]
  ])("has the names of the server below the share only: %s", (path, sent) => {
    assert.strictEqual(MappedNames.sentUnc(path), sent)
    assert.strictEqual(MappedNames.shownUnc(sent), path)
  })

  it.each([
    ["no \\ns\\dfs\\a\uf022b\\end\uf029: refused", "no \\ns\\dfs\\a:b\\end.: refused"],
    ["(\\ns\\dfs\\end\uf029)", "(\\ns\\dfs\\end.)"],
    ["\\ns\\dfs\\\uf025\uf028, \\x\uf022\uf029y", "\\ns\\dfs\\? , \\x:\uf029y"],
    ["back\uf026slash of \uf07f\uf026", "back\uf026slash of \uf07f\uf026"],
    ["plain", "plain"]
  ])("in a message has the names of callers: %j", (text, shown) => {
    assert.strictEqual(MappedNames.shownText(text), shown)
  })
})

describe("an error of DFS with mapped names", () => {
  const path = "\\\\ns\\dfs\\a\uf022b"
  const shown = "\\\\ns\\dfs\\a:b"
  const cause = new Error("cause")
  const fileState = { size: 1n, lastWriteTime: 2n }
  const failures: ReadonlyArray<DfsError.Failure> = [
    new DfsError.Malformed({ structure: "REFERRAL", offset: 3, expected: "more", path, step: 8 }),
    new DfsError.Overflow({ server: "ns", path, size: 9, step: 8 }),
    new DfsError.Unsupported({ what: "version 5", offset: 4, path, step: 8 }),
    new DfsError.NotDfsCapable({ server: "ns", path, step: 6 }),
    new DfsError.NamespaceNotFound({ server: "ns", path, status: 0xc0000225, step: 6 }),
    new DfsError.ReferralRefused({ server: "ns", path, status: 0xc0000022, step: 6 }),
    new DfsError.ReferralUnavailable({ server: "ns", path, detail: "no answer", cause, step: 6 }),
    new DfsError.NoTargetLeft({ path, targets: [{ target: path, reason: "off" }], server: "ns", cause, step: 8 }),
    new DfsError.NoDomainController({
      path,
      domain: "corp",
      targets: [{ target: "dc", reason: "off" }],
      cause,
      step: 5
    }),
    new DfsError.DfsLoop({ path, server: "ns", visited: [path, path], step: 11 }),
    new DfsError.TargetDiffers({
      path,
      server: "ns",
      from: path,
      to: path,
      offset: 7n,
      expected: fileState,
      found: fileState,
      cause,
      step: 8
    })
  ]

  it.each(failures.map((failure) => [failure._tag, failure] as const))(
    "has the names of callers in all its paths, and all else as before: %s",
    (_, failure) => {
      const error = MappedNames.shownError(DfsError.toError(failure))
      assert.strictEqual(error.message, DfsError.toError(failure).message.replaceAll(path, shown))
      assert.notInclude(error.message, "\uf022")
      assert.include(error.message, shown)
      const fields = (of: object) =>
        JSON.stringify(of, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value))
      assert.strictEqual(
        fields(error).replaceAll("a:b", "a\uf022b"),
        fields(DfsError.toError(failure))
      )
      assert.strictEqual(error.constructor, DfsError.toError(failure).constructor)
      assert.strictEqual("cause" in error ? error.cause : undefined, "cause" in failure ? failure.cause : undefined)
    }
  )

  it("says as before that the operation has changed something", () => {
    const error = new DfsError.DfsError({ reason: failures[5] as DfsError.ReferralRefused, sent: true })
    assert.isTrue(MappedNames.shownError(error).sent)
    assert.include(MappedNames.shownError(error).message, "has changed something")
  })

  it.effect("stays as it is if it comes from the caller's own work, which has the caller's names", () =>
    Effect.gen(function*() {
      const own = new DfsError.DfsError({ reason: failures[4] as DfsError.NamespaceNotFound })
      assert.strictEqual(yield* Effect.flip(MappedNames.withShownErrors((mark) => mark(Effect.fail(own)))), own)
      const other = yield* Effect.flip(MappedNames.withShownErrors(() => Effect.fail(own)))
      assert.include(other.message, shown)
    }))
})

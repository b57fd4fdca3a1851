/** When two places are one file, and which paths no operation may remove or rename. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { reparseTag } from "../../src/Client/internal/Opening.ts"
import { fileKey, isOnShare } from "../../src/Client/internal/ShareNames.ts"
import { rootOrLink } from "../../src/Client/internal/TargetAttempt.ts"
import type { Target } from "../../src/Client/Locator.ts"
import type * as Share from "../../src/Protocol/Share.ts"

const shareOf = (server: string, port: number, name: string) => ({ server, port, name }) as Share.Share
const target = (change: Partial<Target> = {}): Target => ({
  server: "nas",
  port: 445,
  share: "data",
  path: "a\\b",
  ...change
})

describe("two places are the same share", () => {
  it("if server and share are equal without regard to case, and the ports are equal", () => {
    const share = shareOf("NAS", 445, "Data")
    assert.isTrue(isOnShare(share, target()))
    for (const change of [{ server: "nas2" }, { port: 446 }, { share: "data2" }, { server: "nas2", port: 446 }]) {
      assert.isFalse(isOnShare(share, target(change)), JSON.stringify(change))
    }
  })
  it("and the same file only if the path is equal too", () => {
    const place = fileKey(shareOf("nas", 445, "data"), "a\\B")
    assert.strictEqual(fileKey(shareOf("NAS", 445, "DATA"), "A\\b"), place)
    const others = [
      fileKey(shareOf("nas2", 445, "data"), "a\\B"),
      fileKey(shareOf("nas", 446, "data"), "a\\B"),
      fileKey(shareOf("nas", 445, "data2"), "a\\B"),
      fileKey(shareOf("nas", 445, "data"), "a\\C"),
      fileKey(shareOf("nas", 445, "data\\a"), "B2")
    ]
    assert.strictEqual(new Set([place, ...others]).size, 6)
  })
})

describe("an entry that cannot be removed or renamed", () => {
  const token = "@GMT-2024.05.06-07.08.09"
  const path = { server: "ns", port: 445, share: "dfs", path: "l" }
  const reasonOf = (requested: string, change: Partial<Target>) => {
    const error = rootOrLink({ ...path, path: requested }, target(change))
    if (error === undefined) return undefined
    const { reason } = error
    return reason._tag === "RootOrLink" ? [reason.kind, reason.target] : reason._tag
  }
  it.each([
    ["a file", "l\\f", { path: "f" }, undefined],
    ["a file in a previous version", `${token}\\f`, { path: `${token}\\f` }, undefined],
    ["a DFS link", "l", { path: "f", isLink: true }, ["link", "\\\\nas\\data\\f"]],
    ["a DFS link to a share", "l", { path: "", isLink: true }, ["link", "\\\\nas\\data"]],
    ["a path that leads to a share", "l", { path: "" }, ["link", "\\\\nas\\data"]],
    ["a share", "", { path: "" }, ["share", undefined]],
    ["a share in a previous version", token, { path: token }, ["share", undefined]]
  ] as ReadonlyArray<readonly [string, string, Partial<Target>, unknown]>)("%s", (_, requested, change, expected) => {
    assert.deepStrictEqual(reasonOf(requested, change), expected)
  })
})

it("a server without reparse points has no reparse tag", () => {
  assert.strictEqual(reparseTag(Result.succeed({ reparseTag: 0xa000_000c })), 0xa000_000c)
  assert.strictEqual(reparseTag(Result.fail("not supported")), 0)
})

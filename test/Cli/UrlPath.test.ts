/** Names of files in URLs, and paths of URLs as names, for `serve http`. Node's `URL` is the judge of what a URL means. */
import { assert, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { syncBuiltinESMExports } from "node:module"
import * as ContentType from "../../src/Cli/Http/ContentType.ts"
import * as HostNames from "../../src/Cli/Http/HostNames.ts"
import * as UrlPath from "../../src/Cli/Http/UrlPath.ts"

const names = [
  "a b",
  "100%",
  "%2e%2e",
  "a#b?c&d=e;f",
  "11:05",
  "javascript:alert(1)",
  "\"'<>`",
  "...",
  " .",
  "日本語 😀",
  "\ud800",
  "a\udc00b\ud83d",
  "\ud83d\ud83d\ude00",
  "\ufffd\ufffe",
  "tab\tand\nline",
  "\uf026"
]

/** The names that a browser asks for if it follows a link with this name on a page in the folder `/x/`. */
const followed = (name: string) => UrlPath.parse(new URL(`./${UrlPath.encodeName(name)}`, "http://h/x/").pathname)

it.each(names)("the name %j is found again from its URL", (name) => {
  assert.deepStrictEqual(followed(name), Result.succeed({ names: ["x", name], isFolder: false }))
})

it.prop(
  "every name of UTF-16 code units is found again, except for those that no listing has",
  { units: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff }))) },
  ({ units }) => {
    const name = String.fromCharCode(...units)
    const isEntry = !/^\.{0,2}$|[\\/\0]/.test(name)
    assert.deepStrictEqual(
      followed(name),
      isEntry
        ? Result.succeed({ names: ["x", name], isFolder: false })
        : name === "."
        ? Result.succeed({ names: ["x"], isFolder: true })
        : name === ".."
        ? Result.succeed({ names: [], isFolder: true })
        : name === ""
        ? Result.succeed({ names: ["x"], isFolder: true })
        : Result.fail("NoSuchEntry" as const)
    )
  }
)

it("a path of a URL leads only to entries below the folder", () => {
  assert.deepStrictEqual(UrlPath.parse("/"), Result.succeed({ names: [], isFolder: true }))
  assert.deepStrictEqual(UrlPath.parse("/a/b/?sort=size"), Result.succeed({ names: ["a", "b"], isFolder: true }))
  for (
    const path of ["/../a", "/a/%2e%2e/b", "/..%2fa", "/..%5ca", "/a//b", "//host/share", "/a%00", "/%5C%5Chost%5Cs"]
  ) {
    assert.deepStrictEqual(UrlPath.parse(path), Result.fail("NoSuchEntry"), path)
  }
  assert.deepStrictEqual(UrlPath.parse("/@GMT-2026.01.02-03.04.05/a"), Result.fail("NoSuchEntry"))
  for (const path of ["/%", "/%zz", "/%c3%28", "/%ff", "*", "http://other/"]) {
    assert.deepStrictEqual(UrlPath.parse(path), Result.fail("Malformed"), path)
  }
})

it("a browser shows what can run no script, and downloads all else", () => {
  for (
    const [name, type, isShown] of [
      ["a.MP4", "video/mp4", true],
      ["a.mkv", "video/x-matroska", true],
      ["a.b.FLAC", "audio/flac", true],
      ["a.constructor", "application/octet-stream", false],
      ["a.jpg", "image/jpeg", true],
      ["a.txt", "text/plain; charset=utf-8", true],
      ["a.json", "application/json; charset=utf-8", true],
      ["a.pdf", "application/pdf", true],
      ["a.html", "text/html; charset=utf-8", false],
      ["a.xhtml", "application/xhtml+xml; charset=utf-8", false],
      ["a.svg", "image/svg+xml; charset=utf-8", false],
      ["a.xml", "application/xml; charset=utf-8", false],
      ["a.mht", "message/rfc822", false],
      ["html", "application/octet-stream", false],
      [".html", "application/octet-stream", false],
      ["a.exe", "application/octet-stream", false]
    ] as const
  ) {
    assert.strictEqual(ContentType.typeOf(name), type, name)
    assert.strictEqual(ContentType.isShown(type), isShown, name)
  }
})

it("a file has no rights, and a browser's player and viewer can ask for its bytes", () => {
  const policy = (name: string) => ContentType.headersOf(name, false)["content-security-policy"]!
  for (const name of ["a.html", "a.svg", "a.txt", "a.png", "a.unknown"]) assert.match(policy(name), /; sandbox$/, name)
  // In a sandbox Chromium refuses the requests of its own player: "from origin 'null' has been blocked".
  assert.match(policy("a.mp4"), /; media-src 'self'$/)
  assert.match(policy("a.flac"), /; media-src 'self'$/)
  assert.match(policy("a.pdf"), /; object-src 'self'$/)
  for (const name of ["a.html", "a.mp4", "a.pdf", "a.png"]) {
    assert.match(policy(name), /^default-src 'none'/)
    assert.notInclude(policy(name), "script-src")
  }
})

it("a name in a header is one parameter, also with quotes, lines and other alphabets", () => {
  const header = (name: string) => ContentType.headersOf(name, true)["content-disposition"]
  assert.strictEqual(
    header("a\"b\r\nx: y\\ü%.txt"),
    "attachment; filename=\"a_b__x: y___.txt\"; filename*=UTF-8''a%22b%0D%0Ax%3A%20y%5C%C3%BC%25.txt"
  )
  assert.strictEqual(
    header("it's(1)*.txt"),
    "attachment; filename=\"it's(1)*.txt\"; filename*=UTF-8''it%27s%281%29%2A.txt"
  )
  assert.include(header("\ud800"), "filename*=UTF-8''%EF%BF%BD")
})

it("the server answers to its addresses, to names of its machine and to allowed names, and to no other site", () => {
  for (
    const host of ["127.0.0.1:8080", "[::1]:8080", "[::1]", "10.0.0.1", "localhost:1", "LOCALHOST.", "nas.corp.test"]
  ) {
    assert.isTrue(HostNames.isOwn(host, ["NAS.corp.test"]), host)
  }
  for (const host of ["evil.test", "127.0.0.1.evil.test", "localhost.evil.test:8080", "", "corp.test"]) {
    assert.isFalse(HostNames.isOwn(host, ["NAS.corp.test"]), host)
  }
})

it("the server answers to the whole name of its machine, to its first label, and to that in .local", () => {
  const platform = process.getBuiltinModule("node:os")
  const { hostname } = platform
  Object.assign(platform, { hostname: () => "Nas.Corp.test" })
  syncBuiltinESMExports()
  try {
    for (const host of ["nas.corp.test", "NAS.corp.test:8080", "nas", "nas.local", "nas.local."]) {
      assert.isTrue(HostNames.isOwn(host, []), host)
    }
    for (const host of ["corp.test", "nas.corp", "nas.evil.test", "other.corp.test", "nas.corp.test.evil.test"]) {
      assert.isFalse(HostNames.isOwn(host, []), host)
    }
  } finally {
    Object.assign(platform, { hostname })
    syncBuiltinESMExports()
  }
})

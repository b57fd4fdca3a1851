/**
 * UNC paths and smb: URLs: what UncPath.parse accepts and refuses, that format and parse agree for random paths, that
 * resolve never leaves its folder, and the @GMT tokens of previous versions (MS-SMB2 2.2.32.2).
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as PreviousVersion from "../../src/Client/PreviousVersion.ts"
import * as UncPath from "../../src/Client/UncPath.ts"
import * as FileTime from "../../src/Codec/FileTime.ts"
import * as UncName from "../../src/Protocol/UncName.ts"
import { random } from "../random.ts"

const parse = (text: string) => Result.getOrUndefined(UncPath.parse(text))

describe("UncPath.parse", () => {
  it.each([
    ["\\\\nas\\data\\a\\b.txt", ["nas", 445, "data", "a\\b.txt"]],
    ["//nas/data/a/b.txt", ["nas", 445, "data", "a\\b.txt"]],
    ["smb://nas/data/a/b.txt", ["nas", 445, "data", "a\\b.txt"]],
    ["SMB://joe@nas:4455/data/a", ["nas", 4455, "data", "a", "joe"]],
    ["smb://CORP%5Cjoe@nas/data", ["nas", 445, "data", "", "CORP\\joe"]],
    ["smb://joe%40corp.test@nas/share", ["nas", 445, "share", "", "joe@corp.test"]],
    ["smb://joe%40corp.test@127.0.0.1:4474/share", ["127.0.0.1", 4474, "share", "", "joe@corp.test"]],
    ["//joe@corp.test@nas:4474/share", ["nas", 4474, "share", "", "joe@corp.test"]],
    ["\\\\joe@corp.test@nas\\share\\a@b", ["nas", 445, "share", "a@b", "joe@corp.test"]],
    ["smb://CORP;joe@nas/data", ["nas", 445, "data", "", "CORP\\joe"]],
    ["smb://CO%3BRP;jo%3Be@nas/data", ["nas", 445, "data", "", "CO;RP\\jo;e"]],
    ["smb://jo%3Be@nas/data", ["nas", 445, "data", "", "jo;e"]],
    ["//CORP;joe@nas/data", ["nas", 445, "data", "", "CORP\\joe"]],
    ["smb://jo%2Fe@nas:4474/share", ["nas", 4474, "share", "", "jo/e"]],
    ["smb://nas/data/a/%2e%2E/b", ["nas", 445, "data", "b"]],
    ["smb://nas/data/a%20b/%C3%A4%23", ["nas", 445, "data", "a b\\ä#"]],
    ["//nas:1445/data", ["nas", 1445, "data", ""]],
    ["\\\\nas:1445\\data\\x", ["nas", 1445, "data", "x"]],
    ["//[fe80::1]/data/x", ["fe80::1", 445, "data", "x"]],
    ["//[fe80::1%eth0]:4475/share", ["fe80::1%eth0", 4475, "share", ""]],
    ["//[fe80::1%4]/share", ["fe80::1%4", 445, "share", ""]],
    ["smb://[fe80::1%eth0]:4475/share", ["fe80::1%eth0", 4475, "share", ""]],
    ["smb://[fe80::1%25eth0]:4475/share", ["fe80::1%eth0", 4475, "share", ""]],
    ["smb://joe@[fe80::1%25br-1.5_x]/share", ["fe80::1%br-1.5_x", 445, "share", "", "joe"]],
    ["smb://[fe80::1%4]/share", ["fe80::1%4", 445, "share", ""]],
    ["smb://[::1]:4475/share", ["::1", 4475, "share", ""]],
    ["//fe80--1seth0.ipv6-literal.net/share", ["fe80::1%eth0", 445, "share", ""]],
    ["//fe80--fc-ff-fe00-1s4.IPv6-literal.net:4475/share", ["fe80::fc:ff:fe00:1%4", 4475, "share", ""]],
    ["\\\\--1.ipv6-literal.net\\share", ["::1", 445, "share", ""]],
    ["//a-b.ipv6-literal.net/share", ["a-b.ipv6-literal.net", 445, "share", ""]],
    ["//[::ffff:10.0.0.1]/share", ["::ffff:10.0.0.1", 445, "share", ""]],
    ["\\\\?\\UNC\\nas\\data\\a", ["nas", 445, "data", "a"]],
    ["//?/unc/nas/data/a", ["nas", 445, "data", "a"]],
    ["\\\\[::1]:4455\\data", ["::1", 4455, "data", ""]],
    ["//10.0.0.1/c$/x", ["10.0.0.1", 445, "c$", "x"]],
    ["//nas", ["nas", 445, "", ""]],
    ["//nas/", ["nas", 445, "", ""]],
    ["\\\\nas\\data\\", ["nas", 445, "data", ""]],
    ["//nas//data///a//b//", ["nas", 445, "data", "a\\b"]],
    ["//nas/data/./a/../b", ["nas", 445, "data", "b"]],
    ["//nas/data\\a/b\\c", ["nas", 445, "data", "a\\b\\c"]],
    ["//nas/data/a b ü 😀 'x' $&+=;,", ["nas", 445, "data", "a b ü 😀 'x' $&+=;,"]],
    ["//nas/data/...", ["nas", 445, "data", "..."]],
    ["//nas/data/file:stream:$DATA", ["nas", 445, "data", "file:stream:$DATA"]],
    ["//nas/data/\ud800", ["nas", 445, "data", "\ud800"]],
    ["//nas/data/%41", ["nas", 445, "data", "%41"]]
  ])("reads %s", (text, [server, port, share, path, user]: any) => {
    assert.deepStrictEqual(parse(text), { server, port, share, path, ...(user === undefined ? {} : { user }) })
  })

  it.each([
    "",
    "data",
    "/nas/data",
    "\\nas\\data",
    "///data",
    "\\\\",
    "http://nas/data",
    "smb:///data",
    "//nas:0/data",
    "//nas:65536/data",
    "//nas:x/data",
    "//[::1/data",
    "//::1/data",
    "//fe80::1%eth0/data",
    "//[fe80::1%]/data",
    "//[fe80::1%e[0]/data",
    "//[nas]/data",
    "//[fe80::1",
    "\\\\?\\C:\\data",
    "\\\\.\\pipe\\srvsvc",
    "\\\\?\\UNC\\",
    "//@nas@/data",
    "//nas/data/../..",
    "//nas/data/a/../../b",
    "//nas/..",
    "//nas/./x",
    "//nas/data/a\0b",
    "smb://nas/data/%00",
    "smb://nas/data/%2",
    "smb://nas/data/%FF",
    "smb://nas/data/..%2f..%2fx",
    "smb://nas/data/a%2Fb",
    "smb://nas/data/a%5Cb",
    "smb://nas/da%2Fta/b",
    "smb://nas%2Fdata/b",
    "smb://nas/data/a/%2e%2e/%2e%2e/x",
    "smb://joe@corp.test@nas/data",
    `//nas/data/${"x".repeat(32_761)}`,
    `//nas/${"x".repeat(257)}/a`
  ])("refuses %j", (text) => {
    const result = UncPath.parse(text)
    assert(Result.isFailure(result))
    assert.strictEqual(result.failure.reason._tag, "InvalidPath")
    assert(result.failure.message.length > 10)
  })

  it("advises in its error what to write instead", () => {
    const why = (text: string) =>
      Result.match(UncPath.parse(text), { onFailure: (it) => it.message, onSuccess: String })
    assert.match(why("//::1/share"), /has to stand in brackets: \[::1\]/)
    assert.match(why("//fe80::1%eth0/share"), /brackets: \[fe80::1%eth0\]/)
    assert.match(why("//fe80::fc:ff:fe00:1:2:3:4:4475/share"), /brackets/)
    assert.match(why("smb://joe@corp.test@nas/data"), /write %40 for an @/)
    assert.match(why("\\\\?\\C:\\x"), /names something of this machine/)
    assert.match(why("//nas:70000/data"), /a port is 1 to 65535/)
  })

  it("parseInShare refuses a path without a share", () => {
    assert(Result.isFailure(UncPath.parseInShare("//nas")))
    assert(Result.isSuccess(UncPath.parseInShare("//nas/data")))
  })

  it("reads what format writes, in each notation, for random paths", () => {
    const next = random(5)
    const letters = [..."abcXYZ09 ._-$%&'()+,;=@[]{}~#äß漢😀\ud800\u00a0:"]
    const name = (most: number) => {
      const text = Array.from({ length: 1 + next(most) }, () => letters[next(letters.length)]).join("")
      return text === "." || text === ".." ? `${text}x` : text
    }
    for (let i = 0; i < 3000; i++) {
      const path: UncPath.UncPath = {
        server: ["nas", "nas.corp.test", "fe80::1", "10.0.0.1", "::", "fe80::2%eth0", "fe80::3%25"][next(7)]!,
        port: next(2) === 0 ? 445 : 1 + next(65535),
        share: name(20),
        path: Array.from({ length: next(5) }, () => name(30)).join("\\")
      }
      const text = UncPath.format(path)
      assert.deepStrictEqual(parse(text), path, text)
      assert.deepStrictEqual(parse(text.replace(/^\\\\/, "\\\\?\\UNC\\")), path, text)
      const { port, share, path: below } = path
      const words = UncPath.format({ ...path, server: UncName.toLiteral(path.server) })
      assert.deepStrictEqual(parse(words), path, words)
      // As a URL, with all characters escaped that can be.
      if (/[\ud800]/.test(text)) continue
      const user = `${name(5)}@${name(5)}`.replaceAll("\ud800", "")
      const host = path.server.includes(":") ? `[${path.server.replace("%", "%25")}]` : path.server
      const url = `smb://${encodeURIComponent(user)}@${host}:${port}/${
        [share, ...below.split("\\")].map(encodeURIComponent).join("/")
      }`
      assert.deepStrictEqual(parse(url), { ...path, user }, url)
    }
  })

  it("refuses random text, or reads a normal path that format keeps", () => {
    const next = random(7)
    const pieces = [
      ...[
        "//",
        "\\\\",
        "/",
        "\\",
        "smb://",
        "?",
        "UNC",
        ".",
        "..",
        "@",
        ":",
        ";",
        "[",
        "]",
        "%",
        "%25",
        "%2F",
        "%5C",
        "%40"
      ],
      ...["::1", "fe80::1", "eth0", "nas", "445", "data", "a", "--1", "s4", ".ipv6-literal.net", "\0", "é", " "]
    ]
    for (let i = 0; i < 20_000; i++) {
      const text = (next(3) === 0 ? "" : ["//", "\\\\", "smb://"][next(3)]!) +
        Array.from({ length: next(12) }, () => pieces[next(pieces.length)]).join("")
      const parsed = parse(text)
      if (parsed === undefined) continue
      assert.notMatch(parsed.server, /[\\/@[\]]/, text)
      assert.notMatch(`${parsed.share}${parsed.path}`, /[/\0]/, text)
      assert.notInclude(parsed.path.split("\\"), "..", text)
      const { user: _, ...place } = parsed
      assert.deepStrictEqual(parse(UncPath.format(parsed)), place, text)
    }
  })

  it("gives paths whose name, parent and join are right", () => {
    const path = parse("//nas/data/a/b")!
    assert.strictEqual(UncPath.name(path), "b")
    assert.strictEqual(UncPath.format(UncPath.parent(path)), "\\\\nas\\data\\a")
    assert.strictEqual(UncPath.format(UncPath.parent(UncPath.parent(UncPath.parent(path)))), "\\\\nas\\data")
    assert.strictEqual(UncPath.name(parse("//nas/data")!), "data")
    assert.strictEqual(UncPath.format(UncPath.join(parse("//nas/data")!, "x")), "\\\\nas\\data\\x")
  })
})

describe("UncPath.resolve", () => {
  const base = parse("//nas/web/public")!

  it("says in its error whether a stream, an absolute path or a missing share is wrong", () => {
    const why = (text: string, from = base) =>
      Result.match(UncPath.resolve(from, text), { onFailure: ({ message }) => message, onSuccess: UncPath.format })
    assert.match(why("file:stream"), /names a stream/)
    assert.match(why("folder/file:stream:$DATA"), /names a stream/)
    for (const text of ["C:", "c:/x", "smb:x", "smb://h/s", "http://h/s", "/x", "\\\\h\\s"]) {
      assert.match(why(text), /is absolute/, text)
    }
    assert.match(why("x/y", parse("//nas")!), /share is missing/)
  })
  const below = (text: string) => Result.getOrUndefined(Result.map(UncPath.resolve(base, text), ({ path }) => path))

  it.each([
    ["", "public"],
    ["index.html", "public\\index.html"],
    ["css/site.css", "public\\css\\site.css"],
    ["css\\site.css", "public\\css\\site.css"],
    ["./a//b/", "public\\a\\b"],
    ["a/../b", "public\\b"],
    ["...x/.hidden", "public\\...x\\.hidden"],
    ["a%2Fb", "public\\a%2Fb"]
  ])("resolves %j to %j below the folder", (text, path) => {
    assert.strictEqual(below(text), path)
  })

  it.each([
    "..",
    "../x",
    "..\\..\\x",
    "a/../../x",
    "a\\..\\..\\publicity",
    "/etc/passwd",
    "\\x",
    "\\\\evil\\share\\x",
    "//evil/share",
    "smb://evil/share",
    "C:\\x",
    "a\0b",
    "a:stream",
    "f::$DATA",
    "what?",
    "a/*",
    ".. /x",
    "... /x",
    ". .",
    "@GMT-2026.11.21-08.30.00/x",
    "x".repeat(32_755)
  ])("refuses %j with InvalidPath", (text) => {
    const result = UncPath.resolve(base, text)
    assert(Result.isFailure(result) && result.failure.reason._tag === "InvalidPath")
  })

  it("and join give a normal path below the folder, or refuse, for random text", () => {
    const next = random(11)
    const pieces = ["..", ".", "/", "\\", "a", "b c", "..", "", "public", "%2e", "..."]
    for (let i = 0; i < 5000; i++) {
      const text = Array.from({ length: next(9) }, () => pieces[next(pieces.length)]).join("")
      for (const path of [UncPath.join(base, text), Result.getOrElse(UncPath.resolve(base, text), () => base)]) {
        assert.isTrue(path.path === "public" || path.path.startsWith("public\\"), text)
        assert.deepStrictEqual(parse(UncPath.format(path)), path)
      }
    }
  })
})

describe("UncPath.relative", () => {
  it.each([
    ["//nas/data", "//nas/data", ""],
    ["//nas/data", "//nas/data/a", "a"],
    ["//nas/data/a", "//nas/data/a/b c/d", "b c/d"],
    ["\\\\NAS\\DATA\\ÄB", "//nas/data/äb/C.txt", "C.txt"],
    ["smb://ann@nas/data/a", "//nas:445/data/a/b/", "b"],
    ["//nas/data/a", "//nas/data/a/x/../f:stream", "f:stream"]
  ])("from %s to %s is %j", (base, path, expected) => {
    assert.deepStrictEqual(UncPath.relative(base, path), Result.succeed(expected))
  })

  it.each([
    ["//nas/data/a", "//nas/data", /is not in \\\\nas\\data\\a/],
    ["//nas/data/a", "//nas/data/ab", /is not in/],
    ["//nas/data/a", "//nas/data/b/a", /is not in/],
    ["//nas/data", "//nas/data2/a", /is not in/],
    ["//nas/data", "//other/data/a", /is not in/],
    ["//nas/data", "//nas:4450/data/a", /is not in/],
    ["//nas/data", "//nas", /is not in/],
    ["//nas", "//nas/data", /share is missing/],
    ["//nas/data", "data/a", /no path on a share/]
  ])("from %s to %s is refused", (base, path, why) => {
    const result = UncPath.relative(base, path)
    assert(Result.isFailure(result) && result.failure.reason._tag === "InvalidPath")
    assert.match(result.failure.message, why)
  })

  it("is what join and resolve turn into the same path again, for random paths; and it never leads above the base", () => {
    const next = random(17)
    const names = ["a", "B", "b c", "x.txt", "public", "ß", "Ä", "...x", "𐐀", "%2F"]
    const pick = (count: number) => Array.from({ length: count }, () => names[next(names.length)]!)
    // Windows compares code units, so a letter beyond them differs from its capital letter.
    const lower = (name: string) => name === "𐐀" ? name : name.toLowerCase()
    let inside = 0
    for (let i = 0; i < 5000; i++) {
      const above = pick(next(4))
      const path = parse(["//nas/data", ...next(2) === 0 ? above : pick(above.length), ...pick(next(4))].join("/"))!
      const base = parse(["//NAS/Data", ...above.map((name) => next(2) === 0 ? name : lower(name))].join("/"))!
      const result = UncPath.relative(base, path)
      const isInside = above.every((name, at) => path.path.split("\\")[at]?.toUpperCase() === name.toUpperCase())
      assert.strictEqual(Result.isSuccess(result), isInside, `${UncPath.format(base)} ${UncPath.format(path)}`)
      if (Result.isFailure(result)) continue
      inside++
      for (
        const again of [UncPath.join(base, result.success), Result.getOrThrow(UncPath.resolve(base, result.success))]
      ) {
        assert.strictEqual(UncPath.format(again).toUpperCase(), UncPath.format(path).toUpperCase())
        assert.strictEqual(Result.getOrThrow(UncPath.relative(base, again)), result.success)
      }
      assert.notMatch(result.success, /^\/|\\|(?:^|\/)\.\.(?:\/|$)/)
    }
    assert.isAbove(inside, 1000)
  })

  it("of every path that resolve gives is the normal form of the text, for random text", () => {
    const next = random(19)
    const base = parse("//nas/web/public")!
    const pieces = ["..", ".", "/", "\\", "a", "b c", "", "public", "%2e", "..."]
    for (let i = 0; i < 5000; i++) {
      const text = Array.from({ length: next(9) }, () => pieces[next(pieces.length)]).join("")
      const resolved = UncPath.resolve(base, text)
      if (Result.isFailure(resolved)) continue
      const relative = Result.getOrThrow(UncPath.relative(base, resolved.success))
      assert.deepStrictEqual(UncPath.resolve(base, relative), resolved)
      assert.strictEqual(
        resolved.success.path,
        ["public", ...relative.split("/").filter((one) => one !== "")].join("\\")
      )
    }
  })
})

describe("PreviousVersion", () => {
  const time = FileTime.fromMillis(Date.UTC(2026, 10, 21, 8, 30, 0))

  it("writes @GMT tokens, and finds them as any component of a path", () => {
    const token = "@GMT-2026.11.21-08.30.00"
    assert.strictEqual(PreviousVersion.format(time), token)
    assert.deepStrictEqual(PreviousVersion.split(`${token}\\a\\b`), { path: "a\\b", time })
    assert.deepStrictEqual(PreviousVersion.split(`a\\${token}\\b`), { path: "a\\b", time })
    assert.deepStrictEqual(PreviousVersion.split(`a\\b\\${token}`), { path: "a\\b", time })
    assert.deepStrictEqual(PreviousVersion.split(token), { path: "", time })
  })

  it.each([
    "@GMT-2026.11.21-08.30",
    "@GMT-2026.11.21-08.30.00x",
    "x@GMT-2026.11.21-08.30.00",
    "@gmt-2026.11.21-08.30.00",
    "@GMT-2026-11-21-08.30.00",
    "@GMT-2026.13.40-25.61.61"
  ])("takes %s as an ordinary name", (name) => {
    assert.deepStrictEqual(PreviousVersion.split(name), { path: name, time: undefined })
  })
})

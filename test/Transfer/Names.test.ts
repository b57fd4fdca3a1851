/**
 * File names and paths that the command accepts: names of a server on the local disk, local names on a server,
 * temporary names of transfers, and the paths that a user types.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { basename, join, relative, win32 } from "node:path"
import * as Remote from "../../src/Cli/Remote.ts"
import * as PartNames from "../../src/Client/PartNames.ts"
import * as LocalName from "../../src/Transfer/internal/LocalName.ts"

describe("a file name of a server", () => {
  it("is refused when it leads out of its folder, on Linux and Windows", () => {
    for (const name of ["", ".", "..", "/", "/etc/passwd", "a/b", "..\\x", "\\\\host\\share", "a\\..\\..\\b", "a\0b"]) {
      assert.isDefined(LocalName.objection(name, "linux"), JSON.stringify(name))
      assert.isDefined(LocalName.objection(name, "win32"), JSON.stringify(name))
    }
    for (const name of ["a", "...", ".hidden", "a b", "Grüße 漢字", "-rf", "C:x", "nul", "a\nb"]) {
      assert.isUndefined(LocalName.objection(name, "linux"), JSON.stringify(name))
    }
  })

  it("is refused on Windows when it is a drive, a stream or a device", () => {
    for (
      const name of ["C:", "c:x", "a:stream", "NUL", "con.txt", "Com1", "LPT9.tar.gz", "aux ", "a.", "a ", "x?", "a|b"]
    ) {
      assert.isDefined(LocalName.objection(name, "win32"), JSON.stringify(name))
    }
    for (const name of ["console", "com10", "nul1", "a.b", " a", "Grüße 漢字"]) {
      assert.isUndefined(LocalName.objection(name, "win32"), JSON.stringify(name))
    }
  })

  it.prop("is one component below its folder if it is allowed", { name: Schema.String }, ({ name }) => {
    if (LocalName.objection(name, "linux") === undefined) {
      assert.strictEqual(relative("/a/folder", join("/a/folder", name)), name)
    }
    if (LocalName.objection(name, "win32") === undefined) {
      assert.strictEqual(win32.relative("C:\\folder", win32.join("C:\\folder", name)), name)
    }
  })
})

describe("a local file name", () => {
  it("is refused for a server with a separator, stream, wildcard, control character or 256 characters", () => {
    for (const name of ["a\\b", "a/b", "a:stream", "star*", "q?", "<", ">", "|", "\"", "a\nb", "\u001b[31m", "a\0b"]) {
      assert.isDefined(LocalName.objectionThere(name), JSON.stringify(name))
    }
    assert.isDefined(LocalName.objectionThere("n".repeat(256)))
    for (
      const name of ["a", "...", ".hidden", "a b ", "a.", "Grüße 漢字", "-rf", "nul", "~x", "%41", "n".repeat(255)]
    ) {
      assert.isUndefined(LocalName.objectionThere(name), JSON.stringify(name))
    }
  })

  it("with other characters than separators is accepted if the client maps names", () => {
    for (const name of ["a:b", "star*", "q?", "<", ">", "|", "\"", "a\nb", "a."]) {
      assert.isUndefined(LocalName.objectionThere(name, true), JSON.stringify(name))
    }
    for (const name of ["a\\b", "a/b", "a\0b", "n".repeat(256)]) {
      assert.isDefined(LocalName.objectionThere(name, true), JSON.stringify(name))
    }
  })
})

describe("the temporary name of a download", () => {
  it.prop(
    "is one hidden component of at most 255 bytes",
    { name: Schema.String },
    ({ name }) => {
      if (LocalName.objection(name, "linux") !== undefined) return
      for (const whole of [name, name.repeat(300)]) {
        const part = LocalName.partial(whole, "0123456789ab")
        assert.isAtMost(Buffer.byteLength(part), 255)
        assert.strictEqual(basename(part), part)
        assert.match(part, /^\.[^]*\.0123456789ab\.part$/)
      }
    }
  )

  it("keeps the whole name as long as 255 bytes have room for it, and whole characters of a longer one", () => {
    const end = ".0123456789ab.part"
    const whole = "n".repeat(255 - 1 - end.length)
    assert.strictEqual(LocalName.partial(whole, "0123456789ab"), `.${whole}${end}`)
    assert.strictEqual(LocalName.partial(`${whole}n`, "0123456789ab"), `.${whole}${end}`)
    assert.strictEqual(LocalName.partial(`${whole.slice(1)}ü`, "0123456789ab"), `.${whole.slice(1)}${end}`)
  })

  it("has another tag when the path, the size or the time of the file differs", () => {
    const tag = LocalName.resumeTag("\\\\h\\s\\f", 10n, 5n)
    assert.match(tag, /^[0-9a-f]{12}$/)
    assert.strictEqual(LocalName.resumeTag("\\\\h\\s\\f", 10n, 5n), tag)
    assert.notStrictEqual(LocalName.resumeTag("\\\\h\\s\\g", 10n, 5n), tag)
    assert.notStrictEqual(LocalName.resumeTag("\\\\h\\s\\f", 11n, 5n), tag)
    assert.notStrictEqual(LocalName.resumeTag("\\\\h\\s\\f", 10n, 6n), tag)
  })
})

describe("a path that a user types", () => {
  const parse = (text: string, share = true) => Result.getOrThrow(Remote.parse(text, { share }))

  it("is read as a UNC path with slashes or backslashes, and as an smb: URL", () => {
    const expected = { server: "host", port: 445, share: "share", path: "a\\b", directory: false }
    assert.deepStrictEqual(parse("//host/share/a/b"), expected)
    assert.deepStrictEqual(parse("\\\\host\\share\\a\\b"), expected)
    assert.deepStrictEqual(parse("smb://host/share/a/b"), expected)
    assert.deepStrictEqual(parse("smb://joe@host:4455/share/a%20b/"), {
      ...expected,
      port: 4455,
      path: "a b",
      user: "joe",
      directory: true
    })
    assert.strictEqual(parse("smb://CORP;joe@host/share").user, "CORP\\joe")
    assert.strictEqual(parse("//[::1]:4455/share").server, "::1")
    assert.strictEqual(parse("//host", false).share, "")
  })

  it("is refused without a share when one is needed, with advice how to list shares", () => {
    const found = Remote.parse("//host", { share: true })
    assert(Result.isFailure(found))
    assert.include(found.failure, "effect-smb shares")
  })

  it("is refused with a password, and the message does not repeat the password", () => {
    for (
      const text of ["smb://joe:secret@host/share", "//joe:secret@host/x", "smb://joe%3Asecret@host:x/", "//:secret@h"]
    ) {
      const found = Remote.parse(text, { share: true })
      assert(Result.isFailure(found), text)
      assert.notInclude(found.failure, "secret")
      assert.include(found.failure, "--password-file")
    }
  })
})

describe("the temporary name of an upload", () => {
  it.prop("is one component of at most 255 bytes that usual `veto files` patterns do not match", {
    name: Schema.String
  }, ({ name }) => {
    if (LocalName.objectionThere(name) !== undefined || LocalName.objection(name, "linux") !== undefined) return
    for (const whole of [name, `.${name}`, `._${name}`, `_${name}`, name.repeat(300)]) {
      const [usual, bare] = PartNames.parts(whole, "0123456789ab")
      for (const part of [usual, bare]) {
        assert.notMatch(part, /^[.~]?$|^\./)
        assert.isAtMost(Buffer.byteLength(part), 255)
        assert.isUndefined(LocalName.objectionThere(part))
      }
      assert(usual.endsWith(".0123456789ab.part"))
      assert(bare.endsWith(".0123456789ab"))
    }
  })

  it("begins with the final name without leading dots", () => {
    assert.deepStrictEqual(PartNames.parts("_init_.py", "0123456789ab"), [
      "_init_.py.0123456789ab.part",
      "_init_.py.0123456789ab"
    ])
    assert.deepStrictEqual(PartNames.parts("._x", "0123456789ab")[0], "_x.0123456789ab.part")
    assert.deepStrictEqual(PartNames.parts("...", "0123456789ab")[0], "file.0123456789ab.part")
  })
})

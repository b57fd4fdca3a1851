/**
 * Which side a path of `get`, `put`, `cp` and `sync` is on (docs/command.md): outside a shell its form says it, and in a shell
 * also its place. A path that is written wrongly becomes no local file, and its password is in no message.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Copying from "../../src/Cli/Copying.ts"
import * as Remote from "../../src/Cli/Remote.ts"
import type { Here } from "../../src/Cli/Shell/CurrentDirectory.ts"
import * as UncPath from "../../src/Client/UncPath.ts"

const directory = Result.getOrThrow(Remote.parse("//nas/data/d", { share: true }))
const here: Here = { path: directory, previous: undefined, start: directory }

/** A path with its side, or the message for the user. */
const placeOf = (...[text, at, side]: Parameters<typeof Copying.place>): string =>
  Result.match(Copying.place(text, at, side), {
    onFailure: ({ message }) => `refused: ${message}`,
    onSuccess: (place) => place._tag === "Local" ? `local ${place.path}` : UncPath.format(place.path)
  })

describe("a path outside a shell", () => {
  it.each([
    ["//nas/data/f", "\\\\nas\\data\\f"],
    ["smb://nas/data/f", "\\\\nas\\data\\f"],
    ["\\\\nas\\data\\f", "\\\\nas\\data\\f"],
    ["f", "local f"],
    ["/nas/data/f", "local /nas/data/f"],
    ["./smb:f", "local ./smb:f"],
    ["~/f", "local ~/f"],
    ["file:f", "local file:f"]
  ])("%s is %s", (text, expected) => {
    assert.strictEqual(placeOf(text), expected)
  })

  it("is no local file if it begins as one on a server, and needs a share", () => {
    for (const text of ["smb:nas/data/f", "SMB:/nas/f", "smb:", "//nas"]) {
      assert.match(placeOf(text), /^refused: /, text)
    }
    assert.notInclude(placeOf("smb:/joe:secret@nas/data"), "secret")
  })
})

describe("a path in a shell", () => {
  it.each(
    [
      ["f", "either", "\\\\nas\\data\\d\\f"],
      ["/f", "either", "\\\\nas\\data\\f"],
      ["//far/data/f", "either", "\\\\far\\data\\f"],
      ["file:f", "either", "local f"],
      ["file:/f", "either", "local /f"],
      ["file:///f", "either", "local /f"],
      ["f", "remote", "\\\\nas\\data\\d\\f"],
      ["file:f", "remote", "\\\\nas\\data\\d\\file:f"],
      ["f", "local", "local f"],
      ["/f", "local", "local /f"],
      ["./smb:f", "local", "local ./smb:f"],
      // A user that writes a server means the server.
      ["//far/data/f", "local", "\\\\far\\data\\f"],
      ["smb://far/data/f", "local", "\\\\far\\data\\f"]
    ] as const
  )("%s, where the command expects %s, is %s", (text, side, expected) => {
    assert.strictEqual(placeOf(text, here, side), expected)
  })

  it("is no local file if it begins as one on a server with a slash too few", () => {
    for (const text of ["smb:x", "smb:/joe:secret@nas/f"]) {
      for (const [given, side] of [[text, "local"], [`file:${text}`, "either"]] as const) {
        const said = placeOf(given, here, side)
        assert.match(said, /^refused: /, given)
        assert.notInclude(said, "secret")
      }
    }
  })
})

describe("a path that has to be on this machine", () => {
  it("is refused with its text, or without it if it may hold a password", () => {
    const said = (text: string) =>
      Result.match(Copying.checkLocal(text), {
        onFailure: ({ message }) => message,
        onSuccess: (path) => `taken ${path}`
      })
    assert.strictEqual(said("./smb:x"), "taken ./smb:x")
    assert.strictEqual(said("//x"), "taken //x")
    assert.match(said("smb:x"), /^smb:x: a path on this machine is wanted/)
    for (const text of ["smb:/joe:secret@nas/f", "SMB:joe%secret@nas/f"]) {
      assert.match(said(text), /is not shown because it may hold a password/)
      assert.notInclude(said(text), "secret")
    }
  })

  it("has the home folder in place of ~, which no other shell has replaced", () => {
    const home = Copying.localPath("~")
    assert.notStrictEqual(home, "~")
    assert.strictEqual(Copying.localPath("~/f"), `${home}/f`)
    for (const text of ["~joe/f", "a~", "~f"]) assert.strictEqual(Copying.localPath(text), text)
  })
})

describe("a path on a server", () => {
  it("may have a user and no password: everybody can see the words of a command", () => {
    const said = (text: string) =>
      Result.match(Remote.parse(text, { share: true }), { onFailure: (message) => message, onSuccess: UncPath.format })
    for (const text of ["//nas/data/f", "smb://joe@nas/data/f", "//CORP;joe@nas/data/a:b@c"]) {
      assert.match(said(text), /^\\\\nas\\data\\/, text)
    }
    for (const text of ["//joe:secret@nas/data", "smb://joe:secret@nas/data", "smb://joe%3Asecret@nas/data"]) {
      assert.match(said(text), /a password in a path can be seen by everybody/, text)
      assert.notInclude(said(text), "secret")
    }
  })
})

/**
 * Files that decide what the command runs or serves (docs/command.md): the command reads one only if no other user of this
 * machine could have written it, or put another in its place.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach } from "vitest"
import * as TrustedFile from "../../src/Cli/TrustedFile.ts"

let folder = ""
beforeEach(() => {
  folder = Fs.mkdtempSync(join(tmpdir(), "effect-smb-trusted-"))
})
afterEach(() => Fs.rmSync(folder, { recursive: true, force: true }))

const own = { isOwn: true, group: false }
const named = { isOwn: false, group: false }

/** The text of the file, or why it is refused. */
const read = (trust: TrustedFile.Trust, name = "f") =>
  Effect.map(
    Effect.result(TrustedFile.read(join(folder, name), trust)),
    Result.match({ onFailure: ({ detail }) => `refused: ${detail}`, onSuccess: (text) => text })
  )

const make = (fileMode: number, folderMode = 0o700) => {
  Fs.writeFileSync(join(folder, "f"), "text")
  Fs.chmodSync(join(folder, "f"), fileMode)
  Fs.chmodSync(folder, folderMode)
}

const isPosix = process.platform !== "win32"
const isRoot = process.geteuid?.() === 0

describe("a file that the command trusts", () => {
  it.effect("has no text if it does not exist, or if a file is in the place of its folder", () =>
    Effect.gen(function*() {
      for (const trust of [own, named]) {
        assert.isUndefined(yield* read(trust, "none"))
        assert.isUndefined(yield* read(trust, "none/below"))
        Fs.writeFileSync(join(folder, "f"), "text")
        assert.isUndefined(yield* read(trust, "f/below"))
      }
    }))

  it.effect("cannot be a folder: that is a failure, and not a missing file", () =>
    Effect.gen(function*() {
      Fs.mkdirSync(join(folder, "d"))
      assert.match(String(yield* read(named, "d")), /^refused: .*EISDIR/)
    }))

  it.effect.skipIf(!isPosix)(
    "that cannot be opened for another reason is a failure, and no missing file",
    () =>
      Effect.gen(function*() {
        Fs.symlinkSync("f", join(folder, "f"))
        assert.match(String(yield* read(named)), /^refused: .*ELOOP/)
      })
  )

  // The modes of the file and of its folder, what is trusted, and what comes of it.
  const table: ReadonlyArray<readonly [number, number, TrustedFile.Trust, string]> = [
    [0o600, 0o700, own, "text"],
    [0o644, 0o755, own, "text"],
    [0o620, 0o700, own, "refused: other users of this machine can change it; `chmod go-w` it"],
    [0o602, 0o700, own, "refused: other users of this machine can change it; `chmod go-w` it"],
    [0o602, 0o700, named, "refused: other users of this machine can change it; `chmod go-w` it"],
    [0o620, 0o700, { isOwn: true, group: true }, "text"],
    [
      0o602,
      0o700,
      { isOwn: true, group: true },
      "refused: other users of this machine can change it; `chmod o-w` it"
    ],
    [0o600, 0o720, own, "refused: other users of this machine can write its folder; `chmod go-w FOLDER`"],
    [0o600, 0o702, own, "refused: other users of this machine can write its folder; `chmod go-w FOLDER`"],
    [0o600, 0o720, { isOwn: true, group: true }, "text"],
    [
      0o600,
      0o702,
      { isOwn: true, group: true },
      "refused: other users of this machine can write its folder; `chmod o-w FOLDER`"
    ],
    // With the sticky bit only the owner of a file can replace it, as in /tmp.
    [0o600, 0o1777, own, "text"],
    // The user has named this file, and looks after its folder.
    [0o600, 0o777, named, "text"]
  ]
  for (const [mode, folderMode, trust, expected] of table) {
    const title =
      `with mode ${mode.toString(8)} in a folder with mode ${folderMode.toString(8)}, own ${trust.isOwn}, ` +
      `group ${trust.group}: ${expected}`
    it.effect.skipIf(!isPosix)(title, () =>
      Effect.gen(function*() {
        make(mode, folderMode)
        assert.strictEqual(yield* read(trust), expected.replace("FOLDER", folder))
      }))
  }

  it.effect.skipIf(!isRoot)(
    "belongs to this user or to root, as its folder does, unless the user has named it",
    () =>
      Effect.gen(function*() {
        make(0o600)
        Fs.chownSync(join(folder, "f"), 12_345, 0)
        assert.match(String(yield* read(own)), /^refused: it belongs to another user of this machine/)
        assert.strictEqual(yield* read(named), "text")
        Fs.chownSync(join(folder, "f"), 0, 0)
        assert.strictEqual(yield* read(own), "text")
        Fs.chownSync(folder, 12_345, 0)
        assert.match(String(yield* read(own)), /^refused: its folder .* belongs to another user of this machine/)
        assert.strictEqual(yield* read(named), "text")
      })
  )
})

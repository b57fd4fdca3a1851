/** Checks of directories: listing, walking, renaming, removing, unusual names. */
import { assert } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { existsSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { FileAttributes } from "../../../src/Smb2/Message/Constants.ts"
import { type Check, refused, type Spot } from "./Place.ts"

const sorted = (names: Iterable<string>): ReadonlyArray<string> => [...names].toSorted()

const listing = (count: number) =>
  Effect.fnUntraced(function*({ at, disk, folderAt, put, smb }: Spot) {
    folderAt("many")
    const names = Array.from({ length: count }, (_, i) => `entry number ${i}.${i % 10 === 0 ? "log" : "txt"}`)
    for (const name of names) writeFileSync(disk("many", name), name)
    const entries = yield* Stream.runCollect(smb.list(at("many")))
    assert.deepStrictEqual(sorted(entries.map(({ name }) => name)), sorted(names))
    for (const entry of entries) {
      assert.strictEqual(entry.size, BigInt(entry.name.length))
      assert.strictEqual(entry.path, at("many", entry.name))
    }
    const logs = yield* Stream.runCollect(smb.list(at("many"), { pattern: "*.LOG" }))
    assert.strictEqual(logs.length, count / 10)
    const some = yield* Stream.runCollect(smb.list(at("many"), { pattern: "entry number 1?.*" }))
    assert.strictEqual(some.length, 10)
    assert.deepStrictEqual(yield* Stream.runCollect(smb.list(at("many"), { pattern: "none*" })), [])
    const first = yield* Stream.runCollect(Stream.take(smb.list(at("many")), 1))
    assert.strictEqual(first.length, 1)
    folderAt("empty")
    assert.deepStrictEqual(yield* Stream.runCollect(smb.list(at("empty"))), [])
    put("file", "x")
    assert.strictEqual(yield* refused(Stream.runDrain(smb.list(at("file")))), "NotADirectory")
    assert.strictEqual(yield* refused(Stream.runDrain(smb.list(at("none")))), "ObjectNameNotFound")
  })

const walking = Effect.fnUntraced(function*({ at, put, smb }: Spot) {
  const files = ["a", "b/c", "b/d/e", "b/d/f/g", "h/i"]
  for (const file of files) put(file, file)
  const all = yield* Stream.runCollect(smb.walk(at()))
  const below = all.map(({ path }) => path.slice(at().length + 1).replaceAll("\\", "/"))
  assert.deepStrictEqual(sorted(below), sorted([...files, "b", "b/d", "b/d/f", "h"]))
  assert.isBelow(below.indexOf("b"), below.indexOf("b/d"))
  assert.isBelow(below.indexOf("b/d/f"), below.indexOf("b/d/f/g"))
  const flat = yield* Stream.runCollect(smb.walk(at(), { maximumDepth: 1 }))
  assert.deepStrictEqual(sorted(flat.map(({ name }) => name)), ["a", "b", "h"])
})

const renaming = Effect.fnUntraced(function*({ at, disk, get, put, smb }: Spot) {
  put("one", "1")
  put("two", "2")
  put("sub/three", "3")
  yield* smb.rename(at("one"), at("uno"))
  assert(!existsSync(disk("one")))
  assert.strictEqual(get("uno").toString(), "1")
  assert.strictEqual(yield* refused(smb.rename(at("uno"), at("two"))), "ObjectNameCollision")
  assert.strictEqual(get("two").toString(), "2")
  yield* smb.rename(at("uno"), at("two"), { replace: true })
  assert.strictEqual(get("two").toString(), "1")
  assert(!existsSync(disk("uno")))
  yield* smb.rename(at("two"), at("sub", "moved"))
  assert.strictEqual(get("sub", "moved").toString(), "1")
  yield* smb.rename(at("sub"), at("folder"))
  assert.deepStrictEqual(sorted(readdirSync(disk("folder"))), ["moved", "three"])
  yield* smb.rename(at("folder", "three"), at("folder", "THREE"))
  assert.deepStrictEqual(sorted(readdirSync(disk("folder"))), ["THREE", "moved"])
  assert.strictEqual(yield* refused(smb.rename(at("none"), at("nowhere"))), "ObjectNameNotFound")
  assert.strictEqual(yield* refused(smb.rename(at("folder", "moved"), at("none", "x"))), "ObjectPathNotFound")
})

const removing = Effect.fnUntraced(function*({ at, disk, put, smb }: Spot) {
  put("file", "x")
  yield* smb.remove(at("file"))
  assert(!existsSync(disk("file")))
  assert.strictEqual(yield* refused(smb.remove(at("file"))), "ObjectNameNotFound")
  yield* smb.remove(at("file"), { force: true })

  put("full/file", "x")
  assert.strictEqual(yield* refused(smb.remove(at("full"))), "DirectoryNotEmpty")
  assert(existsSync(disk("full", "file")))

  put("read-only", "x")
  yield* smb.setAttributes(at("read-only"), { fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY })
  assert.strictEqual(yield* refused(smb.remove(at("read-only"))), "CannotDelete")
  assert(existsSync(disk("read-only")))
  yield* smb.remove(at("read-only"), { force: true })
  assert(!existsSync(disk("read-only")))
})

const trees = Effect.fnUntraced(function*({ at, disk, put, smb }: Spot) {
  yield* smb.makeDirectory(at("single"))
  assert(statSync(disk("single")).isDirectory())
  assert.strictEqual(yield* refused(smb.makeDirectory(at("single"))), "ObjectNameCollision")
  assert.strictEqual(yield* refused(smb.makeDirectory(at("a", "b", "c"))), "ObjectPathNotFound")
  yield* smb.makeDirectory(at("a", "b", "c"), { recursive: true })
  yield* smb.makeDirectory(at("a", "b", "c"), { recursive: true })
  assert(statSync(disk("a", "b", "c")).isDirectory())
  put("file", "x")
  assert.strictEqual(yield* refused(smb.makeDirectory(at("file"), { recursive: true })), "ObjectNameCollision")

  for (let i = 0; i < 30; i++) put(`a/b/${i % 3}/file-${i}`, String(i))
  yield* smb.writeFile(at("a", "b", "read-only"), "x")
  yield* smb.setAttributes(at("a", "b", "read-only"), { fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY })
  yield* smb.remove(at("a"), { recursive: true, force: true })
  assert(!existsSync(disk("a")))
  yield* smb.remove(at("a"), { recursive: true, force: true })
  yield* smb.remove(at("file"), { recursive: true })
  assert(!existsSync(disk("file")))
})

/** Names that are difficult for codecs. smbd keeps each as UTF-8. */
const strange = [
  "Ärger mit ß",
  "日本語のファイル名",
  "fox 🦊 family 👩‍👩‍👧‍👦",
  "e\u0301 decomposed",
  "\u00e9 composed",
  "x".repeat(255),
  "🦊".repeat(63),
  " leading space",
  "two  spaces",
  "percent%41&'(){}[]^~`!@#$;,=+"
]

const naming = Effect.fnUntraced(function*({ at, disk, get, put, smb }: Spot) {
  for (const [i, name] of strange.entries()) {
    yield* smb.writeFile(at(name), `${i}`)
    assert.strictEqual(get(name).toString(), `${i}`, name)
  }
  put("put ☂ here", "from the disk")
  assert.strictEqual(yield* smb.readFileString(at("put ☂ here")), "from the disk")
  const entries = yield* Stream.runCollect(smb.list(at()))
  assert.deepStrictEqual(sorted(entries.map(({ name }) => name)), sorted([...strange, "put ☂ here"]))
  assert.deepStrictEqual(sorted(readdirSync(disk())), sorted([...strange, "put ☂ here"]))
  yield* smb.rename(at("\u00e9 composed"), at("🦊 renamed"))
  assert.strictEqual(get("🦊 renamed").toString(), "4")
  // A name that a Unix file system cannot hold is refused: the server must not use another name instead.
  assert.strictEqual(yield* refused(smb.writeFile(at("x".repeat(256)), "")), "ObjectNameInvalid")
})

/** smbd keeps names as UTF-8, which has no lone surrogates: it refuses them (SMB 1 by another status), and makes no file. */
const loneSurrogate = Effect.fnUntraced(function*({ at, disk, smb }: Spot) {
  const said = yield* refused(smb.writeFile(at("lone \ud83e end"), "x"))
  const { dialect } = yield* Effect.scoped(smb.withShare(at(), Effect.succeed))
  assert.strictEqual(said, dialect === "NT1" ? "InvalidParameter" : "IllegalCharacter")
  assert.deepStrictEqual(readdirSync(disk()), [])
})

/** smbd 4.17 follows its own symbolic links, and neither shows nor makes reparse points. */
const symbolicLinks = Effect.fnUntraced(function*({ at, disk, put, smb }: Spot) {
  put("file", "pointed at")
  symlinkSync("file", disk("link"))
  assert.strictEqual(yield* smb.readFileString(at("link")), "pointed at")
  assert.strictEqual((yield* smb.stat(at("link"))).size, 10n)
  assert.strictEqual(yield* refused(smb.readLink(at("file"))), "NotAReparsePoint")
  const made = yield* Effect.result(smb.makeLink(at("made"), "file"))
  assert.strictEqual(made._tag, "Failure")
  // The file that should have become a link does not stay as an empty file.
  assert(!existsSync(disk("made")))
})

/** All checks of this module. */
export const all: ReadonlyArray<Check> = [
  { name: "listing", run: listing(2000) },
  { name: "walking", run: walking },
  { name: "renaming", run: renaming },
  { name: "removing", run: removing },
  { name: "trees", run: trees },
  { name: "naming", run: naming },
  { name: "lone-surrogate", run: loneSurrogate },
  { name: "symbolic-links", run: symbolicLinks }
]

/** The checks whose bytes differ between dialects, signatures and ciphers. */
export const few: ReadonlyArray<Check> = [
  { name: "listing", run: listing(200) },
  { name: "walking", run: walking },
  { name: "renaming", run: renaming },
  { name: "removing", run: removing },
  { name: "trees", run: trees }
]

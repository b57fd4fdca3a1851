/** Tests of names: which are kept, which are refused, and how they are compared. */
import * as Effect from "effect/Effect"
import type { StoreError } from "../../../Server/ShareStore.ts"
import { assert } from "./Assertions.ts"
import { get, type Kit, list, mkdir, names, newFile, put, refused } from "./Kit.ts"

/** Which names a store keeps, and how it compares them. */
export const testNames = ({ cannotName, gen, has }: Kit): void => {
  gen("are found in any case and keep the case that they were made with", function*(store) {
    yield* mkdir(store, ["Folder"])
    yield* put(store, ["fOLDER", "ReadMe.TXT"], "hello")
    assert.strictEqual(yield* get(store, ["FOLDER", "readme.txt"]), "hello")
    assert.strictEqual((yield* store.stat(["folder", "README.txt"])).name, "ReadMe.TXT")
    assert.deepStrictEqual(yield* names(store, ["FOLDER"]), ["ReadMe.TXT"])
    yield* store.remove(["FOLDER", "README.TXT"])
    yield* store.remove(["folder"])
    assert.deepStrictEqual(yield* names(store, []), [])
  })

  gen("are compared by UTF-16 code units with the case mapping of Windows", function*(store) {
    for (
      const [made, same] of [["Grüße ÄÖ", "GRÜßE äö"], ["Привет", "ПРИВЕТ"], ["Σίσυφος", "ΣΊΣΥΦΟΣ"], ["ÿ", "Ÿ"]]
    ) {
      yield* put(store, [made!], made!)
      assert.strictEqual((yield* store.stat([same!])).name, made)
    }
    // Windows does not map the case of these characters, although Unicode does.
    const unpaired = [["stra\u00dfe", "STRASSE"], ["\u017f", "S"], ["\u0131", "I"], ["\u00b5", "\u039c"], [
      "\u212a",
      "k"
    ]]
    for (const [made, other] of unpaired) {
      yield* put(store, [made!], made!)
      yield* refused(store.stat([other!]), "NotFound")
    }
  })

  const kept = [
    "trailing.",
    "trailing ",
    " leading",
    "..a",
    "...",
    "a..",
    "cafe\u0301",
    "caf\u00e9",
    "emoji 😀",
    "日本語のファイル名",
    "CON",
    "nul.txt",
    "~",
    "~$x.docx",
    "%2e%2e",
    "$&`;'!#",
    "-rf",
    "__proto__",
    "constructor",
    "\u{f021}\u{f029}",
    "\ufeffbom",
    "x".repeat(255),
    "ж".repeat(100)
  ]

  gen("are kept unchanged or refused with InvalidName", function*(store) {
    const made: Array<string> = []
    for (const name of kept) {
      if (cannotName(name)) {
        yield* refused(store.open([name], newFile), "InvalidName")
        yield* refused(store.stat([name]), "InvalidName", "NotFound")
      } else {
        yield* put(store, [name], name)
        made.push(name)
      }
    }
    const shown = (name: string) => store.canonicalName?.(name) ?? name
    assert.deepStrictEqual(yield* names(store, []), made.map(shown).sort())
    for (const name of made) {
      assert.strictEqual((yield* store.stat([name])).name, shown(name))
      assert.strictEqual(yield* get(store, [name]), name)
    }
    // Only some storages can keep these names. The others must refuse them.
    for (const name of ["\ud800", "\udc00x", "ж".repeat(255), "😀".repeat(127), "a:*?\"<>|"]) {
      const exit = yield* Effect.exit(Effect.flip(put(store, [name], "odd")))
      if (exit._tag === "Success") assert.strictEqual((exit.value as StoreError).reason._tag, "InvalidName")
      else assert.strictEqual((yield* store.stat([name])).name, name)
    }
  })

  gen("that lead out of the share or are malformed fail with InvalidName", function*(store) {
    yield* mkdir(store, ["d"])
    yield* put(store, ["f"], "x")
    const bad = ["..", ".", "", "/", "/etc", "../x", "d/x", "a\\b", "..\\x", "a\0b", "\0", "x".repeat(256)]
    for (const name of bad) {
      for (const path of [[name], ["d", name], [name, "f"], ["d", "..", name]]) {
        const message = JSON.stringify(path)
        yield* refused(store.stat(path), "InvalidName")
        yield* refused(list(store, path), "InvalidName")
        for (const mode of ["existing", "new", "either"] as const) {
          yield* refused(store.open(path, { mode, type: "file" }), "InvalidName")
          yield* refused(store.open(path, { mode, type: "directory" }), "InvalidName")
        }
        yield* refused(store.remove(path), "InvalidName")
        yield* refused(store.rename(path, ["z"], { replace: true }), "InvalidName")
        yield* refused(store.rename(["f"], path, { replace: true }), "InvalidName")
        if (has("link")) {
          yield* refused(store.link!(path, ["z"], { replace: true }), "InvalidName")
          yield* refused(store.link!(["f"], path, { replace: true }), "InvalidName")
        }
        assert.deepStrictEqual(yield* names(store, []), ["d", "f"], message)
      }
    }
    if (has("streams")) {
      for (const stream of bad) {
        for (const mode of ["existing", "new", "either"] as const) {
          yield* refused(store.open(["f"], { mode, type: "file", stream }), "InvalidName")
        }
        yield* refused(store.remove(["f"], { stream }), "InvalidName", "NotFound")
      }
    }
  })
}

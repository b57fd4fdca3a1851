/**
 * Proves that generated short names (8.3) are those of Samba's `mangling method = hash2`, by names that smbd 4.17.12 has
 * given (`smbclient -c altname`), and that each of them is a short name that nothing else generates.
 */
import { assert, describe, it } from "@effect/vitest"
import * as ShortName from "../../src/Codec/ShortName.ts"
import { fold } from "../../src/Codec/UpCase.ts"
import { random } from "../random.ts"

const ofSmbd: Readonly<Record<string, string>> = {
  "CON.txt": "CSHOFG~F.TXT",
  con: "CSHOFG~F",
  "Program Files": "PL6FPL~Q",
  "Straße.txt": "S1BZFQ~A.TXT",
  "[a].txt": "_4NF57~E.TXT",
  "a b": "A38W04~C",
  "a long name.txt": "AA2NT9~L.TXT",
  "a+b.txt": "A0QZKZ~5.TXT",
  "a.b c": "A5OB4F~X",
  "a.html": "A0JSZG~3",
  "abc.tooLong": "AI7TS6~L",
  "f..txt": "FPLPDM~T.TXT",
  verylongfilename: "V5MKIN~K",
  "x.y.z": "XB1FGN~S.Z",
  "x.é": "X90LRN~3",
  "οδος.doc": "_A11ZB~E.DOC",
  "日本.txt": "_TP26O~L.TXT",
  ".hidden": "_K2YOL~D"
}

/** Names that are short already. */
const short = ["a", "READ.ME", "readme.txt", "12345678.123", "~$x{}.c", "a&b.txt", "a'b", "ab(1).txt", "x.~tm", "COM0"]

describe("the short name of a long name", () => {
  it("is the one that smbd gives it", () => {
    for (const [name, expected] of Object.entries(ofSmbd)) assert.strictEqual(ShortName.generate(name), expected, name)
  })

  it("does not exist for a name that is short", () => {
    for (const name of [...short, ...Object.values(ofSmbd)]) {
      assert.isTrue(ShortName.isShort(name), name)
      assert.strictEqual(ShortName.generate(name), "", name)
    }
    // Letters that become ASCII only in capitals do not count as ASCII.
    for (const name of ["123456789", "a.html", "two.dots.c", "\u0131", "\u017f.txt", ".c", "a.", "", "com1.x", "a:b"]) {
      assert.isFalse(ShortName.isShort(name), name)
    }
  })

  it("has the form 8.3, and depends on nothing but the name without its case", () => {
    const pick = random(8)
    const characters = Array.from("aAbZ09.. ~-_$+[ß日é\u{1f600}\uf022\ud800")
    const seen = new Map<string, string>()
    for (let turn = 0; turn < 5000; turn++) {
      const name = Array.from({ length: 1 + pick(20) }, () => characters[pick(characters.length)]!).join("")
      const generated = ShortName.generate(name)
      assert.strictEqual(generated === "", ShortName.isShort(name), name)
      if (generated === "") continue
      assert.isTrue(ShortName.isShort(generated) && ShortName.isGenerated(generated), `${name} ${generated}`)
      assert.strictEqual(ShortName.generate(fold(name)), generated, name)
      const stem = /\.[\w\-$~]{1,3}$/.test(name) ? name.slice(0, name.lastIndexOf(".")) : name
      assert.strictEqual(fold(seen.get(generated) ?? stem), fold(stem), generated)
      seen.set(generated, stem)
    }
    assert.isAbove(seen.size, 1000)
  })

  it("is told from other names by its form", () => {
    for (const name of Object.values(ofSmbd)) {
      assert.isTrue(ShortName.isGenerated(name) && ShortName.isGenerated(name.toLowerCase()), name)
    }
    for (
      const name of ["~WRL0001.tmp", "AA2NT9~L.", "AA2NT9~L.TEXT", "AA2NT~L", "AA2NT99~L", "AA2NT9~é", "xAA2NT9~L", ""]
    ) {
      assert.isFalse(ShortName.isGenerated(name), name)
    }
  })
})

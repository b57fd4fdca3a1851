/**
 * Proves that names which SMB cannot carry get the code points that Linux' client (`fs/smb/client/cifs_unicode.h`, SFM)
 * and Samba's `vfs_fruit` (`macos_string_replace_map` of `source3/lib/string_replace.c`) use, and that no two plain names
 * get one name.
 */
import { assert, describe, it } from "@effect/vitest"
import * as ReservedCharacters from "../../src/Codec/ReservedCharacters.ts"
import { random } from "../random.ts"

const { areIn, toPlain, toPrivateUse } = ReservedCharacters

describe("a plain name", () => {
  it("has the code points of Services for Macintosh in SMB", () => {
    const table: Record<string, number> = {
      "\"": 0xf020,
      "*": 0xf021,
      ":": 0xf022,
      "<": 0xf023,
      ">": 0xf024,
      "?": 0xf025,
      "\\": 0xf026,
      "|": 0xf027
    }
    for (let code = 1; code < 0x20; code++) table[String.fromCharCode(code)] = 0xf000 + code
    for (const [character, code] of Object.entries(table)) {
      assert.strictEqual(toPrivateUse(`a${character}b${character}`), `a${String.fromCharCode(code, 0x62, code)}`)
      assert.isTrue(areIn(`a${character}`))
    }
    // Only the last character of a name: the others are possible.
    assert.strictEqual(toPrivateUse(" a .b. "), " a .b.\uf028")
    assert.strictEqual(toPrivateUse("..."), "..\uf029")
    for (const name of ["a.b", ".a", "a b", "é日\u007f", "", "a\0b", "\uf02a\uf03a\uf000", "a\uf028b", "a\uf029b"]) {
      assert.strictEqual(toPrivateUse(name), name)
      assert.isFalse(areIn(name))
    }
  })

  it("with a code point of that range has U+F07F before it", () => {
    assert.strictEqual(toPrivateUse("a\uf022b"), "a\uf07f\uf022b")
    assert.strictEqual(toPrivateUse("\uf07f"), "\uf07f\uf07f")
    assert.strictEqual(toPrivateUse("a\uf029"), "a\uf07f\uf029")
    assert.strictEqual(toPlain("a\uf07fb\uf07f"), "a\uf07fb\uf07f")
  })

  it("is found again from its name in SMB, which no other plain name has", () => {
    const pick = random(29)
    const characters = Array.from("ab:\\. \u0001\uf001\uf020\uf022\uf026\uf027\uf028\uf029\uf02a\uf07f\ud800")
    for (let turn = 0; turn < 20_000; turn++) {
      const name = Array.from({ length: 1 + pick(6) }, () => characters[pick(characters.length)]!).join("")
      const shown = toPrivateUse(name)
      if (toPlain(shown) !== name) assert.fail(JSON.stringify([name, shown, toPlain(shown)]))
      if (areIn(shown) || /[. ]$/.test(shown)) assert.fail(JSON.stringify(shown))
      // Any name in SMB stands for one plain name, and that name has one name in SMB.
      const plain = toPlain(name)
      if (toPlain(toPrivateUse(plain)) !== plain) assert.fail(JSON.stringify(name))
    }
  })
})

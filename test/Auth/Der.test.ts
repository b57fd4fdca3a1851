/**
 * The lengths of DER (X.690 8.1.3, 10.1): a value has the shortest length, and a reader accepts up to four bytes of
 * length. The expected bytes are those of the standard's rules, by hand.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Der from "../../src/Auth/Der.ts"
import { Reader } from "../../src/Codec/Cursor.ts"

const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const lengths: ReadonlyArray<readonly [number, string]> = [
  [0, "0400"],
  [1, "0401"],
  [0x7f, "047f"],
  [0x80, "048180"],
  [0xff, "0481ff"],
  [0x100, "04820100"],
  [0xffff, "0482ffff"],
  [0x10000, "0483010000"]
]

describe("Der.value", () => {
  it.each(lengths)("has the shortest length for %i bytes of content", (length, head) => {
    const content = new Uint8Array(length).fill(0x5a)
    const written = Der.value(Der.Tag.octetString, content.subarray(0, 3), content.subarray(3))
    assert.strictEqual(toHex(written), head + "5a".repeat(length))
  })
})

describe("Der.open", () => {
  it.each(lengths)("reads %i bytes of content, and leaves what follows", (length, head) => {
    const reader = new Reader(new Uint8Array(Buffer.from(head + "5a".repeat(length) + "0102", "hex")))
    assert.strictEqual(toHex(Der.open(reader, Der.Tag.octetString, "value").rest()), "5a".repeat(length))
    assert.strictEqual(reader.remaining, 2)
    assert.strictEqual(Der.peek(reader), 1)
  })
})

describe("Der.readIdentifier", () => {
  const read = (content: string) => Der.readIdentifier(new Reader(new Uint8Array(Buffer.from(content, "hex"))))

  // X.690 8.19: the first byte is 40 * first + second, and each further arc has seven bits in a byte.
  it.each([
    ["2b0601050502", "1.3.6.1.5.5.2"],
    ["00", "0.0"],
    ["27", "0.39"],
    ["28", "1.0"],
    ["4f", "1.39"],
    ["50", "2.0"],
    ["8837", "2.999"],
    ["", undefined],
    ["2a8180", undefined],
    ["2a817f", "1.2.255"],
    ["2a818001", "1.2.16385"]
  ])("reads %s as %s", (content, text) => {
    if (text === undefined) assert.throws(() => read(content))
    else {
      assert.strictEqual(read(content), text)
      assert.strictEqual(toHex(Der.identifier(text).subarray(2)), content)
    }
  })

  it("refuses an arc that begins with zeros (X.690 8.19.2), at its first byte", () => {
    for (const [content, offset] of [["8001", 0], ["2a8001", 1], ["2a0380", 2]] as const) {
      try {
        read(content)
        assert.fail("it was read")
      } catch (error) {
        assert.deepInclude(error, { offset })
      }
    }
  })
})

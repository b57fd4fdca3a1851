/**
 * Names match patterns as the rules of MS-FSA 2.1.4.4 say (against a model of the rules), with Windows' case, and the
 * work for one name is bounded for any pattern.
 */
import { assert, describe, it } from "@effect/vitest"
import * as DosWildcard from "../../src/Codec/DosWildcard.ts"
import { fold } from "../../src/Codec/UpCase.ts"
import { random } from "../random.ts"

/** The rules of the document, one after the other, without regard to speed. */
const model = (pattern: string, name: string): boolean => {
  if (pattern === "") return true
  const [wanted, text] = [fold(pattern), fold(name)]
  const lastDot = text.lastIndexOf(".")
  const from = (place: number, at: number): boolean => {
    if (place === wanted.length) return at === text.length
    const char = text[at]
    const one = () => at < text.length && from(place + 1, at + 1)
    switch (wanted[place]) {
      case "*":
        return from(place + 1, at) || at < text.length && from(place, at + 1)
      case "?":
        return one()
      case "<":
        if (from(place + 1, at)) return true
        if (at >= text.length) return false
        if (lastDot < 0 || at < lastDot) return from(place, at + 1)
        return at === lastDot && from(place + 1, at + 1)
      case ">":
        if (at >= text.length || char === ".") return from(place + 1, at)
        return from(place + 1, at + 1)
      case "\"":
        return at >= text.length ? from(place + 1, at) : char === "." && from(place + 1, at + 1)
      default:
        return wanted[place] === char && from(place + 1, at + 1)
    }
  }
  return from(0, 0)
}

describe("DosWildcard", () => {
  it.each([
    ["stra?e.txt", "straße.txt", true],
    ["strasse.txt", "straße.txt", false],
    ["i.txt", "ı.txt", false],
    ["ſ*", "straße.txt", false],
    ["file", "ﬁle", false],
    ["οδος.*", "ΟΔΟΣ.txt", true],
    ["*.txt", "a.b.TXT", true],
    ["<.txt", "a.b.txt", true],
    ["<.txt", "a.b.c", false],
    ["f>>>", "fil", true],
    ["f\"", "f", true],
    ["*", "anything", true],
    ["a*b*c", "aXXbXXbXc", true],
    ["a*b*c", "aXXbXXbX", false]
  ])("matches %s with %s: %s", (pattern, name, expected) => {
    assert.strictEqual(DosWildcard.matches(pattern, name), expected)
  })

  it("agrees with the model of the rules for random patterns and names", () => {
    const next = random(4711)
    const text = (alphabet: string, most: number) =>
      Array.from({ length: next(most + 1) }, () => alphabet[next(alphabet.length)]!).join("")
    for (let i = 0; i < 20_000; i++) {
      const pattern = text("ab.*?<>\"", 7)
      const matcher = new DosWildcard.Matcher(pattern)
      for (const name of [text("ab.", 8), text("aB.", 8)]) {
        assert.strictEqual(matcher.matches(name), model(pattern, name), `${pattern} and ${name}`)
      }
    }
  })

  it.each([
    // All names, without a comparison.
    ["*", "abc", 0],
    ["", "abc", 0],
    // One for a name, and one for each comparison of a character and for each `*`.
    ["abc", "abd", 1],
    ["a?c", "abc", 4],
    ["a?c", "bbc", 2],
    ["*c", "abc", 5],
    // One for a name, and the length of the pattern for each character until no place of the pattern can come next.
    ["<.txt", "ab.txt", 31],
    ["a>", "abbb", 7],
    ["a>", "bbbb", 3]
  ])("counts the steps of %j with %s: %i, and as many again for the same name", (pattern, name, expected) => {
    const matcher = new DosWildcard.Matcher(pattern)
    matcher.matches(name)
    assert.strictEqual(matcher.steps, expected)
    matcher.matches(name)
    assert.strictEqual(matcher.steps, 2 * expected)
  })

  it("takes a bounded number of steps for patterns with many wildcards", () => {
    const name = `${"a".repeat(200)}b`
    const steps = (pattern: string) => {
      const matcher = new DosWildcard.Matcher(pattern)
      matcher.matches(name)
      return matcher.steps
    }
    assert.isBelow(steps(`${"*a".repeat(127)}*z`), 2000)
    assert.isBelow(steps("*".repeat(255)), 10)
    assert.isBelow(steps(`${"<".repeat(254)}z`), 1000)
    for (const unit of ["*a", "<a", "?*", "<>", "*?a<"]) {
      const pattern = unit.repeat(255 / unit.length).slice(0, 255)
      assert.isAtMost(steps(`${pattern.slice(0, 254)}z`), 255 * 202)
    }
  })
})

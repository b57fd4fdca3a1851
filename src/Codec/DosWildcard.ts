/**
 * Whether a name matches a pattern, with the wildcards of DOS (MS-FSA 2.1.4.4), in the case of Windows' own table.
 *
 * `*` stands for any characters and `?` for one. Windows' clients make the other three of a user's `*.` and `?`: `<`
 * (DOS_STAR) stands for any characters up to the last dot of the name, `>` (DOS_QM) for one, or none at a dot or at the
 * end, and `"` (DOS_DOT) for a dot, or for nothing at the end.
 */
import { fold } from "./UpCase.ts"

const isWild = /[*?<>"]/
const isDosWild = /[<>"]/

/**
 * Whether a pattern has wildcards at all.
 *
 * @since 0.1.0
 */
export const hasWildcards = (pattern: string): boolean => isWild.test(pattern)

/**
 * A pattern, prepared for comparison with many names.
 *
 * @category models
 * @since 0.1.0
 */
export class Matcher {
  /** Steps of all comparisons so far: at most the product of both lengths for one name. */
  steps = 0
  readonly #text: string
  readonly #codes: Uint16Array
  readonly #kind: "all" | "plain" | "simple" | "dos"
  /** Which places in the pattern can come next while a name is read: used again for each name. */
  #places: Uint8Array
  #next: Uint8Array

  constructor(expression: string) {
    // Several of one that stands for any characters mean the same as one of it.
    this.#text = fold(expression).replace(/([*<])\1+/g, "$1")
    this.#codes = codesOf(this.#text)
    this.#kind = this.#text === "*" || this.#text === ""
      ? "all"
      : !hasWildcards(this.#text)
      ? "plain"
      : isDosWild.test(this.#text)
      ? "dos"
      : "simple"
    this.#places = new Uint8Array(this.#codes.length + 1)
    this.#next = new Uint8Array(this.#codes.length + 1)
  }

  /** Whether a name matches the pattern. */
  matches(name: string): boolean {
    if (this.#kind === "all") return true
    this.steps++
    const text = fold(name)
    if (this.#kind === "plain") return this.#text === text
    return this.#kind === "simple" ? this.#matchesSimply(text) : this.#matchesDos(text)
  }

  /** `*` and `?` alone: the match of the last `*` grows only as far as it must, and no earlier `*` is tried again. */
  #matchesSimply(text: string): boolean {
    const wanted = this.#codes
    let [place, at] = [0, 0]
    let [star, taken] = [-1, 0]
    while (at < text.length) {
      this.steps++
      if (wanted[place] === STAR) {
        star = place++
        taken = at
      } else if (wanted[place] === QUESTION_MARK || wanted[place] === text.charCodeAt(at)) {
        place++
        at++
      } else if (star >= 0) {
        place = star + 1
        at = ++taken
      } else return false
    }
    while (wanted[place] === STAR) place++
    return place === wanted.length
  }

  #matchesDos(text: string): boolean {
    const wanted = this.#codes
    const there = codesOf(text)
    const lastDot = text.lastIndexOf(".")
    this.#places.fill(0)
    this.#places[0] = 1
    this.#close(this.#places, there, 0)
    for (let i = 0; i < there.length; i++) {
      const [places, next] = [this.#places, this.#next]
      next.fill(0)
      this.steps += wanted.length
      const char = there[i]!
      for (let place = 0; place < wanted.length; place++) {
        if (places[place] !== 1) continue
        switch (wanted[place]) {
          case STAR:
            next[place] = 1
            break
          case DOS_STAR:
            // Goes on to the last dot, can match it, and stops there; in a name without a dot, goes on to the end.
            if (lastDot < 0 || i < lastDot) next[place] = 1
            else if (i === lastDot) next[place + 1] = 1
            break
          case QUESTION_MARK:
            next[place + 1] = 1
            break
          case DOS_QM:
            if (char !== DOT) next[place + 1] = 1
            break
          case DOS_DOT:
            if (char === DOT) next[place + 1] = 1
            break
          default:
            if (wanted[place] === char) next[place + 1] = 1
        }
      }
      this.#places = next
      this.#next = places
      if (!this.#close(next, there, i + 1)) return false
    }
    return this.#places[wanted.length] === 1
  }

  /** Adds the places that are reached without a character, at `at` of the text; false if there are no places at all. */
  #close(places: Uint8Array, text: Uint16Array, at: number): boolean {
    const wanted = this.#codes
    let any = false
    for (let place = 0; place < places.length; place++) {
      if (places[place] !== 1) continue
      any = true
      const one = wanted[place]
      if (
        one === STAR || one === DOS_STAR || one === DOS_QM && (at >= text.length || text[at] === DOT) ||
        one === DOS_DOT && at >= text.length
      ) places[place + 1] = 1
    }
    return any
  }
}

/**
 * Whether `name` matches `expression`, without regard to case.
 *
 * @category matching
 * @since 0.1.0
 */
export const matches = (expression: string, name: string): boolean => new Matcher(expression).matches(name)

const [STAR, DOS_STAR, QUESTION_MARK, DOS_QM, DOS_DOT, DOT] = [42, 60, 63, 62, 34, 46] as const

const codesOf = (text: string): Uint16Array => {
  const codes = new Uint16Array(text.length)
  for (let i = 0; i < text.length; i++) codes[i] = text.charCodeAt(i)
  return codes
}

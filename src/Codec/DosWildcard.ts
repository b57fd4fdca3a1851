/**
 * Whether a name is in a pattern, with the wildcards of DOS (MS-FSA 2.1.4.4).
 *
 * `*` stands for any characters and `?` for one. The other three are what Windows' clients make of a user's `*.` and
 * `?`: `<` (DOS_STAR) stands for any characters up to the last dot of the name, `>` (DOS_QM) for one, or none at a dot or
 * at the end, and `"` (DOS_DOT) for a dot, or for nothing at the end.
 */

const isWild = /[*?<>"]/

/** Whether a pattern has wildcards at all. */
export const hasWildcards = (pattern: string): boolean => isWild.test(pattern)

/**
 * Whether `name` is in `expression`, without regard to case. Takes time by the product of both lengths at most.
 *
 * @category matching
 */
export const matches = (expression: string, name: string): boolean => {
  if (expression === "*" || expression === "") return true
  const pattern = expression.toUpperCase()
  const text = name.toUpperCase()
  if (!hasWildcards(pattern)) return pattern === text
  const wanted = codesOf(pattern)
  const there = codesOf(text)
  const lastDot = text.lastIndexOf(".")
  // Which places in the pattern may come next, as text goes on. Plain memory: what peers ask may be as long as it can be.
  let places = new Uint8Array(wanted.length + 1)
  let next = new Uint8Array(wanted.length + 1)
  places[0] = 1
  close(places, wanted, there, 0)
  for (let i = 0; i < there.length; i++) {
    next.fill(0)
    const char = there[i]!
    for (let place = 0; place < wanted.length; place++) {
      if (places[place] === 0) continue
      switch (wanted[place]) {
        case STAR:
          next[place] = 1
          break
        case DOS_STAR:
          // Goes on to the last dot, may take it, and not beyond; in a name without one, to the end.
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
    if (!close(next, wanted, there, i + 1)) return false
    const before = places
    places = next
    next = before
  }
  return places[wanted.length] === 1
}

const [STAR, DOS_STAR, QUESTION_MARK, DOS_QM, DOS_DOT, DOT] = [42, 60, 63, 62, 34, 46] as const

const codesOf = (text: string): Uint16Array => {
  const codes = new Uint16Array(text.length)
  for (let i = 0; i < text.length; i++) codes[i] = text.charCodeAt(i)
  return codes
}

/** Adds the places that are reached without a character, at `at` of the text; false where there are none at all. */
const close = (places: Uint8Array, wanted: Uint16Array, text: Uint16Array, at: number): boolean => {
  let any = false
  for (let place = 0; place < places.length; place++) {
    if (places[place] === 0) continue
    any = true
    const one = wanted[place]
    if (
      one === STAR || one === DOS_STAR || one === DOS_QM && (at >= text.length || text[at] === DOT) ||
      one === DOS_DOT && at >= text.length
    ) places[place + 1] = 1
  }
  return any
}

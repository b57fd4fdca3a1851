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
  const lastDot = text.lastIndexOf(".")
  // The set of places in the pattern that may come next, as text goes on.
  let places = close(new Set([0]), pattern, text, 0)
  for (let i = 0; i < text.length; i++) {
    const next = new Set<number>()
    const char = text[i]!
    for (const place of places) {
      const wanted = pattern[place]
      switch (wanted) {
        case undefined:
          break
        case "*":
          next.add(place)
          break
        case "<":
          // Goes on to the last dot, may take it, and not beyond; in a name without one, to the end.
          if (lastDot < 0 || i < lastDot) next.add(place)
          else if (i === lastDot) next.add(place + 1)
          break
        case "?":
          next.add(place + 1)
          break
        case ">":
          if (char !== ".") next.add(place + 1)
          break
        case "\"":
          if (char === ".") next.add(place + 1)
          break
        default:
          if (wanted === char) next.add(place + 1)
      }
    }
    if (next.size === 0) return false
    places = close(next, pattern, text, i + 1)
  }
  return places.has(pattern.length)
}

/** Adds the places that are reached without a character, at `at` of the text. */
const close = (places: Set<number>, pattern: string, text: string, at: number): Set<number> => {
  for (const place of places) {
    const wanted = pattern[place]
    if (wanted === "*") places.add(place + 1)
    else if (wanted === "<") places.add(place + 1)
    else if (wanted === ">" && (at >= text.length || text[at] === ".")) places.add(place + 1)
    else if (wanted === "\"" && at >= text.length) places.add(place + 1)
  }
  return places
}

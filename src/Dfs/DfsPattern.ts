/**
 * Patterns of paths: which paths DFS applies to.
 *
 * A pattern is a path whose components can hold `*` (any text) and `?` (one character); a component `**` stands for any
 * number of components. It is written with backslashes or slashes, and compared without regard to case. It stands for
 * the paths that it names and for everything below them.
 */
import * as DfsPath from "./DfsPath.ts"

/**
 * Does a component match `*` and `?`? It backtracks to the last `*` only, so that the time is at most the length of the
 * pattern times the length of the text.
 */
const matches = (pattern: string, text: string): boolean => {
  let [at, place, star, mark] = [0, 0, -1, 0]
  while (place < text.length) {
    if (pattern[at] === "*") {
      star = at++
      mark = place
    } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === text[place])) {
      at++
      place++
    } else if (star >= 0) {
      at = star + 1
      place = ++mark
    } else return false
  }
  while (pattern[at] === "*") at++
  return at === pattern.length
}

const any = "**"

const compile = (pattern: string): ReadonlyArray<string> =>
  DfsPath.fromString(pattern.replaceAll("/", "\\"))
    .map(DfsPath.fold)
    // Several of them in a row mean no more than one.
    .filter((part, i, all) => part !== any || all[i - 1] !== any)

/** Which of the pattern's parts can come next, component by component, without backtracking for any pattern. */
const covers = (parts: ReadonlyArray<string>, path: DfsPath.DfsPath): boolean => {
  const closure = (at: Set<number>): Set<number> => {
    for (const i of at) if (parts[i] === any) at.add(i + 1)
    return at
  }
  let at = closure(new Set([0]))
  if (at.has(parts.length)) return true
  for (const name of path) {
    const folded = DfsPath.fold(name)
    const after = new Set<number>()
    for (const i of at) {
      const part = parts[i]
      if (part === any) after.add(i)
      else if (part !== undefined && matches(part, folded)) after.add(i + 1)
    }
    at = closure(after)
    if (at.has(parts.length)) return true
    if (at.size === 0) return false
  }
  return false
}

/**
 * Whether DFS applies to a path: one of `include` covers it, if there are any, and none of `exclude` does.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: {
  readonly include: ReadonlyArray<string>
  readonly exclude: ReadonlyArray<string>
}): (path: DfsPath.DfsPath) => boolean => {
  const include = options.include.map(compile)
  const exclude = options.exclude.map(compile)
  if (include.length === 0 && exclude.length === 0) return () => true
  return (path) =>
    (include.length === 0 || include.some((parts) => covers(parts, path))) &&
    !exclude.some((parts) => covers(parts, path))
}

/**
 * Lines of the shell as commands and words, with the quotes of POSIX (Shell Command Language 2.2). Pure.
 *
 * `;` and the end of a line end a command, and a `#` at the start of a word begins a comment. Patterns such as `*.txt`
 * are words: the subcommands look for the names. Pipes and redirections do not exist.
 */
import * as Result from "effect/Result"

/** The quote that is open at the end of a text. */
export type Quote = "" | "'" | "\""

/** A word, and where it is written in the line. */
export interface Word {
  /** Without the quotes. */
  readonly value: string
  /** The offset of its first character in the line, in UTF-16 code units. */
  readonly start: number
  readonly quote: Quote
}

interface Scanned {
  /** The words of each command. */
  readonly commands: ReadonlyArray<ReadonlyArray<Word>>
  /** The last word, if the line ends in it. */
  readonly open: Word | undefined
  readonly isComment: boolean
  /** What a shell of the system would do something with: a pipe, a redirection, `&`. */
  readonly operator: string | undefined
}

/** As in a POSIX shell: other blanks of Unicode belong to names. */
const isBlank = (character: string): boolean => " \t\n\r".includes(character)

/** What a shell of the system acts on. Taken for a part of a name, it would make words of the next command names. */
const operators = "|<>&()`"

/** The characters that a backslash makes plain between double quotes. */
const escapable = "\"\\$`"

const scan = (line: string): Scanned => {
  const commands: Array<Array<Word>> = [[]]
  let word: { value: string; readonly start: number } | undefined
  let quote: Quote = ""
  let operator: string | undefined
  const end = () => {
    if (word !== undefined) commands.at(-1)!.push({ ...word, quote: "" })
    word = undefined
  }
  for (let i = 0; i < line.length; i++) {
    const character = line[i]!
    if (quote === "" && (isBlank(character) || character === ";")) {
      end()
      if (character === ";" || character === "\n") commands.push([])
      continue
    }
    if (quote === "" && word === undefined && character === "#") {
      return { commands, open: undefined, isComment: true, operator }
    }
    word ??= { value: "", start: i }
    if (quote === "" && (character === "'" || character === "\"")) quote = character
    else if (character === quote) quote = ""
    else if (character === "\\" && quote !== "'") {
      const next = line[i + 1]
      const isPlain = next !== undefined && (quote === "" || escapable.includes(next))
      // A backslash at the end of the line has nothing to make plain.
      if (isPlain) i++
      if (isPlain || quote !== "") word.value += isPlain ? next : character
    } else {
      if (quote === "" && operators.includes(character)) operator ??= character
      word.value += character
    }
  }
  const open = word === undefined ? undefined : { ...word, quote }
  end()
  return { commands, open, isComment: false, operator }
}

/** The words of each command in a line. Fails with the message for the user. */
export const parse = (line: string): Result.Result<ReadonlyArray<ReadonlyArray<string>>, string> => {
  const { commands, open, operator } = scan(line)
  if (open !== undefined && open.quote !== "") return Result.fail(`the quote ${open.quote} is not closed`)
  if (operator !== undefined) {
    return Result.fail(
      `the shell has no ${operator}: write ; between commands, and quote a ${operator} that belongs to a name`
    )
  }
  return Result.succeed(commands.flatMap((words) => words.length === 0 ? [] : [words.map(({ value }) => value)]))
}

/** What is written before a cursor: the words before the last one, and the last one, which can be empty. */
export interface Unfinished {
  readonly before: ReadonlyArray<string>
  readonly last: Word
}

/** The unfinished command at the end of a text; `undefined` inside a comment. */
export const unfinished = (text: string): Unfinished | undefined => {
  const { commands, isComment, open } = scan(text)
  if (isComment) return undefined
  const words = commands.at(-1)!
  return {
    before: (open === undefined ? words : words.slice(0, -1)).map(({ value }) => value),
    last: open ?? { value: "", start: text.length, quote: "" }
  }
}

/** A value as a user writes it, so that it is one word again; `quote`: of the word that it completes. */
export const written = (value: string, quote: Quote = ""): string => {
  if (quote === "'") return `'${value.replaceAll("'", "'\\''")}`
  if (quote === "\"") return `"${value.replace(/["\\$`]/g, "\\$&")}`
  return value.replace(/[\s'"\\;|<>&()`]|^#/g, "\\$&")
}

/**
 * Finds archaic and unclear words in comments, messages, help texts and titles of tests, and in the prose of the
 * documents; code is passed over. No hits are allowed.
 */
import { globSync, readFileSync } from "node:fs"

/** What is found, and what to write instead. */
const words = [
  [/\bwhoever\b/gi, "name the client, the user, the caller"],
  // A question may begin with it.
  [/(?<![\w-])Who\b(?![^.!|]{0,200}\?)/g, "name the client, the user, the caller"],
  [/(?<=;\s{1,9})who\b(?![^.!|]{0,200}\?)/g, "name the client, the user, the caller"],
  [/\b(?:that which|he who|they who|those who)\b/gi, "name the subject: `the clients that`, `the users who`"],
  [/\bnobody\b/gi, "`no client`, `no user`, `no caller`"],
  [/\bwhatever\b/gi, "`any`, `no matter which`"],
  [/\banew\b/gi, "`again`, `new`"],
  [/\b(?:where|if|when) (?:it is |they are )?left out\b/gi, "`Default: X`, `by default`"],
  [/\bat the most\b/gi, "`at most`"],
  [/\bmeanwhile\b/gi, "`while ...`"],
  [/\bbeside\b/gi, "`next to`, `as well as`, `with`"],
  // Plain: `has no name of its own`, `one of its own users`.
  [/(?<!\bno \w+ )\bof (?:its|their|our|your|his|one's) own\b(?! [a-z])/gi, "`its own X`, `their own X`"],
  [/\bas (?:it was|they were)\b(?! (?:at|in|on|when|[a-z]+ed|made|sent|written|read|found|before))/gi, "`unchanged`"],
  [/\bthere is none\b/gi, "`no X exists`"],
  [/\bwhat (?:is|was) there\b/gi, "`the existing file`"],
  [/\b(?:takes?|taken|took|taking) back\b/gi, "`broken`, `revoked` (of oplocks and leases), `undone`"],
  [/\b(?:tries|try|tried) once more\b/gi, "`retries`"],
  [/\bback-pressure\b/gi, "`backpressure`"],
  [/\bso that (?:[\w`'/]+ ){1,8}may\b/gi, "`so that ... can`"],
  [/\b(?:and|but|so) none (?:is|are|has|have)\b/gi, "name the subject"],
  [/\b(?:neither|nor) (?:is|are|was|does|do|has|can|may) /gi, "name the subject first: `a pipe does not either`"],
  [/(?:[.;]\s+|\band )so (?:is|are|does|do|has) (?:an?|the|what|those|its)\b/gi, "name the subject first"],
  [/\bbut for\b(?! the first time)/gi, "`except for`, `except`"],
  [/\b(?:hitherto|whence|thither|thereof|therein|wherein|whereof|lest|forthwith|heretofore)\b/gi, "a word of today"]
].map(([pattern, instead]) => [new RegExp(pattern.source.replaceAll(" ", "\\s+"), pattern.flags), instead])

/** What stands for code: no word, and as many lines as the code has, so that the numbers of lines stay the same. */
const blank = (code) => "·" + "\n".repeat(code.split("\n").length - 1)

/** Code, and where links lead to. */
const withoutCode = (text) =>
  text
    .replace(/^( *)(`{3,}|~{3,})[^\n]*\n[\s\S]*?(?:^ *\2 *$|(?![\s\S]))/gm, blank)
    .replace(/(?<!`)(`+)(?!`)(?:[^`]|(?!(?<!`)\1(?!`))`)+?(?<!`)\1(?!`)/g, blank)
    .replace(/\]\([^)\n]*\)|<!--[\s\S]*?-->/g, blank)

/** Strings, templates and regular expressions come first: what looks like a comment in them is none. */
const tokens = new RegExp(
  [
    /"(?:\\.|[^"\\\n])*"/,
    /'(?:\\.|[^'\\\n])*'/,
    /`(?:\\[\s\S]|[^`\\])*`/,
    /(?<=[(,=:[!&|?{};>]\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\//,
    /(?<comment>\/\*[\s\S]*?\*\/|\/\/[^\n]*(?:\n[ \t]*\/\/[^\n]*)*)/
  ].map(({ source }) => source).join("|"),
  "g"
)

/** Strings of several words are messages, help or the titles of tests; others are names. */
const isProse = (string) =>
  /[a-z,)] [a-z(][\s\S]* [a-z]/i.test(string) && !/^["'`](?:import|export|const) /.test(string)

/** A string's text. What a template inserts stands for one word. */
const textOf = (string) => string.slice(1, -1).replace(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, blank).replace(/\\[\s\S]/g, " ")

/**
 * The comments of a source, without the marks at the beginnings of their lines, and its strings of several words.
 * Everything else is blank.
 */
const prose = (source) => {
  let text = ""
  let end = 0
  for (const token of source.matchAll(tokens)) {
    const isComment = token.groups.comment !== undefined
    if (!isComment && (token[0].startsWith("/") || !isProse(token[0]))) continue
    text += blank(source.slice(end, token.index))
    // A string begins its own sentence.
    text += isComment ? token[0].replace(/^[ \t]*(?:\/\*\*?|\*\/|\*|\/\/)/gm, "") : `|${textOf(token[0])}|`
    end = token.index + token[0].length
  }
  return text + blank(source.slice(end))
}

/** The hits of a file, in the order of its lines. */
const look = (path) => {
  const content = readFileSync(path, "utf8")
  const text = withoutCode(path.endsWith(".ts") ? prose(content) : content)
  const hits = []
  for (const [pattern, instead] of words) {
    for (const { 0: found, index } of text.matchAll(pattern)) {
      const line = text.slice(0, index + found.search(/\w/)).split("\n").length
      const word = found.replace(/^\W+/, "").replace(/\s+/g, " ").trim()
      hits.push({ line, message: `${path}:${line}: "${word}": write ${instead}` })
    }
  }
  return hits.sort((a, b) => a.line - b.line).map(({ message }) => message)
}

const files = ["src/**/*.ts", "test/**/*.ts", "docs/**/*.md", "README.md", "CONTRIBUTING.md", "AGENTS.md"]

const hits = globSync(files)
  .filter((path) => !path.endsWith("words.test.ts") && !/^docs[\\/]api[\\/]/.test(path))
  .toSorted()
  .flatMap((path) => look(path.replaceAll("\\", "/")))
if (hits.length > 0) {
  for (const hit of hits) console.error(hit)
  console.error(`${hits.length} unclear words (CONTRIBUTING.md, "Words")`)
  process.exit(1)
}

/**
 * Which changes are made: Stryker's own, without those of texts and whole literals, and three of ours. A seed chooses among
 * them, so that another seed tries other changes, and the same seed the same.
 */
import { createHash } from "node:crypto"

/** The part of Babel's paths that is used here. */
export interface Path {
  readonly node: any
  readonly parentPath: Path | null
  readonly hub?: unknown
}

/** As Stryker has it: the nodes that could stand in place of this one. */
export interface Mutator {
  readonly name: string
  mutate(path: Path): Iterable<any>
}

/** Stryker's that say nothing here: another text is another message, and a missing literal is seen by the compiler. */
export const without = new Set([
  "ArrayDeclaration",
  "ArrowFunction",
  "CallExpression",
  "ObjectLiteral",
  "Regex",
  "StringLiteral"
])

const within = (path: Path, is: (node: any) => boolean): boolean => {
  for (let at: Path | null = path; at !== null; at = at.parentPath) if (is(at.node)) return true
  return false
}

const callee = (node: any): string =>
  node.type === "MemberExpression" && node.object.type === "Identifier"
    ? `${node.object.name}.${node.property.name}`
    : ""

/** Logs, spans and metrics: no data and no right depends on them. */
const observes = (node: any): boolean =>
  node.type === "CallExpression" && /^(?:Effect\.(?:log|annotate|withSpan|track)|Metric\.)/.test(callee(node.callee))

/** Every kind of change that Stryker has not: a constant by one, a statement taken out, a spread taken out. */
export const ours = (types: any): ReadonlyArray<Mutator> => [
  {
    name: "Constant",
    *mutate({ node, parentPath }) {
      if (node.type !== "NumericLiteral" && node.type !== "BigIntLiteral") return
      if (parentPath?.node.type === "TSLiteralType" || parentPath?.node.key === node) return
      const more = (node.start ?? 0) % 2 === 0 || Number(node.value) === 0
      if (node.type === "BigIntLiteral") yield types.bigIntLiteral(BigInt(node.value) + (more ? 1n : -1n))
      else yield types.numericLiteral(node.value + (more ? 1 : -1))
    }
  },
  {
    name: "Statement",
    *mutate({ node }) {
      if (node.type === "ExpressionStatement") yield types.emptyStatement()
    }
  },
  {
    name: "Spread",
    *mutate({ node }) {
      if (node.type !== "ObjectExpression") return
      for (const property of node.properties) {
        if (property.type !== "SpreadElement") continue
        yield types.objectExpression(node.properties.filter((other: unknown) => other !== property))
      }
    }
  }
]

/** A change by its place and kind. `nth` counts the replacements of one node. */
export const key = (file: string, node: { start?: number; end?: number }, name: string, nth: number): string =>
  `${file}:${node.start}-${node.end}:${name}:${nth}`

/** `count` of the keys, by the seed; all of them for `undefined`. */
export const pick = (keys: ReadonlyArray<string>, seed: string, count: number | undefined): ReadonlySet<string> => {
  if (count === undefined || count >= keys.length) return new Set(keys)
  const order = (key: string) => createHash("sha256").update(`${seed}\n${key}`).digest("hex")
  return new Set(keys.map((key) => [order(key), key] as const).sort().slice(0, count).map(([, key]) => key))
}

/** What a loop of effects forgets: only the memory that it needs depends on it. */
const forgets = (node: any): boolean => node.type === "ObjectProperty" && node.key.name === "discard"

/** The mutator, limited to the changes that `wanted` accepts. `file` is the file that is read now. */
export const limited = (mutator: Mutator, file: () => string, wanted: (key: string) => boolean): Mutator => ({
  ...mutator,
  *mutate(path) {
    if (within(path, (node) => observes(node) || forgets(node))) return
    let nth = 0
    for (const replacement of mutator.mutate(path)) {
      if (wanted(key(file(), path.node, mutator.name, nth++))) yield replacement
    }
  }
})

/** A change that somebody wrote down. */
export interface Written {
  readonly file: string
  readonly before: string
  readonly after: string
}

const one = (text: string): string => text.replace(/\s+/g, " ").trim()

/** The written changes of one file with this source. `parse` makes a statement of a text. */
export const written = (
  changes: ReadonlyArray<Written>,
  source: string,
  parse: (code: string) => any
): Mutator => ({
  name: "Written",
  *mutate({ node }) {
    const text = one(source.slice(node.start, node.end))
    for (const { after, before } of changes) {
      if (one(before) !== text) continue
      // A statement of one expression has the text of its expression.
      if (/Statement$|Declaration$/.test(node.type)) yield parse(after.trim() === "" ? ";" : after)
      else if (after.trim() !== "") yield parse(`(${after})`).expression
    }
  }
})

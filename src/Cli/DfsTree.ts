/**
 * `effect-smb dfs tree`: the links of a namespace with their targets, as far as the protocol shows them.
 *
 * A listing shows a link as a directory that is a reparse point. Its targets come from a referral, and their state from
 * a request to each. Links below more than `deepest` folders are not found.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import { fold } from "../Codec/UpCase.ts"
import * as DfsPath from "../Dfs/DfsPath.ts"
import * as DfsResolver from "../Dfs/DfsResolver.ts"
import * as ReferralCache from "../Dfs/ReferralCache.ts"
import { TransportError } from "../Protocol/Errors.ts"
import { FileAttributes } from "../Smb2/Message/Constants.ts"
import { question } from "./Actions.ts"
import { html } from "./DfsTreeHtml.ts"
import { svg } from "./DfsTreeSvg.ts"
import { oneLine, printable } from "./Failure.ts"
import type { NamespaceTree, Node, TargetState } from "./NamespaceTree.ts"
import * as Output from "./Output.ts"
import type { Remote } from "./Remote.ts"

/** How many folders can be between a root and a link. */
const deepest = 4

/** `text` for a terminal, `mermaid` for a document, `svg` and `html` for a browser. */
export const formats = ["text", "mermaid", "svg", "html"] as const

const textOf = ({ targets, ...node }: Node, indent: string): string =>
  `${indent}${printable(node.path)}${node.error === undefined ? "" : `  ${oneLine(node.error)}`}\n` +
  targets.map(({ error, state, target }) =>
    `${indent}  -> ${printable(target)}  ${state}${error === undefined ? "" : `: ${oneLine(error)}`}\n`
  ).join("")

const label = (text: string): string => `"${printable(text).replace(/[#"<>&]/g, (one) => `#${one.charCodeAt(0)};`)}"`

/** The arrows to the targets of a node; dashed if a target does not respond. */
const arrows = (from: string, name: string, targets: ReadonlyArray<TargetState>): ReadonlyArray<string> =>
  targets.map(({ state, target }, number) =>
    `  ${from} ${state === "up" ? "-->" : "-. down .->"} ${name}_${number}[${label(target)}]`
  )

/**
 * A flowchart from the root through its links to their targets. The root's own targets are shown if they are not the
 * root itself.
 */
export const mermaid = (root: Node, links: ReadonlyArray<Node>): string => {
  const itself = (target: string): boolean =>
    DfsPath.key(DfsPath.fromString(target)) === DfsPath.key(DfsPath.fromString(root.path))
  const own = root.targets.length === 1 && itself(root.targets[0]!.target) ? [] : root.targets
  const lines = ["flowchart LR", `  root[${label(root.path)}]`, ...arrows("root", "rootTarget", own)]
  for (const [index, { error, path, targets }] of links.entries()) {
    const name = path.slice(root.path.length + 1)
    lines.push(`  root --> link${index}[${label(error === undefined ? name : `${name}: ${oneLine(error)}`)}]`)
    lines.push(...arrows(`link${index}`, `target${index}`, targets))
  }
  return `${lines.join("\n")}\n`
}

/** Targets that do not answer, or links without targets; they are on standard output. */
export class DeadTargets extends Schema.TaggedError<DeadTargets>()("DeadTargets", {
  path: Schema.String,
  /** Targets that do not answer. */
  dead: Schema.Number,
  /** Links, or the root itself, of which no target answers. */
  unreachable: Schema.Number
}) {
  override get message(): string {
    const targets = this.dead === 1 ? "1 target does not answer" : `${this.dead} targets do not answer`
    return this.unreachable === 0
      ? `${this.path}: ${targets}, and every link has another one`
      : `${this.path}: ${targets}, and ${
        this.unreachable === 1 ? "1 link has" : `${this.unreachable} links have`
      } no other`
  }
}

/** The failure that the nodes of a namespace amount to, if any. */
export const failureOf = (path: string, nodes: ReadonlyArray<Node>): DeadTargets | undefined => {
  const dead = nodes.reduce((sum, { targets }) => sum + targets.filter(({ state }) => state === "down").length, 0)
  const unreachable = nodes.filter(({ targets }) => targets.every(({ state }) => state === "down")).length
  return dead + unreachable === 0 ? undefined : new DeadTargets({ path, dead, unreachable })
}

/** Whether no connection to a server could be made, so that its other shares do not answer either. */
const isOfServer = (error: unknown, server: string): boolean =>
  error instanceof TransportError && fold(error.server) === server

const messageOf = (error: unknown): string => error instanceof Error ? error.message : String(error)

/** The targets with the number of their set: a boundary begins the next one (MS-DFSC 2.2.5.4). */
const inSets = (
  targets: ReadonlyArray<ReferralCache.ReferralTarget>
): ReadonlyArray<Pick<TargetState, "set" | "target">> => {
  let set = 0
  return targets.map(({ path, setBoundary }, index) => {
    if (setBoundary && index > 0) set++
    return { target: DfsPath.toString(path), set }
  })
}

const drawing = (
  tree: NamespaceTree,
  { format, json, now }: { readonly json: boolean; readonly format: typeof formats[number]; readonly now: number }
): string => {
  const { links, root } = tree
  if (json) return Output.jsonLine({ ...root, links })
  switch (format) {
    case "text":
      return textOf(root, "") + links.map((link) => textOf(link, "  ")).join("")
    case "mermaid":
      return mermaid(root, links)
    case "svg":
      return svg(tree)
    case "html":
      return html(tree, now)
  }
}

/** Draws the tree. Fails if the root itself cannot be listed, and after the drawing with `DeadTargets`. */
export const tree = Effect.fnUntraced(function*(
  path: Remote,
  options: { readonly json: boolean; readonly format: typeof formats[number] }
) {
  const smb = yield* SmbClient
  const resolver = yield* DfsResolver.DfsResolver

  /** How the first request to each server ended, by the server's name. */
  const first = new Map<string, Deferred.Deferred<unknown>>()

  /** Asks a target. A server that does not answer is asked once: the other targets on it share the failure. */
  const stateOf = Effect.fnUntraced(function*(found: Pick<TargetState, "set" | "target">) {
    const asked = Effect.match(smb.stat(found.target), { onSuccess: () => undefined, onFailure: (error) => error })
    const stateAfter = (error: unknown): TargetState =>
      error === undefined ? { ...found, state: "up" } : { ...found, state: "down", error: messageOf(error) }
    const server = fold(DfsPath.fromString(found.target)[0] ?? "")
    const before = first.get(server)
    if (before === undefined) {
      const answer = Deferred.makeUnsafe<unknown>()
      first.set(server, answer)
      const error = yield* asked
      yield* Deferred.succeed(answer, error)
      return stateAfter(error)
    }
    const failure = yield* Deferred.await(before)
    if (!isOfServer(failure, server)) return stateAfter(yield* asked)
    return { ...stateAfter(failure), error: `not asked again: ${messageOf(failure)}` }
  })

  const node = Effect.fnUntraced(function*(unc: string) {
    const prefix = DfsPath.fromString(unc)
    const { notes, result } = yield* resolver.trace(unc)
    // The resolver forgets a link whose targets have all failed. The steps still have its referral.
    const answer = notes.flatMap((note) =>
      note._tag === "Answered" && DfsPath.key(DfsPath.fromString(note.prefix)) === DfsPath.key(prefix)
        ? [note.targets]
        : []
    ).at(-1)
    const entry = ReferralCache.get(yield* resolver.cache, prefix)
    const within = Result.isSuccess(result) && result.success.status !== "plain" ? result.success.targets : undefined
    const targets = entry === undefined
      ? (answer ??
        // A folder of a namespace is at the place that its root or link leads to.
        within?.map(({ path, server, share }) => DfsPath.toString([server, share, ...DfsPath.fromString(path)])))
        ?.map((target) => ({ target }))
      : inSets(entry.targets)
    const found: Node = {
      path: unc,
      targets: yield* Effect.forEach(targets ?? [], stateOf, { concurrency: 4 }),
      ...(entry === undefined ? {} : {
        timeToLive: Math.max(0, Math.ceil((entry.expiresAt - (yield* Clock.currentTimeMillis)) / 1000)),
        targetFailback: entry.targetFailback
      }),
      ...(targets !== undefined
        ? {}
        : { error: Result.isFailure(result) ? messageOf(result.failure) : "in no namespace" })
    }
    return found
  })

  const linksBelow = (directory: UncPath.UncPath, depth: number): Effect.Effect<ReadonlyArray<string>, unknown> =>
    Effect.gen(function*() {
      const entries = yield* Stream.runCollect(smb.list(directory))
      const links: Array<string> = []
      for (const entry of entries) {
        if (entry.type !== "directory") continue
        const below = UncPath.join(directory, entry.name)
        if ((entry.fileAttributes & FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT) !== 0) {
          links.push(UncPath.format({ ...below, port: UncPath.defaultPort }))
        } else if (depth < deepest) {
          // A folder that this user cannot list shows no links.
          links.push(...(yield* Effect.orElseSucceed(linksBelow(below, depth + 1), () => [])))
        }
      }
      return links
    })

  const paths = yield* linksBelow(path, 0)
  const root = yield* node(question(path))
  const links = yield* Effect.forEach(paths, node, { concurrency: 4 })
  yield* Output.write(drawing({ root, links }, { ...options, now: yield* Clock.currentTimeMillis }))
  const failure = failureOf(root.path, [root, ...links])
  if (failure !== undefined) return yield* failure
})

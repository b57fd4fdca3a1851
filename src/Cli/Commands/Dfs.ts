/** `effect-smb dfs`: its subcommands, their arguments and their help. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Flags from "../Flags.ts"
import { actions, boolean, root, settings, some, withResolver } from "./Root.ts"

const dfsActions = Effect.promise(() => import("../DfsActions.ts"))

const resolve = Command.make(
  "resolve",
  {
    trace: boolean("trace", "Also show each step with its number in MS-DFSC 3.1.4.1"),
    path: Flags.remote()
  },
  Effect.fnUntraced(function*({ path, trace }) {
    const { options } = yield* settings([path])
    const { resolve, resolvePlain } = yield* actions
    if (options.dfs === "off") return yield* resolvePlain(path, options)
    const dfs = yield* dfsActions
    yield* withResolver([path], trace ? dfs.trace(path, options) : resolve(path, options))
  })
).pipe(
  Command.withDescription(
    "Show where a path leads. With --json: path, resolvedPath, status (root, link, plain), targets in the order in which " +
      "the client tries them. With --trace one object a step comes before it: _tag, step, explanation, and what the step is about."
  ),
  Command.withShortDescription("Show where a path leads")
)

const cache = Command.make(
  "cache",
  { paths: some("Paths to resolve first") },
  Effect.fnUntraced(function*({ paths }) {
    const options = yield* root
    const { cache } = yield* dfsActions
    yield* withResolver(paths, cache(paths, options))
  })
).pipe(
  Command.withDescription(
    "Resolve paths, and show the referrals that this brought: prefixes, their targets (* is the first to use), and how " +
      "long they are valid. With --json: prefix, kind (root, link, absent), interlink, targetFailback, timeToLive in seconds, hint, " +
      "targets with target, setBoundary and dead. A prefix that is absent, or that no target serves, has its error."
  ),
  Command.withShortDescription("Show the referrals that paths bring")
)

const tree = Command.make(
  "tree",
  {
    format: Flag.Literals("format", ["text", "mermaid", "svg", "html"]).pipe(
      Flag.withDescription("Draw text, a mermaid flowchart, a picture (svg), or a page for a browser (html)"),
      Flag.withDefault("text")
    ),
    path: Flags.remote("root", "The root of a namespace, //server/root or //domain/root")
  },
  Effect.fnUntraced(function*({ format, path }) {
    const { json } = yield* root
    const { tree } = yield* Effect.promise(() => import("../DfsTree.ts"))
    yield* withResolver([path], tree(path, { json, format }))
  })
).pipe(
  Command.withDescription(
    "Draw a namespace: its links, their targets in the order in which clients try them, and whether each answers. " +
      "svg and html are files for a browser that need no network. With --json: path, targets (target, state up or " +
      "down, set, error), timeToLive in seconds, targetFailback, links with the same. The exit code is 1 if a target " +
      "does not answer."
  ),
  Command.withShortDescription("Draw a namespace"),
  Command.withExamples([
    { command: "effect-smb dfs tree //corp.test/public", description: "On the terminal" },
    { command: "effect-smb dfs tree --format html //corp.test/public > public.html", description: "For a browser" }
  ])
)

const decode = Command.make(
  "decode",
  {
    words: Argument.String("message").pipe(
      Argument.withDescription(
        "request, request-ex or response; then hexadecimal digits, or none for bytes on standard input"
      ),
      Argument.variadic()
    )
  },
  Effect.fnUntraced(function*({ words }) {
    const { json } = yield* root
    const { explain } = yield* Effect.promise(() => import("../DfsDecode.ts"))
    yield* explain(words, { json })
  })
).pipe(
  Command.withDescription(
    "Explain a referral message field by field: effect-smb dfs decode [request|request-ex|response] [HEX]. Without " +
      "the kind, the command tells which kind the message has. With --json: the fields under MS-DFSC's names."
  ),
  Command.withShortDescription("Explain a referral message"),
  Command.withExamples([
    { command: "effect-smb dfs decode request 04005c006e00610073000000", description: "From hexadecimal digits" },
    { command: "effect-smb dfs decode --json response < referral.bin", description: "From a file" }
  ])
)

/** `effect-smb dfs` */
export const dfs = Command.make("dfs").pipe(
  Command.withDescription("Look into DFS namespaces"),
  Command.withSubcommands([resolve, tree, cache, decode])
)

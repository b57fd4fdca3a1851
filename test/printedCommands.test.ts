/**
 * The commands that the documents print: each is run as it is printed, against this project's server, and prints what
 * the page says.
 *
 * A block of code in `sh` or `console` counts if one of its lines runs `effect-smb`. The blocks of a page run in their
 * order, with one server and one folder for the page. A block that cannot run has a comment
 * `<!-- not run: the reason -->` in front of it.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted, References } from "effect"
import { Credentials, MemoryStore, SmbClient, SmbServer, TcpTransport, UserStore } from "effect-smb"
import { Command } from "effect/cli"
import { type ChildProcess, spawn } from "node:child_process"
import { chmodSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { command } from "../src/Cli/Commands.ts"
import * as Help from "../src/Cli/Help.ts"
import { printed } from "./Cli/served.ts"
import { main } from "./command.ts"

const root = fileURLToPath(new URL("../", import.meta.url))

interface Step {
  readonly command: string
  /** The printed output; empty if the page prints none. */
  readonly expected: ReadonlyArray<string>
}

interface Block {
  readonly page: string
  readonly line: number
  readonly reason: string | undefined
  readonly steps: ReadonlyArray<Step>
}

/** A line that runs the command, perhaps after a variable or a pipe. */
const runs = /(?:^|[|;&] *|\w=\S* )effect-smb /

const fence = /(?:<!-- not run: (.+?) -->\n)?^ *```(\w*)\n([\s\S]*?)^ *```$/gm

/** The blocks of a page that run the command. A block without a language must not look as if it had one. */
const blocksOf = (page: string, text: string): ReadonlyArray<Block> =>
  [...text.matchAll(fence)].flatMap(({ 1: reason, 2: language, 3: body, index }) => {
    const line = text.slice(0, index).split("\n").length
    const steps: Array<{ command: string; expected: Array<string> }> = []
    for (const printed of body!.split("\n").slice(0, -1).map((text) => text.trimEnd())) {
      if (language === "sh") {
        const command = printed.trim().replace(/\s+#.*$/, "")
        if (command !== "") steps.push({ command, expected: [] })
      } else if (printed.startsWith("$ ")) steps.push({ command: printed.slice(2), expected: [] })
      else steps.at(-1)?.expected.push(printed)
    }
    if (!steps.some(({ command }) => runs.test(command))) return []
    assert.include(["sh", "console"], language, `${page}:${line}: name the language of this block: console`)
    return [{ page, line, reason, steps }]
  })

const pages = globSync(["README.md", "docs/**/*.md"], { cwd: root })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => !path.startsWith("docs/api/"))
  .toSorted()
const blocks = pages.flatMap((page) => blocksOf(page, readFileSync(join(root, page), "utf8")))

/** The words of a line as a shell reads them; undefined if the line is more than words. */
const wordsOf = (line: string): ReadonlyArray<string> | undefined => {
  const words: Array<string> = []
  const token = /\s*((?:'[^']*'|"[^"$`\\]*"|\\.|[^\s'"\\|&;<>()$`*?])+)/y
  while (token.lastIndex < line.length) {
    const at = token.lastIndex
    const found = token.exec(line)
    if (found === null) return line.slice(at).trim() === "" ? words : undefined
    words.push(found[1]!.replace(/'([^']*)'|"([^"]*)"|\\(.)/g, (_, one, two, three) => one ?? two ?? three))
  }
  return words
}

/** A line of output without what differs from run to run: numbers, and the width of columns. */
const shape = (line: string): string => line.replace(/\d+/g, "0").replace(/\s+/g, " ").trim()

/** Whether the output is as printed; a printed line `...` stands for any lines. */
const isPrinted = (expected: ReadonlyArray<string>, actual: ReadonlyArray<string>): boolean => {
  const [first, ...rest] = expected
  if (first === undefined) return actual.length === 0
  if (first.trim() === "...") {
    return Array.from({ length: actual.length + 1 }, (_, i) => actual.slice(i)).some((left) => isPrinted(rest, left))
  }
  return actual.length > 0 && shape(first) === shape(actual[0]!) && isPrinted(rest, actual.slice(1))
}

/** The files of the servers; all names of servers lead to one. */
const files: Readonly<Record<string, string>> = {
  "media/readme.txt": "Films and pictures of the family.\n",
  "media/film.mkv": "x".repeat(3_000_000),
  "media/2026/january.jpg": "j".repeat(20_000),
  "media/2026/february.jpg": "f".repeat(30_000),
  "media/2026/holiday/beach.jpg": "b".repeat(40_000),
  "www/old/index.html": "<p>Hello</p>\n",
  "plans/readme.txt": "hello\n"
}

/** The files of the folder in which the commands run. */
const localFiles: Readonly<Record<string, string>> = {
  "site/index.html": "<h1>Hello</h1>\n",
  "site/style.css": "h1 { color: green }\n",
  "site/draft.tmp": "not yet\n",
  "public.json":
    `{ "roots": { "public": { "links": { "plans": ["//nas/plans"], "films": ["//nas/media", "//backup/media"] } } } }\n`
}

const lab = Effect.gen(function*() {
  const { port } = yield* SmbServer.make({
    host: "127.0.0.1",
    port: 0,
    users: UserStore.inMemory({
      joe: { password: Redacted.make("secret"), administrator: true },
      ann: Redacted.make("other")
    }),
    shares: {
      media: MemoryStore.make(),
      www: MemoryStore.make(),
      inbox: MemoryStore.make(),
      plans: MemoryStore.make()
    },
    namespaces: { roots: { public: { links: { plans: ["//nas/plans"], films: ["//nas/media"] } } } }
  })
  yield* Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    for (const [path, content] of Object.entries(files)) {
      const at = `//127.0.0.1:${port}/${path}`
      if (dirname(path).includes("/")) yield* smb.makeDirectory(dirname(at), { recursive: true })
      yield* smb.writeFile(at, content)
    }
  }).pipe(Effect.provide(
    SmbClient.layer().pipe(Layer.provide([
      TcpTransport.layer(),
      Credentials.layer(Credentials.password("joe", Redacted.make("secret")))
    ]))
  ))
  return port
})

/** A folder with local files, in which the process works, with a user in the environment. */
const folder = Effect.acquireRelease(
  Effect.sync(() => {
    const top = mkdtempSync(join(tmpdir(), "effect-smb-printed-"))
    const work = join(top, "work")
    for (const [path, content] of Object.entries(localFiles)) {
      mkdirSync(dirname(join(work, path)), { recursive: true })
      writeFileSync(join(work, path), content)
    }
    const before = { cwd: process.cwd(), env: { ...process.env } }
    process.chdir(work)
    Object.assign(process.env, {
      SMB_USER: "joe",
      SMB_PASSWORD: "secret",
      HOME: top,
      XDG_CONFIG_HOME: top,
      XDG_STATE_HOME: top,
      NO_COLOR: "1"
    })
    return { top, work, before }
  }),
  ({ before, top }) =>
    Effect.sync(() => {
      process.chdir(before.cwd)
      for (const name of Object.keys(process.env)) if (!(name in before.env)) delete process.env[name]
      Object.assign(process.env, before.env)
      rmSync(top, { recursive: true, force: true })
    })
)

interface Ran {
  readonly code: number | null
  readonly lines: ReadonlyArray<string>
}

const linesOf = (text: string) => text.split("\n").filter((line, i, all) => i < all.length - 1 || line !== "")

/** The command in this process. */
const inProcess = (args: ReadonlyArray<string>) =>
  Command.runWith(command, { version: "0" })(args).pipe(
    printed,
    Effect.map(({ failure, out }): Ran => ({
      code: failure?.code ?? 0,
      lines: [...linesOf(out), ...(failure?.message === undefined ? [] : [`effect-smb: ${failure.message}`])]
    })),
    Effect.provide(Layer.mergeAll(
      NodeServices.layer,
      Help.layer,
      Layer.succeed(References.MinimumLogLevel, "Error"),
      // Effect reads the environment once in a process, and other tests have run in this one.
      ConfigProvider.layer(Effect.sync(() => ConfigProvider.fromEnv()))
    ))
  )

/** A line for the shell, in which `effect-smb` is this checkout's command. */
const inShell = (line: string, flags: ReadonlyArray<string>, top: string) =>
  Effect.callback<Ran>((resume) => {
    const bin = join(top, "bin")
    mkdirSync(bin, { recursive: true })
    const program = join(bin, "effect-smb")
    writeFileSync(
      program,
      `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@" ${flags.join(" ")}\n`
    )
    chmodSync(program, 0o755)
    const child = spawn("sh", ["-c", line], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` }
    })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text
      })
    }
    child.on("close", (code) => resume(Effect.succeed({ code, lines: linesOf(output) })))
  })

/** `serve` until it says where it listens; then it is stopped as with Ctrl-C. `serve http` is also a client. */
const serving = (args: ReadonlyArray<string>, flags: ReadonlyArray<string>) =>
  Effect.callback<Ran>((resume) => {
    const more = [...(args.includes("--port") ? [] : ["--port", "0"]), ...(args.includes("http") ? flags : [])]
    const child: ChildProcess = spawn(process.execPath, [main, ...args, ...more], {
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        if (!output.includes("\n") && text.includes("\n")) child.kill("SIGINT")
        output += text
      })
    }
    child.on("close", (code) => resume(Effect.succeed({ code, lines: [] })))
  })

const run = (line: string, port: number, top: string): Effect.Effect<Ran, unknown> => {
  const flags = ["-I", `127.0.0.1:${port}`]
  const [name, ...args] = wordsOf(line) ?? []
  if (name !== "effect-smb") return inShell(line, flags, top)
  return args.includes("serve") ? serving(args, flags) : inProcess([...args, ...flags])
}

/** Windows has no `sh`. */
const isWindows = process.platform === "win32"

describe.skipIf(isWindows)("the commands that the documents print", () => {
  for (const page of new Set(blocks.flatMap((block) => block.reason === undefined ? [block.page] : []))) {
    it.live(`run as ${page} prints them`, () =>
      Effect.scoped(Effect.gen(function*() {
        const port = yield* lab
        const { top } = yield* folder
        const wrong: Array<string> = []
        for (const block of blocks) {
          if (block.page !== page || block.reason !== undefined) continue
          for (const { command, expected } of block.steps) {
            const { code, lines } = yield* run(command, port, top)
            const fails = expected.some((text) => text.startsWith("effect-smb: "))
            const isRight = fails ? code !== 0 : code === 0 || (code === 1 && expected.length > 0)
            // Many files are compared at once, so the lines of a dry run come in any order.
            const inOrder = (all: ReadonlyArray<string>) => command.includes("--dry-run") ? all.toSorted() : all
            if (isRight && (expected.length === 0 || isPrinted(inOrder(expected), inOrder(lines)))) continue
            wrong.push(`${page}:${block.line}: $ ${command}\n${lines.join("\n")}\nexit code ${code}`)
          }
        }
        assert.deepStrictEqual(wrong, [])
      })), 120_000)
  }

  it("are in many pages, and few of them cannot run", () => {
    assert.isAbove(blocks.length, 20)
    const left = blocks.filter(({ reason }) => reason !== undefined).map(({ line: _, page, reason }) =>
      `${page}: ${reason}`
    )
    assert.strictEqual(left.length, 6, left.join("\n"))
  })
})

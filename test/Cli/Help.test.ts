/** The help of every subcommand, in this process: its width and its order, and that the documents name each flag. */
import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { CliConfig, CliOutput, Command, GlobalFlag } from "effect/cli"
import { readdirSync, readFileSync } from "node:fs"
import { command } from "../../src/Cli/Commands.ts"
import { report } from "../../src/Cli/Failure.ts"
import * as Help from "../../src/Cli/Help.ts"

const formatter = CliOutput.defaultFormatter({ colors: false })

const environment = (shown: Array<string>) =>
  Layer.mergeAll(
    NodeServices.layer,
    CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] }),
    CliOutput.layerPresenter({
      present: (event) =>
        Effect.sync(() => {
          if (event._tag === "Help") shown.push(Help.format(formatter, event, 80))
        })
    })
  )

const helpOf = (...words: ReadonlyArray<string>) =>
  Effect.suspend(() => {
    const shown: Array<string> = []
    return Command.runWith(command, { version: "0" })([...words, "--help"]).pipe(
      Effect.provide(environment(shown)),
      Effect.map(() => shown.join(""))
    )
  })

/** The subcommands that a page of help lists. */
const listed = (help: string) =>
  [...help.slice(0, help.search(/^(?:INHERITED )?FLAGS$/m)).matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(([, name]) => name!)

it.live("help has at most 80 columns and its own part first, and the documents name each subcommand and flag", () =>
  Effect.gen(function*() {
    const pages = ["command", "dfs", "hosting"].map((name) =>
      readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), "utf8")
    ).join("")
    const documented = new Set([...pages.matchAll(/--[a-z0-9-]+/g)].map(([flag]) => flag))
    const top = listed(yield* helpOf())
    const subcommands = [[], ...top.map((name) => [name]), ...listed(yield* helpOf("dfs")).map((name) => ["dfs", name])]
    assert.includeMembers(subcommands.map((words) => words.join(" ")), ["ls", "get", "rm", "serve", "dfs", "dfs tree"])
    let flags = 0
    for (const words of subcommands) {
      const name = words.join(" ")
      const help = yield* helpOf(...words)
      assert.include(help, "USAGE")
      if (name !== "") assert.include(pages, `\`${name}`)
      for (const line of help.split("\n")) assert.isAtMost(line.length, 80, `${name}: ${line}`)
      // After the first of the shared flags comes nothing that belongs to the subcommand alone.
      const shared = help.indexOf("\n  --user, -U NAME")
      assert.isAbove(shared, 0)
      const headings = [...help.slice(shared).matchAll(/^[A-Z][A-Za-z ]+:?$/gm)].map(([heading]) => heading)
      assert.deepStrictEqual(headings, ["GLOBAL FLAGS"], name)
      for (const [, long, short] of help.matchAll(/^ {2}(--[a-z0-9-]+)(?:, (-[a-zA-Z0-9]))?/gm)) {
        flags++
        assert(
          long === "--version" || documented.has(long!) || (short !== undefined && pages.includes(`[${short}`)),
          `${name} ${long}`
        )
      }
    }
    assert.isAbove(flags, 150)
  }))

it.live.each([
  { name: "get", usage: "get [flags] <remote...> [<local>]", argument: "remote... [local] string" },
  { name: "put", usage: "put [flags] <local...> <remote>", argument: "local... remote string" },
  { name: "cp", usage: "cp [flags] <from...> <to>", argument: "from... to string" },
  { name: "sync", usage: "sync [flags] <from> <to>", argument: "to string" },
  { name: "check", usage: "check [flags] <from> <to>", argument: "to string" }
])("the usage of $name shows the sources and the target", ({ argument, name, usage }) =>
  Effect.gen(function*() {
    const help = yield* helpOf(name)
    assert.include(help, `\n  effect-smb ${usage}\n`)
    assert.match(help, new RegExp(`^ {2}${argument.replaceAll(/[.[\]]/g, "\\$&")}`, "m"))
  }))

it("the definitions of the subcommands load no client, so that help and usage errors appear at once", () => {
  const folder = new URL("../../src/Cli/Commands/", import.meta.url)
  const files = readdirSync(folder)
  assert.isAbove(files.length, 5)
  for (const file of files) {
    const source = readFileSync(new URL(file, folder), "utf8")
    const loaded = [...source.matchAll(/^import (?!type )(?:.|\n)*?from "([^"]+)"/gm)].map(([, from]) => from!)
    assert.deepStrictEqual(loaded.filter((from) => /^\.\.\/\.\.\/(?!Codec\/)/.test(from)), [], file)
  }
})

it.live("-U name%password, as smbclient takes it, is refused with what to use instead, and the password is not shown", () =>
  Effect.gen(function*() {
    const shown: Array<string> = []
    const failure = yield* Effect.flip(
      Command.runWith(command, { version: "0" })(["ls", "-U", "ann%hush", "//nas/data"]).pipe(
        Effect.provide(environment(shown))
      )
    )
    const { code, message } = report(failure)
    assert.strictEqual(code, 2)
    assert.match(message!, /other users of this machine can see a password on the command line/)
    for (const instead of ["--password-file", "SMB_PASSWORD", "-A", "effect-smb login"]) {
      assert.include(message!, instead)
    }
    assert.notInclude(`${message!}${shown.join("")}`, "hush")
  }))

/** `shell` against the own server on loopback, in this process: what its lines do, its completions and its prompt. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it, vi } from "@effect/vitest"
import { Context, Effect, Fiber, FileSystem, Layer } from "effect"
import { SmbClient } from "effect-smb"
import { Argument, Command, Completions } from "effect/cli"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import { dirname, join } from "node:path"
import { PassThrough } from "node:stream"
import { command } from "../../src/Cli/Commands.ts"
import * as Help from "../../src/Cli/Help.ts"
import * as PlatformPaths from "../../src/Cli/PlatformPaths.ts"
import * as Completion from "../../src/Cli/Shell/Completion.ts"
import * as History from "../../src/Cli/Shell/History.ts"
import * as Prompt from "../../src/Cli/Shell/Prompt.ts"
import { main } from "../command.ts"
import * as Served from "./served.ts"

/** A server with some files; the client's own view of it; and a local folder, which is the current one. */
const world = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const { port } = yield* Served.server()
  const context = yield* Layer.build(Served.client({ port }))
  const smb = Context.get(context, SmbClient.SmbClient)
  const base = `//127.0.0.1:${port}/data`
  yield* smb.makeDirectory(`${base}/plans/deep dir`, { recursive: true })
  yield* smb.writeFile(`${base}/plans/a.txt`, "one")
  yield* smb.writeFile(`${base}/plans/b.txt`, "two")
  yield* smb.writeFile(`${base}/top.txt`, "top")
  const folder = yield* fs.realPath(yield* fs.makeTempDirectoryScoped())
  const account = join(folder, ".account")
  yield* fs.writeFileString(account, "username = joe\npassword = secret\n")
  const before = process.cwd()
  process.chdir(folder)
  yield* Effect.addFinalizer(() => Effect.sync(() => process.chdir(before)))
  /** Runs `shell -c` with these lines, from a directory below the share. */
  const shell = (lines: string | ReadonlyArray<string>, from = "", ...flags: ReadonlyArray<string>) =>
    Served.printed(
      Command.runWith(command, { version: "0" })([
        "shell",
        ...[lines].flat().flatMap((line) => ["-c", line]),
        `${base}${from}`,
        "-A",
        account,
        ...flags
      ]).pipe(Effect.provide(Help.layer))
    )
  return { base, context, folder, shell, smb }
})

type World = Effect.Success<typeof world>

const inWorld = <A, E, R>(use: (world: World) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(world, use).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

describe("the lines of a shell", () => {
  it.live("have a current directory on the server and a local one, for every subcommand", () =>
    inWorld(({ base, folder, shell, smb }) =>
      Effect.gen(function*() {
        Fs.mkdirSync(join(folder, "here"))
        Fs.writeFileSync(join(folder, "here", "new.txt"), "new")
        const { err, failure, lines } = yield* shell([
          "pwd; cd plans; pwd; ls --sort name; cat ./b.txt; cd ..; cd -; cd",
          "lcd here; put new.txt; put new.txt plans/renamed.txt; mv plans/a.txt /moved.txt",
          "get plans/b.txt; get top.txt copy.txt; cp file:new.txt 'plans/deep dir/'; mkdir -p plans/x/y; rm plans/renamed.txt",
          "cd 'plans/deep dir'; stat ../../moved.txt --json"
        ])
        assert.strictEqual(err, "")
        assert.isUndefined(failure)
        assert.deepStrictEqual(lines.slice(0, 6), [
          base,
          `${base}/plans`,
          "a.txt",
          "b.txt",
          "deep dir/",
          `two${base}/plans`
        ])
        assert.deepInclude(JSON.parse(lines.at(-1)!), { name: "moved.txt", size: 3 })
        assert.deepStrictEqual(Fs.readdirSync(join(folder, "here")).toSorted(), ["b.txt", "copy.txt", "new.txt"])
        assert.strictEqual(Fs.readFileSync(join(folder, "here", "copy.txt"), "utf8"), "top")
        assert.strictEqual(yield* smb.readFileString(`${base}/new.txt`), "new")
        assert.strictEqual(yield* smb.readFileString(`${base}/plans/deep dir/new.txt`), "new")
        assert.isTrue(yield* smb.exists(`${base}/plans/x/y`))
        assert.isFalse(yield* smb.exists(`${base}/plans/renamed.txt`))
      })
    ))

  it.live("name another server only if its entry in servers.json is that of the shell's server", () =>
    inWorld(({ base, folder, shell }) =>
      Effect.gen(function*() {
        const before = process.env.XDG_CONFIG_HOME
        process.env.XDG_CONFIG_HOME = folder
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            if (before === undefined) delete process.env.XDG_CONFIG_HOME
            else process.env.XDG_CONFIG_HOME = before
          })
        )
        const know = (servers: unknown) => {
          const file = PlatformPaths.serversFile()
          Fs.mkdirSync(dirname(file), { recursive: true })
          Fs.writeFileSync(file, JSON.stringify({ servers }), { mode: 0o600 })
        }
        const other = base.replace("127.0.0.1", "127.0.0.2")
        const keyring = { user: "joe", password: "keyring" }
        for (
          const servers of [
            { "127.0.0.2": { encryption: "required" } },
            { "127.0.0.1": { encryption: "if-offered" } },
            { "127.0.0.1": keyring, "127.0.0.2": keyring }
          ]
        ) {
          know(servers)
          for (const line of [`ls ${other}`, `cd ${other}`, `cp top.txt ${other}/x`, `info ${other}`]) {
            const { err, failure } = yield* shell(line)
            assert.include(err, "different entries for 127.0.0.1 and 127.0.0.2", line)
            assert.include(err, "start another shell", line)
            assert.deepInclude(failure, { code: 2 })
          }
        }
        know({ "*": { user: "joe", password: "keyring" } })
        assert.notInclude((yield* shell(`ls ${other}`)).err, "different entries")
      })
    ))

  it.live("end at the first failed command, which decides the exit code: nothing is removed in another directory", () =>
    inWorld(({ base, shell, smb }) =>
      Effect.gen(function*() {
        const failed = yield* shell(["cd nowhere; rm -r plans top.txt", "rm top.txt"])
        assert.match(failed.err, /^effect-smb: .*nowhere.*STATUS_OBJECT_NAME_NOT_FOUND[^\n]*\n$/)
        assert.strictEqual(failed.failure?.code, 1)
        assert.isTrue(yield* smb.exists(`${base}/top.txt`))
        // A file is no directory.
        assert.match((yield* shell("cd top.txt; rm top.txt")).err, /STATUS_NOT_A_DIRECTORY/)
        assert.isTrue(yield* smb.exists(`${base}/top.txt`))
        const wrong = yield* shell("ls --bogus")
        assert.match(wrong.err, /--bogus.*\(see help ls\)/)
        assert.strictEqual(wrong.failure?.code, 2)
        for (
          const [line, pattern] of [
            ["cd ../..", /above its share/],
            ["ls ''", /an empty word is no path/],
            ["put - x", /standard input belongs to the shell/],
            ["cd smb://ann@127.0.0.1/data", /one user/],
            ["ls 'a", /not closed/],
            ["shell //a/b", /Unknown subcommand "shell" .*\(see help\)/],
            ["cd -", /no other directory/],
            ["rm", /remote/]
          ] as const
        ) {
          const { err, failure } = yield* shell(line)
          assert.match(err, pattern)
          assert.strictEqual(failure?.code, 2, line)
        }
        const ended = yield* shell("exit; rm top.txt")
        assert.isUndefined(ended.failure)
        assert.isTrue(yield* smb.exists(`${base}/top.txt`))
      })
    ))

  it.live("share one session, and show help without the name of the whole command", () =>
    inWorld(({ shell }) =>
      Effect.gen(function*() {
        const log = vi.spyOn(console, "log").mockImplementation(() => {})
        const { err, failure } = yield* shell("ls; cd plans; cat a.txt; stat b.txt; df; help; help rm", "", "-v")
        const out = log.mock.calls.flat().join("\n")
        log.mockRestore()
        assert.isUndefined(failure)
        // The two legs of one logon.
        assert.lengthOf(err.match(/^< .*SESSION_SETUP/gm)!, 2)
        assert.match(out, /^ {2}lcd {2,}\S/m)
        assert.match(out, /^ {2}rm \[flags\] <remote\.\.\.>/m)
        assert.notInclude(out, "effect-smb")
      })
    ))
})

it.live(
  "a process runs the lines of its standard input, and ends at the first failed one with its exit code",
  () =>
    inWorld(({ base, folder }) =>
      Effect.gen(function*() {
        const run = (input: string) =>
          Effect.callback<{ readonly code: number | null; readonly out: string; readonly err: string }>((resume) => {
            const child = spawn(process.execPath, [main, "shell", base, "-A", join(folder, ".account")])
            let [out, err] = ["", ""]
            child.stdout.on("data", (data) => (out += data))
            child.stderr.on("data", (data) => (err += data))
            child.on("close", (code) => resume(Effect.succeed({ code, out, err })))
            child.stdin.end(input)
          })
        const [good, bad] = yield* Effect.all([run("cd plans\nls a*; pwd # both"), run("pwd\ncat none\npwd\n")])
        assert.deepStrictEqual(good, { code: 0, out: `a.txt\n${base}/plans\n`, err: "" })
        assert.deepInclude(bad, { code: 1, out: `${base}\n` })
        assert.match(bad.err, /^effect-smb: [^\n]*none[^\n]*\n$/)
      })
    ),
  { timeout: 120_000 }
)

/** The subcommands of a small shell. */
const tree = Completions.fromCommand(
  Command.make("top").pipe(
    Command.withSubcommands([
      ...["ls", "lcd", "get", "put", "cp"].map((name) =>
        Command.make(name, { words: Argument.String("w").pipe(Argument.variadic()) })
      ),
      Command.make("dfs").pipe(Command.withSubcommands([Command.make("tree"), Command.make("resolve")]))
    ])
  )
)

describe("completion", () => {
  it.live("finds subcommands, flags, names on the server in any case, and local names where they belong", () =>
    inWorld(({ base, context, folder }) =>
      Effect.gen(function*() {
        Fs.mkdirSync(join(folder, "pictures"))
        Fs.writeFileSync(join(folder, "plan.doc"), "")
        const start = Served.path(base)
        const here = { path: start, previous: undefined, start }
        const complete = (text: string) =>
          Effect.map(
            Completion.complete(tree, here, text),
            ({ candidates, replaced }) => [replaced, ...candidates]
          )
        const table: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
          ["l", ["l", "lcd ", "ls "]],
          ["dfs t", ["t", "tree "]],
          ["ls --j", ["--j", "--json "]],
          ["ls PL", ["PL", "plans/"]],
          ["ls plans/", ["plans/", "plans/a.txt ", "plans/b.txt ", "plans/deep\\ dir/"]],
          ["ls plans/deep\\ ", ["plans/deep\\ ", "plans/deep\\ dir/"]],
          ["ls 'plans/de", ["'plans/de", "'plans/deep dir/"]],
          ["ls \"plans/a", ["\"plans/a", "\"plans/a.txt\" "]],
          ["cd x; get to", ["to", "top.txt "]],
          ["ls nowhere/", ["nowhere/"]],
          ["lcd p", ["p", "pictures/", "plan.doc "]],
          ["put pi", ["pi", "pictures/"]],
          ["put plan.doc p", ["p", "pictures/", "plan.doc ", "plans/"]],
          ["get top.txt p", ["p", "pictures/", "plan.doc ", "plans/"]],
          ["cp file:p", ["file:p", "file:pictures/", "file:plan.doc "]],
          ["cp pl", ["pl", "plans/"]],
          // A key opens no connection to another server.
          [`ls ${base.replace("127.0.0.1", "localhost")}/pl`, [`${base.replace("127.0.0.1", "localhost")}/pl`]],
          ["ls # pl", [""]],
          ["nothing pl", ["pl"]]
        ]
        for (const [text, expected] of table) assert.deepStrictEqual(yield* complete(text), expected, text)
      }).pipe(Effect.provideContext(context))
    ))
})

describe("the prompt", () => {
  const directory = Served.path("//nas/media/2026")

  it("has the directory, cut at its start if it leaves too little of the line", () => {
    assert.strictEqual(Prompt.text(directory, 80), "//nas/media/2026> ")
    const long = Prompt.text(Served.path(`//nas/media/${"x".repeat(60)}/end`), 80)
    assert.lengthOf(long, 42)
    assert.match(long, /^….*x\/end> $/)
  })

  it.live("edits, completes, remembers, drops a line at Ctrl-C, keeps what is typed ahead, and ends at Ctrl-D", () =>
    Effect.gen(function*() {
      const modes: Array<boolean> = []
      const input = Object.assign(new PassThrough(), { setRawMode: (raw: boolean) => modes.push(raw) })
      const output = Object.assign(new PassThrough(), { columns: 80 })
      /** Waits until the terminal shows a text. */
      const shows = (text: string) =>
        Effect.callback<void>((resume) => {
          const look = (chunk: Buffer) => {
            if (String(chunk).includes(text)) resume(Effect.sync(() => void output.off("data", look)))
          }
          output.on("data", look)
        })
      output.resume()
      const { ask } = yield* Prompt.make({
        history: ["first", "ls plans"],
        limit: 10,
        isKept: History.isKept,
        complete: (text) => Effect.succeed({ candidates: text === "cat a" ? ["a.txt "] : [], replaced: "a" }),
        input,
        output
      })
      const type = (keys: string) => Effect.tap(Effect.sleep(0), () => Effect.sync(() => input.write(keys)))
      const after = (keys: string) =>
        Effect.map(Effect.all([ask(directory), type(keys)], { concurrency: 2 }), ([line]) => line)
      assert.strictEqual(yield* after("pwd\r"), "pwd")
      assert.deepStrictEqual([modes[0], modes.at(-1)], [true, false])
      // The line before the last one.
      assert.strictEqual(yield* after("\x1b[A\x1b[A\r"), "ls plans")
      // A tab inside of pasted text is no key.
      const completing = yield* Effect.forkChild(ask(directory))
      yield* type("cat a")
      yield* Effect.all([shows(".txt"), type("\t")], { concurrency: 2 })
      yield* type("\r")
      assert.strictEqual(yield* Fiber.join(completing), "cat a.txt ")
      assert.strictEqual(yield* after("rm everything\x03ls\r"), "ls")
      // No password comes back.
      assert.strictEqual(yield* after("ls smb://joe:hush@nas/x\r"), "ls smb://joe:hush@nas/x")
      assert.strictEqual(yield* after("\x1b[A\r"), "ls")
      assert.strictEqual(yield* after("one\rtwo\r"), "one")
      assert.strictEqual(yield* ask(directory), "two")
      assert.isUndefined(yield* after("\x04"))
      assert.isUndefined(yield* ask(directory))
    }).pipe(Effect.scoped))
})

it.live("the history is in a file for its user alone, and grows to twice its limit at most", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = join(yield* fs.makeTempDirectoryScoped(), "state", "shell-history")
    assert.deepStrictEqual(yield* History.load(path), [])
    for (const line of ["ls", "cd smb://joe:hush@nas/x", "cd plans"]) yield* History.add(path, line)
    assert.deepStrictEqual(yield* History.load(path), ["ls", "cd plans"])
    assert.strictEqual(Fs.statSync(path).mode & 0o777, 0o600)
    const many = Array.from({ length: 2 * History.limit }, (_, i) => `ls ${i}`)
    Fs.writeFileSync(path, many.map((line) => `${line}\n`).join(""))
    assert.deepStrictEqual(yield* History.load(path), many.slice(-History.limit))
    assert.strictEqual(Fs.readFileSync(path, "utf8").split("\n").length, History.limit + 1)
    assert.strictEqual(Fs.statSync(path).mode & 0o777, 0o600)
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, type Scope } from "effect"
import { Credentials, SmbClient, TcpTransport } from "effect-smb"
import { type ChildProcess, spawn } from "node:child_process"
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { configurationPath } from "../../src/Cli/ServeOptions.ts"

const main = fileURLToPath(new URL("../../src/Cli/main.ts", import.meta.url))

interface Run {
  readonly child: ChildProcess
  /** The first line of the output, once it is there, or the whole where it ends before. */
  readonly first: Promise<string>
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>
}

/** Runs `serve` with a configuration folder of its own, which is empty unless `home` is one. */
const serve = (home: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  Effect.acquireRelease(
    Effect.sync((): Run => {
      const child = spawn(process.execPath, [main, "serve", "--port", "0", ...args], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, SMB_USER: "", NO_COLOR: "1", XDG_CONFIG_HOME: home, ...env }
      })
      let stdout = ""
      let stderr = ""
      let line = (_: string) => {}
      const first = new Promise<string>((resolve) => {
        line = resolve
      })
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        stdout += text
        if (stdout.includes("\n")) line(stdout.split("\n")[0]!)
      })
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr += text
      })
      const ended = new Promise<Awaited<Run["ended"]>>((resolve) => {
        child.on("close", (code) => {
          line(stdout)
          resolve({ code, stdout, stderr })
        })
      })
      return { child, first, ended }
    }),
    ({ child, ended }) =>
      Effect.promise(() => {
        child.kill("SIGKILL")
        return ended
      })
  )

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "effect-smb-serve-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const client = (user: string, password: string): Effect.Effect<SmbClient.Client, never, Scope.Scope> =>
  Effect.map(
    Layer.build(
      SmbClient.layer({}).pipe(
        Layer.provide([TcpTransport.layer, Credentials.layer(Credentials.password(user, Redacted.make(password)))])
      )
    ),
    (context) => Context.get(context, SmbClient.SmbClient)
  )

const listening = (run: Run) => Effect.promise(async () => JSON.parse(await run.first))

const live = (name: string, effect: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(name, () => Effect.scoped(effect), 30_000)

describe("effect-smb serve", () => {
  live(
    "serves a folder to a user, and stops on SIGINT with all that was written in place",
    Effect.gen(function*() {
      const home = yield* folder
      const run = yield* serve(home, [home, "--user", "joe", "--json"], { SMB_PASSWORD: "secret" })
      const said = yield* listening(run)
      assert.strictEqual(said.event, "listening")
      assert.strictEqual(said.host, "127.0.0.1")
      assert.deepStrictEqual(said.shares, ["share"])
      assert.isFalse("password" in said)
      const smb = yield* client("joe", "secret")
      yield* smb.writeFile(`\\\\127.0.0.1:${said.port}\\share\\a.txt`, "kept")
      run.child.kill("SIGINT")
      const { code, stdout } = yield* Effect.promise(() => run.ended)
      assert.strictEqual(code, 0)
      assert.strictEqual(yield* Effect.promise(() => readFile(join(home, "a.txt"), "utf8")), "kept")
      for (const line of stdout.trim().split("\n")) assert.doesNotThrow(() => JSON.parse(line))
      assert.notInclude(stdout, "secret")
    })
  )

  live(
    "makes up a user where none is named, says how to connect, and ends on SIGTERM",
    Effect.gen(function*() {
      const run = yield* serve(yield* folder, [])
      const first = yield* Effect.promise(() => run.first)
      const port = /^Listening on 127\.0\.0\.1, port (\d+)\./.exec(first)?.[1]
      run.child.kill("SIGTERM")
      const { code, stdout } = yield* Effect.promise(() => run.ended)
      assert.strictEqual(code, 0)
      assert.match(stdout, /User smb, for this run with the password \S{16}\./)
      assert.include(stdout, `net use Z: \\\\127.0.0.1\\share /tcpport:${port}`)
      assert.include(stdout, `open smb://smb@127.0.0.1:${port}/share`)
      assert.include(stdout, `mount -t cifs //127.0.0.1/share /mnt -o port=${port},username=smb`)
    })
  )

  live(
    "reads the configuration file, users from a file, and lets flags go before it",
    Effect.gen(function*() {
      const home = yield* folder
      const { users } = yield* Effect.promise(async () => {
        const paths = { users: join(home, "users"), config: join(home, "effect-smb") }
        await mkdir(paths.config)
        await mkdir(join(home, "files"))
        await writeFile(join(home, "files", "f.txt"), "file")
        // The NT hash of "password".
        await writeFile(paths.users, "# users\njoe:secret\nann:8846f7eaee8fb117ad06bdd830b7586c\n", { mode: 0o600 })
        const configuration = {
          users: paths.users,
          readOnly: true,
          shares: { files: join(home, "files"), mem: { comment: "memory" } },
          namespace: { roots: { public: { links: { files: ["\\\\127.0.0.1\\files"] } } } }
        }
        await writeFile(join(paths.config, "config.json"), JSON.stringify(configuration))
        return paths
      })
      const run = yield* serve(home, ["--json", "--users", users, "--share", `more=${home}`, "--host", "127.0.29.21"])
      const { host, port, shares } = yield* listening(run)
      assert.strictEqual(host, "127.0.29.21")
      assert.deepStrictEqual(shares, ["files", "mem", "more", "public"])
      const base = `\\\\${host}:${port}`
      for (const [user, password] of [["joe", "secret"], ["ANN", "password"]] as const) {
        const smb = yield* client(user, password)
        assert.strictEqual(yield* smb.readFileString(`${base}\\files\\f.txt`), "file")
        const error = yield* Effect.flip(smb.writeFile(`${base}\\mem\\x`, "x"))
        assert.strictEqual(error._tag === "SmbError" ? error.reason : error._tag, "AccessDenied")
      }
      const wrong = yield* Effect.flip((yield* client("ann", "8846f7eaee8fb117ad06bdd830b7586c")).stat(`${base}\\mem`))
      assert.strictEqual(wrong._tag === "SmbError" ? wrong.reason : wrong._tag, "LogonFailure")
    })
  )

  live(
    "says in one line what is wrong",
    Effect.gen(function*() {
      const home = yield* folder
      const users = join(home, "users")
      const bad = join(home, "bad.json")
      yield* Effect.promise(async () => {
        await writeFile(users, "joe:secret\n")
        await chmod(users, 0o644)
        await writeFile(bad, "{\"roots\":{\"r\":{\"links\":{\"a\":[\"server\"]}}}}")
      })
      const complaints: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: number, words: RegExp]> = [
        [["--users", users], 1, /others than its owner may read or change it; `chmod 600` it/],
        [["--users", `${users}.none`], 1, /there is no such file/],
        [["--namespace", bad], 1, /bad\.json: .*a target is/],
        [["--share", "nothing"], 2, /name=folder/],
        [["--share", "ipc$=/tmp"], 2, /"ipc\$" cannot be a share's name/],
        [["--user", "joe"], 2, /no password for joe/],
        [[join(home, "none")], 1, /there is no such folder/],
        [["--host", "203.0.113.1"], 1, /this machine has no such address/]
      ]
      yield* Effect.forEach(complaints, ([args, code, words]) =>
        Effect.gen(function*() {
          const { ended } = yield* serve(home, args, { SMB_PASSWORD: "" })
          const end = yield* Effect.promise(() => ended)
          assert.match(end.stderr, words)
          assert.strictEqual(end.code, code, end.stderr)
          assert.strictEqual(end.stderr.trim().split("\n").length, 1)
          assert.notInclude(end.stderr, "secret")
        }), { concurrency: 2, discard: true })
    })
  )

  it("looks for its configuration where each platform keeps such", () => {
    assert.strictEqual(configurationPath({ XDG_CONFIG_HOME: "/x" }, "linux"), join("/x", "effect-smb", "config.json"))
    assert.match(configurationPath({}, "darwin"), /\.config.effect-smb.config\.json$/)
    assert.strictEqual(configurationPath({ APPDATA: "/a" }, "win32"), join("/a", "effect-smb", "config.json"))
  })
})

/**
 * `effect-smb serve` on loopback: options, configuration file, users, namespace, log and signals, with our own client as
 * the peer. What it refuses before it listens runs in this process, and all else as a process.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Schedule, type Scope, Stream } from "effect"
import { Credentials, OpenMode, SmbClient, TcpTransport } from "effect-smb"
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as PlatformPaths from "../../src/Cli/PlatformPaths.ts"
import { main } from "../command.ts"
import { LeaseClient } from "../Server/LeaseClient.ts"
import { granted, joe, PERSISTENT, PERSISTENT_HANDLES, reconnect, request } from "../Server/Restarts.ts"
import * as CommandLine from "./commandLine.ts"

interface Run {
  readonly child: ChildProcess
  /** The first line of the output as soon as it is written, or the whole output if that ends without a line. */
  readonly first: Promise<string>
  /** The output so far. */
  readonly output: () => string
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>
}

/** The variables that make a folder the home of configuration and state; macOS knows only the home. */
const folders = (home: string) => ({ HOME: home, XDG_CONFIG_HOME: home, XDG_STATE_HOME: home })

/** Runs `serve` with `home` as its folder for configuration and state. */
const serve = (home: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  Effect.acquireRelease(
    Effect.sync((): Run => {
      const child = spawn(process.execPath, [main, "serve", "--port", "0", ...args], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, SMB_USER: "", NO_COLOR: "1", ...folders(home), ...env }
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
      return { child, first, output: () => stdout, ended }
    }),
    ({ child, ended }) =>
      Effect.promise(() => {
        child.kill("SIGKILL")
        return ended
      })
  )

/** A run of `serve` in this process that is expected to be refused. */
const refused = (home: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  CommandLine.run(["serve", "--port", "0", ...args], { env: { ...folders(home), ...env } }).pipe(
    Effect.timeout("30 seconds")
  )

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "effect-smb-serve-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const client = (user: string, password: string): Effect.Effect<SmbClient.Client, never, Scope.Scope> =>
  Effect.map(
    Layer.build(
      SmbClient.layer({ reconnect: "never" }).pipe(
        Layer.provide([TcpTransport.layer(), Credentials.layer(Credentials.password(user, Redacted.make(password)))])
      )
    ),
    (context) => Context.get(context, SmbClient.SmbClient)
  )

const listening = (run: Run) => Effect.promise(async () => JSON.parse(await run.first))

const ended = (run: Run) => Effect.promise(() => run.ended)

const live = (name: string, effect: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(name, () => Effect.scoped(effect), 60_000)

// On Windows a process cannot send another one SIGINT, and files have no mode.
describe.skipIf(process.platform === "win32")("effect-smb serve", () => {
  live(
    "serves a folder to a user, and on SIGINT exits with 0 and keeps the written file",
    Effect.gen(function*() {
      const home = yield* folder
      const run = yield* serve(home, [home, "--user", "joe", "--json", "--dialect", "2.1,3.0"], {
        SMB_PASSWORD: "secret"
      })
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
      const events = stdout.trim().split("\n").map((line) => JSON.parse(line))
      assert.strictEqual(events.find(({ event }) => event === "logon")?.dialect, "3.0")
      assert.notInclude(stdout, "secret")
    })
  )

  live(
    "creates a user with a password by default, says how to connect, and exits with 0 on SIGTERM",
    Effect.gen(function*() {
      const run = yield* serve(yield* folder, [])
      const first = yield* Effect.promise(() => run.first)
      const port = /^Listening on 127\.0\.0\.1, port (\d+)\./.exec(first)?.[1]
      run.child.kill("SIGTERM")
      const { code, stdout } = yield* Effect.promise(() => run.ended)
      assert.strictEqual(code, 0)
      assert.match(stdout, /User smb, for this run with the password \S{16}\./)
      assert.include(stdout, `net use Z: \\\\127.0.0.1\\share /user:smb /tcpport:${port}`)
      assert.include(stdout, `open smb://smb@127.0.0.1:${port}/share`)
      assert.include(stdout, `mount -t cifs //127.0.0.1/share /mnt -o port=${port},username=smb`)
    })
  )

  live(
    "prints NAME as the user of the mount line when users exist, and guest only with --guest",
    Effect.gen(function*() {
      const home = yield* folder
      const users = join(home, "users")
      yield* Effect.promise(() => writeFile(users, "joe:secret\n", { mode: 0o600 }))
      for (const [flags, name] of [[["--users", users], "NAME"], [["--users", users, "--guest"], "guest"]] as const) {
        const run = yield* serve(home, [home, ...flags])
        yield* Effect.promise(() => run.first)
        run.child.kill("SIGTERM")
        const { stdout } = yield* ended(run)
        assert.match(stdout, new RegExp(`mount -t cifs .*,username=${name}\n`))
      }
    })
  )

  live(
    "reads the configuration file and the users file, and adds the share of a flag",
    Effect.gen(function*() {
      const home = yield* folder
      const { users } = yield* Effect.promise(async () => {
        const paths = { users: join(home, "users"), config: join(home, "effect-smb") }
        await mkdir(paths.config)
        await mkdir(join(home, "files"))
        await mkdir(join(home, "more"))
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
      const run = yield* serve(home, [
        "--json",
        "--users",
        users,
        "--share",
        `more=${home}/more`,
        "--host",
        "127.0.29.21"
      ])
      const { host, port, shares } = yield* listening(run)
      assert.strictEqual(host, "127.0.29.21")
      assert.deepStrictEqual(shares, ["files", "mem", "more", "public"])
      const base = `\\\\${host}:${port}`
      for (const [user, password] of [["joe", "secret"], ["ANN", "password"]] as const) {
        const smb = yield* client(user, password)
        assert.strictEqual(yield* smb.readFileString(`${base}\\files\\f.txt`), "file")
        const error = yield* Effect.flip(smb.writeFile(`${base}\\mem\\x`, "x"))
        assert.strictEqual(error._tag === "SmbError" ? error.reason._tag : error._tag, "AccessDenied")
      }
      // The server creates nothing in folders that are read-only.
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(home, "files"))), ["f.txt"])
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(home, "more"))), [])
      const wrong = yield* Effect.flip((yield* client("ann", "8846f7eaee8fb117ad06bdd830b7586c")).stat(`${base}\\mem`))
      assert.strictEqual(wrong._tag === "SmbError" ? wrong.reason._tag : wrong._tag, "LogonFailure")
    })
  )

  live(
    "limits shares to the administrators of the configuration file, and to the rights of `security`",
    Effect.gen(function*() {
      const home = yield* folder
      yield* Effect.promise(async () => {
        await mkdir(join(home, "effect-smb"))
        await writeFile(join(home, "users"), "joe:secret\nann:secret\n", { mode: 0o600 })
        const configuration = {
          users: join(home, "users"),
          administrators: ["JOE"],
          shares: { all: {}, private: { administrators: true }, some: { security: "D:(A;;FR;;;BA)" } }
        }
        await writeFile(join(home, "effect-smb", "config.json"), JSON.stringify(configuration))
      })
      const { port } = yield* listening(yield* serve(home, ["--json"]))
      const base = `\\\\127.0.0.1:${port}`
      const joe = yield* client("joe", "secret")
      yield* joe.writeFile(`${base}\\private\\a`, "x")
      yield* joe.stat(`${base}\\some`)
      const ann = yield* client("ann", "secret")
      yield* ann.writeFile(`${base}\\all\\a`, "x")
      for (
        const refused of [
          ann.stat(`${base}\\private\\a`),
          ann.stat(`${base}\\some`),
          joe.writeFile(`${base}\\some\\a`, "x")
        ]
      ) {
        const error = yield* Effect.flip(refused)
        assert.strictEqual(error._tag === "SmbError" ? error.reason._tag : error._tag, "AccessDenied")
      }
    })
  )

  live(
    "refuses a configuration file with a security descriptor that is none, or has no DACL",
    Effect.gen(function*() {
      const home = yield* folder
      const config = join(home, "c.json")
      for (
        const [security, expected] of [["D:(A;;FA;;;DA)", /at byte 11: expected the SID of DA as numbers/], [
          "O:BA",
          /DACL/
        ]] as const
      ) {
        yield* Effect.promise(() => writeFile(config, JSON.stringify({ shares: { some: { security } } })))
        const { code, stderr } = yield* refused(home, ["--config", config])
        assert.strictEqual(code, 1)
        assert.match(stderr, expected)
      }
    })
  )

  live(
    "serves a folder under two names, and refuses a folder that is served, nested or copied",
    Effect.gen(function*() {
      const home = yield* folder
      const outer = join(home, "outer")
      const inner = join(outer, "inner")
      yield* Effect.promise(() => mkdir(inner, { recursive: true }))
      const both = yield* serve(home, ["--json", "--share", `a=${outer}`, "--share", `b=${outer}`])
      assert.deepStrictEqual((yield* listening(both)).shares, ["a", "b"])
      const complaint = (args: ReadonlyArray<string>, path: string) =>
        Effect.gen(function*() {
          const { code, stderr } = yield* refused(home, args)
          assert.strictEqual(code, 1)
          assert.include(stderr, `effect-smb: ${path}: `)
          return stderr
        })
      // While the first process runs.
      assert.include(yield* complaint(["--share", `a=${outer}`], outer), "another process serves this folder")
      both.child.kill("SIGTERM")
      yield* ended(both)
      const nested = yield* complaint(["--share", `a=${outer}`, "--share", `b=${inner}`], inner)
      assert.include(nested, `it lies in ${outer}`)
      const copy = join(home, "copy")
      yield* Effect.promise(() => cp(outer, copy, { recursive: true }))
      assert.match(yield* complaint(["--share", `a=${copy}`], copy), /copied or restored.*remove \.effect-smb/)
    })
  )

  live(
    "reloads the namespace file while it runs, and keeps the old namespace when the file is invalid",
    Effect.gen(function*() {
      const home = yield* folder
      const file = join(home, "namespace.json")
      const write = (text: string) =>
        Effect.promise(async () => {
          await writeFile(`${file}.new`, text)
          await rename(`${file}.new`, file)
        })
      const links = (names: ReadonlyArray<string>) =>
        JSON.stringify({
          roots: { public: { links: Object.fromEntries(names.map((name) => [name, ["\\\\127.0.0.1\\share"]])) } }
        })
      yield* write(links(["one"]))
      const run = yield* serve(home, [home, "--namespace", file, "--user", "joe", "--json"], { SMB_PASSWORD: "secret" })
      const { port } = yield* listening(run)
      const smb = yield* client("joe", "secret")
      const names = Effect.map(
        Stream.runCollect(smb.list(`\\\\127.0.0.1:${port}\\public`)),
        (entries) => entries.map(({ name }) => name).toSorted()
      )
      const until = (wanted: ReadonlyArray<string>) =>
        Effect.repeat(names, {
          until: (found) => found.join() === wanted.join(),
          schedule: Schedule.spaced("50 millis")
        })
      assert.deepStrictEqual(yield* names, ["one"])
      yield* write(links(["one", "two"]))
      yield* until(["one", "two"])
      yield* write("{ this is no namespace")
      yield* Effect.repeat(Effect.sync(run.output), {
        until: (output) => output.includes("namespace refused"),
        schedule: Schedule.spaced("50 millis")
      })
      assert.deepStrictEqual(yield* names, ["one", "two"])
      yield* write(links(["three"]))
      yield* until(["three"])
      run.child.kill("SIGINT")
      const { stdout } = yield* ended(run)
      const events = stdout.trim().split("\n").map((line) => JSON.parse(line))
      assert.lengthOf(events.filter(({ event }) => event === "namespace"), 2)
      assert.match(events.find(({ event }) => event === "namespace refused").reason, /namespace\.json/)
      // The client logged on once.
      assert.lengthOf(events.filter(({ event }) => event === "logon"), 1)
    })
  )

  live(
    "enforces the limits of the configuration file, and exits with 1 for a limit that is invalid",
    Effect.gen(function*() {
      const home = yield* folder
      const config = join(home, "limited.json")
      const write = (limits: object) => Effect.promise(() => writeFile(config, JSON.stringify({ limits })))
      yield* write({ unauthenticatedConnections: 1, logonTime: "30 seconds" })
      const { host, port } = yield* listening(
        yield* serve(home, ["--json", "--config", config, "--host", "127.0.43.9"])
      )
      const connect = Effect.acquireRelease(
        Effect.promise(() =>
          new Promise<Net.Socket>((resolve) => {
            const socket = Net.connect({ host, port }, () => resolve(socket))
            socket.on("error", () => {})
          })
        ),
        (socket) => Effect.sync(() => socket.destroy())
      )
      const first = yield* connect
      const second = yield* connect
      yield* Effect.promise(() => new Promise((resolve) => first.resume().once("close", resolve)))
      assert.isFalse(second.destroyed)
      for (
        const [limits, said] of [
          [{ logonTime: "soon" }, /a time is written like "30 seconds".*"logonTime"/],
          [{ transfer: 4096 }, /65536.*"transfer"/],
          [{ connection: 1 }, /"connection"/]
        ] as const
      ) {
        yield* write(limits)
        const { code, stderr } = yield* refused(home, ["--config", config])
        assert.strictEqual(code, 1)
        assert.match(stderr, said)
      }
    })
  )

  live(
    "reads the file of --config with paths relative to it, and the users from the default file",
    Effect.gen(function*() {
      const home = yield* folder
      const config = join(home, "mine", "smb.json")
      yield* Effect.promise(async () => {
        await mkdir(join(home, "mine", "files"), { recursive: true })
        await mkdir(join(home, "effect-smb"))
        await writeFile(join(home, "mine", "files", "f.txt"), "file")
        await writeFile(join(home, "effect-smb", "users"), "joe:secret\n", { mode: 0o600 })
        // This one is not read.
        await writeFile(join(home, "effect-smb", "config.json"), "{")
        await writeFile(config, JSON.stringify({ shares: { files: "files" } }), { mode: 0o644 })
      })
      const run = yield* serve(home, ["--json", "--config", config])
      const { port } = yield* listening(run)
      const smb = yield* client("joe", "secret")
      assert.strictEqual(yield* smb.readFileString(`\\\\127.0.0.1:${port}\\files\\f.txt`), "file")
    })
  )

  live(
    "logs connections, logons, shares and refusals as JSON lines without a secret",
    Effect.gen(function*() {
      const run = yield* serve(yield* folder, ["--json", "--user", "joe", "--host", "127.0.29.22"], {
        SMB_PASSWORD: "geheim"
      })
      const { host, port } = yield* listening(run)
      const share = `\\\\${host}:${port}\\share`
      yield* Effect.scoped(Effect.gen(function*() {
        const smb = yield* client("JOE", "geheim")
        assert.strictEqual((yield* smb.stat(share)).type, "directory")
      }))
      yield* Effect.flip((yield* client("joe\n\u001b[2J", "falsch")).stat(share))
      run.child.kill("SIGINT")
      const { stdout } = yield* Effect.promise(() => run.ended)
      const lines = stdout.trim().split("\n").map((line) => JSON.parse(line))
      assert.deepStrictEqual(lines.map((line) => line.event).filter((event) => event !== "disconnected"), [
        "listening",
        "connected",
        "logon",
        "share",
        "connected",
        "logon refused",
        "stopping"
      ])
      assert.strictEqual(lines.filter((line) => line.event === "disconnected").length, 2)
      const of = (event: string) => lines.find((line) => line.event === event)
      const from = { address: "127.0.0.1", port: of("connected").port }
      const plain = ({ event: _, level: __, time, ...rest }: Record<string, unknown>) => {
        assert.approximately(Date.parse(String(time)), Date.now(), 60_000)
        return rest
      }
      assert.deepStrictEqual(plain(of("connected")), from)
      assert.deepStrictEqual(plain(of("logon")), { user: "joe", ...from, dialect: "3.1.1" })
      assert.deepStrictEqual(plain(of("share")), { share: "share", user: "joe", ...from })
      assert.deepStrictEqual([of("logon refused").user, of("logon refused").status, of("logon refused").level], [
        "joe\n\u001b[2J",
        "STATUS_LOGON_FAILURE",
        "warn"
      ])
      for (const word of ["geheim", "falsch", "\u001b"]) assert.notInclude(stdout, word)
    })
  )

  live(
    "logs a refused logon to standard error as one line of text without --json",
    Effect.gen(function*() {
      const run = yield* serve(yield* folder, ["--user", "joe"], { SMB_PASSWORD: "geheim" })
      const port = /port (\d+)/.exec(yield* Effect.promise(() => run.first))![1]
      yield* Effect.flip((yield* client("joe\n\u001b[2J", "falsch")).stat(`\\\\127.0.0.1:${port}\\share`))
      run.child.kill("SIGINT")
      const { stderr, stdout } = yield* Effect.promise(() => run.ended)
      assert.match(
        stderr,
        /^\d\d:\d\d:\d\d logon refused \(user joe\?\?\[2J, address 127\.0\.0\.1, port \d+, status STATUS_LOGON_FAILURE, reason there is no such user\)\nStopping\.\n$/
      )
      assert.notMatch(stderr + stdout, /geheim|falsch/)
    })
  )

  live(
    "keeps the users' SIDs in the state folder, and runs without it when it cannot be written",
    Effect.gen(function*() {
      const home = yield* folder
      const path = PlatformPaths.identityFile({ ...PlatformPaths.thisMachine(), env: folders(home), home })
      const file = join(home, "f.txt")
      const turn = (state: string) =>
        Effect.scoped(Effect.gen(function*() {
          const env = { SMB_PASSWORD: "secret", ...folders(home), HOME: state, XDG_STATE_HOME: state }
          const run = yield* serve(home, [home, "--json", "--user", "joe"], env)
          const { port } = yield* listening(run)
          const smb = yield* client("joe", "secret")
          const there = `\\\\127.0.0.1:${port}\\share\\f.txt`
          if (!existsSync(file)) yield* smb.writeFile(there, "")
          const { owner } = yield* smb.security.get(there)
          run.child.kill("SIGINT")
          return { owner, ...yield* Effect.promise(() => run.ended) }
        }))
      const { owner } = yield* turn(home)
      assert.match(owner!, /^S-1-5-21-\d+-\d+-\d+-1000$/)
      assert.strictEqual((yield* Effect.promise(() => stat(path))).mode & 0o777, 0o600)
      const { domainSid, users } = JSON.parse(yield* Effect.promise(() => readFile(path, "utf8")))
      assert.deepStrictEqual([`${domainSid}-${users[0].rid}`, users[0].name], [owner, "joe"])
      assert.strictEqual((yield* turn(home)).owner, owner)
      // Not even root can create a folder in a file.
      const without = yield* turn(file)
      assert.strictEqual(without.code, 0)
      assert.include(without.stdout, "whose a file is will not be known after a restart")
      yield* Effect.promise(() => chmod(path, 0o644))
      const { code, stderr } = yield* refused(home, ["--guest", home])
      assert.strictEqual(code, 1)
      assert.match(stderr, /identity\.json: other users can read or change them; `chmod 600` the file$/m)
    })
  )

  live(
    "loses no flushed data when SIGINT stops it while a client writes",
    Effect.gen(function*() {
      const home = yield* folder
      const run = yield* serve(home, [home, "--user", "joe", "--json"], { SMB_PASSWORD: "secret" })
      const { port } = yield* listening(run)
      const smb = yield* client("joe", "secret")
      const piece = (i: number) => new Uint8Array(100_000).fill(1 + i % 255)
      let flushed = 0
      const writing = Effect.gen(function*() {
        const file = yield* smb.open(`\\\\127.0.0.1:${port}\\share\\f.bin`, OpenMode.readWrite)
        for (let i = 0;; i++) {
          yield* file.write(i * 100_000, piece(i))
          yield* file.flush
          flushed = i + 1
          if (i === 20) run.child.kill("SIGINT")
        }
      })
      yield* Effect.flip(Effect.scoped(writing))
      const { code } = yield* Effect.promise(() => run.ended)
      assert.strictEqual(code, 0)
      assert.isAtLeast(flushed, 21)
      const bytes = yield* Effect.promise(() => readFile(join(home, "f.bin")))
      assert.isAtLeast(bytes.length, flushed * 100_000)
      for (let i = 0; i < flushed; i++) {
        assert.isTrue(bytes.subarray(i * 100_000, (i + 1) * 100_000).equals(piece(i)), `piece ${i}`)
      }
    })
  )

  live(
    "keeps the opens of a continuously available share over SIGKILL, and refuses a second server with the same file",
    Effect.gen(function*() {
      const home = yield* folder
      const config = join(home, "smb.json")
      const opens = PlatformPaths.opensFile({ ...PlatformPaths.thisMachine(), env: folders(home), home })
      yield* Effect.promise(async () => {
        await mkdir(join(home, "files"))
        await mkdir(join(home, "more"))
        const shares = { files: { folder: "files", continuousAvailability: true } }
        await writeFile(config, JSON.stringify({ shares, signing: "if-required" }), { mode: 0o644 })
      })
      const args = ["--json", "--config", config, "--user", "joe"]
      const env = { SMB_PASSWORD: "secret" }
      const connect = (port: number) =>
        Effect.acquireRelease(
          Effect.promise(async () => {
            const client = new LeaseClient("127.0.0.1", port, 1)
            client.capabilities = PERSISTENT_HANDLES
            assert.isTrue(await client.begin("files", joe))
            return client
          }),
          (client) => Effect.sync(() => client.close())
        )
      const first = yield* serve(home, args, env)
      const lost = yield* connect((yield* listening(first)).port)
      const open = yield* Effect.promise(() => lost.create("a", [request(1)]))
      assert.strictEqual(granted(open)?.flags, PERSISTENT)
      assert.isTrue(existsSync(opens))
      // The folder is free, so only the file of the opens is in the way.
      const other = join(home, "other.json")
      yield* Effect.promise(() =>
        writeFile(other, JSON.stringify({ shares: { more: "more" }, openStore: opens }), { mode: 0o644 })
      )
      const second = yield* refused(home, ["--config", other, "--guest"])
      assert.match(second.stderr, /opens\.sqlite belong to another server, which still runs/)
      assert.deepStrictEqual([second.code, second.stderr.trim().split("\n").length], [1, 1])
      first.child.kill("SIGKILL")
      yield* ended(first)
      const next = yield* serve(home, args, env)
      const again = yield* connect((yield* listening(next)).port)
      const back = yield* Effect.promise(() => again.create("a", [reconnect(open, 1)]))
      assert.deepInclude(back, { status: 0, fileId: open.fileId })
    })
  )

  live(
    "prints one line and exits with 1 or 2 when files, options or addresses are wrong",
    Effect.gen(function*() {
      const home = yield* folder
      const users = join(home, "users")
      const bad = join(home, "bad.json")
      const open = join(home, "open.json")
      yield* Effect.promise(async () => {
        await writeFile(users, "joe:secret\n")
        await chmod(users, 0o644)
        await writeFile(open, "{}")
        await chmod(open, 0o666)
        await writeFile(bad, "{\"roots\":{\"r\":{\"links\":{\"a\":[\"server\"]}}}}")
      })
      const complaints: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: number, words: RegExp]> = [
        [["--users", users], 1, /other users can read or change it; `chmod 600` it/],
        [["--users", `${users}.none`], 1, /there is no such file/],
        [["--user", "joe", "--password-file", users], 1, /other users can read or change it; `chmod 600` it/],
        [["--keytab", users], 1, /users: other users can read or change it; `chmod 600` it/],
        [["--config", join(home, "none.json")], 1, /none\.json: there is no such file/],
        [["--config", bad], 1, /bad\.json: .*roots/],
        [["--config", open], 1, /open\.json: other users of this machine can change it/],
        [["--namespace", bad], 1, /bad\.json: .*a target is/],
        [["--share", "nothing"], 2, /name=folder/],
        [["--share", "ipc$=/tmp"], 2, /"ipc\$" cannot be a share's name/],
        // These are one name by Windows' table; JavaScript's lower case of the first ends with another sigma.
        [["--share", "ΟΔΟΣ=/tmp", "--share", "οδοσ=/tmp"], 2, /the share οδοσ is named twice/],
        [["--user", "joe"], 2, /no password for joe/],
        [[join(home, "none")], 1, /there is no such folder/],
        [["--host", "203.0.113.1"], 1, /this machine has no such address/]
      ]
      for (const [args, code, words] of complaints) {
        const end = yield* refused(home, args, { SMB_PASSWORD: "" })
        assert.match(end.stderr, words)
        assert.strictEqual(end.code, code, end.stderr)
        assert.strictEqual(end.stderr.trim().split("\n").length, 1)
        assert.notInclude(end.stderr, "secret")
      }
      // The exit code and the line of a process are the same.
      const { code, stderr } = yield* ended(yield* serve(home, ["--users", users]))
      assert.deepStrictEqual({ code, stderr }, {
        code: 1,
        stderr: (yield* refused(home, ["--users", users])).stderr
      })
    })
  )
})

/**
 * Proves the command effect-smb against smbd: its output, messages and exit codes, files byte by byte, credentials,
 * DFS, and what it leaves behind when it is interrupted. Each test starts the command as a user does.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { createServer } from "node:http"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { main } from "../command.ts"
import * as Lab from "./Lab.ts"

const launcher = fileURLToPath(new URL("../../bin/effect-smb.js", import.meta.url))

const root = "127.0.23.1"
const data = "127.0.23.2"
const old = "127.0.23.3"
const proxied = "127.0.23.4"
const dead = "127.0.23.9"

/** `size` bytes in which no two pieces are equal. */
const noise = (size: number): Buffer => {
  const blocks: Array<Buffer> = []
  let block = createHash("sha512").update("begin").digest()
  for (let length = 0; length < size; length += 64) {
    blocks.push(block)
    block = createHash("sha512").update(block).digest()
  }
  return Buffer.concat(blocks, size)
}
const big = noise(24 * 1024 * 1024)
const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

const environment = { SMB_USER: Lab.user.name, SMB_PASSWORD: Lab.user.password, NO_COLOR: "1" }

interface Run {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command as a user does. `env` is added to the environment; an empty SMB_USER stands for no user. */
const smb = (
  args: ReadonlyArray<string>,
  options?: { readonly env?: Record<string, string>; readonly input?: string; readonly cwd?: string }
): Effect.Effect<Run> =>
  Effect.promise(() =>
    Lab.execute(process.execPath, [main, ...args], {
      ...options,
      env: { ...environment, ...options?.env }
    })
  )

/** One line on standard error, nothing on standard output, and no secret. */
const assertLine = (run: Run, code: number, pattern: RegExp) => {
  assert.strictEqual(run.code, code, run.stderr)
  assert.strictEqual(run.stdout, "")
  assert.match(run.stderr, /^effect-smb: [^\n]+\n$/)
  assert.match(run.stderr, pattern)
  assert.notInclude(run.stderr, Lab.user.password)
}

const assertDone = (run: Run) => {
  assert.strictEqual(run.stderr, "")
  assert.strictEqual(run.code, 0)
}

const objects = (run: Run): ReadonlyArray<Record<string, unknown>> => {
  assertDone(run)
  return run.stdout.trimEnd().split("\n").map((line) => JSON.parse(line))
}

class Servers extends Context.Service<Servers, { readonly one: Lab.Server; readonly folder: string }>()(
  "test/lab/Cli/Servers"
) {}

const layerServers = Layer.effect(
  Servers,
  Effect.gen(function*() {
    const { one } = yield* Lab.servers({
      root: {
        address: root,
        shares: [{ name: "dfs", dfs: { link: `${data}\\data`, "dead-first": [`${dead}\\data`, `${data}\\data`] } }]
      },
      one: {
        address: data,
        guest: true,
        shares: [{ name: "data", comment: "what is kept" }, { name: "open", guest: true }]
      },
      old: { address: old, minimumDialect: "NT1", maximumDialect: "NT1", shares: [{ name: "data" }] }
    })
    yield* one.write("data", "hello.txt", "hello\n")
    yield* one.write("data", "tree/a.txt", "a")
    yield* one.write("data", "tree/deep/b.txt", "bb")
    yield* one.write("data", "tree/Grüße 漢字.txt", "c")
    yield* one.write("data", "big.bin", big)
    yield* one.write("open", "open.txt", "open\n")
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-smb-cli-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    return { one, folder }
  })
)

/** A new folder for a test. */
const place = Effect.fnUntraced(function*(name: string) {
  const { folder, one } = yield* Servers
  const here = join(folder, name)
  mkdirSync(here)
  return { here, one }
})

const waitUntil = (condition: () => boolean) =>
  Effect.promise(async () => {
    for (let round = 0; round < 1_000 && !condition(); round++) await Lab.pause(10)
    if (!condition()) throw new Error("what was waited for has not happened")
  })

/** Starts the command without waiting for its end. */
const start = (args: ReadonlyArray<string>, cwd: string) => {
  const child: ChildProcess = spawn(process.execPath, [main, ...args], {
    cwd,
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let output = ""
  child.stdout!.on("data", (chunk) => (output += String(chunk)))
  child.stderr!.on("data", (chunk) => (output += String(chunk)))
  const ended = new Promise<readonly [code: number | null, output: string]>((resolve) => {
    child.on("close", (code) => resolve([code, output]))
  })
  return { child, ended: Effect.promise(() => ended) }
}

/**
 * A proxy that applies `verdict` to each response after the first 24: more than the responses before the data and the
 * READs in flight together, so that some data has arrived for certain.
 */
const brittle = (verdict: Lab.Verdict) =>
  Lab.proxy({
    listen: { address: proxied },
    target: { address: data },
    onPacket: ({ bytes, direction, index }) => direction === "toClient" && index > 24 ? verdict : bytes
  })

layer(layerServers, { timeout: 60_000 })("the command effect-smb with smbd", (it) => {
  it.effect("ls lists names, the long form, trees, patterns and single files", () =>
    Effect.gen(function*() {
      const names = (run: Run) => {
        assertDone(run)
        return run.stdout.trimEnd().split("\n").toSorted()
      }
      assert.deepStrictEqual(names(yield* smb(["ls", `//${data}/data/tree`])), ["Grüße 漢字.txt", "a.txt", "deep/"])
      assert.deepStrictEqual(names(yield* smb(["ls", `\\\\${data}\\data\\tree`, "-r"])), [
        "Grüße 漢字.txt",
        "a.txt",
        "deep/",
        "deep/b.txt"
      ])
      assert.deepStrictEqual(names(yield* smb(["ls", `smb://${data}/data/tree/*.TXT`])), ["Grüße 漢字.txt", "a.txt"])
      assert.deepStrictEqual(names(yield* smb(["ls", `//${data}:445/data/hello.txt`])), ["hello.txt"])
      assertLine(yield* smb(["ls", `//${data}/data/tree/*.zip`]), 1, /\*\.zip: No file matches\./)
      const long = yield* smb(["ls", "-l", `//${data}/data/tree/deep`])
      assert.match(long.stdout, /^-[-rhsalceo]{8} +2 \d{4}-\d\d-\d\d \d\d:\d\d:\d\d b\.txt\n$/)
    }))

  it.effect("ls and stat print one JSON object for each entry with --json", () =>
    Effect.gen(function*() {
      const listed = objects(yield* smb(["ls", "--json", `//${data}/data/tree`]))
      assert.deepStrictEqual(listed.map(({ name }) => name).toSorted(), ["Grüße 漢字.txt", "a.txt", "deep"])
      const file = listed.find(({ name }) => name === "a.txt")!
      assert.strictEqual(file.type, "file")
      assert.strictEqual(file.size, 1)
      assert.strictEqual(file.path, `\\\\${data}\\data\\tree\\a.txt`)
      assert.strictEqual(listed.find(({ name }) => name === "deep")!.type, "directory")
      const { one } = yield* Servers
      const [described] = objects(yield* smb(["--json", "stat", `//${data}/data/hello.txt`]))
      for (const time of ["creationTime", "lastAccessTime", "lastWriteTime", "changeTime"]) {
        assert.match(String(described![time]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      }
      const { statSync } = yield* Effect.promise(() => import("node:fs"))
      // Node rounds its own Date to the next millisecond, and a listing rounds down.
      const { mtimeNs } = statSync(one.path("data", "hello.txt"), { bigint: true })
      assert.strictEqual(described!.lastWriteTime, new Date(Number(mtimeNs / 1_000_000n)).toISOString())
    }))

  it.effect("shares lists the server's shares with their comments", () =>
    Effect.gen(function*() {
      const shares = objects(yield* smb(["shares", "--json", `//${data}`]))
      assert.deepInclude(shares, { name: "data", type: "disk", comment: "what is kept", special: false })
      assert.isDefined(shares.find(({ name, type }) => name === "IPC$" && type === "ipc"))
      assert.match((yield* smb(["shares", `//${data}`])).stdout, /^data {2}disk {5}what is kept$/m)
    }))

  it.effect("cat and get write files to standard output byte by byte, and cat goes on after a missing file", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        (yield* smb(["cat", `//${data}/data/hello.txt`, `//${data}/data/tree/a.txt`])).stdout,
        "hello\na"
      )
      // A file that cannot be read does not stop the others.
      const some = yield* smb(["cat", `//${data}/data/hello.txt`, `//${data}/data/none`, `//${data}/data/tree/a.txt`])
      assert.deepStrictEqual([some.code, some.stdout], [1, "hello\na"])
      assert.match(some.stderr, /data\\none: .*NAME_NOT_FOUND.*\n.*1 entry could not be read\n$/)
      assert.strictEqual((yield* smb(["get", `//${data}/data/hello.txt`, "-"])).stdout, "hello\n")
      const { here } = yield* place("cat")
      const piped = yield* Effect.promise(() =>
        Lab.execute("sh", ["-c", `"$0" "$1" cat "$2" > big.bin`, process.execPath, main, `//${data}/data/big.bin`], {
          cwd: here,
          env: environment
        })
      )
      assertDone(piped)
      assert.strictEqual(sha(readFileSync(join(here, "big.bin"))), sha(big))
    }))

  it.effect("cat ends by SIGPIPE without a message when the reader of its output ends", () =>
    Effect.gen(function*() {
      const run = yield* Effect.promise(() =>
        Lab.execute(
          "bash",
          [
            "-c",
            `"$0" "$1" cat "$2" | head -c 3 > /dev/null; echo \${PIPESTATUS[0]}`,
            process.execPath,
            main,
            `//${data}/data/big.bin`
          ],
          { env: environment }
        )
      )
      assert.deepStrictEqual(run, { code: 0, stdout: "141\n", stderr: "" })
    }))

  it.effect("get copies files and trees to the same name, another name and a folder", () =>
    Effect.gen(function*() {
      const { here: cwd } = yield* place("get")
      assertDone(yield* smb(["get", `//${data}/data/big.bin`], { cwd }))
      assert.strictEqual(sha(readFileSync(join(cwd, "big.bin"))), sha(big))
      writeFileSync(join(cwd, "other"), "old text, longer than the new one")
      assertDone(yield* smb(["get", `//${data}/data/hello.txt`, "other"], { cwd }))
      assert.strictEqual(readFileSync(join(cwd, "other"), "utf8"), "hello\n")
      mkdirSync(join(cwd, "into"))
      assertDone(yield* smb(["get", `//${data}/data/hello.txt`, "into"], { cwd }))
      assert.strictEqual(readFileSync(join(cwd, "into", "hello.txt"), "utf8"), "hello\n")
      const copied = objects(yield* smb(["get", "-r", "--json", `//${data}/data/tree`, "copy"], { cwd }))
      assert.strictEqual(copied.length, 3)
      assert.deepStrictEqual(readdirSync(join(cwd, "copy"), { recursive: true }).toSorted(), [
        "Grüße 漢字.txt",
        "a.txt",
        "deep",
        join("deep", "b.txt")
      ])
      assert.strictEqual(readFileSync(join(cwd, "copy", "deep", "b.txt"), "utf8"), "bb")
      assert.deepStrictEqual(readdirSync(cwd).toSorted(), ["big.bin", "copy", "into", "other"])
    }))

  it.effect("put copies files, standard input, pipes and trees, and replaces existing files", () =>
    Effect.gen(function*() {
      const { here: cwd, one } = yield* place("put")
      assertDone(yield* smb(["mkdir", "-p", `//${data}/data/put/sub/sub`]))
      writeFileSync(join(cwd, "big"), big)
      assertDone(yield* smb(["put", "big", `//${data}/data/put/big.bin`], { cwd }))
      assert.strictEqual(sha(readFileSync(one.path("data", "put/big.bin"))), sha(big))
      writeFileSync(join(cwd, "small"), "small")
      assertDone(yield* smb(["put", "small", `//${data}/data/put/big.bin`], { cwd }))
      assert.strictEqual(readFileSync(one.path("data", "put/big.bin"), "utf8"), "small")
      assertDone(yield* smb(["put", "small", `//${data}/data/put`], { cwd }))
      assert.strictEqual(readFileSync(one.path("data", "put/small"), "utf8"), "small")
      assertDone(yield* smb(["put", "--in-place", "big", `//${data}/data/put/small`], { cwd }))
      assert.strictEqual(sha(readFileSync(one.path("data", "put/small"))), sha(big))
      assertDone(yield* smb(["put", "-", `//${data}/data/put/input`], { input: "from a pipe" }))
      assert.strictEqual(readFileSync(one.path("data", "put/input"), "utf8"), "from a pipe")
      const fifo = yield* Effect.promise(() =>
        Lab.execute(
          "bash",
          ["-c", `"$0" "$1" put <(cat big) "$2"`, process.execPath, main, `//${data}/data/put/fifo`],
          {
            cwd,
            env: environment
          }
        )
      )
      assertDone(fifo)
      assert.strictEqual(sha(readFileSync(one.path("data", "put/fifo"))), sha(big))
      mkdirSync(join(cwd, "tree", "deep", "empty"), { recursive: true })
      writeFileSync(join(cwd, "tree", "deep", "Grüße"), "x")
      assertDone(yield* smb(["put", "-r", "tree", `//${data}/data/put/tree`], { cwd }))
      assert.deepStrictEqual(readdirSync(one.path("data", "put/tree"), { recursive: true }).toSorted(), [
        "deep",
        "deep/Grüße",
        "deep/empty"
      ])
      assert.deepStrictEqual(readdirSync(one.path("data", "put")).toSorted(), [
        "big.bin",
        "fifo",
        "input",
        "small",
        "sub",
        "tree"
      ])
      assertLine(yield* smb(["put", "tree", `//${data}/data/put/x`], { cwd }), 2, /-r/)
      assertLine(yield* smb(["put", "nothing", `//${data}/data/put/x`], { cwd }), 1, /nothing: there is no such file/)
    }))

  it.effect("get -r copies the readable files of a tree, and names the others", () =>
    Effect.gen(function*() {
      const { here: cwd, one } = yield* place("partial")
      yield* one.write("data", "partial/open", "1")
      yield* one.write("data", "partial/closed", "2")
      chmodSync(one.path("data", "partial/closed"), 0)
      const run = yield* smb(["get", "-r", `//${data}/data/partial`], { cwd })
      assert.strictEqual(run.code, 1)
      const [first, second, ...more] = run.stderr.trimEnd().split("\n")
      assert.deepStrictEqual(more, [])
      assert.match(first!, /partial\\closed: .*STATUS_ACCESS_DENIED/)
      assert.strictEqual(second, "effect-smb: 1 entry could not be copied")
      assert.deepStrictEqual(readdirSync(join(cwd, "partial")), ["open"])
      assertLine(yield* smb(["get", `//${data}/data/partial`], { cwd }), 2, /is a directory: add -r/)
      assertLine(yield* smb(["get", `//${data}/data/hello.txt`, "none/x"], { cwd }), 1, /none\/x: there is no such/)
    }))

  it.effect("put -r copies the files of a tree whose names SMB allows, and names the others", () =>
    Effect.gen(function*() {
      const { here: cwd, one } = yield* place("sent")
      mkdirSync(join(cwd, "tree", "bad:folder"), { recursive: true })
      mkdirSync(join(cwd, "tree", "good"))
      for (const name of ["bad:folder/x", "good/a", "b", "s:t", "back\\slash", "@GMT-2020.01.01-00.00.00"]) {
        writeFileSync(join(cwd, "tree", name), name)
      }
      const run = yield* smb(["put", "-r", "tree", `//${data}/data/sent`], { cwd })
      assert.strictEqual(run.code, 1)
      const lines = run.stderr.trimEnd().split("\n")
      assert.deepStrictEqual(
        lines.slice(0, -1).map((line) => /tree\/[^ ]*?(?=: )|@GMT[^"]*/.exec(line)?.[0]).toSorted(),
        [
          "@GMT-2020.01.01-00.00.00",
          "tree/back\\slash",
          "tree/bad:folder",
          "tree/s:t"
        ]
      )
      assert.strictEqual(lines.at(-1), "effect-smb: 4 entries could not be copied")
      assert.deepStrictEqual(readdirSync(one.path("data", "sent"), { recursive: true }).toSorted(), [
        "b",
        "good",
        "good/a"
      ])
      assertLine(yield* smb(["put", "tree/s:t", `//${data}/data/sent/`], { cwd }), 1, /tree\/s:t: .* character :/)
      // The error names the file as the user did, and not its temporary name.
      assertLine(
        yield* smb(["put", "tree/b", `//${data}/data/sent/none/c`], { cwd }),
        1,
        /\\sent\\none\\c: A directory/
      )
    }))

  it.effect("get names the file for which the disk has no space, stops, and leaves no part of it", () =>
    Effect.gen(function*() {
      const { here: cwd, one: server } = yield* place("full")
      for (const name of ["1", "2", "3"]) yield* server.write("data", `full/${name}`, big.subarray(0, 100_000))
      yield* Effect.acquireUseRelease(
        Effect.promise(async () => {
          mkdirSync(join(cwd, "small"))
          await Lab.mustExecute("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", join(cwd, "small")])
        }),
        () =>
          Effect.gen(function*() {
            const one = yield* smb(["get", `//${data}/data/big.bin`, "small/"], { cwd })
            assertLine(one, 1, /: small\/big.bin: no space left on device/)
            const all = yield* smb(["get", "-r", `//${data}/data/full`, "small/all"], { cwd })
            assertLine(all, 1, /: small\/all\/.*: no space left on device/)
            assert.deepStrictEqual(readdirSync(join(cwd, "small")).filter((name) => name.endsWith(".part")), [])
          }),
        () => Effect.promise(() => Lab.execute("umount", [join(cwd, "small")]))
      )
    }))

  it.effect("mkdir, mv and rm create, rename and remove, and name the status of a refusal", () =>
    Effect.gen(function*() {
      const { one } = yield* Servers
      const at = (path: string) => `//${data}/data/${path}`
      assertLine(yield* smb(["mkdir", at("m/a")]), 1, /STATUS_OBJECT_PATH_NOT_FOUND/)
      assertDone(yield* smb(["mkdir", at("m"), at("m/a")]))
      assertLine(yield* smb(["mkdir", at("m")]), 1, /STATUS_OBJECT_NAME_COLLISION/)
      yield* one.write("data", "m/one", "1")
      yield* one.write("data", "m/two", "2")
      assertLine(yield* smb(["mv", at("m/one"), at("m/two")]), 1, /STATUS_OBJECT_NAME_COLLISION/)
      assertDone(yield* smb(["mv", "--replace", at("m/one"), at("m/two")]))
      assert.strictEqual(readFileSync(one.path("data", "m/two"), "utf8"), "1")
      assertDone(yield* smb(["mv", at("m/two"), at("m/a/")]))
      assert(existsSync(one.path("data", "m/a/two")))
      assertLine(yield* smb(["rm", at("m")]), 2, /-r/)
      assertLine(yield* smb(["rm", at("m/none")]), 1, /STATUS_OBJECT_NAME_NOT_FOUND/)
      assertDone(yield* smb(["rm", "-f", at("m/none")]))
      assertDone(yield* smb(["rm", at("m/a/two")]))
      assertLine(yield* smb(["rm", "-r", `//${data}/data`]), 2, /whole share/)
      assertDone(yield* smb(["rm", "-r", at("m")]))
      assert(!existsSync(one.path("data", "m")))
    }))

  it.effect("takes user and password from flags, path, environment and file, or logs on as a guest", () =>
    Effect.gen(function*() {
      const { here } = yield* place("who")
      const file = join(here, "password")
      writeFileSync(file, `${Lab.user.password}\n`, { mode: 0o600 })
      const nobody = { SMB_USER: "", SMB_PASSWORD: "wrong" }
      const path = `//${data}/data/hello.txt`
      assertDone(yield* smb(["cat", path, "--user", "smbtest", "--password-file", file], { env: nobody }))
      assertDone(yield* smb(["cat", `smb://smbtest@${data}/data/hello.txt`, "--password-file", file], { env: nobody }))
      assertDone(yield* smb(["cat", path], { env: { SMB_DOMAIN: "WORKGROUP" } }))
      assertDone(yield* smb(["ls", "--guest", `//${data}/open`], { env: nobody }))
      assertLine(yield* smb(["ls", "--guest", `//${data}/data`], { env: nobody }), 1, /STATUS_ACCESS_DENIED/)
      assertLine(yield* smb(["ls", path], { env: nobody }), 2, /--user/)
      assertLine(
        yield* smb(["ls", path], { env: { SMB_PASSWORD: "wrong" } }),
        1,
        /password is wrong.*STATUS_LOGON_FAILURE/
      )
      // What was given can be the password itself.
      assertLine(
        yield* smb(["ls", path, "--password-file", join(here, "none")]),
        2,
        /there is no file with the given name/
      )
    }))

  it.effect("follows DFS links, except with --dfs off, and dfs resolve prints their targets", () =>
    Effect.gen(function*() {
      const path = `//${root}/dfs/link/hello.txt`
      assert.strictEqual((yield* smb(["cat", path])).stdout, "hello\n")
      assert.strictEqual((yield* smb(["cat", "--dfs", "strict", path])).stdout, "hello\n")
      assert.strictEqual((yield* smb(["cat", `//${root}/dfs/dead-first/hello.txt`])).stdout, "hello\n")
      assertLine(yield* smb(["cat", "--dfs", "off", path]), 1, /STATUS_PATH_NOT_COVERED.*--dfs off/)
      const [resolved] = objects(yield* smb(["dfs", "resolve", "--json", path]))
      const target = `\\\\${data}\\data\\hello.txt`
      assert.deepStrictEqual(resolved, {
        path: `\\\\${root}\\dfs\\link\\hello.txt`,
        resolvedPath: target,
        status: "link",
        targets: [target]
      })
      const [plain] = objects(yield* smb(["dfs", "resolve", "--json", `//${data}/data/x`]))
      assert.strictEqual(plain!.status, "plain")
      assert.include((yield* smb(["dfs", "resolve", path])).stdout, `resolved:  ${target}\n`)
      const { one } = yield* Servers
      assertDone(yield* smb(["put", "-", `//${root}/dfs/link/through`], { input: "through the link" }))
      assert.strictEqual(readFileSync(one.path("data", "through"), "utf8"), "through the link")
      assertDone(yield* smb(["mv", `//${root}/dfs/link/through`, `//${root}/dfs/link/moved`]))
      assertDone(yield* smb(["rm", `//${root}/dfs/link/moved`]))
    }))

  it.effect("uses the given dialect, signing and encryption", () =>
    Effect.gen(function*() {
      const path = `//${data}/data/hello.txt`
      for (const dialect of ["2.0.2", "2.1,3.0", "3.1.1"]) {
        assertDone(yield* smb(["cat", path, "--dialect", dialect]))
      }
      assertDone(yield* smb(["cat", path, "--encryption", "required"]))
      assertDone(yield* smb(["cat", path, "--signing", "if-required", "--encryption", "if-offered"]))
      assertLine(yield* smb(["cat", path, "--dialect", "2.1", "--encryption", "required"]), 1, /encrypt/i)
    }))

  it.effect("reports in one line what is wrong with a server, a share or a path", () =>
    Effect.gen(function*() {
      assertLine(yield* smb(["ls", `//${data}:1/data`]), 1, /refused the connection/)
      assertLine(yield* smb(["ls", `//${data}/none`]), 1, /STATUS_BAD_NETWORK_NAME/)
      assertLine(yield* smb(["cat", `//${data}/data/none`]), 1, /\\data\\none: .*STATUS_OBJECT_NAME_NOT_FOUND/)
      assertLine(yield* smb(["cat", `//${data}/data/none/x`]), 1, /STATUS_OBJECT_PATH_NOT_FOUND/)
      assertLine(yield* smb(["cat", `//${data}/data/tree`]), 1, /STATUS_FILE_IS_A_DIRECTORY/)
      assertLine(yield* smb(["ls", `//${old}/data`]), 1, /SMB 1/)
      const spoken = yield* smb(["ls", "--json", "--dialect", "nt1", "--signing", "if-required", `//${old}/data`])
      assert.strictEqual(spoken.code, 0, spoken.stderr)
      const told = spoken.stderr.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>)
      assert.deepStrictEqual(told.map(({ warning }) => warning), ["Notice"])
      assert.match(String(told[0]!.message), /insecure/)
      assertLine(yield* smb(["ls", "//name.invalid/data"]), 1, /name\.invalid/)
      const failed = yield* smb(["cat", "--json", `//${data}/data/none`])
      assert.strictEqual(failed.code, 1)
      const error = JSON.parse(failed.stderr)
      assert.strictEqual(error.error, "SmbError")
      assert.strictEqual(error.reason, "ObjectNameNotFound")
      assert.strictEqual(error.status, "STATUS_OBJECT_NAME_NOT_FOUND")
    }))

  it.effect("fails after --timeout at a silent peer, and recognizes a peer that is not an SMB server", () =>
    Effect.gen(function*() {
      const listen = (server: Net.Server) =>
        Effect.acquireRelease(
          Effect.promise(() =>
            new Promise<number>((resolve) => {
              server.listen(0, "127.0.0.1", () => resolve((server.address() as Net.AddressInfo).port))
            })
          ),
          () => Effect.sync(() => server.close())
        )
      const sockets: Array<Net.Socket> = []
      const silent = yield* listen(Net.createServer((socket) => {
        sockets.push(socket)
        socket.on("error", () => {})
      }))
      const http = yield* listen(createServer((_, response) => response.end("hello")))
      assertLine(yield* smb(["ls", `//127.0.0.1:${silent}/x`, "--timeout", "0.5"]), 1, /in time/)
      for (const socket of sockets) socket.destroy()
      assertLine(yield* smb(["ls", `//127.0.0.1:${http}/x`, "--timeout", "5"]), 1, /SMB/)
    }))

  it.effect("get leaves no file of a download that SIGINT interrupts", () =>
    Effect.gen(function*() {
      const { here } = yield* place("interrupted")
      yield* brittle("drop")
      const { child, ended } = start(["get", `//${proxied}/data/big.bin`], here)
      yield* waitUntil(() => readdirSync(here).some((name) => name.endsWith(".part")))
      assert(!existsSync(join(here, "big.bin")))
      child.kill("SIGINT")
      assert.deepStrictEqual(yield* ended, [130, ""])
      assert.deepStrictEqual(readdirSync(here), [])
    }).pipe(Effect.scoped))

  it.effect("get leaves no file of a download whose connection is cut", () =>
    Effect.gen(function*() {
      const { here } = yield* place("gone")
      yield* brittle("cut")
      const args = ["get", `//${proxied}/data/big.bin`, "--retries", "1", "--reconnect", "never"]
      const { code, stderr } = yield* smb(args, { cwd: here })
      assert.strictEqual(code, 1)
      const [again, last, ...others] = stderr.trimEnd().split("\n")
      assert.match(again!, /^effect-smb: .*127\.0\.23\.4.* Trying again in 1 s \(1 of 1\)$/)
      assert.match(last!, /^effect-smb: .*127\.0\.23\.4/)
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(readdirSync(here), [])
    }).pipe(Effect.scoped))

  it.effect("get --resume continues a download and does not read its first part again", () =>
    Effect.gen(function*() {
      const { here } = yield* place("resumed")
      yield* Effect.scoped(Effect.gen(function*() {
        yield* brittle("cut")
        const args = ["get", "--resume", `//${proxied}/data/big.bin`, "--retries", "0", "--reconnect", "never"]
        assertLine(yield* smb(args, { cwd: here }), 1, /127\.0\.23\.4/)
      }))
      const [part, ...others] = readdirSync(here)
      assert.deepStrictEqual(others, [])
      const half = readFileSync(join(here, part!))
      assert.isAbove(half.length, 0)
      assert.isBelow(half.length, big.length)
      // A changed byte in the part shows that it was not read again.
      half[0] = half[0]! ^ 0xff
      writeFileSync(join(here, part!), half)
      const seen: Array<number> = []
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Lab.proxy({
          listen: { address: proxied },
          target: { address: data },
          onPacket: ({ bytes, direction }) => {
            if (direction === "toClient") seen.push(bytes.length)
            return bytes
          }
        })
        assertDone(yield* smb(["get", "--resume", `//${proxied}/data/big.bin`], { cwd: here }))
      }))
      assert.deepStrictEqual(readdirSync(here), ["big.bin"])
      const whole = readFileSync(join(here, "big.bin"))
      whole[0] = whole[0]! ^ 0xff
      assert.strictEqual(sha(whole), sha(big))
      assert.isBelow(seen.reduce((sum, length) => sum + length, 0), big.length - half.length + 2 * 1024 * 1024)
    }))

  it.effect("put --resume continues an upload in the same file and does not send its first part again", () =>
    Effect.gen(function*() {
      const { here, one } = yield* place("resumed-upload")
      const local = join(here, "up.bin")
      const content = big.subarray(0, 16 * 1024 * 1024)
      writeFileSync(local, content)
      const folder = one.path("data", "resumed-upload")
      mkdirSync(folder)
      chmodSync(folder, 0o777)
      /** Runs the upload through a proxy that cuts before more than `most` bytes are sent. Returns how many were sent. */
      const put = (most: number, verify: (run: Run) => void) =>
        Effect.scoped(Effect.gen(function*() {
          let sent = 0
          yield* Lab.proxy({
            listen: { address: proxied },
            target: { address: data },
            onPacket: ({ bytes, direction }) => {
              if (direction === "toServer") sent += bytes.length
              return sent > most ? "cut" : bytes
            }
          })
          const target = `//${proxied}/data/resumed-upload/up.bin`
          verify(yield* smb(["put", "--resume", "--retries", "0", "--reconnect", "never", local, target]))
          return sent
        }))
      // The command sends the next block of 4 MiB after the server has written the one before: so two are there.
      const there = 8 * 1024 * 1024
      yield* put(there + 1024 * 1024, (run) => assertLine(run, 1, /127\.0\.23\.4/))
      const [part, ...others] = readdirSync(folder)
      assert.deepStrictEqual(others, [])
      assert.notStrictEqual(part, "up.bin")
      assert.deepStrictEqual(sha(readFileSync(join(folder, part!)).subarray(0, there)), sha(content.subarray(0, there)))
      const { ino } = statSync(join(folder, part!))
      const sent = yield* put(Infinity, assertDone)
      assert.deepStrictEqual(readdirSync(folder), ["up.bin"])
      assert.strictEqual(statSync(join(folder, "up.bin")).ino, ino)
      assert.strictEqual(sha(readFileSync(join(folder, "up.bin"))), sha(content))
      assert.isAtLeast(sent, content.length - there - 1024 * 1024)
      assert.isBelow(sent, content.length - there + 256 * 1024)
    }))

  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    it.effect(`put leaves no file on the server when ${signal} ends it`, () =>
      Effect.gen(function*() {
        const { here, one } = yield* place(`upload-${signal}`)
        const { child, ended } = start(["put", "/dev/zero", `//${data}/data/zeros`], here)
        const parts = () => readdirSync(one.path("data")).filter((name) => name.endsWith(".part"))
        yield* waitUntil(() => parts().length > 0)
        child.kill(signal)
        assert.deepStrictEqual(yield* ended, [code, ""])
        assert.deepStrictEqual(parts(), [])
        assert(!existsSync(one.path("data", "zeros")))
      }))
  }
})

describe("the launcher bin/effect-smb.js", () => {
  it.effect("runs the command", () =>
    Effect.gen(function*() {
      const run = yield* Effect.promise(() => Lab.execute(process.execPath, [launcher, "--version"]))
      assertDone(run)
      assert.match(run.stdout, /^effect-smb v\d+\.\d+\.\d+\n$/)
    }))
})

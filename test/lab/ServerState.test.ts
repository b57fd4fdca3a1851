/**
 * Proves with smbcacls and smbclient what this project's server keeps over a restart, how it handles a full disk, and
 * which old logons and guests it refuses.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import { OpenMode } from "effect-smb"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as IdentityStore from "../../src/Server/IdentityStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { main } from "../command.ts"
import * as Clients from "./Clients.ts"
import * as Lab from "./Lab.ts"
import { attempt, execute, mustExecute, type Output } from "./Process.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "server-state-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const live = <E>(name: string, effect: Effect.Effect<void, E, Scope.Scope>) =>
  it.live(name, () => Effect.scoped(effect), 60_000)

live(
  "smbcacls finds the same owner and list of a file after a restart of the server",
  Effect.gen(function*() {
    const host = "127.0.36.1"
    const root = yield* folder
    mkdirSync(join(root, "data"))
    const run = <A, E>(users: ReadonlyArray<string>, use: Effect.Effect<A, E, Scope.Scope>) =>
      Effect.scoped(Effect.gen(function*() {
        yield* SmbServer.make({
          host,
          users: UserStore.inMemory(Object.fromEntries(users.map((name) => [name, Redacted.make("secret")]))),
          identity: yield* IdentityStore.fromFile(join(root, "identity.json")),
          shares: { data: LocalStore.make(join(root, "data")) }
        })
        return yield* use
      }))
    const acls = (user: string, ...more: ReadonlyArray<string>) =>
      attempt(() =>
        mustExecute("smbcacls", [`//${host}/data`, "his.txt", "-U", `${user}%secret`, "--numeric", ...more])
      )
    const ownerOf = ({ stdout }: Output) => /^OWNER:(S-1-5-21-\d+-\d+-\d+-\d+)$/m.exec(stdout)![1]!
    const put = (user: string) =>
      attempt(() => execute("smbclient", [`//${host}/data`, "-U", `${user}%secret`, "-c", "put /etc/hostname his.txt"]))
    const owner = yield* run(
      ["joe", "ann"],
      Effect.gen(function*() {
        assert.strictEqual((yield* put("joe")).code, 0)
        const owner = ownerOf(yield* acls("joe"))
        yield* acls("joe", "--set", `ACL:${owner}:0/0x0/0x001f01ff`)
        assert.include((yield* put("ann")).stdout, "NT_STATUS_ACCESS_DENIED")
        return owner
      })
    )
    yield* run(
      ["ann", "joe"],
      Effect.gen(function*() {
        assert.include((yield* put("ann")).stdout, "NT_STATUS_ACCESS_DENIED")
        const output = yield* acls("joe")
        assert.strictEqual(ownerOf(output), owner)
        assert.match(output.stdout, new RegExp(`^ACL:${owner}:0/0x0/0x001f01ff$`, "m"))
        assert.strictEqual((yield* put("joe")).code, 0)
      })
    )
  })
)

/** The command serves a new file system of a few MiB, which ends with it. */
const onSmallDisk = (host: string, at: string, mebibytes: number): Effect.Effect<ChildProcess, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const script = `mount -t tmpfs -o size=${mebibytes}m none "$1" && shift && exec "$@"`
      const command = [process.execPath, main, "serve", at, "--host", host, "--port", "445", "--json", "--user"]
      const child = spawn("unshare", ["-m", "sh", "-c", script, "sh", at, ...command, Lab.user.name], {
        env: { ...process.env, SMB_PASSWORD: Lab.user.password, XDG_CONFIG_HOME: at, XDG_STATE_HOME: `${at}-state` },
        stdio: ["ignore", "pipe", "inherit"]
      })
      await new Promise((resolve) => {
        child.stdout.once("data", resolve)
      })
      child.stdout.resume()
      return child
    }),
    (child) =>
      Effect.promise(() =>
        new Promise<void>((resolve) => {
          if (child.exitCode !== null) return resolve()
          child.on("close", () => resolve())
          child.kill("SIGKILL")
        })
      )
  )

live(
  "a server reports a full disk, keeps flushed data, and writes again when there is space",
  Effect.gen(function*() {
    const host = "127.0.36.2"
    const root = yield* folder
    const at = join(root, "disk")
    mkdirSync(at)
    const { pid } = yield* onSmallDisk(host, at, 8)
    /** A file in the file system that only the command sees. */
    const onDisk = (name: string) => readFileSync(join(`/proc/${pid}/root`, at, name))
    const large = join(root, "large")
    writeFileSync(large, new Uint8Array(16 * 1024 * 1024).fill(1))

    const smb = yield* Clients.client()
    const share = `\\\\${host}\\share`
    const piece = (i: number) => new Uint8Array(100_000).fill(1 + i)
    let flushed = 0
    const failure = yield* Effect.flip(Effect.scoped(Effect.gen(function*() {
      const file = yield* smb.open(`${share}\\kept.bin`, OpenMode.readWrite)
      for (let i = 0; i < 200; i++) {
        yield* file.write(i * 100_000, piece(i))
        yield* file.flush
        flushed = i + 1
      }
    })))
    assert.strictEqual(failure._tag === "SmbError" ? failure.statusName : failure._tag, "STATUS_DISK_FULL")
    assert.isAbove(flushed, 50)
    const smbclient = (commands: string) =>
      attempt(() =>
        execute("smbclient", [`//${host}/share`, "-U", `${Lab.user.name}%${Lab.user.password}`, "-c", commands])
      )
    // Another client on the full disk: no space for its bytes, or even for a folder or an attribute.
    const put = yield* smbclient(`put ${large} large`)
    assert.include(put.stdout + put.stderr, "NT_STATUS_DISK_FULL")
    const bytes = onDisk("kept.bin")
    for (let i = 0; i < flushed; i++) {
      assert.isTrue(bytes.subarray(i * 100_000, (i + 1) * 100_000).equals(piece(i)), `piece ${i} of ${flushed}`)
    }
    assert.isTrue(
      Buffer.from(yield* smb.readFile(`${share}\\kept.bin`)).subarray(0, flushed * 100_000).equals(
        bytes.subarray(0, flushed * 100_000)
      )
    )
    yield* smb.remove(`${share}\\kept.bin`)
    if (yield* smb.exists(`${share}\\large`)) yield* smb.remove(`${share}\\large`)
    yield* smb.writeFile(`${share}\\again.bin`, piece(7))
    assert.isTrue(onDisk("again.bin").equals(piece(7)))
  })
)

live(
  "a server refuses NTLMv1 and LM logons, and accepts guests only as its option guest says",
  Effect.gen(function*() {
    const host = "127.0.36.3"
    const users = UserStore.inMemory({ joe: Redacted.make("secret") })
    const closed = { store: MemoryStore.make(), guest: false }
    const run = (guest: "never" | "anonymous" | "unknown", use: Effect.Effect<void, unknown, Scope.Scope>) =>
      Effect.scoped(Effect.andThen(
        SmbServer.make({ host, users, guest, shares: { data: MemoryStore.make(), closed } }),
        use
      ))
    /** `in` if a file could be put and listed, otherwise the status. */
    const come = (options: ReadonlyArray<string>, share = "data") =>
      Effect.map(
        attempt(() =>
          execute("smbclient", [`//${host}/${share}`, ...options, "-c", "put /etc/hostname f; ls f; del f"])
        ),
        ({ code, stderr, stdout }) =>
          code === 0 && / f +A /.test(stdout) ? "in" : /NT_STATUS_\w+/.exec(stdout + stderr)?.[0] ?? stdout + stderr
      )
    const known = ["-U", "joe%secret"]
    const old = ["--option=client ntlmv2 auth=no"]
    const older = [...old, "--option=client lanman auth=yes", "--option=client plaintext auth=yes"]
    const refused = "NT_STATUS_LOGON_FAILURE"
    const expect = (rows: ReadonlyArray<readonly [options: ReadonlyArray<string>, said: string, share?: string]>) =>
      Effect.forEach(
        rows,
        ([options, said, share]) =>
          Effect.map(come(options, share), (found) => assert.strictEqual(found, said, options.join(" "))),
        {
          discard: true
        }
      )
    yield* run(
      "never",
      expect([
        [known, "in"],
        [["-U", "JOE%secret"], "in"],
        [[...known, ...old], refused],
        [[...known, ...older], refused],
        [["-U", "joe%"], refused],
        [["-U", "guest%"], refused],
        [["-U", "nobody%x"], refused],
        [["-U", "%"], refused]
      ])
    )
    yield* run(
      "anonymous",
      expect([
        [known, "in"],
        [["-U", "joe%wrong"], refused],
        [["-U", "nobody%x"], refused],
        [["-U", "%"], "in"],
        [["-U", "%"], "NT_STATUS_ACCESS_DENIED", "closed"],
        [known, "in", "closed"]
      ])
    )
    yield* run(
      "unknown",
      expect([
        [known, "in"],
        [["-U", "joe%wrong"], refused],
        [[...known, ...old], refused],
        [["-U", "guest%"], "in"],
        [["-U", "nobody%x"], "in"],
        [["-U", "%"], "in"],
        [["-U", "nobody%x"], "NT_STATUS_ACCESS_DENIED", "closed"]
      ])
    )
  })
)

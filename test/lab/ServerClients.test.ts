import { assert, it } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ShareStore } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { attempt, mustExecute } from "./Process.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "server-clients-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const sum = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex")

/** Bytes that repeat at no power of two, so that a part in the wrong place is another part. */
const content = (length: number, seed: number) => {
  const words = new Uint32Array(Math.ceil(length / 4))
  for (let i = 0, word = seed; i < words.length; i++) words[i] = word = Math.imul(word ^ word >>> 15, 0x2c1b3c6d) + i
  return new Uint8Array(words.buffer, 0, length)
}

interface Place {
  readonly host: string
  readonly port: number
  /** Here the client works: `in` and `small` are to be put. */
  readonly at: string
}

/** Fetched files are what was put. */
const same = ({ at }: Place, name: string, from: string) =>
  assert.strictEqual(sum(join(at, name)), sum(join(at, from)), name)

const smbclient = async (place: Place) => {
  const { at, host, port } = place
  const script = [
    `lcd ${at}`,
    "mkdir w",
    "cd w",
    "put in a.bin",
    "put small small.txt",
    "rename a.bin b.bin",
    "put small b.bin:more",
    "ls",
    "allinfo b.bin",
    "get b.bin out",
    "get B.BIN:more more",
    "del small.txt",
    "ls",
    "cd ..",
    "deltree w",
    "ls"
  ].join("; ")
  const { stdout } = await mustExecute(
    "smbclient",
    [`//${host}/data`, "-p", String(port), "-U", "joe%secret", "-c", script],
    { timeout: 120_000 }
  )
  same(place, "out", "in")
  same(place, "more", "small")
  assert.match(stdout, /stream: \[:more:\$DATA\], 10240 bytes/)
  assert.match(stdout, /^ {2}b\.bin +A +9437185 /m)
  assert.strictEqual(stdout.split(/^ {2}small\.txt /m).length, 2, stdout)
  assert.strictEqual(stdout.split(/^ {2}w /m).length, 1, stdout)
}

const rclone = async (place: Place) => {
  const { at, host, port } = place
  const pass = (await mustExecute("rclone", ["obscure", "secret"])).stdout.trim()
  const env = {
    RCLONE_CONFIG: "/dev/null",
    RCLONE_SMB_HOST: host,
    RCLONE_SMB_PORT: String(port),
    RCLONE_SMB_USER: "joe",
    RCLONE_SMB_PASS: pass
  }
  const run = async (...args: ReadonlyArray<string>) =>
    (await mustExecute("rclone", [...args, "--retries", "1", "--low-level-retries", "1"], { env, timeout: 120_000 }))
      .stdout
  await run("mkdir", ":smb:data/r/deep")
  await run("copy", join(at, "put"), ":smb:data/r/deep")
  // Compares sizes, and what it downloads.
  await run("check", join(at, "put"), ":smb:data/r/deep", "--download")
  await run("moveto", ":smb:data/r/deep/in", ":smb:data/r/renamed.bin")
  const listed = (await run("lsf", "-R", "--format", "ps", ":smb:data/r")).trim().split("\n").toSorted()
  assert.deepStrictEqual(listed, ["deep/;-1", "deep/small;10240", "renamed.bin;9437185"])
  await run("copyto", ":smb:data/r/renamed.bin", join(at, "fetched"))
  same(place, "fetched", "in")
  await run("deletefile", ":smb:data/r/deep/small")
  await run("purge", ":smb:data/r")
  assert.strictEqual(await run("lsf", ":smb:data"), "")
}

/** impacket's smbclient; its own command takes no port but 445, and knows no renaming, which the library does. */
const shell = `
import sys
from impacket.examples.smbclient import MiniImpacketShell
from impacket.smbconnection import SMBConnection
connection = SMBConnection(sys.argv[1], sys.argv[1], sess_port=int(sys.argv[2]))
connection.login("joe", "secret")
shell = MiniImpacketShell(connection)
for line in sys.stdin:
    words = line.split()
    if words[0] == "rename":
        connection.rename("data", words[1], words[2])
    else:
        shell.onecmd(line.strip())
`

const impacket = async (place: Place) => {
  const { at, host, port } = place
  const run = (lines: ReadonlyArray<string>) =>
    mustExecute("/usr/bin/python3", ["-c", shell, host, String(port)], {
      input: `use data\n${lines.join("\n")}\n`,
      cwd: at,
      timeout: 120_000
    })
  const first = await run(["mkdir i", "cd i", "put in", "put small", "rename i/in i/b.bin", "ls", "get b.bin"])
  assert.include(first.stdout, "b.bin", first.stderr)
  assert.include(first.stdout, "small")
  same(place, "b.bin", "in")
  const second = await run(["cd i", "rm b.bin", "rm small", "ls", "cd ..", "rmdir i", "ls"])
  assert.notMatch(second.stdout, /b\.bin|small| i$/m)
}

const clients = { smbclient, rclone, impacket }

const stores: Record<string, (path: string) => Effect.Effect<ShareStore, unknown, Scope.Scope>> = {
  MemoryStore: () => MemoryStore.make(),
  LocalStore: (path) => LocalStore.make(path)
}

for (const [i, [store, make]] of Object.entries(stores).entries()) {
  it.live(
    `serves smbclient, rclone and impacket from a ${store}`,
    () =>
      Effect.gen(function*() {
        const host = `127.0.32.${i + 1}`
        const root = yield* folder
        const { port } = yield* SmbServer.make({
          host,
          port: 0,
          users: UserStore.inMemory({ joe: Redacted.make("secret") }),
          shares: { data: make(root) }
        })
        for (const [name, run] of Object.entries(clients)) {
          const at = yield* folder
          mkdirSync(join(at, "put"))
          for (const to of [at, join(at, "put")]) {
            writeFileSync(join(to, "in"), content(9 * 1024 * 1024 + 1, i + name.length))
            writeFileSync(join(to, "small"), content(10_240, 7))
          }
          yield* attempt(() => run({ host, port, at }))
        }
      }).pipe(Effect.scoped),
    240_000
  )
}

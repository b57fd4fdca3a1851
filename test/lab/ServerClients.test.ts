/**
 * Proves that this project's server serves smbclient, rclone and impacket from each store: large files, streams, locks
 * and referrals.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import { createHash } from "node:crypto"
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ShareStore } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { attempt, execute, mustExecute } from "./Process.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "server-clients-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/** Bytes that do not repeat at a power of two: a part in the wrong place is noticed. */
const content = (length: number, seed: number) => {
  const words = new Uint32Array(Math.ceil(length / 4))
  for (let i = 0, word = seed; i < words.length; i++) words[i] = word = Math.imul(word ^ word >>> 15, 0x2c1b3c6d) + i
  return new Uint8Array(words.buffer, 0, length)
}

interface Place {
  readonly host: string
  /** The client's folder, with the files `in` and `small`. */
  readonly at: string
}

const size = 100 * 1024 * 1024

/** The files and their SHA-256 digests. */
const contents = { in: content(size, 5), small: content(10_240, 7) }
const sums = { in: digest(contents.in), small: digest(contents.small) }

/** Checks that a fetched file has the original bytes. */
const same = ({ at }: Place, name: string, from: keyof typeof sums) =>
  assert.strictEqual(digest(readFileSync(join(at, name))), sums[from], name)

/** Files, streams and a namespace. smbclient has no command for locks of SMB 2. */
const smbclient = async (place: Place) => {
  const { at, host } = place
  const run = async (share: string, script: ReadonlyArray<string>) =>
    (await mustExecute("smbclient", [`//${host}/${share}`, "-U", "joe%secret", "-c", script.join("; ")], {
      timeout: 120_000
    })).stdout
  const worked = await run("data", [
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
    "ls"
  ])
  same(place, "out", "in")
  same(place, "more", "small")
  assert.match(worked, /stream: \[:more:\$DATA\], 10240 bytes/)
  assert.match(worked, new RegExp(`^ {2}b\\.bin +A +${size} `, "m"))
  assert.strictEqual(worked.split(/^ {2}small\.txt /m).length, 2, worked)
  const walked = await run("names", ["ls", "cd films", "cd w", "ls", `lcd ${at}`, "get b.bin:more walked"])
  assert.match(walked, /^ {2}films +Dr? /m)
  assert.match(walked, new RegExp(`^ {2}b\\.bin +A +${size} `, "m"))
  same(place, "walked", "small")
  const removed = await run("data", ["deltree w", "ls"])
  assert.notMatch(removed, /^ {2}w /m)
}

/** Files only: rclone has no streams and locks, and follows no referrals. */
const rclone = async (place: Place) => {
  const { at, host } = place
  const pass = (await mustExecute("rclone", ["obscure", "secret"])).stdout.trim()
  const env = {
    RCLONE_CONFIG: "/dev/null",
    RCLONE_SMB_HOST: host,
    RCLONE_SMB_USER: "joe",
    RCLONE_SMB_PASS: pass
  }
  const run = async (...args: ReadonlyArray<string>) =>
    (await mustExecute("rclone", [...args, "--retries", "1", "--low-level-retries", "1"], { env, timeout: 120_000 }))
      .stdout
  await run("mkdir", ":smb:data/r/deep")
  await run("copy", join(at, "put"), ":smb:data/r/deep")
  await run("check", join(at, "put"), ":smb:data/r/deep")
  await run("moveto", ":smb:data/r/deep/in", ":smb:data/r/renamed.bin")
  const listed = (await run("lsf", "-R", "--format", "ps", ":smb:data/r")).trim().split("\n").toSorted()
  assert.deepStrictEqual(listed, ["deep/;-1", "deep/small;10240", `renamed.bin;${size}`])
  await run("copyto", ":smb:data/r/renamed.bin", join(at, "fetched"))
  same(place, "fetched", "in")
  await run("deletefile", ":smb:data/r/deep/small")
  await run("purge", ":smb:data/r")
  assert.strictEqual(await run("lsf", ":smb:data"), "")
}

/**
 * impacket's smbclient. It has no command to rename a file, but its library has. It signs dialects from 3.0 on in Python,
 * which takes a minute for a large file: large files use 2.1, and the others 3.1.1.
 */
const shell = `
import sys
from impacket.examples.smbclient import MiniImpacketShell
from impacket.smb3structs import SMB2_DIALECT_21
from impacket.smbconnection import SMBConnection
large = SMB2_DIALECT_21 if sys.argv[2] == "large" else None
connection = SMBConnection(sys.argv[1], sys.argv[1], preferredDialect=large)
connection.login("joe", "secret")
shell = MiniImpacketShell(connection)
for line in sys.stdin:
    words = line.split()
    if words[0] == "rename":
        connection.rename("data", words[1], words[2])
    else:
        shell.onecmd(line.strip())
`

/** Locks of two opens of one file, and a referral, by the structures of impacket's library. */
const locks = `
import sys, struct
from impacket.smbconnection import SMBConnection
from impacket.smb3structs import *
connection = SMBConnection(sys.argv[1], sys.argv[1])
connection.login("joe", "secret")
server = connection.getSMBServer()
tree = connection.connectTree("data")
def send(command, data):
    packet = server.SMB_PACKET()
    packet["Command"] = command
    packet["TreeID"] = tree
    packet["Data"] = data
    return server.recvSMB(server.sendSMB(packet))
def lock(handle, flags, offset, length):
    element = SMB2_LOCK_ELEMENT()
    element["Offset"], element["Length"], element["Flags"] = offset, length, flags
    request = SMB2Lock()
    request["FileID"], request["LockCount"], request["Locks"] = handle, 1, element.getData()
    return hex(send(SMB2_LOCK, request)["Status"])
def write(handle, offset):
    request = SMB2Write()
    request["FileID"], request["Length"], request["Offset"], request["Buffer"] = handle, 1, offset, b"x"
    return hex(send(SMB2_WRITE, request)["Status"])
one, two = [connection.openFile(tree, "i/locked", shareMode=7) for _ in range(2)]
exclusive = SMB2_LOCKFLAG_EXCLUSIVE_LOCK | SMB2_LOCKFLAG_FAIL_IMMEDIATELY
print("lock", lock(one, exclusive, 10, 10), "again", lock(two, exclusive, 15, 10), "next", lock(two, exclusive, 20, 5))
print("write", write(two, 12), "own", write(one, 12), "next", write(two, 22))
print("unlock", lock(one, SMB2_LOCKFLAG_UNLOCK, 10, 10), "again", lock(two, exclusive, 10, 10))
request = SMB2Ioctl()
request["FileID"] = bytes([255] * 16)
request["CtlCode"], request["Flags"], request["MaxOutputResponse"] = FSCTL_DFS_GET_REFERRALS, SMB2_0_IOCTL_IS_FSCTL, 4096
request["Buffer"] = struct.pack("<H", 3) + (r"\\%s\\names\\films" % sys.argv[1]).encode("utf-16le") + bytes(2)
request["InputCount"] = len(request["Buffer"])
answer = send(SMB2_IOCTL, request)
print("referral", hex(answer["Status"]), (r"\\%s\\data" % sys.argv[1]).encode("utf-16le") in answer["Data"])
`

/** Files, locks, and a referral, which impacket does not follow. */
const impacket = async (place: Place) => {
  const { at, host } = place
  const run = (how: "large" | "small", lines: ReadonlyArray<string>) =>
    mustExecute("/usr/bin/python3", ["-c", shell, host, how], {
      input: `use data\n${lines.join("\n")}\n`,
      cwd: at,
      timeout: 120_000
    })
  const first = await run("large", ["mkdir i", "cd i", "put in", "rename i/in i/b.bin", "ls", "get b.bin"])
  assert.include(first.stdout, "b.bin", first.stderr)
  same(place, "b.bin", "in")
  const second = await run("small", ["cd i", "put small", "rename i/small i/locked", "ls", "get locked"])
  assert.include(second.stdout, "locked", second.stderr)
  same(place, "locked", "small")
  const locked = await mustExecute("/usr/bin/python3", ["-c", locks, host])
  assert.deepStrictEqual(locked.stdout.trim().split("\n"), [
    // STATUS_LOCK_NOT_GRANTED, STATUS_FILE_LOCK_CONFLICT
    "lock 0x0 again 0xc0000055 next 0x0",
    "write 0xc0000054 own 0x0 next 0x0",
    "unlock 0x0 again 0x0",
    "referral 0x0 True"
  ])
  const third = await run("small", ["cd i", "rm b.bin", "rm locked", "ls", "cd ..", "rmdir i", "ls"])
  assert.notMatch(third.stdout, /b\.bin|locked| i$/m)
}

const clients = { smbclient, rclone, impacket }

const stores: Record<string, (path: string) => Effect.Effect<ShareStore, unknown, Scope.Scope>> = {
  MemoryStore: () => MemoryStore.make(),
  LocalStore: (path) => LocalStore.make(path)
}

for (const [i, [store, make]] of Object.entries(stores).entries()) {
  it.live(
    `a server serves smbclient (streams, DFS), rclone (files) and impacket (locks, a referral) from a ${store}`,
    () =>
      Effect.gen(function*() {
        const host = `127.0.32.${i + 1}`
        const root = yield* folder
        yield* SmbServer.make({
          host,
          port: 445,
          users: UserStore.inMemory({ joe: Redacted.make("secret") }),
          shares: { data: make(root) },
          namespaces: { roots: { names: { links: { films: [`\\\\${host}\\data`] } } } }
        })
        for (const run of Object.values(clients)) {
          const at = yield* folder
          mkdirSync(join(at, "put"))
          for (const [file, bytes] of Object.entries(contents)) {
            writeFileSync(join(at, "put", file), bytes)
            linkSync(join(at, "put", file), join(at, file))
          }
          yield* attempt(() => run({ host, at }))
        }
      }).pipe(Effect.scoped),
    240_000
  )
}

it.live("a server accepts the logon of a client whose NTLM has no Unicode, and refuses its wrong password", () =>
  Effect.gen(function*() {
    const host = "127.0.32.3"
    yield* SmbServer.make({
      host,
      port: 445,
      users: UserStore.inMemory({ joe: Redacted.make("secret"), "jos\u00e9": Redacted.make("secret") }),
      shares: { data: MemoryStore.make() }
    })
    const logOn = (user: string, password: string) =>
      attempt(() =>
        execute("smbclient", [
          `//${host}/data`,
          "--option=ntlmssp_client:unicode=no",
          "-U",
          `${user}%${password}`,
          "-c",
          "mkdir w; ls"
        ], { timeout: 20_000 })
      )
    for (const user of ["joe", "jos\u00e9"]) {
      assert.match((yield* logOn(user, "secret")).stdout, /^ {2}w +D/m, user)
    }
    assert.match((yield* logOn("joe", "wrong")).stdout, /NT_STATUS_LOGON_FAILURE/)
  }).pipe(Effect.scoped))

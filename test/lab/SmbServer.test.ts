/** Proves that this project's server serves Samba's smbclient in each dialect, and that tshark accepts the packets. */
import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import * as Lab from "./Lab.ts"
import { attempt, execute } from "./Process.ts"

const host = "127.0.28.5"

const server = SmbServer.make({
  host,
  port: 0,
  users: UserStore.inMemory({ joe: Redacted.make("secret") }),
  shares: { data: MemoryStore.make(), secret: { store: MemoryStore.make(), encrypt: true } }
})

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "smb-server-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/**
 * Text, because tshark finds other protocols in random bytes. Less than 128 KiB: on ports other than 445 tshark reads only
 * 17 bits of a frame's length, as in NetBIOS.
 */
const small = Buffer.alloc(100_001, "a line of a file\n")
const large = Buffer.alloc(9_000_001, "a line of a file\n")

/** tshark 4.0 reads NegHints by an older version of SPNEGO. It objects to the same bytes of smbd too. */
const isOfSpnego = (message: string): boolean => message.startsWith("BER Error: OctetString expected")

/** Runs smbclient. It must get back the file that it has put, and its folder must be removed at the end. */
const work = (port: number, share: string, at: string, bytes: Buffer, options: ReadonlyArray<string>) =>
  attempt(async () => {
    writeFileSync(join(at, "in"), bytes)
    rmSync(join(at, "out"), { force: true })
    const script = [
      "mkdir w",
      `put ${join(at, "in")} w\\a.bin`,
      "rename w\\a.bin w\\b.bin",
      "ls w\\*",
      `get w\\b.bin ${join(at, "out")}`,
      `put ${join(at, "in")} w\\b.bin:more`,
      "allinfo w\\b.bin",
      "setmode w\\b.bin +r",
      "setmode w\\b.bin -r",
      "deltree w",
      "ls"
    ].join("; ")
    const said = await execute("smbclient", [
      `//${host}/${share}`,
      "-p",
      String(port),
      "-U",
      "joe%secret",
      ...options,
      "-c",
      script
    ])
    assert.strictEqual(said.code, 0, said.stdout + said.stderr)
    assert.isTrue(readFileSync(join(at, "out")).equals(bytes))
    assert.match(said.stdout, new RegExp(`stream: \\[:more:\\$DATA\\], ${bytes.length} bytes`))
    assert.notMatch(said.stdout.slice(said.stdout.lastIndexOf("stream:")), /^ {2}w /m)
  })

it.live(
  "a server serves smbclient in each dialect, signed and encrypted, and tshark finds no malformed packet",
  () =>
    Effect.gen(function*() {
      const { port } = yield* server
      const at = yield* folder
      const capture = yield* Lab.capture({ addresses: [host], ports: [port] })
      for (const dialect of ["SMB2_02", "SMB2_10", "SMB3_00", "SMB3_02", "SMB3_11"]) {
        yield* work(port, "data", at, small, ["-m", dialect])
      }
      const plain = yield* capture.analyse({ ports: [port] })
      assert.isAbove(plain.packets, 300)
      assert.deepStrictEqual(plain.objections.filter(({ message }) => !isOfSpnego(message)), [])
      yield* work(port, "data", at, large, [])
      yield* work(port, "data", at, large, ["--client-protection=encrypt"])
      yield* work(port, "secret", at, small, ["-m", "SMB3_00"])
      yield* work(port, "secret", at, large, [])
    }).pipe(Effect.scoped),
  60_000
)

it.live("a server lists its shares to smbclient", () =>
  Effect.gen(function*() {
    const { port } = yield* server
    const { stdout } = yield* attempt(() =>
      execute("smbclient", ["-L", `//${host}`, "-p", String(port), "-U", "joe%secret", "-g"])
    )
    assert.include(stdout, "Disk|data|")
    assert.include(stdout, "Disk|secret|")
  }).pipe(Effect.scoped), 30_000)

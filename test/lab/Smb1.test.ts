/**
 * Proves the client's SMB 1 (MS-CIFS, MS-SMB) with smbd: every operation signed and unsigned, links between SMB 1 and
 * SMB 3, small packets, and logons. tshark must accept the packets.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Layer, Redacted, Stream } from "effect"
import { Credentials, OpenMode, type SmbClient } from "effect-smb"
import { Information } from "effect-smb/Client"
import { ReferralSource } from "effect-smb/Dfs"
import { readdir } from "node:fs/promises"
import { Command } from "../../src/Smb1/Message/Constants.ts"
import { GenericAccess } from "../../src/Smb2/Message/Constants.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import { main } from "../command.ts"
import { client, type ClientOptions } from "./Clients.ts"
import { compact, everything } from "./Everything.ts"
import * as Lab from "./Lab.ts"
import { execute } from "./Process.ts"

const data = { name: "data", streams: "xattr", acls: true, extendedAttributes: true, snapshots: true } as const
const nt1 = { minimumDialect: "NT1", maximumDialect: "NT1", signing: "auto" } as const

const servers = Lab.servers({
  old: {
    address: "127.0.26.1",
    ...nt1,
    shares: [data, {
      ...data,
      name: "dfs",
      dfs: { old: "127.0.26.2\\data", new: "127.0.26.3\\data", own: "127.0.26.1\\data" }
    }]
  },
  older: { address: "127.0.26.2", ...nt1, signing: "mandatory", shares: [data] },
  modern: {
    address: "127.0.26.3",
    minimumDialect: "SMB3_11",
    shares: [data, { ...data, name: "dfs", dfs: { old: "127.0.26.2\\data", lax: "127.0.26.1\\data" } }]
  },
  // Small packets both ways, and a logon without SPNEGO.
  small: {
    address: "127.0.26.4",
    ...nt1,
    options: { "max xmit": "1500", "raw NTLMv2 auth": "yes", "max mux": "3" },
    shares: [data]
  },
  guests: {
    address: "127.0.26.6",
    ...nt1,
    guest: true,
    options: { "host msdfs": "no" },
    shares: [{ name: "open", guest: true }]
  },
  split: { address: "127.0.26.5", ...nt1, options: { "max xmit": "1500" }, shares: [data] }
})

type Servers = Effect.Success<typeof servers>

class World extends Context.Service<World, { readonly servers: Servers; readonly capture: Lab.Capture }>()(
  "test/lab/Smb1"
) {
  static readonly layer = Layer.effect(
    World,
    Effect.gen(function*() {
      const all = yield* servers
      // Without the server `split`: tshark objects to NT_TRANSACT in several packets, see below.
      const addresses = Object.values(all).map(({ address }) => address).filter((address) => address !== "127.0.26.5")
      const capture = yield* Lab.capture({ addresses })
      return { servers: all, capture }
    })
  )
}

const place = (
  base: string,
  [server, share]: readonly [keyof Servers, string],
  folder: string,
  options: SmbClient.Options
) =>
  Effect.gen(function*() {
    const world = yield* World
    return {
      smb: yield* client({ ...options, dfs: {} }),
      other: yield* client({ ...options, dfs: {} }),
      base,
      server: world.servers[server],
      share,
      folder,
      clientArgs: server === "modern" ? [] : ["--option=client min protocol=NT1", "--option=client max protocol=NT1"]
    }
  })

/** A DCE/RPC bind to srvsvc 3.0 with NDR, with this number of contexts of 44 bytes. */
const bind = (contexts: number): Buffer => {
  const syntaxes = "c84f324b7016d30112785a47bf6ee18803000000045d888aeb1cc9119fe808002b10486002000000"
  const elements = Array.from(
    { length: contexts },
    (_, i) => Buffer.concat([Buffer.of(i, 0, 1, 0), Buffer.from(syntaxes, "hex")])
  )
  const whole = Buffer.concat([
    Buffer.from("05000b03100000000000000001000000b810b8100000000000000000", "hex"),
    ...elements
  ])
  whole.writeUInt16LE(whole.length, 8)
  whole[24] = contexts
  return whole
}

const only: SmbClient.Options = { dialects: ["NT1"] }
const both: SmbClient.Options = { dialects: ["NT1", "2.1", "3.0", "3.1.1"] }

layer(World.layer, { excludeTestServices: true, timeout: "60 seconds" })("a client of SMB 1 on smbd", (it) => {
  it.effect("does every operation unsigned", () =>
    Effect.flatMap(
      place("\\\\127.0.26.1\\data", ["old", "data"], "unsigned", { ...only, signing: "if-required" }),
      everything
    ))

  it.effect("does every operation signed", () =>
    Effect.flatMap(place("\\\\127.0.26.1\\data", ["old", "data"], "signed", only), everything))

  it.effect("does every operation through a link from one SMB 1 server to another", () =>
    Effect.flatMap(place("\\\\127.0.26.1\\dfs\\old", ["older", "data"], "old to old", only), everything))

  it.effect("does every operation through a link from SMB 1 to SMB 3", () =>
    Effect.flatMap(place("\\\\127.0.26.1\\dfs\\new", ["modern", "data"], "old to new", both), everything))

  it.effect("does every operation through a link from SMB 3 to SMB 1", () =>
    Effect.flatMap(place("\\\\127.0.26.3\\dfs\\old", ["older", "data"], "new to old", both), everything))

  it.effect("works unsigned through links from SMB 1 to SMB 1 and to SMB 3, and from SMB 3 to SMB 1", () =>
    Effect.gen(function*() {
      const one = { ...only, signing: "if-required" } as const
      const two = { ...both, signing: "if-required" } as const
      yield* compact(yield* place("\\\\127.0.26.1\\dfs\\own", ["old", "data"], "unsigned link", one))
      yield* compact(yield* place("\\\\127.0.26.1\\dfs\\new", ["modern", "data"], "unsigned to new", two))
      yield* compact(yield* place("\\\\127.0.26.3\\dfs\\lax", ["old", "data"], "unsigned to old", two))
    }))

  it.effect("does every operation in the root of a namespace", () =>
    Effect.flatMap(place("\\\\127.0.26.1\\dfs", ["old", "dfs"], "root", only), everything))

  it.effect("does every operation with packets of 1500 bytes and at most three concurrent requests", () =>
    Effect.flatMap(
      place("\\\\127.0.26.4\\data", ["small", "data"], "small", { ...only, smb1: { maxBufferSize: 1500 } }),
      everything
    ))

  // smbd 4.17 does not sign after such a logon, not even for smbclient.
  it.effect("after a logon without SPNEGO does every operation unsigned, and fails with BadSignature if signing is required", () =>
    Effect.gen(function*() {
      const smb1 = { extendedSecurity: false }
      const unsigned = { ...only, signing: "if-required", smb1 } as const
      yield* everything(yield* place("\\\\127.0.26.4\\data", ["small", "data"], "plain", unsigned))
      const refused = yield* Effect.flip(Effect.flatMap(
        client({ ...only, smb1 }),
        (smb) => smb.stat("\\\\127.0.26.4\\data")
      ))
      assert.strictEqual(refused._tag === "ProtocolError" ? refused.reason._tag : refused, "BadSignature")
    }))

  it.effect("sends a long security descriptor in several NT_TRANSACT packets, signed and unsigned", () =>
    Effect.gen(function*() {
      const capture = yield* Lab.capture({ addresses: ["127.0.26.5"] })
      for (const signing of ["required", "if-required"] as const) {
        const smb = yield* client({ ...only, signing, smb1: { maxBufferSize: 1500 } })
        const path = `\\\\127.0.26.5\\data\\long-${signing}`
        yield* smb.writeFile(path, "x")
        const before = yield* smb.security.get(path)
        const aces = Array.from({ length: 80 }, (_, i) => ({
          _tag: "Basic" as const,
          aceType: 0,
          aceFlags: 0,
          mask: GenericAccess.FILE_GENERIC_READ,
          sid: `S-1-5-21-1-2-3-${i + 5000}`
        }))
        yield* smb.security.set(path, {
          ...before,
          owner: undefined,
          group: undefined,
          sacl: undefined,
          dacl: { ...before.dacl!, aces: [...before.dacl!.aces, ...aces] }
        })
        const after = yield* smb.security.get(path)
        assert.isAtLeast(after.dacl!.aces.length, 80)
        assert.strictEqual(yield* smb.readFileString(path), "x")
      }
      const { objections } = yield* capture.analyse()
      // One frame can have several packets.
      const frames = yield* capture.fields("smb.cmd == 0xa1", ["smb.cmd"])
      const secondaries = frames.flatMap(([commands]) => commands!.split(",")).filter((one) => Number(one) === 0xa1)
      assert.isAtLeast(secondaries.length, 4)

      // tshark takes the first packet's data for the whole descriptor. It objects to the packets of smbcacls in the same
      // way, and to nothing else in this client's.
      const foreign = yield* Lab.capture({ addresses: ["127.0.26.5"] })
      const aces = Array.from({ length: 80 }, (_, i) => `ACL:S-1-5-21-1-2-3-${i + 5000}:0/0x0/0x00120089`)
      yield* Effect.promise(() =>
        execute("smbcacls", [
          "//127.0.26.5/data",
          "long-required",
          "-U",
          `${Lab.user.name}%${Lab.user.password}`,
          "-s",
          "/dev/null",
          "--option=client min protocol=NT1",
          "--option=client max protocol=NT1",
          "--option=client signing=disabled",
          "-a",
          aces.join(",")
        ])
      )
      const theirs = (yield* foreign.analyse()).objections
      assert.strictEqual(theirs.length, 1)
      const said = "ACE Extends beyond end of reassembled data"
      const kind = (one: (typeof objections)[number]) => `${one.summary.replace(/FID: \w+/, "FID")}: ${one.message}`
      assert.strictEqual(kind(theirs[0]!), `NT Trans Request, NT SET SECURITY DESC, FID: ${said}`)
      // tshark objects in the same way to responses of smbd in several packets.
      const answer = `NT Trans Response, FID, NT QUERY SECURITY DESC: ${said}`
      const each = [kind(theirs[0]!), answer]
      assert.deepStrictEqual(objections.map(kind), [...each, ...each])
    }))

  it.effect("sets and reads extended attributes that are longer than a packet, by TRANSACTION2", () =>
    Effect.gen(function*() {
      const { servers } = yield* World
      const smb = yield* client(only)
      const attributes = ["ONE", "TWO"].map((eaName, i) => ({ flags: 0, eaName, eaValue: Buffer.alloc(1400, i + 65) }))
      const file = yield* smb.open("\\\\127.0.26.4\\data\\attributes", OpenMode.readWrite)
      yield* file.run(Information.setFile("FileFullEaInformation", attributes))
      const { stdout } = yield* Effect.promise(() =>
        execute("getfattr", ["--absolute-names", "-d", servers.small.path("data", "attributes")])
      )
      for (const { eaName, eaValue } of attributes) assert.include(stdout, `user.${eaName}="${eaValue.toString()}`)
      const found = yield* file.run(Information.queryFile("FileFullEaInformation"))
      for (const { eaName, eaValue } of attributes) {
        const same = found.find((one) => one.eaName === eaName)?.eaValue
        assert.strictEqual(Buffer.from(same!).subarray(0, 1400).compare(eaValue), 0)
      }
    }).pipe(Effect.scoped))

  it.effect("with keepAlive sends an ECHO on an idle connection, gets its response, and works afterwards", () =>
    Effect.gen(function*() {
      const echoes: Array<string> = []
      const answered = yield* Deferred.make<void>()
      const { servers } = yield* World
      yield* Lab.proxy({
        listen: { address: "127.0.26.7" },
        target: { address: servers.old.address },
        onPacket: ({ bytes, direction }) => {
          if (bytes[8] !== Command.SMB_COM_ECHO) return bytes
          echoes.push(direction)
          if (direction === "toClient") Deferred.doneUnsafe(answered, Effect.void)
          return bytes
        }
      })
      const smb = yield* client({ ...only, keepAlive: Duration.seconds(1) })
      const file = yield* smb.open("\\\\127.0.26.7\\data\\kept", OpenMode.readWrite)
      yield* Deferred.await(answered).pipe(Effect.timeout("10 seconds"))
      assert.deepStrictEqual(echoes.slice(0, 2), ["toServer", "toClient"])
      yield* file.write(0, Buffer.from("still here"))
    }).pipe(Effect.scoped))

  it.effect("uses SMB 3 if both sides know it, and SMB 1 only if its options name it", () =>
    Effect.gen(function*() {
      const dialect = (options: SmbClient.Options, server: string) =>
        Effect.flatMap(client(options), (smb) =>
          smb.withShare(`\\\\${server}\\data`, (share) => Effect.succeed(share.dialect)))
      assert.strictEqual(yield* dialect(both, "127.0.26.3"), "3.1.1")
      assert.strictEqual(yield* dialect(both, "127.0.26.1"), "NT1")
      const refused = yield* Effect.flip(dialect({}, "127.0.26.1"))
      assert.strictEqual(refused._tag === "ProtocolError" ? refused.reason._tag : refused, "Smb1Only")
      const encrypted = yield* Effect.flip(dialect({ ...only, encryption: "required" }, "127.0.26.1"))
      assert.strictEqual(
        encrypted._tag === "ProtocolError" ? encrypted.reason._tag : encrypted,
        "EncryptionUnavailable"
      )
      const gone = yield* Effect.flip(dialect(only, "127.0.26.3"))
      assert.include(["ProtocolError", "TransportError"], gone._tag)
    }).pipe(Effect.scoped))

  it.effect("binds to a named pipe in one transaction, of one packet or several", () =>
    Effect.gen(function*() {
      const smb = yield* client(only)
      for (const [server, contexts] of [["127.0.26.1", 1], ["127.0.26.4", 40]] as const) {
        const answer = yield* Effect.scoped(smb.withShare(`\\\\${server}\\IPC$`, (share) =>
          Effect.gen(function*() {
            assert.strictEqual(share.type, "pipe")
            const pipe = yield* share.open("srvsvc", OpenMode.pipe)
            const input = bind(contexts)
            return yield* pipe.run({ _tag: "Ioctl", ctlCode: Fsctl.FSCTL_PIPE_TRANSCEIVE, input, maximum: 4280 })
          })))
        // A bind_ack. The number of results follows the name of the pipe.
        assert.strictEqual(answer[2], 12)
        const view = Buffer.from(answer)
        assert.strictEqual(view[26 + view.readUInt16LE(24) + 3 & ~3], contexts)
      }
    }))

  it.effect("reads as guest or anonymous user, as a stranger only unsigned, and fails for a wrong password", () =>
    Effect.gen(function*() {
      const path = "\\\\127.0.26.6\\open\\file"
      const world = yield* World
      yield* world.servers.guests.write("open", "file", "for everybody")
      const read = (options: ClientOptions) =>
        Effect.scoped(Effect.flatMap(client({ ...only, ...options }), (smb) => smb.readFileString(path)))
      for (const credential of [Credentials.guest, Credentials.anonymous]) {
        assert.strictEqual(yield* read({ credential }), "for everybody", credential._tag)
      }
      const stranger = Credentials.password("stranger", Redacted.make("x"))
      assert.strictEqual(yield* read({ credential: stranger, signing: "if-required" }), "for everybody")
      const unsigned = yield* Effect.flip(read({ credential: stranger }))
      assert.strictEqual(unsigned._tag === "ProtocolError" ? unsigned.reason._tag : unsigned, "SigningUnavailable")
      const wrong = yield* Effect.flip(read({ credential: Credentials.password(Lab.user.name, Redacted.make("no")) }))
      assert.strictEqual(wrong._tag === "SmbError" ? wrong.reason._tag : wrong, "LogonFailure")
      const none = yield* Effect.flip(Effect.scoped(Effect.flatMap(
        client(only),
        (smb) => smb.stat("\\\\127.0.26.6\\none")
      )))
      assert.strictEqual(none._tag === "SmbError" ? none.reason._tag : none, "BadNetworkName")
    }))

  it.effect("reads from a server without DFS, and recognizes its refusal of a referral request", () =>
    Effect.gen(function*() {
      const path = "\\\\127.0.26.6\\open\\plain"
      const world = yield* World
      yield* world.servers.guests.write("open", "plain", "no DFS")
      const fallback = yield* client({ ...only, signing: "if-required", dfs: {} })
      assert.strictEqual(yield* fallback.readFileString(path), "no DFS")
      const asked = (server: string) =>
        Effect.scoped(fallback.withShare(`\\\\${server}\\IPC$`, (share) =>
          share.control({
            _tag: "Ioctl",
            ctlCode: Fsctl.FSCTL_DFS_GET_REFERRALS,
            input: Buffer.from(`\u0003\\${server}\\dfs\0`, "utf16le"),
            maximum: 8192
          })))
      const refused = yield* Effect.flip(asked("127.0.26.6"))
      assert(refused._tag === "SmbError")
      const meant = ReferralSource.fromStatus(refused.status, { server: "127.0.26.6", path, size: 8192 })
      assert.strictEqual(meant._tag, "NotDfsCapable")
      // A server with DFS: the referral has one entry, for the root.
      const referral = yield* asked("127.0.26.1")
      assert.strictEqual(Buffer.from(referral).readUInt16LE(2), 1)
    }))

  it.effect("is used by the command with --dialect nt1, which prints a warning", () =>
    Effect.gen(function*() {
      const world = yield* World
      yield* world.servers.old.write("data", "told.txt", "by SMB 1")
      const run = (...args: ReadonlyArray<string>) =>
        Effect.promise(() =>
          execute(process.execPath, [main, ...args], {
            env: { SMB_USER: Lab.user.name, SMB_PASSWORD: Lab.user.password, NO_COLOR: "1" }
          })
        )
      const warning = "effect-smb: warning: 127.0.26.1 is spoken to by SMB 1, which is insecure: " +
        "nothing is encrypted, and signatures are weak\n"
      for (const dialect of ["nt1", "NT1,3.1.1"]) {
        const cat = yield* run("cat", "--dialect", dialect, "//127.0.26.1/data/told.txt")
        assert.deepStrictEqual(cat, { code: 0, stdout: "by SMB 1", stderr: warning })
      }
      const modern = yield* run("ls", "--dialect", "nt1,3.1.1", "//127.0.26.3/data")
      assert.strictEqual(modern.code, 0)
      assert.strictEqual(modern.stderr, "")
      const without = yield* run("cat", "//127.0.26.1/data/told.txt")
      assert.strictEqual(without.code, 1)
      assert.match(without.stderr, /^effect-smb: [^\n]*only SMB 1[^\n]*\n$/)
    }))

  it.effect("without Unicode writes, lists and renames files in an OEM code page, and refuses other names", () =>
    Effect.gen(function*() {
      const world = yield* World
      const smb = yield* client({ ...only, smb1: { unicode: false } })
      const base = "\\\\127.0.26.4\\data\\oem"
      yield* smb.makeDirectory(base)
      const names = ["Ärger mit ß.txt", "plain", "naïve ½", "odd"]
      for (const name of names) yield* smb.writeFile(`${base}\\${name}`, name)
      const disk = yield* Effect.promise(() => readdir(world.servers.small.path("data", "oem")))
      assert.deepStrictEqual(disk.toSorted(), names.toSorted())
      const listed = yield* Stream.runCollect(smb.list(base))
      assert.deepStrictEqual(listed.map(({ name }) => name).toSorted(), names.toSorted())
      for (const name of names) assert.strictEqual(yield* smb.readFileString(`${base}\\${name}`), name)
      yield* smb.rename(`${base}\\odd`, `${base}\\even é`)
      assert.isTrue(yield* smb.exists(`${base}\\even é`))
      const unsayable = yield* Effect.flip(smb.writeFile(`${base}\\🦊`, ""))
      assert.strictEqual(unsayable._tag === "SmbError" ? unsayable.reason._tag : unsayable, "ObjectNameInvalid")
    }))

  it.effect("has sent every SMB 1 command except the named five, and tshark objects to no packet", () =>
    Effect.gen(function*() {
      const { capture } = yield* World
      const { objections, packets } = yield* capture.analyse()
      assert.isAbove(packets, 5000)
      assert.deepStrictEqual(objections, [])
      // The other commands are for servers that lack newer ones (Smb1Ways), or went to the server `split`.
      const rows = yield* capture.fields("smb.flags.response == 0", ["smb.cmd"])
      // A frame can have several packets, and each chain of commands ends with SMB_COM_NO_ANDX_COMMAND.
      const sent = new Set(rows.flatMap(([commands]) => commands!.split(",").map(Number)))
      const elsewhere = [
        "SMB_COM_CREATE_DIRECTORY",
        "SMB_COM_DELETE_DIRECTORY",
        "SMB_COM_DELETE",
        "SMB_COM_NT_TRANSACT_SECONDARY",
        "SMB_COM_NT_RENAME"
      ]
      const missing = Object.entries(Command).flatMap(([name, command]) => sent.has(command) ? [] : [name])
      assert.deepStrictEqual(missing.toSorted(), elsewhere.toSorted())
    }))
})

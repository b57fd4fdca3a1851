/**
 * Proves the client's SMB 1 with smbd servers that lack Unicode, pass-through information levels (MS-SMB 2.2.2.3.5),
 * newer requests, or signatures. tshark must accept the packets.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Stream } from "effect"
import { Authenticator, Credentials, OpenMode, type SmbClient, TcpTransport } from "effect-smb"
import { Information } from "effect-smb/Client"
import { FileInformation } from "effect-smb/Codec"
import { Breaks, Negotiate, Session, Tree } from "effect-smb/Smb1"
import { Settings } from "effect-smb/Smb2"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { Command, SetFileLevel, SMB_INFO_PASSTHROUGH, Trans2Subcommand } from "../../src/Smb1/Message/Constants.ts"
import { CreateDisposition, CreateOptions, FileAttributes } from "../../src/Smb2/Message/Constants.ts"
import type { Place } from "./checks/Place.ts"
import { refused } from "./checks/Place.ts"
import { client } from "./Clients.ts"
import { everythingBut } from "./Everything.ts"
import * as Lab from "./Lab.ts"
import type { Packet } from "./Proxy.ts"
import * as Smb1Signer from "./Smb1Signer.ts"

const data = { name: "data", streams: "xattr", acls: true, extendedAttributes: true, snapshots: true } as const
const nt1 = { minimumDialect: "NT1", maximumDialect: "NT1", shares: [data] } as const
const second = { name: "smbtest2", password: "Other-1" } as const

const addresses = {
  oem: "127.0.35.1",
  levels: "127.0.35.2",
  least: "127.0.35.3",
  unsigned: "127.0.35.4",
  signer: "127.0.35.5",
  older: "127.0.35.6"
} as const

const servers = Lab.servers({
  oem: { address: addresses.oem, ...nt1, signing: "auto", options: { unicode: "no", "dos charset": "CP850" } },
  // Without large transfers smbd has no CAP_INFOLEVEL_PASSTHRU.
  levels: {
    address: addresses.levels,
    ...nt1,
    signing: "mandatory",
    users: [second],
    options: { "large readwrite": "no" }
  },
  least: {
    address: addresses.least,
    ...nt1,
    signing: "auto",
    options: { unicode: "no", "dos charset": "CP850", "large readwrite": "no" }
  },
  unsigned: { address: addresses.unsigned, ...nt1, signing: "disabled", options: { "raw NTLMv2 auth": "yes" } }
})

type Servers = Effect.Success<typeof servers>

class World extends Context.Service<World, { readonly servers: Servers; readonly capture: Lab.Capture }>()(
  "test/lab/Smb1Ways"
) {
  static readonly layer = Layer.effect(
    World,
    Effect.gen(function*() {
      const all = yield* servers
      return { servers: all, capture: yield* Lab.capture({ addresses: Object.values(addresses) }) }
    })
  )
}

const nt1Args = ["--option=client min protocol=NT1", "--option=client max protocol=NT1"]
const only: SmbClient.Options = { dialects: ["NT1"] }

const place = (
  name: keyof Servers,
  folder: string,
  options: SmbClient.Options = only,
  address: string = addresses[name]
): Effect.Effect<Place, never, any> =>
  Effect.gen(function*() {
    const world = yield* World
    return {
      smb: yield* client(options),
      other: yield* client(options),
      base: `\\\\${address}\\data`,
      server: world.servers[name],
      share: "data",
      folder,
      clientArgs: [...nt1Args, "--option=dos charset=CP850"]
    }
  })

layer(World.layer, { excludeTestServices: true, timeout: "60 seconds" })(
  "a client of SMB 1 on limited smbd servers",
  (it) => {
    it.effect("does every operation, except names in Unicode, at a server without Unicode", () =>
      Effect.flatMap(place("oem", "all"), everythingBut("naming", "lone-surrogate")))

    it.effect("does every operation, except information classes, at a server without pass-through levels", () =>
      Effect.flatMap(place("levels", "all"), everythingBut("information")))

    it.effect("does every operation, except both of these, at a server that has neither", () =>
      Effect.flatMap(place("least", "all"), everythingBut("naming", "lone-surrogate", "information")))

    for (const name of ["oem", "least"] as const) {
      it.effect(`uses names of code page 850 for files and streams, and refuses other names, at the server ${name}`, () =>
        Effect.gen(function*() {
          const { servers } = yield* World
          const smb = yield* client(only)
          const base = `\\\\${addresses[name]}\\data\\code page`
          const disk = (...names: ReadonlyArray<string>) => servers[name].path("data", "code page", ...names)
          yield* smb.makeDirectory(base)
          const names = ["Ärger mit ß.txt", "naïve ½", "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬"]
          for (const file of names) {
            const path = `${base}\\${file}`
            yield* smb.writeFile(path, file)
            assert.strictEqual(readFileSync(disk(file), "utf8"), file)
            const { fileName } = yield* Effect.scoped(Effect.flatMap(
              smb.open(path),
              (opened) => opened.run(Information.queryFile("FileNameInformation"))
            ))
            assert.strictEqual(fileName, `\\code page\\${file}`)
            yield* smb.writeFile(`${path}:Strömung`, "in a stream")
            assert.deepStrictEqual(yield* smb.namedStreams(path), [{ name: "Strömung", size: 11n }])
            assert.strictEqual(yield* smb.readFileString(`${path}:Strömung`), "in a stream")
          }
          assert.deepStrictEqual(readdirSync(disk()).toSorted(), names.toSorted())
          const listed = yield* Stream.runCollect(smb.list(base))
          assert.deepStrictEqual(listed.map((entry) => entry.name).toSorted(), names.toSorted())

          // Within the directory and into another one, with and without an existing file of that name.
          yield* smb.makeDirectory(`${base}\\Ordner ü`)
          yield* smb.rename(`${base}\\${names[0]}`, `${base}\\${names[1]}`, { replace: true })
          assert.strictEqual(readFileSync(disk(names[1]!), "utf8"), names[0])
          yield* smb.rename(`${base}\\${names[1]}`, `${base}\\Ordner ü\\é`)
          yield* smb.writeFile(`${base}\\è`, "over it")
          assert.strictEqual(
            yield* refused(smb.rename(`${base}\\è`, `${base}\\Ordner ü\\é`)),
            "ObjectNameCollision"
          )
          yield* smb.rename(`${base}\\è`, `${base}\\Ordner ü\\é`, { replace: true })
          assert.strictEqual(readFileSync(disk("Ordner ü", "é"), "utf8"), "over it")
          assert.deepStrictEqual(readdirSync(disk("Ordner ü")), ["é"])
          // A name or pattern with a character outside the code page is refused.
          const fox = `${base}\\🦊`
          for (
            const said of [
              smb.writeFile(fox, ""),
              smb.rename(`${base}\\Ordner ü`, fox),
              smb.rename(`${base}\\Ordner ü\\é`, fox, { replace: true }),
              Stream.runDrain(smb.list(base, { pattern: "🦊*" }))
            ]
          ) {
            assert.strictEqual(
              yield* refused(said as Effect.Effect<unknown, { readonly _tag: string }>),
              "ObjectNameInvalid"
            )
          }
        }))
    }

    it.effect("without pass-through levels replaces files by a rename, but not directories and read-only files", () =>
      Effect.gen(function*() {
        const { servers } = yield* World
        const smb = yield* client(only)
        const base = `\\\\${addresses.levels}\\data\\replace`
        const disk = (...names: ReadonlyArray<string>) => servers.levels.path("data", "replace", ...names)
        yield* smb.makeDirectory(base)
        yield* smb.makeDirectory(`${base}\\folder`)
        for (const name of ["new", "old", "read-only"]) yield* smb.writeFile(`${base}\\${name}`, name)
        yield* smb.setAttributes(`${base}\\read-only`, { fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY })
        for (const to of ["folder", "read-only"]) {
          assert.notStrictEqual(yield* refused(smb.rename(`${base}\\new`, `${base}\\${to}`, { replace: true })), "")
        }
        // The attempts have changed nothing.
        assert.deepStrictEqual(readdirSync(disk()).toSorted(), ["folder", "new", "old", "read-only"])
        assert.isTrue(statSync(disk("folder")).isDirectory())
        assert.strictEqual(readFileSync(disk("read-only"), "utf8"), "read-only")
        yield* Effect.scoped(Effect.gen(function*() {
          // The open stays usable after the rename of its file.
          const file = yield* smb.open(`${base}\\new`, {
            ...OpenMode.update,
            desiredAccess: OpenMode.update.desiredAccess | OpenMode.remove.desiredAccess
          })
          yield* file.run(
            Information.setFile("FileRenameInformation", {
              replaceIfExists: true,
              rootDirectory: 0n,
              fileName: "replace\\old"
            })
          )
          assert.strictEqual(Buffer.from(yield* file.read(0, 10)).toString(), "new")
          yield* file.write(0, Buffer.from("NEW"))
          // A second name for the file.
          const link = { replaceIfExists: false, rootDirectory: 0n, fileName: "replace\\folder\\link" }
          yield* file.run(Information.setFile("FileLinkInformation", link))
        }))
        assert.deepStrictEqual(readdirSync(disk()).toSorted(), ["folder", "old", "read-only"])
        assert.strictEqual(readFileSync(disk("old"), "utf8"), "NEW")
        assert.strictEqual(statSync(disk("folder", "link")).ino, statSync(disk("old")).ino)
        // A pattern would match other files too.
        assert.strictEqual(
          yield* refused(smb.rename(`${base}\\old`, `${base}\\*`, { replace: true })),
          "ObjectNameInvalid"
        )
      }))

    // smbd knows the newer requests. The proxy changes them, and smbd answers NOT_SUPPORTED and INVALID_LEVEL.
    it.effect("creates directories and deletes files by name at a server that cannot do this by opening them", () =>
      Effect.gen(function*() {
        const { servers } = yield* World
        const { number: disposition } = FileInformation.classes.FileDispositionInformation
        const spoil = ({ bytes, direction }: Packet): Uint8Array => {
          const packet = bytes.subarray(4)
          if (direction === "toClient" || packet.length < 40) return bytes
          const at = packet.length > 60 ? packet.readUInt16LE(53) : 0
          if (
            packet[4] === Command.SMB_COM_NT_CREATE_ANDX && packet.readUInt32LE(68) === CreateDisposition.FILE_CREATE &&
            (packet.readUInt32LE(72) & CreateOptions.FILE_DIRECTORY_FILE) !== 0
          ) {
            packet.writeUInt32LE(packet.readUInt32LE(72) | CreateOptions.FILE_OPEN_BY_FILE_ID, 72)
          } else if (
            packet[4] === Command.SMB_COM_TRANSACTION2 && packet[61] === Trans2Subcommand.TRANS2_SET_FILE_INFORMATION &&
            [SetFileLevel[disposition], SMB_INFO_PASSTHROUGH + disposition].includes(packet.readUInt16LE(at + 2))
          ) {
            packet.writeUInt16LE(0x0fff, at + 2)
          }
          return bytes
        }
        yield* Lab.proxy({ listen: { address: addresses.older }, target: { address: addresses.oem }, onPacket: spoil })
        const options = { ...only, signing: "if-required" } as const
        const here = yield* place("oem", "older", options, addresses.older)
        yield* everythingBut("naming", "lone-surrogate")(here)

        const { smb } = here
        const base = `${here.base}\\by name`
        const disk = (...names: ReadonlyArray<string>) => servers.oem.path("data", "by name", ...names)
        yield* smb.makeDirectory(base)
        yield* smb.makeDirectory(`${base}\\Ordner`)
        yield* smb.writeFile(`${base}\\Ordner\\file`, "x")
        assert.strictEqual(yield* refused(smb.remove(`${base}\\Ordner`)), "DirectoryNotEmpty")
        yield* Effect.scoped(Effect.gen(function*() {
          const file = yield* smb.open(`${base}\\Ordner\\file`, {
            ...OpenMode.update,
            desiredAccess: OpenMode.update.desiredAccess | OpenMode.remove.desiredAccess
          })
          yield* file.run(Information.setFile("FileDispositionInformation", { deletePending: true }))
          assert.isFalse(existsSync(disk("Ordner", "file")))
          // The file is closed: a read fails, and another close does nothing.
          assert.strictEqual(yield* refused(file.read(0, 1)), "FileClosed")
          yield* file.close
        }))
        yield* smb.remove(`${base}\\Ordner`)
        assert.deepStrictEqual(readdirSync(disk()), [])
      }))

    // smbclient comes first: only another program can show that the signatures are right.
    it.effect("signs after a logon without SPNEGO, as smbclient does", () =>
      Effect.gen(function*() {
        const signer = Smb1Signer.make(Lab.user.password)
        yield* Lab.proxy({
          listen: { address: addresses.signer },
          target: { address: addresses.unsigned },
          onPacket: signer.onPacket
        })
        const { servers } = yield* World
        yield* servers.unsigned.write("data", "signed.txt", "signed without SPNEGO")
        const foreign = yield* Lab.smbclient(
          `//${addresses.signer}/data`,
          "get signed.txt -; mkdir made; rmdir made; ls",
          {
            args: [...nt1Args, "--option=client use spnego=no", "--option=client signing=required"]
          }
        )
        assert.include(foreign.stdout, "signed without SPNEGO")
        assert.strictEqual(foreign.code, 0)
        assert.deepStrictEqual(signer.wrong(), [])
        const theirs = signer.checked()
        assert.isAbove(theirs, 5)

        const options = { ...only, signing: "required", smb1: { extendedSecurity: false } } as const
        // The check `shares` asks the server itself, and not the proxy.
        yield* everythingBut("shares")(yield* place("unsigned", "signed", options, addresses.signer))
        assert.deepStrictEqual(signer.wrong(), [])
        assert.isAbove(signer.checked() - theirs, 1000)
      }))

    it.effect("lets two users write their own files on one signed connection", () =>
      Effect.gen(function*() {
        const { servers } = yield* World
        const settings = { ...Settings.defaults, dialects: ["NT1"] } as const
        const agreed = yield* Negotiate.connect({ host: addresses.levels, port: 445 }, settings)
        assert("negotiated" in agreed)
        const breaks = new Breaks.Breaks()
        breaks.attach(agreed.connection)
        const authenticator = yield* Authenticator.Authenticator
        const share = Effect.fnUntraced(function*(user: string, password: string) {
          const credential = Credentials.password(user, Redacted.make(password))
          const logon = yield* authenticator.make(credential, { server: addresses.levels })
          const session = yield* Session.setup(agreed, settings, logon, credential)
          return yield* Tree.make(session, "data", breaks)
        })
        const shares = [
          [Lab.user.name, yield* share(Lab.user.name, Lab.user.password)],
          [second.name, yield* share(second.name, second.password)]
        ] as const
        assert.isTrue(agreed.connection.signs)
        for (let round = 0; round < 3; round++) {
          yield* Effect.forEach(
            shares,
            ([user, share]) =>
              share.batch(`of ${user}`, OpenMode.overwrite, [
                { _tag: "Write", offset: 0n, data: Buffer.from(`${user} ${round}`) }
              ]),
            { concurrency: "unbounded" }
          )
        }
        const owners = shares.map(([user]) => {
          const path = servers.levels.path("data", `of ${user}`)
          assert.strictEqual(readFileSync(path, "utf8"), `${user} 2`)
          return statSync(path).uid
        })
        assert.notStrictEqual(owners[0], owners[1])
        assert.notInclude(owners, 0)
      }).pipe(
        Effect.scoped,
        Effect.provide([TcpTransport.layer(), Authenticator.layerNtlm])
      ))

    it.effect("has sent older commands where needed, Unicode only where it must, and no packet to which tshark objects", () =>
      Effect.gen(function*() {
        const { capture } = yield* World
        const { objections } = yield* capture.analyse()
        assert.deepStrictEqual(objections, [])
        const rows = yield* capture.fields("smb", [
          "ip.src",
          "ip.dst",
          "smb.cmd",
          "smb.flags.response",
          "smb.nt_status",
          "smb.flags2.string",
          "smb.server_cap.unicode"
        ])
        const isTrue = (text: string | undefined) => text === "1" || text === "True"
        const packets = rows.map(([from, to, command, response, status, unicode, capability]) => ({
          from,
          to,
          // An AndX command names the next one too.
          command: Number(command!.split(",")[0]),
          isResponse: isTrue(response),
          isGood: Number(status) === 0,
          isUnicode: isTrue(unicode),
          hasUnicode: isTrue(capability)
        }))
        const granted = (command: number, address: string) =>
          packets.filter((one) => one.command === command && one.isResponse && one.isGood && one.from === address)
            .length
        for (const [name, command] of [["CREATE_DIRECTORY", 0], ["DELETE_DIRECTORY", 1], ["DELETE", 6]] as const) {
          assert.isAbove(granted(command, addresses.oem), 3, name)
        }
        // The client moves a replaced file aside, and then deletes it.
        assert.isAtLeast(granted(6, addresses.levels), 2)
        // The server has no Unicode. The client uses it only for an information class that is always in Unicode.
        const negotiated = packets.filter((one) =>
          one.command === Command.SMB_COM_NEGOTIATE && one.isResponse && one.from === addresses.oem
        )
        assert.isAbove(negotiated.length, 0)
        for (const one of negotiated) assert.isFalse(one.hasUnicode)
        const inUnicode = packets.filter((one) =>
          one.isUnicode && !one.isResponse && one.to === addresses.oem && one.command !== Command.SMB_COM_NEGOTIATE
        )
        assert.isAbove(inUnicode.length, 0)
        for (const { command } of inUnicode) assert.strictEqual(command, Command.SMB_COM_TRANSACTION2)
      }))
  }
)

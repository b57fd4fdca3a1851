/**
 * Proves renames and uploads to smbd shares with special options: vetoed names, folders where nothing can be deleted,
 * and files that are hidden or system files by their attributes or by their names.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Result, Stream } from "effect"
import { SmbClient } from "effect-smb"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Copying from "../../src/Cli/Copying.ts"
import * as Failure from "../../src/Cli/Failure.ts"
import * as Remote from "../../src/Cli/Remote.ts"
import { FileAttributes } from "../../src/Smb2/Message/Constants.ts"
import { client } from "./Clients.ts"
import * as Lab from "./Lab.ts"

const address = "127.0.47.1"
const proxied = "127.0.47.2"
const HIDDEN = 2
const SYSTEM = 4
const shown = HIDDEN | SYSTEM

const shares = [
  { name: "usual" },
  { name: "unstored", options: { "store dos attributes": "no" } },
  { name: "mapped", options: { "store dos attributes": "no", "map hidden": "yes", "map system": "yes" } },
  { name: "patterns", options: { "hide files": "/*.part/~*/" } }
] as const

const vetoes = [
  { name: "apple", options: { "veto files": "/._*/.DS_Store/Thumbs.db/" } },
  { name: "dots", options: { "veto files": "/.*/" } },
  { name: "endings", options: { "veto files": "/*.part/*.tmp/~*/" } },
  // Vetoes all names that `put` gives its temporary files.
  {
    name: "most",
    options: {
      "veto files": "/*.*.*/*.part/*.[0-9a-f]*/*[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]/"
    }
  }
] as const

class World
  extends Context.Service<World, { readonly server: Lab.Server; readonly here: string }>()("test/lab/Attributes")
{
  static readonly layer = Layer.effect(
    World,
    Effect.gen(function*() {
      const { server } = yield* Lab.servers({
        server: {
          address,
          minimumDialect: "NT1",
          signing: "auto",
          shares: [...shares, ...vetoes, { name: "drop", acls: true }]
        }
      })
      const here = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-smb-ways-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
      )
      return { server, here }
    })
  )
}

/** The command's `put`, with the test's client. */
const put = (
  smb: SmbClient.Client,
  source: string,
  target: string,
  options: Partial<Parameters<typeof Copying.put>[2]> = {}
) =>
  Copying.put(source, Result.getOrThrow(Remote.parse(target, { share: true })), {
    json: false,
    quiet: true,
    recursive: false,
    inPlace: false,
    transfer: { retries: 0 },
    ...options
  }).pipe(Effect.provide(Layer.merge(NodeServices.layer, Layer.succeed(SmbClient.SmbClient, smb))))

/** SET_INFO of FileRenameInformation, or SMB 1's TRANS2_SET_FILE_INFORMATION of the same class. */
const isRename = (bytes: Buffer): boolean =>
  bytes[4] === 0xfe
    ? bytes.readUInt16LE(4 + 12) === 17 && bytes[4 + 64 + 3] === 10
    : bytes[4 + 4] === 0x32 && bytes.readUInt16LE(4 + 61) === 8 && bytes.includes(Buffer.of(0xf2, 0x03))

const told = (error: unknown): string => Failure.report(error).message ?? ""

layer(World.layer, { excludeTestServices: true, timeout: "60 seconds" })("a client of special shares on smbd", (it) => {
  for (const { name: share } of shares) {
    it.effect(`renames and replaces hidden and system files and folders by SMB 1 on the share ${share}`, () =>
      Effect.gen(function*() {
        const { server } = yield* World
        const smb = yield* client({ dialects: ["NT1"] })
        const base = `\\\\${address}\\${share}\\names`
        const disk = (...names: ReadonlyArray<string>) => server.path(share, "names", ...names)
        const attributes = (name: string) =>
          Effect.map(smb.stat(`${base}\\${name}`), (entry) => entry.fileAttributes & shown)
        const set = (name: string, fileAttributes: number) =>
          fileAttributes === 0 ? Effect.void : smb.setAttributes(`${base}\\${name}`, { fileAttributes })
        yield* smb.makeDirectory(base)
        const sources = [["plain", 0], ["hid", HIDDEN], ["sys", SYSTEM], ["both", shown], [".dot", 0], [
          "a.part",
          0
        ]] as const
        for (const [name, wanted] of sources) {
          // A file, to a name that does not exist.
          yield* smb.writeFile(`${base}\\${name}`, name)
          yield* set(name, wanted)
          const had = yield* attributes(name)
          yield* smb.rename(`${base}\\${name}`, `${base}\\${name}2`)
          // To the name of another file only with `replace`.
          yield* smb.writeFile(`${base}\\old`, "old")
          yield* set("old", shown)
          const error = yield* Effect.flip(smb.rename(`${base}\\${name}2`, `${base}\\old`))
          assert.strictEqual(error._tag === "SmbError" ? error.reason._tag : error, "ObjectNameCollision")
          assert.strictEqual(readFileSync(disk("old"), "utf8"), "old")
          yield* smb.rename(`${base}\\${name}2`, `${base}\\old`, { replace: true })
          assert.deepStrictEqual(readdirSync(disk()), ["old"])
          assert.strictEqual(readFileSync(disk("old"), "utf8"), name)
          // On other shares names decide which files are hidden, or the attributes are not stored.
          if (share === "usual") assert.strictEqual(yield* attributes("old"), had, name)
          yield* smb.remove(`${base}\\old`)
          // The same with a folder.
          yield* smb.makeDirectory(`${base}\\${name}`)
          yield* set(name, wanted)
          yield* smb.rename(`${base}\\${name}`, `${base}\\folder`)
          assert.deepStrictEqual(readdirSync(disk()), ["folder"])
          yield* smb.remove(`${base}\\folder`)
        }
      }))
  }

  for (const dialect of ["3.1.1", "NT1"] as const) {
    it.effect(`keeps hidden and system attributes of files that writeFile, sink, copy and put overwrite, in ${dialect}`, () =>
      Effect.gen(function*() {
        const { here, server } = yield* World
        const smb = yield* client({ dialects: [dialect] })
        const folder = `kept ${dialect}`
        const base = `\\\\${address}\\usual\\${folder}`
        const disk = (name: string) => readFileSync(server.path("usual", folder, name), "utf8")
        yield* smb.makeDirectory(base)
        const local = join(here, "local")
        for (const attributes of [HIDDEN, SYSTEM, shown]) {
          const path = `${base}\\f${attributes}`
          const attributesNow = Effect.map(smb.stat(path), (entry) => entry.fileAttributes & shown)
          const again = (content: string, written: Effect.Effect<unknown, unknown>) =>
            Effect.gen(function*() {
              yield* written
              assert.strictEqual(disk(`f${attributes}`), content)
              assert.strictEqual(yield* attributesNow, attributes, content)
            })
          yield* smb.writeFile(path, "old and longer than the new content")
          yield* smb.setAttributes(path, { fileAttributes: attributes })
          yield* again("written", smb.writeFile(path, "written"))
          yield* again("sunk", Stream.run(Stream.make(Buffer.from("sunk")), smb.sink(path)))
          const source = `${base}\\source${attributes}`
          yield* smb.writeFile(source, "copied")
          yield* again("copied", smb.copy(source, path))
          for (const inPlace of [true, false]) {
            for (const content of [`put ${inPlace}`, "x".repeat(70_000)]) {
              writeFileSync(local, content)
              yield* again(content, put(smb, local, path, { inPlace }))
            }
          }
        }
      }))
  }

  it.effect("fails to put or truncate a read-only file, says why, and leaves it unchanged", () =>
    Effect.gen(function*() {
      const { here, server } = yield* World
      const smb = yield* client()
      const path = `\\\\${address}\\usual\\fixed`
      yield* smb.writeFile(path, "old text")
      yield* smb.setAttributes(path, { fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY })
      const local = join(here, "fixed")
      writeFileSync(local, "new")
      for (const change of [put(smb, local, path), put(smb, local, path, { inPlace: true }), smb.truncate(path, 0)]) {
        const message = told(yield* Effect.flip(change as Effect.Effect<unknown, unknown>))
        assert.match(message, /\\usual\\fixed: The file is read-only/)
        assert.notMatch(message, /permissions/)
      }
      assert.strictEqual(readFileSync(server.path("usual", "fixed"), "utf8"), "old text")
    }))

  it.effect("puts each file whose name the share allows, although the share vetoes other names", () =>
    Effect.gen(function*() {
      const { here, server } = yield* World
      const names = ["norm.txt", "_init_.py", "__main__.py", "large.bin", "ab.part.txt", "n".repeat(240)]
      const tree = join(here, "tree")
      mkdirSync(join(tree, "sub"), { recursive: true })
      for (const name of names) {
        const content = name === "large.bin" ? Buffer.alloc(100_000, 7) : name
        writeFileSync(join(tree, name), content)
        writeFileSync(join(tree, "sub", name), content)
      }
      for (const dialect of ["3.1.1", "NT1"] as const) {
        const smb = yield* client({ dialects: [dialect] })
        for (const { name: share } of vetoes) {
          const there = (...folder: ReadonlyArray<string>) => readdirSync(server.path(share, ...folder)).toSorted()
          yield* put(smb, join(tree, "large.bin"), `//${address}/${share}/large.bin`)
          // Again, over the existing file. If the share vetoes the temporary names, the file is unchanged.
          writeFileSync(join(here, "again"), "again")
          const again = yield* Effect.result(put(smb, join(here, "again"), `//${address}/${share}/large.bin`))
          const now = readFileSync(server.path(share, "large.bin"))
          if (share === "most") {
            assert(Result.isFailure(again))
            assert.match(told(again.failure), /large\.bin\.[0-9a-f]{12}\.part: .*large\.bin.*--in-place/)
            assert.strictEqual(now.length, 100_000)
            yield* put(smb, join(here, "again"), `//${address}/${share}/large.bin`, { inPlace: true })
          } else assert.strictEqual(now.toString(), "again")
          assert.deepStrictEqual(there(), ["large.bin"])
          yield* smb.remove(`\\\\${address}\\${share}\\large.bin`)
          // This name matches `*.*.*`.
          const taken = share === "most" ? names.filter((name) => name !== "ab.part.txt") : names
          const result = yield* Effect.result(put(smb, tree, `//${address}/${share}/copy`, { recursive: true }))
          assert.strictEqual(result._tag, share === "most" ? "Failure" : "Success", share)
          assert.deepStrictEqual(there("copy"), [...taken, "sub"].toSorted(), `${share} ${dialect}`)
          assert.deepStrictEqual(there("copy", "sub"), taken.toSorted())
          assert.strictEqual(readFileSync(server.path(share, "copy", "sub", "large.bin")).length, 100_000)
          yield* smb.remove(`\\\\${address}\\${share}\\copy`, { recursive: true })
        }
      }
    }))

  it.effect("puts into a folder where nothing can be deleted, and leaves no part of a file whose source ends early", () =>
    Effect.gen(function*() {
      const { here, server } = yield* World
      const admin = yield* client()
      const tree = join(here, "dropped")
      mkdirSync(join(tree, "sub"), { recursive: true })
      for (const name of ["a", "b", "sub/c"]) writeFileSync(join(tree, name), name)
      writeFileSync(join(tree, "large"), Buffer.alloc(100_000, 7))
      for (const dialect of ["3.1.1", "NT1"] as const) {
        const smb = yield* client({ dialects: [dialect] })
        const folder = `drop ${dialect}`
        const path = `\\\\${address}\\drop\\${folder}`
        const there = () => readdirSync(server.path("drop", folder), { recursive: true }).map(String).toSorted()
        yield* admin.makeDirectory(path)
        const acl = yield* Effect.promise(() =>
          Lab.execute("smbcacls", [
            `//${address}/drop`,
            folder,
            "-U",
            `${Lab.user.name}%${Lab.user.password}`,
            "-S",
            "ACL:Everyone:ALLOWED/0x3/0x1201af"
          ])
        )
        assert.strictEqual(acl.code, 0, acl.stdout)
        yield* put(smb, join(tree, "a"), `//${address}/drop/${folder}/`)
        yield* put(smb, join(tree, "large"), `//${address}/drop/${folder}/`)
        assert.deepStrictEqual(there(), ["a", "large"])
        // The client cannot delete an existing file.
        const denied = yield* Effect.flip(smb.remove(`${path}\\a`))
        assert.strictEqual(denied._tag === "SmbError" ? denied.reason._tag : denied, "AccessDenied")
        yield* put(smb, tree, `//${address}/drop/${folder}/`, { recursive: true })
        assert.deepStrictEqual(there(), ["a", "b", "large", "sub", "sub/c"])
        // The source ends before its size.
        const error = yield* Effect.flip(put(smb, "/sys/kernel/uevent_seqnum", `//${address}/drop/${folder}/short`))
        assert.match(told(error), /ended after/)
        assert.deepStrictEqual(there(), ["a", "b", "large", "sub", "sub/c"])
      }
    }))

  it.effect("leaves the new file if put is interrupted during the rename, and no part if its connection is cut", () =>
    Effect.gen(function*() {
      const { here, server } = yield* World
      const proxy = yield* Lab.proxy({ listen: { address: proxied }, target: { address } })
      const local = join(here, "held")
      writeFileSync(local, "new")
      const admin = yield* client()
      yield* admin.makeDirectory(`\\\\${address}\\drop\\held`)
      const acl = yield* Effect.promise(() =>
        Lab.execute("smbcacls", [
          `//${address}/drop`,
          "held",
          "-U",
          `${Lab.user.name}%${Lab.user.password}`,
          "-S",
          "ACL:Everyone:ALLOWED/0x3/0x1201af"
        ])
      )
      assert.strictEqual(acl.code, 0, acl.stdout)
      for (const [share, dialect] of [["usual", "NT1"], ["drop", "3.1.1"], ["drop", "NT1"]] as const) {
        if (share === "usual") yield* admin.makeDirectory(`\\\\${address}\\usual\\held`)
        const there = () => readdirSync(server.path(share, "held"))
        for (const old of ["old", undefined]) {
          rmSync(server.path(share, "held", "t"), { force: true })
          if (old !== undefined) yield* server.write(share, "held/t", old)
          // The proxy drops the first response after the request to rename.
          const held = yield* Deferred.make<void>()
          let asked = false
          yield* proxy.onPacket(({ bytes, direction }) => {
            if (direction === "toServer") asked ||= isRename(bytes)
            if (direction === "toServer" || !asked || Deferred.isDoneUnsafe(held)) return bytes
            Deferred.doneUnsafe(held, Effect.void)
            return "drop"
          })
          const smb = yield* client({ dialects: [dialect] })
          const fiber = yield* Effect.forkChild(put(smb, local, `//${proxied}/${share}/held/t`))
          yield* Deferred.await(held)
          yield* Fiber.interrupt(fiber)
          assert.deepStrictEqual(there(), ["t"], `${share} ${dialect}`)
          assert.strictEqual(readFileSync(server.path(share, "held", "t"), "utf8"), "new")
        }
      }
      // The proxy cuts the connection after the server has made the part, and before the client gets the response.
      for (const dialect of ["3.1.1", "NT1"] as const) {
        let made = false
        yield* proxy.onPacket(({ bytes, connection, direction }) => {
          // Not the search for parts (`*.part`).
          const name = Buffer.from("u.", "utf16le")
          const part = Buffer.from(".part", "utf16le")
          if (direction === "toServer" && connection === first) made ||= bytes.includes(name) && bytes.includes(part)
          return direction === "toClient" && made && connection === first ? "cut" : bytes
        })
        const first = proxy.connections()
        const smb = yield* client({ dialects: [dialect] })
        const error = yield* Effect.flip(put(smb, local, `//${proxied}/usual/held/u`))
        assert.match(told(error), /closed the connection/)
        assert(made)
        assert.deepStrictEqual(readdirSync(server.path("usual", "held")), ["t"], dialect)
      }
    }))
})

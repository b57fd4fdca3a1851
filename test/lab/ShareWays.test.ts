/**
 * Files and folders that count as hidden or as the system's, by their attributes or by their names, on shares as smbd has
 * them when nobody says otherwise: renamed, replaced and written over.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { client } from "./Clients.ts"
import * as Lab from "./Lab.ts"

const address = "127.0.47.1"
const HIDDEN = 2
const SYSTEM = 4
const shown = HIDDEN | SYSTEM

const shares = [
  { name: "usual" },
  { name: "unstored", options: { "store dos attributes": "no" } },
  { name: "mapped", options: { "store dos attributes": "no", "map hidden": "yes", "map system": "yes" } },
  { name: "patterns", options: { "hide files": "/*.part/~*/" } }
] as const

class World extends Context.Service<World, { readonly server: Lab.Server }>()("test/lab/Attributes") {
  static readonly layer = Layer.effect(
    World,
    Lab.servers({ server: { address, minimumDialect: "NT1", signing: "auto", shares } })
  )
}

layer(World.layer, { excludeTestServices: true, timeout: "60 seconds" })("hidden and system files", (it) => {
  for (const { name: share } of shares) {
    it.effect(`are renamed and replaced in their folder by SMB 1: ${share}`, () =>
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
          // A file, onto nothing.
          yield* smb.writeFile(`${base}\\${name}`, name)
          yield* set(name, wanted)
          const had = yield* attributes(name)
          yield* smb.rename(`${base}\\${name}`, `${base}\\${name}2`)
          // Not onto another, unless it is to be replaced.
          yield* smb.writeFile(`${base}\\old`, "old")
          yield* set("old", shown)
          const error = yield* Effect.flip(smb.rename(`${base}\\${name}2`, `${base}\\old`))
          assert.strictEqual(error._tag === "SmbError" ? error.reason : error, "ObjectNameCollision")
          assert.strictEqual(readFileSync(disk("old"), "utf8"), "old")
          yield* smb.rename(`${base}\\${name}2`, `${base}\\old`, { replace: true })
          assert.deepStrictEqual(readdirSync(disk()), ["old"])
          assert.strictEqual(readFileSync(disk("old"), "utf8"), name)
          // Elsewhere it is the names that make files hidden, or nothing is remembered.
          if (share === "usual") assert.strictEqual(yield* attributes("old"), had, name)
          yield* smb.remove(`${base}\\old`)
          // A folder.
          yield* smb.makeDirectory(`${base}\\${name}`)
          yield* set(name, wanted)
          yield* smb.rename(`${base}\\${name}`, `${base}\\folder`)
          assert.deepStrictEqual(readdirSync(disk()), ["folder"])
          yield* smb.remove(`${base}\\folder`)
        }
      }))
  }
})

/** `get -p` and `put -p`: read-only files stay read-only on the other side, against the own server on loopback. */
import { assert, it } from "@effect/vitest"
import { Context, Effect, FileSystem, Layer, Option } from "effect"
import { SmbClient } from "effect-smb"
import * as Fs from "node:fs"
import { join } from "node:path"
import * as Copying from "../../src/Cli/Copying.ts"
import { FileAttributes } from "../../src/Smb2/Message/Constants.ts"
import * as Served from "./served.ts"

const { FILE_ATTRIBUTE_ARCHIVE, FILE_ATTRIBUTE_HIDDEN, FILE_ATTRIBUTE_READONLY } = FileAttributes
const readOnly = FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_ARCHIVE

const plain = { json: false, quiet: true, recursive: false, resume: false, inPlace: false }

const withPlaces = <A, E, R>(
  use: (base: string, here: string, smb: SmbClient.Client) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function*() {
    const { port } = yield* Served.server()
    const context = yield* Layer.build(Served.client({ port }))
    const smb = Context.get(context, SmbClient.SmbClient)
    return yield* Effect.provide(
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        return yield* use(`//127.0.0.1:${port}/data`, yield* fs.makeTempDirectoryScoped(), smb)
      }),
      context
    )
  }).pipe(Effect.scoped)

const canWrite = (path: string): boolean => (Fs.statSync(path).mode & 0o222) !== 0

it.live("get keeps read-only with -p, of small and large files and of trees, and replaces a read-only copy", () =>
  withPlaces((base, here, smb) =>
    Effect.gen(function*() {
      yield* smb.makeDirectory(`${base}/d`)
      for (const [name, size] of [["small", 10], ["large", 200_000], ["free", 10]] as const) {
        yield* smb.writeFile(`${base}/d/${name}`, new Uint8Array(size))
        if (name === "free") continue
        yield* smb.setAttributes(`${base}/d/${name}`, { fileAttributes: readOnly })
      }
      const get = (name: string, to: string, attributes: boolean, recursive = false) =>
        Copying.get(Served.path(`${base}/${name}`), Option.some(to), { ...plain, recursive, transfer: { attributes } })
      yield* get("d/small", join(here, "without"), false)
      assert.isTrue(canWrite(join(here, "without")))
      for (let times = 0; times < 2; times++) {
        yield* get("d", join(here, "d"), true, true)
        assert.deepStrictEqual(["free", "large", "small"].map((name) => canWrite(join(here, "d", name))), [
          true,
          false,
          false
        ])
      }
    })
  ))

it.live("put keeps read-only with -p, and the target's hidden with it; in place too", () =>
  withPlaces((base, here, smb) =>
    Effect.gen(function*() {
      for (const [name, size] of [["small", 10], ["large", 200_000]] as const) {
        Fs.writeFileSync(join(here, name), new Uint8Array(size))
        Fs.chmodSync(join(here, name), 0o444)
      }
      const put = (name: string, to: string, options: { attributes?: boolean; inPlace?: boolean } = {}) =>
        Copying.put(join(here, name), Served.path(`${base}/${to}`), {
          ...plain,
          inPlace: options.inPlace ?? false,
          transfer: { attributes: options.attributes ?? true }
        })
      const attributesOf = (name: string) =>
        Effect.map(smb.stat(`${base}/${name}`), ({ fileAttributes }) => fileAttributes)
      yield* put("small", "without", { attributes: false })
      assert.strictEqual((yield* attributesOf("without")) & FILE_ATTRIBUTE_READONLY, 0)
      for (const name of ["small", "large"]) {
        yield* put(name, name)
        assert.strictEqual(yield* attributesOf(name), readOnly)
        assert.strictEqual((yield* smb.stat(`${base}/${name}`)).size, BigInt(Fs.statSync(join(here, name)).size))
      }
      const hidden = FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_ARCHIVE
      for (const [name, inPlace] of [["beside", false], ["inside", true]] as const) {
        yield* smb.writeFile(`${base}/${name}`, "old")
        yield* smb.setAttributes(`${base}/${name}`, { fileAttributes: hidden })
        yield* put("small", name, { inPlace })
        assert.strictEqual(yield* attributesOf(name), readOnly | FILE_ATTRIBUTE_HIDDEN)
        assert.strictEqual((yield* smb.readFile(`${base}/${name}`)).length, 10)
      }
    })
  ))

/** How a copy replaces a local file: through a part next to it, and with care for links, pipes and the files of others. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { join } from "node:path"
import * as LocalFile from "../../src/Transfer/internal/LocalFile.ts"
import * as UnfinishedFiles from "../../src/Transfer/UnfinishedFiles.ts"
import { below, failed, folder } from "./copies.ts"

/** Replaces a file by `content`, through a part of this name. */
const replace = (
  target: string,
  name: string,
  content: string,
  more: { keep?: boolean; size?: number; lastWrite?: number } = {}
) =>
  LocalFile.replace(
    target,
    {
      name,
      keep: more.keep ?? false,
      size: BigInt(more.size ?? content.length),
      lastWrite: more.lastWrite
    },
    (writer) => Effect.as(writer.write(Buffer.from(content).subarray(Number(writer.offset))), writer.offset)
  )

describe("a local file that is replaced", () => {
  const onDisk = Effect.provide(NodeServices.layer)
  it.effect("is whole at once, and its part is gone", () =>
    Effect.gen(function*() {
      const here = yield* folder
      yield* replace(join(here, "f"), ".f.part", "new", { lastWrite: 1_000_000_000_000 })
      assert.deepStrictEqual(below(here), { f: "new" })
      assert.strictEqual(Fs.statSync(join(here, "f")).mtimeMs, 1_000_000_000_000)
      for (
        const [size, time, same] of [[3n, 0, true], [3n, 1, true], [3n, 2, false], [3n, -1, true], [
          4n,
          0,
          false
        ]] as const
      ) {
        assert.strictEqual(yield* LocalFile.isSame(join(here, "f"), size, 1_000_000_000_000 + time), same)
      }
      assert.isFalse(yield* LocalFile.isSame(join(here, "none"), 0n, 0))
      assert.isFalse(yield* LocalFile.isSame(here, BigInt(Fs.statSync(here).size), Fs.statSync(here).mtimeMs))
    }).pipe(Effect.scoped, onDisk))

  it.effect("is not written through a link or a file that somebody put at its part's name", () =>
    Effect.gen(function*() {
      const here = yield* folder
      Fs.writeFileSync(join(here, "precious"), "precious")
      for (
        const put of [
          (at: string) => Fs.symlinkSync("precious", at),
          (at: string) => Fs.linkSync(join(here, "precious"), at),
          (at: string) => Fs.writeFileSync(at, "mine")
        ]
      ) {
        put(join(here, ".f.part"))
        assert.strictEqual((yield* failed(replace(join(here, "f"), ".f.part", "new"))).tag, "LocalError")
        assert.strictEqual(Fs.readFileSync(join(here, "precious"), "utf8"), "precious")
        assert.isFalse(Fs.existsSync(join(here, "f")))
        Fs.rmSync(join(here, ".f.part"), { force: true })
      }
    }).pipe(Effect.scoped, onDisk))

  it.effect("stays a link, whose target is replaced", () =>
    Effect.gen(function*() {
      const here = yield* folder
      Fs.mkdirSync(join(here, "d"))
      Fs.writeFileSync(join(here, "d/real"), "old")
      Fs.symlinkSync("d/real", join(here, "f"))
      yield* replace(join(here, "f"), ".f.part", "new")
      assert.deepStrictEqual(below(here), { "d": undefined, "d/real": "new", "f": "-> d/real" })
    }).pipe(Effect.scoped, onDisk))

  it.effect("is no folder", () =>
    Effect.gen(function*() {
      const here = yield* folder
      Fs.mkdirSync(join(here, "f"))
      const error = yield* failed(replace(join(here, "f"), ".f.part", "new"))
      assert.deepStrictEqual(error, { tag: "LocalError", message: `${join(here, "f")}: is a directory` })
      assert.deepStrictEqual(below(here), { f: undefined })
    }).pipe(Effect.scoped, onDisk))

  // Windows has no FIFO.
  it.effect.skipIf(process.platform === "win32")(
    "is a pipe that stays one, and takes the bytes",
    () =>
      Effect.gen(function*() {
        const here = yield* folder
        const pipe = join(here, "pipe")
        assert.strictEqual(spawnSync("mkfifo", [pipe]).status, 0)
        const fd = yield* Effect.acquireRelease(
          Effect.sync(() => Fs.openSync(pipe, "r+")),
          (fd) => Effect.sync(() => Fs.closeSync(fd))
        )
        yield* replace(pipe, ".pipe.part", "through")
        assert.isTrue(Fs.lstatSync(pipe).isFIFO())
        const buffer = Buffer.alloc(20)
        assert.strictEqual(buffer.toString("utf8", 0, Fs.readSync(fd, buffer)), "through")
        assert.deepStrictEqual(Fs.readdirSync(here), ["pipe"])
      }).pipe(Effect.scoped, onDisk)
  )

  it.effect("goes on where its kept part ends, and from the start where the part is too long to be of it", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const part = join(here, ".f.part")
      for (const [kept, offset] of [["", 0n], ["wh", 2n], ["whole", 5n], ["whole and more", 0n]] as const) {
        Fs.writeFileSync(part, kept)
        assert.strictEqual(yield* replace(join(here, "f"), ".f.part", "whole", { keep: true }), offset)
        assert.deepStrictEqual(below(here), { f: "whole" })
      }
      // Without `keep`, a part is not one to go on with.
      Fs.writeFileSync(part, "wh")
      assert.strictEqual((yield* failed(replace(join(here, "f"), ".f.part", "whole"))).tag, "LocalError")
    }).pipe(Effect.scoped, onDisk))

  it.effect("is removed where the process has to end at once, and a kept part is not", () =>
    Effect.gen(function*() {
      const here = yield* folder
      for (const keep of [false, true]) {
        const name = keep ? ".f.kept" : ".f.part"
        yield* LocalFile.replace(join(here, "f"), { name, keep, size: 3n }, (writer) =>
          Effect.andThen(
            writer.write(Buffer.from("new")),
            Effect.suspend(() => {
              UnfinishedFiles.removeAll()
              assert.strictEqual(Fs.existsSync(join(here, name)), keep)
              return Effect.fail(new LocalFileTest())
            })
          )).pipe(Effect.flip)
        // What is finished is not removed any more.
        yield* replace(join(here, "done"), ".done.part", "done")
        UnfinishedFiles.removeAll()
        assert.strictEqual(Fs.readFileSync(join(here, "done"), "utf8"), "done")
      }
    }).pipe(Effect.scoped, onDisk))

  it.effect("has its outdated parts removed, and no other file", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const own = ".f.0123456789ab.part"
      const names = [
        own,
        ".f.ffffffffffff.part",
        ".f.fffffffffffff.part",
        ".f.gggggggggggg.part",
        ".g.ffffffffffff.part",
        ".ff.ffffffffffff.part",
        "f.ffffffffffff.part",
        ".f.ffffffffffff.par",
        "f"
      ]
      for (const name of names) Fs.writeFileSync(join(here, name), "")
      yield* LocalFile.outdatedParts()(join(here, "f"), own)
      // A part is where the file is, not where a link to it is.
      Fs.mkdirSync(join(here, "d"))
      Fs.symlinkSync("../f", join(here, "d/f"))
      Fs.writeFileSync(join(here, "d/.f.ffffffffffff.part"), "")
      yield* LocalFile.outdatedParts()(join(here, "d/f"), own)
      assert.deepStrictEqual(Fs.readdirSync(join(here, "d")).toSorted(), [".f.ffffffffffff.part", "f"])
      Fs.rmSync(join(here, "d"), { recursive: true })
      assert.deepStrictEqual(
        Fs.readdirSync(here).toSorted(),
        names.filter((name) => name !== ".f.ffffffffffff.part").toSorted()
      )
    }).pipe(Effect.scoped, onDisk))

  it.effect("keeps all parts if the current part does not have its whole name: they can be parts of another file", () =>
    Effect.gen(function*() {
      const here = yield* folder
      // A name that was cut has another start, or another length.
      for (const current of [".g.0123456789ab.part", ".f.x.0123456789ab.part", ".f.0123456789ab.par"]) {
        const names = [current.replace("0123456789ab", "ffffffffffff"), ".f.ffffffffffff.part", current].toSorted()
        for (const name of names) Fs.writeFileSync(join(here, name), "")
        yield* LocalFile.outdatedParts()(join(here, "f"), current)
        assert.deepStrictEqual(Fs.readdirSync(here).toSorted(), names)
        for (const name of names) Fs.rmSync(join(here, name))
      }
    }).pipe(Effect.scoped, onDisk))

  it.effect("costs one listing of its folder, no matter how many files of the folder are copied", () =>
    Effect.gen(function*() {
      const here = yield* folder
      Fs.mkdirSync(join(here, "d"))
      const fs = yield* FileSystem.FileSystem
      const listed: Array<string> = []
      const counting = {
        ...fs,
        readDirectory: (...given: Parameters<typeof fs.readDirectory>) => {
          listed.push(given[0])
          return fs.readDirectory(...given)
        }
      }
      const outdated = LocalFile.outdatedParts()
      for (const name of ["a", "b", "c"]) {
        for (const within of [here, join(here, "d")]) {
          const old = join(within, `.${name}.ffffffffffff.part`)
          if (name === "a") {
            for (const each of ["a", "b", "c"]) Fs.writeFileSync(join(within, `.${each}.ffffffffffff.part`), "")
          }
          yield* outdated(join(within, name), `.${name}.0123456789ab.part`).pipe(
            Effect.provideService(FileSystem.FileSystem, counting)
          )
          assert.isFalse(Fs.existsSync(old))
        }
      }
      assert.deepStrictEqual(listed, [here, join(here, "d")])
    }).pipe(Effect.scoped, onDisk))
})

class LocalFileTest {
  readonly _tag = "LocalFileTest"
}

import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import type { ClientError } from "../../src/Client/ClientError.ts"
import * as Directory from "../../src/Client/Directory.ts"
import type { Entry } from "../../src/Client/Entry.ts"
import { ReparseTag } from "../../src/Codec/Reparse.ts"
import { NoTargetLeft } from "../../src/Protocol/DfsError.ts"

/** A directory by its entries; a reparse point by its tag; `dead` cannot be listed after its first entry. */
interface Tree {
  readonly [name: string]: Tree | "file" | number
}

const tree: Tree = {
  a: { deep: { x: "file" } },
  dead: { seen: "file" },
  link: ReparseTag.IO_REPARSE_TAG_DFS,
  z: "file"
}

const entry = (path: string, what: Tree | "file" | number): Entry => ({
  name: path.split("\\").at(-1)!,
  path,
  type: what === "file" ? "file" : "directory",
  size: 0n,
  allocationSize: 0n,
  creationTime: 0n,
  lastAccessTime: 0n,
  lastWriteTime: 0n,
  changeTime: 0n,
  fileAttributes: 0,
  reparseTag: typeof what === "number" ? what : 0
})

const gone = new NoTargetLeft({ path: "dead", targets: [] })

const lister = (root: Tree) => (path: string): Stream.Stream<Entry, ClientError> => {
  let here: Tree = root
  for (const name of path.split("\\").slice(1)) {
    const next = here[name]!
    here = typeof next === "object" ? next : { behind: "file" }
  }
  const found = Stream.fromIterable(Object.entries(here).map(([name, what]) => entry(`${path}\\${name}`, what)))
  return path.endsWith("dead") ? Stream.concat(found, Stream.fail(gone)) : found
}

describe("walk", () => {
  const walked = (options?: Directory.WalkOptions) =>
    Effect.map(Stream.runCollect(Directory.walk(lister(tree), "r", options)), (all) => all.map(({ path }) => path))

  it.effect("goes on without a directory that cannot be listed, if it is told to", () =>
    Effect.gen(function*() {
      const told: Array<string> = []
      const paths = yield* walked({
        onError: (error, { path }) => Effect.sync(() => void told.push(`${path}: ${error._tag}`))
      })
      assert.deepStrictEqual(told, ["r\\dead: NoTargetLeft"])
      assert.deepStrictEqual(paths.toSorted(), [
        "r\\a",
        "r\\a\\deep",
        "r\\a\\deep\\x",
        "r\\dead",
        "r\\dead\\seen",
        "r\\link",
        "r\\link\\behind",
        "r\\z"
      ])
    }))

  it.effect("fails with it otherwise, and with what onError fails with", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(walked()), gone)
      let asked = 0
      const other = new NoTargetLeft({ path: "other", targets: [] })
      const error = yield* Effect.flip(walked({ onError: () => Effect.suspend(() => Effect.fail((asked++, other))) }))
      assert.deepStrictEqual([error, asked], [other, 1])
      // The start itself is the caller's own.
      assert.strictEqual(
        yield* Effect.flip(Stream.runDrain(Directory.walk(lister(tree), "r\\dead", { onError: () => Effect.void }))),
        gone
      )
    }))
})

describe("removeTree", () => {
  const removing = (root: Tree) =>
    Effect.gen(function*() {
      const removed: Array<string> = []
      const result = yield* Effect.result(
        Directory.removeTree(lister(root), (path) => Effect.sync(() => void removed.push(path)), "r")
      )
      return { removed, result }
    })

  it.effect("removes what is below before what it is in", () =>
    Effect.gen(function*() {
      const { removed } = yield* removing({ a: { x: "file" }, b: "file" })
      assert.strictEqual(removed.at(-1), "r")
      assert.deepStrictEqual(removed.toSorted(), ["r", "r\\a", "r\\a\\x", "r\\b"])
      assert.isBelow(removed.indexOf("r\\a\\x"), removed.indexOf("r\\a"))
    }))

  it.effect("takes a mount point itself, and leaves what it leads to", () =>
    Effect.gen(function*() {
      const { removed } = yield* removing({ junction: ReparseTag.IO_REPARSE_TAG_MOUNT_POINT })
      assert.deepStrictEqual(removed, ["r\\junction", "r"])
    }))

  it.effect("ends at a DFS link, before anything behind it is touched", () =>
    Effect.gen(function*() {
      const { removed, result } = yield* removing({ link: ReparseTag.IO_REPARSE_TAG_DFS })
      assert(result._tag === "Failure" && result.failure._tag === "AcrossShares")
      assert.strictEqual(result.failure.path, "r\\link")
      assert.deepStrictEqual(removed, [])
    }))
})

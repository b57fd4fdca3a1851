/**
 * Walks and recursive removals over a model of a server's disk, with loops, reparse points, links that only the server
 * sees, and other programs that remove at the same time.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { ClientError } from "../../src/Client/ClientError.ts"
import * as Directory from "../../src/Client/Directory.ts"
import type { Entry } from "../../src/Client/Entry.ts"
import * as TreeRemoval from "../../src/Client/internal/TreeRemoval.ts"
import type { RemovalIncomplete } from "../../src/Client/RemovalError.ts"
import * as UncPath from "../../src/Client/UncPath.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { ReparseTag } from "../../src/Codec/Reparse.ts"
import { DfsError, NoTargetLeft } from "../../src/Protocol/DfsError.ts"
import { fromStatus, TransportError } from "../../src/Protocol/Errors.ts"

/** A directory is its entries, a reparse point its tag; listing `dead` fails after its first entry. */
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
  created: undefined,
  lastAccessed: undefined,
  lastWritten: undefined,
  changed: undefined,
  relativePath: "",
  fileAttributes: 0,
  reparseTag: typeof what === "number" ? what : 0
})

const gone = new DfsError({ reason: new NoTargetLeft({ path: "dead", targets: [] }) })

const lister = (root: Tree) => (path: string): Stream.Stream<Directory.Listed, ClientError> => {
  let here: Tree = root
  for (const name of path.split("\\").slice(1)) {
    const next = here[name]!
    here = typeof next === "object" ? next : { behind: "file" }
  }
  const found = Stream.fromIterable(
    Object.entries(here).map(([name, what]) => ({
      name,
      entry: entry(`${path}\\${name}`, what),
      fileId: 0n,
      place: "nas"
    }))
  )
  return path.endsWith("dead") ? Stream.concat(found, Stream.fail(gone)) : found
}

/** A folder of a server's disk: other folders, files, and links that the server follows without telling the client. */
class Folder {
  readonly entries = new Map<string, Folder | "file" | { readonly leadsTo: Folder } | { readonly tag: number }>()
  up: Folder = this
  readonly id: bigint
  constructor(id: number) {
    this.id = BigInt(id)
  }
  add(name: string, what: Folder | "file" | { readonly leadsTo: Folder } | { readonly tag: number }): this {
    this.entries.set(name, what)
    if (what instanceof Folder) what.up = this
    return this
  }
}

const root = "\\\\nas\\data"
/** A missing or pending path fails at the CREATE; a directory that is not empty fails at the SET_INFO. */
const status = (code: number, path: string) =>
  fromStatus(code, code === NtStatus.STATUS_DIRECTORY_NOT_EMPTY ? "SET_INFO" : "CREATE", path)

/** A server's disk as a removal sees it; `dots` is how the server numbers `..`. */
class Disk {
  readonly top: Folder
  readonly dots: "true" | "by path" | "wrong" | "none"
  readonly listings: Array<string> = []
  readonly removed: Array<string> = []
  readonly refused = new Map<string, number>()

  constructor(top: Folder, dots: Disk["dots"] = "true") {
    this.top = top
    this.dots = dots
  }

  /** The folder at a path; links on the way and at its end are followed, as the server does. */
  private folder(path: string): Folder | undefined {
    let found: Folder | undefined = this.top
    for (const name of path.slice(root.length).split("\\").filter((part) => part !== "")) {
      const next: ReturnType<Folder["entries"]["get"]> = found?.entries.get(name)
      found = next instanceof Folder ? next : typeof next === "object" && "leadsTo" in next ? next.leadsTo : undefined
    }
    return found
  }

  readonly list = (path: string): Stream.Stream<Directory.Listed, ClientError> =>
    Stream.suspend(() => {
      this.listings.push(path)
      const folder = this.folder(path)
      if (folder === undefined) return Stream.fail(status(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND, path))
      const id = (one: Folder) => this.dots === "none" ? 0n : one.id
      const item = (name: string, what: Tree | "file" | number, fileId: bigint) => ({
        name,
        entry: entry(`${path}\\${name}`, what),
        fileId,
        place: "nas"
      })
      const holder = this.folder(path.slice(0, path.lastIndexOf("\\"))) ?? folder.up
      const up = this.dots === "wrong" ? 77n : this.dots === "by path" ? id(holder) : id(folder.up)
      return Stream.fromIterable([
        item(".", {}, id(folder)),
        item("..", {}, up),
        ...[...folder.entries].map(([name, what]) =>
          what === "file"
            ? item(name, "file", 0n)
            : "tag" in what
            ? item(name, what.tag, 0n)
            : item(name, {}, id("leadsTo" in what ? what.leadsTo : what))
        )
      ])
    })

  readonly remove = (path: string): Effect.Effect<void, ClientError> =>
    Effect.suspend(() => {
      const code = this.refused.get(path)
      if (code !== undefined) return Effect.fail(status(code, path))
      const name = path.slice(path.lastIndexOf("\\") + 1)
      const holder = this.folder(path.slice(0, path.lastIndexOf("\\")))
      if (holder?.entries.has(name) !== true) {
        return Effect.fail(status(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND, path))
      }
      if ((this.folder(path)?.entries.size ?? 0) > 0) {
        return Effect.fail(status(NtStatus.STATUS_DIRECTORY_NOT_EMPTY, path))
      }
      holder.entries.delete(name)
      this.removed.push(path.slice(root.length + 1))
      return Effect.void
    })

  /** Removes a tree, with 200 seconds of virtual time. */
  readonly run = (name: string) =>
    Effect.gen({ self: this }, function*() {
      const path = Result.getOrThrow(UncPath.parse(`${root}\\${name}`))
      const fiber = yield* Effect.forkChild(Effect.result(TreeRemoval.removeTree(this, this.list, path)))
      for (let i = 0; i < 20; i++) yield* TestClock.adjust("10 seconds")
      return yield* Fiber.join(fiber)
    })
}

describe("Directory.walk", () => {
  const walked = (options?: Directory.WalkOptions) =>
    Effect.map(Stream.runCollect(Directory.walk(lister(tree), "r", options)), (all) => all.map(({ path }) => path))

  it.effect("continues after a directory that cannot be listed when onError succeeds", () =>
    Effect.gen(function*() {
      const told: Array<string> = []
      const paths = yield* walked({
        onError: (error, { path }) => Effect.sync(() => void told.push(`${path}: ${error._tag}`))
      })
      assert.deepStrictEqual(told, ["r\\dead: DfsError"])
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

  it.effect("fails with the listing's error without onError, with onError's own error, and for the start itself", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(walked()), gone)
      let asked = 0
      const other = new DfsError({ reason: new NoTargetLeft({ path: "other", targets: [] }) })
      const error = yield* Effect.flip(walked({ onError: () => Effect.suspend(() => Effect.fail((asked++, other))) }))
      assert.deepStrictEqual([error, asked], [other, 1])
      // onError is not called for the start of the walk.
      assert.strictEqual(
        yield* Effect.flip(Stream.runDrain(Directory.walk(lister(tree), "r\\dead", { onError: () => Effect.void }))),
        gone
      )
    }))
})

describe("a walk over folders with loops", () => {
  const loops = () => {
    const top = new Folder(1)
    const a = new Folder(2)
    const b = new Folder(3)
    top.add("a", a).add("self", { leadsTo: top })
    a.add("b", b).add("up", { leadsTo: top }).add("f", "file")
    b.add("self", { leadsTo: b }).add("a", { leadsTo: a })
    return top
  }

  it.effect("ends at each loop, emits it, and calls onLoop with it", () =>
    Effect.gen(function*() {
      const told: Array<string> = []
      const found = yield* Stream.runCollect(
        Directory.walk(new Disk(loops()).list, root, {
          onLoop: ({ path }) => Effect.sync(() => void told.push(path.slice(root.length + 1)))
        })
      )
      const loop = ["a\\b\\a", "a\\b\\self", "a\\up", "self"]
      assert.deepStrictEqual(told.toSorted(), loop)
      assert.deepStrictEqual(
        found.map(({ path }) => path.slice(root.length + 1)).toSorted(),
        ["a", "a\\b", "a\\f", ...loop].toSorted()
      )
    }))

  it.effect("enters mounted volumes with the same file number, and ends at a mount point that leads back", () =>
    Effect.gen(function*() {
      const list = (path: string): Stream.Stream<Directory.Listed, ClientError> => {
        const depth = path.split("\\").length
        // A mount point has another number than the folder that is mounted there.
        const at = (name: string, creationTime: bigint): Directory.Listed => ({
          name,
          entry: { ...entry(`${path}\\${name}`, ReparseTag.IO_REPARSE_TAG_MOUNT_POINT), creationTime },
          fileId: name === "." ? 5n : 6n,
          place: "nas"
        })
        return depth > 4 ? Stream.empty : Stream.make(at(".", BigInt(Math.min(depth, 3))), at("volume", 0n))
      }
      const found = yield* Stream.runCollect(Directory.walk(list, "r"))
      assert.deepStrictEqual(
        found.map(({ path }) => path),
        ["r\\volume", "r\\volume\\volume", "r\\volume\\volume\\volume"]
      )
    }))

  it.effect("ends at maximumDepth when the server gives no file numbers", () =>
    Effect.gen(function*() {
      const top = new Folder(1)
      top.add("self", { leadsTo: top })
      const found = yield* Stream.runCollect(Directory.walk(new Disk(top, "none").list, root, { maximumDepth: 5 }))
      assert.strictEqual(found.length, 5)
    }))
})

const incomplete = (result: Result.Result<number, ClientError>): RemovalIncomplete => {
  assert(Result.isFailure(result) && result.failure._tag === "RemovalError", String(result))
  assert(result.failure.reason._tag === "RemovalIncomplete")
  return result.failure.reason
}

describe("a recursive removal", () => {
  const small = () => {
    const top = new Folder(1)
    const x = new Folder(2)
    const a = new Folder(3).add("deep", new Folder(4).add("f", "file")).add("f", "file")
    top.add("x", x.add("a", a).add("b", "file")).add("beside", new Folder(9))
    return { top, x, a }
  }

  it.effect("removes entries before their folder, and returns their count", () =>
    Effect.gen(function*() {
      const disk = new Disk(small().top)
      assert.deepStrictEqual(yield* disk.run("x"), Result.succeed(6))
      assert.strictEqual(disk.removed.at(-1), "x")
      assert.isBelow(disk.removed.indexOf("x\\a\\deep"), disk.removed.indexOf("x\\a"))
      assert.deepStrictEqual([...disk.top.entries.keys()], ["beside"])
    }))

  it.effect("removes mount points and symbolic links themselves, and does not list their targets", () =>
    Effect.gen(function*() {
      const { top, x } = small()
      x.add("junction", { tag: ReparseTag.IO_REPARSE_TAG_MOUNT_POINT })
      x.add("wsl", { tag: ReparseTag.IO_REPARSE_TAG_LX_SYMLINK })
      x.add("surrogate", { tag: 0x2000_1234 })
      const disk = new Disk(top)
      assert.deepStrictEqual(yield* disk.run("x"), Result.succeed(9))
      assert.notInclude(disk.listings, `${root}\\x\\junction`)
      assert.notInclude(disk.listings, `${root}\\x\\surrogate`)
    }))

  it.effect("keeps a DFS link and its folders, removes all else, and reports the counts", () =>
    Effect.gen(function*() {
      const { a, top } = small()
      a.add("link", { tag: ReparseTag.IO_REPARSE_TAG_DFS })
      const disk = new Disk(top)
      const error = incomplete(yield* disk.run("x"))
      assert.deepStrictEqual(
        error.failures.map((failure) => [failure.path, failure.error._tag]),
        [[`${root}\\x\\a\\link`, "PathError"]]
      )
      assert.deepStrictEqual([error.removed, error.failed, error.ended], [4, 1, false])
      assert.deepStrictEqual([...a.entries.keys()], ["link"])
      assert.notInclude(disk.listings, `${root}\\x\\a\\link`)
    }))

  for (const dots of ["true", "by path", "wrong", "none"] as const) {
    it.effect(`keeps a server's link to a folder outside if .. tells it apart: .. is ${dots}`, () =>
      Effect.gen(function*() {
        const { a, top, x } = small()
        const precious = new Folder(5).add("f", "file")
        top.add("more", new Folder(6).add("precious", precious))
        x.add("link", { leadsTo: precious })
        const disk = new Disk(top, dots)
        const result = yield* disk.run("x")
        // If .. follows the path, is wrong or missing, such a link cannot be told from a folder.
        if (dots !== "true") {
          // The removal counts the file behind the link too: `f`, next to the seven entries of the tree itself.
          assert.deepStrictEqual(result, Result.succeed(8))
          assert.strictEqual(precious.entries.size, 0)
          assert.deepStrictEqual([...top.entries.keys()], ["beside", "more"])
          return
        }
        assert.strictEqual(precious.entries.size, 1)
        const error = incomplete(result)
        assert.deepStrictEqual(
          error.failures.map((failure) => [failure.path, failure.error._tag]),
          [[`${root}\\x\\link`, "RemovalError"]]
        )
        assert.strictEqual(a.entries.size, 0)
        assert.deepStrictEqual([...x.entries.keys()], ["link"])
      }))
  }

  it.effect("removes a server's link to a folder of the same tree", () =>
    Effect.gen(function*() {
      const { a, top, x } = small()
      x.add("again", { leadsTo: a })
      x.add("deeper", { leadsTo: a.entries.get("deep") as Folder })
      assert.deepStrictEqual(yield* new Disk(top).run("x"), Result.succeed(8))
      assert.isFalse(top.entries.has("x"))
    }))

  it.effect("ends at links that lead back, and keeps folders above the tree", () =>
    Effect.gen(function*() {
      for (const dots of ["true", "by path"] as const) {
        const { top, x } = small()
        x.add("self", { leadsTo: x }).add("up", { leadsTo: top })
        const disk = new Disk(top, dots)
        const error = incomplete(yield* disk.run("x"))
        const [failure] = error.failures
        assert.deepStrictEqual([error.failures.length, failure!.path], [1, `${root}\\x\\up`])
        assert.match(failure!.error.message, /is a link that the server follows to another folder/)
        assert.deepStrictEqual([error.removed, ...x.entries.keys()], [5, "self", "up"])
        assert.isTrue(top.entries.has("x"))
        assert.isBelow(disk.listings.length, 60)
        assert.isTrue(top.entries.has("beside"))
      }
    }))

  it.effect("refuses a path that is itself a server's link, and removes nothing at its target", () =>
    Effect.gen(function*() {
      const { top } = small()
      const precious = new Folder(5).add("f", "file")
      top.add("more", new Folder(6).add("precious", precious)).add("link", { leadsTo: precious })
      top.add("deep", new Folder(7).add("link", { leadsTo: precious }))
      for (const name of ["link", "deep\\link"]) {
        const result = yield* new Disk(top).run(name)
        assert(Result.isFailure(result) && result.failure._tag === "RemovalError", name)
        assert(result.failure.reason._tag === "RootOrLink")
        assert.strictEqual(result.failure.reason.kind, "server-link")
        assert.strictEqual(precious.entries.size, 1)
      }
      // The client ignores .. of a server that is always wrong about it.
      const { top: other } = small()
      assert.deepStrictEqual(yield* new Disk(other, "wrong").run("x"), Result.succeed(6))
    }))

  it.effect("refuses a path that is a server's link in a share whose root has many files or many links", () =>
    Effect.gen(function*() {
      const precious = new Folder(5).add("f", "file")
      const far = new Folder(6).add("precious", precious)
      // The root's files have no `..`, so only its folders can show that `..` is right.
      const files = new Folder(1)
      for (let i = 0; i < 10; i++) files.add(`file${i}`, "file")
      files.add("more", new Folder(7).add("far", far)).add("link", { leadsTo: precious })
      // The first folders of the root are links. The `..` of a folder above the path shows that `..` is right.
      const links = new Folder(1)
      for (let i = 0; i < 10; i++) {
        const place = new Folder(20 + i)
        far.add(`place${i}`, place)
        links.add(`link${i}`, { leadsTo: place })
      }
      links.add("deep", new Folder(8).add("below", new Folder(9).add("link", { leadsTo: precious }))).add("far", far)
      for (const [top, name] of [[files, "link"], [links, "deep\\below\\link"]] as const) {
        const result = yield* new Disk(top).run(name)
        assert(Result.isFailure(result) && result.failure._tag === "RemovalError", name)
        assert(result.failure.reason._tag === "RootOrLink")
        assert.strictEqual(result.failure.reason.kind, "server-link")
        assert.strictEqual(precious.entries.size, 1)
      }
    }))

  it.effect("refuses a server's link to its own folder, and names no second name of it", () =>
    Effect.gen(function*() {
      for (const dots of ["true", "by path", "wrong"] as const) {
        const { top, x } = small()
        x.add("self", { leadsTo: x })
        const result = yield* new Disk(top, dots).run("x\\self")
        assert(Result.isFailure(result) && result.failure._tag === "RemovalError", dots)
        assert(result.failure.reason._tag === "RootOrLink")
        assert.deepStrictEqual([result.failure.reason.kind, result.failure.reason.target], ["server-link", undefined])
        assert.deepStrictEqual([...x.entries.keys()], ["a", "b", "self"])
      }
    }))

  it.effect("lists folders next to those on the path only in the root of the share, and at most eight", () =>
    Effect.gen(function*() {
      const top = new Folder(1)
      for (let i = 0; i < 12; i++) top.add(`near${i}`, new Folder(30 + i))
      top.add("deep", new Folder(2).add("x", new Folder(3)).add("beside", new Folder(4)))
      const disk = new Disk(top, "wrong")
      assert.deepStrictEqual(yield* disk.run("deep\\x"), Result.succeed(1))
      assert.notInclude(disk.listings, `${root}\\deep\\beside`)
      const near = Array.from({ length: 8 }, (_, i) => `${root}\\near${i}`)
      assert.deepStrictEqual(disk.listings.filter((path) => path.includes("near")), near)
    }))

  it.effect("refuses a folder that has two names in its parent, and names the other one", () =>
    Effect.gen(function*() {
      for (const dots of ["true", "wrong"] as const) {
        for (const [name, other] of [["real", "again"], ["again", "real"]] as const) {
          const real = new Folder(3).add("f", "file")
          const disk = new Disk(new Folder(1), dots)
          disk.top.add("real", real).add("again", { leadsTo: real })
          const result = yield* disk.run(name)
          assert(Result.isFailure(result) && result.failure._tag === "RemovalError", name)
          assert(result.failure.reason._tag === "RootOrLink")
          assert.deepInclude(result.failure.reason, { kind: "server-link", target: `${root}\\${other}` })
          assert.strictEqual(real.entries.size, 1)
        }
      }
    }))

  it.effect("succeeds when other programs remove entries at the same time", () =>
    Effect.gen(function*() {
      const { a, top } = small()
      const disk = new Disk(top)
      disk.refused.set(`${root}\\x\\b`, NtStatus.STATUS_DELETE_PENDING)
      let asked = 0
      const { remove } = disk
      Object.assign(disk, {
        remove: (path: string) =>
          Effect.suspend(() => {
            // Another program removes them first.
            if (path === `${root}\\x\\a\\f`) a.entries.delete("f")
            if (path === `${root}\\x` && ++asked === 2) (top.entries.get("x") as Folder).entries.delete("b")
            return remove(path)
          })
      })
      assert.deepStrictEqual(yield* disk.run("x"), Result.succeed(4))
      assert.isFalse(top.entries.has("x"))
    }))

  it.effect("reports an entry whose deletion stays pending, after a bounded number of attempts", () =>
    Effect.gen(function*() {
      const disk = new Disk(small().top)
      disk.refused.set(`${root}\\x\\b`, NtStatus.STATUS_DELETE_PENDING)
      const error = incomplete(yield* disk.run("x"))
      assert.strictEqual(error.removed, 4)
      assert.match(error.message, /\\x\\b: .*DELETE_PENDING/)
    }))

  it.effect("says that the server hides something when a folder that lists nothing is never empty", () =>
    Effect.gen(function*() {
      for (const [name, hides] of [["a\\deep", true], ["a", false]] as const) {
        const { a, top } = small()
        const hiding = new Disk(top)
        hiding.refused.set(`${root}\\x\\${name}`, NtStatus.STATUS_DIRECTORY_NOT_EMPTY)
        // What another program creates in the other folder is listed, and is not hidden.
        const { list } = hiding
        let count = 0
        Object.assign(hiding, {
          list: (path: string) => {
            if (!hides && path === `${root}\\x\\a`) a.add(`new${count++}`, "file")
            return list(path)
          }
        })
        const error = incomplete(yield* hiding.run("x"))
        const [failure] = error.failures
        assert.deepStrictEqual([error.failed, failure!.path], [1, `${root}\\x\\${name}`])
        assert.strictEqual(/the server lists nothing in it/.test(failure!.error.message), hides)
        assert.match(failure!.error.message, /DIRECTORY_NOT_EMPTY/)
      }
    }))

  it.effect("continues after the error of one entry, and ends when the connection is closed", () =>
    Effect.gen(function*() {
      const disk = new Disk(small().top)
      disk.refused.set(`${root}\\x\\a\\f`, NtStatus.STATUS_SHARING_VIOLATION)
      const error = incomplete(yield* disk.run("x"))
      assert.deepStrictEqual([error.removed, error.failed, error.ended], [3, 1, false])
      assert.match(error.message, /1 entry could not be removed, 3 were: .*SHARING_VIOLATION/)
      const broken = new Disk(small().top)
      const { remove } = broken
      Object.assign(broken, {
        remove: (path: string) =>
          broken.removed.length < 2
            ? remove(path)
            : Effect.fail(new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "nas", port: 445 }))
      })
      const ended = incomplete(yield* broken.run("x"))
      assert.isTrue(ended.ended)
      assert.strictEqual(ended.removed, broken.removed.length)
      assert.match(ended.message, /stopped after \d entries.*closed the connection/)
    }))
})

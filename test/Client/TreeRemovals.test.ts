/**
 * What a recursive removal removes, counts and reports (docs/client.md), against a model: random trees, some of whose
 * entries cannot be removed; errors that end the removal, and errors that concern one entry.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Stream } from "effect"
import { VirtualTime } from "effect-smb"
import { AuthenticationError } from "../../src/Auth/AuthenticationError.ts"
import type { ClientError } from "../../src/Client/ClientError.ts"
import type * as Directory from "../../src/Client/Directory.ts"
import * as TreeRemoval from "../../src/Client/internal/TreeRemoval.ts"
import { RemovalError, RootOrLink } from "../../src/Client/RemovalError.ts"
import * as UncPath from "../../src/Client/UncPath.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus, TransportError } from "../../src/Protocol/Errors.ts"
import { random } from "../Dfs/vectors.ts"

const share = "\\\\nas\\data"
const start = `${share}\\x`

/** Files have no children. The number is that of the file on the server; 0: the server does not say. */
interface Node {
  readonly number: bigint
  readonly children: ReadonlyMap<string, Node> | undefined
}

let numbers = 100n
const file = (number = 0n): Node => ({ number, children: undefined })
const folder = (children: Readonly<Record<string, Node>>): Node => ({
  number: numbers++,
  children: new Map(Object.entries(children))
})

const busy = (path: string) => fromStatus(NtStatus.STATUS_SHARING_VIOLATION, "SET_INFO", path)
const broken = new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "nas", port: 445 })

/** Removes the tree `x`. `refuse` gives the error of a removal, by the path below the share. */
const removing = (top: Node, refuse: (path: string) => ClientError | undefined) => {
  const removed: Array<string> = []
  const nodeAt = (path: string): Node | undefined => {
    let node: Node | undefined = { number: 1n, children: new Map([["x", top]]) }
    for (const name of path.slice(share.length + 1).split("\\").filter((part) => part !== "")) {
      node = node?.children?.get(name)
    }
    return node
  }
  const isThere = (path: string) => !removed.includes(path)
  const parent = (path: string) => path.slice(0, path.lastIndexOf("\\"))
  const item = (path: string, name: string, node: Node): Directory.Listed => ({
    name,
    fileId: node.number,
    place: "nas",
    entry: {
      name,
      path: `${path}\\${name}`,
      type: node.children === undefined ? "file" : "directory",
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
      reparseTag: 0
    }
  })
  const list = (path: string): Stream.Stream<Directory.Listed, ClientError> =>
    Stream.suspend(() => {
      const node = nodeAt(path)
      if (node?.children === undefined) {
        return Stream.fail(fromStatus(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND, "CREATE", path))
      }
      return Stream.fromIterable([
        item(path, ".", node),
        item(path, "..", nodeAt(parent(path)) ?? node),
        ...[...node.children].filter(([name]) => isThere(`${path}\\${name}`)).map(([name, one]) =>
          item(path, name, one)
        )
      ])
    })
  const remove = (path: string): Effect.Effect<void, ClientError> =>
    Effect.suspend(() => {
      const error = refuse(path.slice(share.length + 1))
      if (error !== undefined) return Effect.fail(error)
      const children = nodeAt(path)?.children ?? new Map()
      if ([...children.keys()].some((name) => isThere(`${path}\\${name}`))) {
        return Effect.fail(fromStatus(NtStatus.STATUS_DIRECTORY_NOT_EMPTY, "SET_INFO", path))
      }
      removed.push(path)
      return Effect.void
    })
  return Effect.map(
    VirtualTime.run(
      Effect.result(TreeRemoval.removeTree({ list, remove }, list, Result.getOrThrow(UncPath.parse(start))))
    ),
    ({ exit, took }) => {
      assert(exit._tag === "Success")
      return { result: exit.value, removed: removed.map((path) => path.slice(share.length + 1)), took }
    }
  )
}

const failure = (result: Result.Result<number, ClientError>): any => {
  assert(Result.isFailure(result), String(result))
  return result.failure
}
const incomplete = (result: Result.Result<number, ClientError>) => {
  const error = failure(result)
  assert.strictEqual(error._tag, "RemovalError")
  assert.strictEqual(error.reason._tag, "RemovalIncomplete")
  return error.reason
}

describe("a recursive removal", () => {
  it.effect("removes all that is neither refused nor above what is, in order, and counts both: 60 random trees", () =>
    Effect.gen(function*() {
      const { below, chance } = random(23)
      for (let round = 0; round < 60; round++) {
        const all: Array<string> = []
        const refused = new Set<string>()
        const grow = (path: string, depth: number): Node => {
          all.push(path)
          if (chance(0.08)) refused.add(path)
          if (path !== "x" && (depth > 4 || chance(0.5))) return file()
          return folder(
            Object.fromEntries(Array.from({ length: below(5) }, (_, i) => [`e${i}`, grow(`${path}\\e${i}`, depth + 1)]))
          )
        }
        const tree = grow("x", 0)
        const { removed, result } = yield* removing(tree, (path) => refused.has(path) ? busy(path) : undefined)
        const within = (path: string) => all.filter((one) => one.startsWith(`${path}\\`))
        // The model: an entry goes if nothing in it and not itself is refused. Only what is asked can be refused.
        const goes = all.filter((path) => ![path, ...within(path)].some((one) => refused.has(one)))
        const fails = [...refused].filter((path) => !within(path).some((one) => refused.has(one)))
        assert.deepStrictEqual(removed.toSorted(), goes.toSorted(), `round ${round}`)
        for (const [i, path] of removed.entries()) {
          assert.isFalse(removed.slice(i).some((later) => later.startsWith(`${path}\\`)), path)
        }
        if (fails.length === 0) assert.deepStrictEqual(result, Result.succeed(all.length))
        else if (removed.length === 0 && fails[0] === "x") assert.deepStrictEqual(failure(result), busy("x"))
        else {
          const error = incomplete(result)
          assert.deepInclude(error, { path: start, removed: goes.length, failed: fails.length, ended: false })
          assert.deepStrictEqual(
            error.failures.map((one: any) => one.path.slice(share.length + 1)).toSorted(),
            fails.toSorted()
          )
        }
      }
    }))

  it.effect("of an empty folder that is refused fails with that error alone", () =>
    Effect.gen(function*() {
      const { result } = yield* removing(folder({}), busy)
      assert.deepStrictEqual(failure(result), busy("x"))
      // After a removal, the user must know that something is gone.
      const more = yield* removing(folder({ f: file() }), (path) => path === "x" ? busy(path) : undefined)
      assert.deepInclude(incomplete(more.result), { removed: 1, failed: 1, ended: false })
    }))

  it.effect("of a folder with a file whose removal does not end says so, and not that the folder is not empty", () =>
    Effect.gen(function*() {
      const { removed, result } = yield* removing(
        folder({ a: file(), b: file() }),
        (path) => path === "x\\a" ? fromStatus(NtStatus.STATUS_DELETE_PENDING, "CREATE", path) : undefined
      )
      const { failed, failures } = incomplete(result)
      assert.deepStrictEqual(removed, ["x\\b"])
      assert.deepStrictEqual([failed, failures.map((one: any) => [one.path, one.error.reason._tag])], [1, [[
        start,
        "DeletePending"
      ]]])
    }))

  it.effect("tries a directory that does not become empty seven times, with pauses that double", () =>
    Effect.gen(function*() {
      let tries = 0
      const { result, took } = yield* removing(folder({ a: file() }), (path) => {
        if (path !== "x") return undefined
        tries++
        return fromStatus(NtStatus.STATUS_DIRECTORY_NOT_EMPTY, "SET_INFO", path)
      })
      assert.strictEqual(incomplete(result).failed, 1)
      assert.strictEqual(tries, 7)
      // The time of the test's clock, in milliseconds: 20 + 40 + 80 + 160 + 320 + 640.
      assert.strictEqual(took, 1260)
    }))

  it.effect("names the first hundred failures, and counts all of them", () =>
    Effect.gen(function*() {
      for (const count of [99, 100, 101]) {
        const files = Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, file()]))
        const { result } = yield* removing(folder(files), busy)
        const error = incomplete(result)
        assert.deepStrictEqual([error.failed, error.failures.length], [count, Math.min(count, 100)])
      }
    }))

  it.effect("removes the shortest of several names of one file first: it can be a link to the others", () =>
    Effect.gen(function*() {
      const tree = folder({ "lib.so.1.2": file(7n), "lib.so": file(7n), "lib.so.1": file(7n), "lib.so.0": file(7n) })
      assert.deepStrictEqual((yield* removing(tree, () => undefined)).removed, [
        "x\\lib.so",
        "x\\lib.so.0",
        "x\\lib.so.1",
        "x\\lib.so.1.2",
        "x"
      ])
    }))
})

describe("an error of one removal", () => {
  const link = new RemovalError({ reason: new RootOrLink({ path: "p", kind: "server-link" }) })
  const table: ReadonlyArray<readonly [string, ClientError, ends: boolean]> = [
    ["STATUS_ACCESS_DENIED", fromStatus(NtStatus.STATUS_ACCESS_DENIED, "CREATE", "p"), false],
    ["STATUS_CANNOT_DELETE", fromStatus(NtStatus.STATUS_CANNOT_DELETE, "SET_INFO", "p"), false],
    ["a path that leads away", UncPath.acrossShares("p", "is on another share"), false],
    ["a server's link", link, false],
    ["STATUS_NETWORK_NAME_DELETED", fromStatus(NtStatus.STATUS_NETWORK_NAME_DELETED, "CREATE", "p"), true],
    ["STATUS_USER_SESSION_DELETED", fromStatus(NtStatus.STATUS_USER_SESSION_DELETED, "CREATE", "p"), true],
    ["STATUS_NETWORK_SESSION_EXPIRED", fromStatus(NtStatus.STATUS_NETWORK_SESSION_EXPIRED, "CREATE", "p"), true],
    ["the end of the connection", broken, true],
    ["no credential", new AuthenticationError({ reason: { _tag: "NoCredential" }, detail: "none" }), true]
  ]
  // The first entry is removed, the second one fails, and the third one is in another folder.
  const tree = () => folder({ a: file(), b: file(), c: folder({ d: file() }) })

  it.effect.each(table)(
    "ends the removal only if it concerns the other entries too: %s",
    ([, error, ends]) =>
      Effect.gen(function*() {
        const { removed, result } = yield* removing(tree(), (path) => path === "x\\b" ? error : undefined)
        const reason = incomplete(result)
        assert.deepInclude(reason, { failed: 1, ended: ends, removed: removed.length })
        assert.include(removed, "x\\a")
        assert.strictEqual(removed.includes("x\\c"), !ends)
        assert.strictEqual(reason.failures[0].path, ends ? start : `${start}\\b`)
        assert.strictEqual(reason.failures[0].error._tag, error._tag)
      })
  )

  it.effect("that ends a removal before anything is removed is the error of the whole", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(failure((yield* removing(tree(), () => broken)).result), broken)
    }))

  it.effect("that ends a removal is the last of the failures, also of more than a hundred", () =>
    Effect.gen(function*() {
      for (const count of [98, 99, 100, 120]) {
        const files = Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, file()]))
        const { result } = yield* removing(
          folder({ ...files, sub: folder({ last: file() }) }),
          (path) => path === "x\\sub\\last" ? broken : busy(path)
        )
        const error = incomplete(result)
        assert.deepInclude(error, { removed: 0, failed: count + 1, ended: true })
        assert.strictEqual(error.failures.length, Math.min(count + 1, 100))
        assert.deepStrictEqual(error.failures.at(-1), { path: start, error: broken })
      }
    }))

  it.effect("after a removal says that requests were sent, so that no other target repeats them", () =>
    Effect.gen(function*() {
      const { result } = yield* removing(tree(), (path) => path === "x\\b" ? broken : undefined)
      assert.strictEqual(incomplete(result).failures[0].error.sent, true)
    }))
})

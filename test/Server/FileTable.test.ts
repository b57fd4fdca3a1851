/**
 * Proves that the table of open files finds names, the names below a directory, and files as a plain list of opens
 * would, after any sequence of opens, closes and renames; and that the table is empty when all files are closed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Latch } from "effect"
import { FileTable, isWithin, keyOf } from "../../src/Server/internal/State/FileTable.ts"
import type { FileOpen } from "../../src/Server/internal/State/Model.ts"
import type { StorePath } from "../../src/Server/ShareStore.ts"
import { random } from "../random.ts"

/** The fields of an open that the table reads, and the model's own fields. */
interface Known {
  readonly open: FileOpen
  readonly identity: string
  path: StorePath
}

const key = (path: StorePath) => path.join("\\").toUpperCase()
const isBelow = (path: StorePath, directory: StorePath) =>
  path.length > directory.length && key(path.slice(0, directory.length)) === key(directory)

describe("FileTable", () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    it(`finds the same names and files as a list of opens (seed ${seed})`, () => {
      const next = random(seed)
      const pick = <A>(list: ReadonlyArray<A>): A => list[next(list.length)]!
      const name = () => pick(["a", "A", "b", "é", "É"])
      const path = (): StorePath => Array.from({ length: next(4) }, name)
      const table = new FileTable()
      let opens: Array<Known> = []

      const enter = () => {
        const [at, identity, stream] = [path(), pick(["1", "2", "3", "4"]), pick(["", "", "s", "S"])]
        const node = table.file(identity, Number(identity) % 2 === 0).stream(stream)
        const open = { stream: node } as { -readonly [K in keyof FileOpen]: FileOpen[K] }
        open.link = table.enter(open, node, at)
        opens.push({ open, identity, path: at })
      }
      const leave = (known: Known) => {
        opens = opens.filter((other) => other !== known)
        table.leave(known.open)
        table.release(known.open.stream, known.open.link)
      }
      const rename = ({ open, path: from }: Known) => {
        const to = path()
        if (from.length === 0 || to.length === 0 || isBelow(to, from)) return
        // Names are unique in a store: the file that had the new name goes first.
        for (const other of [...opens]) if (key(other.path) === key(to) || isBelow(other.path, to)) leave(other)
        if (!opens.some((other) => other.open === open)) return
        const { link } = open
        table.renamed(link, to)
        for (const other of opens) {
          if (other.open.link === link || link.file.directory && isBelow(other.path, from)) {
            other.path = [...to, ...other.path.slice(from.length)]
          }
        }
      }

      for (let step = 0; step < 400; step++) {
        const what = next(10)
        if (what < 5 || opens.length === 0) enter()
        else if (what < 8) leave(pick(opens))
        else rename(pick(opens))
        for (const known of opens) assert.strictEqual(key(known.open.link.path), key(known.path))
        const at = path()
        const here = new Set(opens.filter((known) => key(known.path) === key(at)).map(({ open }) => open.link))
        assert.sameMembers([...table.at(at)], [...here])
        const below = new Set(opens.filter((known) => isBelow(known.path, at)).map(({ open }) => open.link))
        assert.sameMembers([...table.below(at)], [...below])
        const entries = [...below].filter((link) => link.path.length === at.length + 1)
        assert.sameMembers([...table.entries(at)], entries)
        for (const [identity, file] of table.files) {
          const link = [...here].find((one) => one.file.identity === identity)
          assert.strictEqual(table.linkOf(file, at), link)
        }
        const files = new Set(opens.map(({ identity }) => identity))
        assert.deepStrictEqual(new Set(table.files.keys()), files)
        for (const [identity, file] of table.files) {
          const count = opens.filter((known) => known.identity === identity).length
          assert.strictEqual([...file.opens()].length, count)
          assert.strictEqual([...file.links].reduce((sum, link) => sum + link.opens.size, 0), count)
        }
      }
      for (const known of [...opens]) leave(known)
      assert.strictEqual(table.files.size, 0)
      assert.deepStrictEqual([...table.below([])], [])
    })
  }

  it("counts what is being added to a directory, until each of it is done or has failed, and adds nothing if it is sealed", () => {
    const table = new FileTable()
    const enter = (path: StorePath) => {
      const stream = table.file(path.join(), true).stream("")
      const open = { stream } as { -readonly [K in keyof FileOpen]: FileOpen[K] }
      open.link = table.enter(open, stream, path)
      return open.link
    }
    const [here, other] = [enter(["d"]), enter(["e"])]
    const counts: Array<ReadonlyArray<number>> = []
    const add = Effect.sync(() => counts.push([here.adding, other.adding]))
    for (const run of [add, Effect.andThen(add, Effect.fail("full")), add]) {
      const adding = table.adding(["D"], run)
      assert(adding !== undefined)
      Effect.runSyncExit(adding)
      assert.deepStrictEqual([here.adding, other.adding], [0, 0])
    }
    assert.deepStrictEqual(counts, [[1, 0], [1, 0], [1, 0]])
    here.sealed = true
    assert.isUndefined(table.adding(["d"], add))
    assert.isDefined(table.adding(["e"], add))
    // No open directory is there to be sealed.
    assert.isDefined(table.adding(["x"], add))
  })

  it("lets opens of a file wait until the last effect that takes its name is done or has failed", () => {
    const table = new FileTable()
    assert.isUndefined(table.replaced("1"))
    for (const end of [Effect.void, Effect.fail("gone")]) {
      Effect.runSync(Effect.gen(function*() {
        const [first, second] = [Latch.makeUnsafe(), Latch.makeUnsafe()]
        const begin = (latch: Latch.Latch) =>
          Effect.forkChild(table.replacing("1", Effect.andThen(latch.await, end)), { startImmediately: true })
        const one = yield* begin(first)
        const early = table.replaced("1")
        assert(early !== undefined)
        const done: Array<string> = []
        const waiting = yield* Effect.forkChild(
          Effect.andThen(early, Effect.sync(() => done.push("early"))),
          { startImmediately: true }
        )
        assert.isUndefined(table.replaced("2"))
        const other = yield* begin(second)
        yield* first.open
        yield* Fiber.await(one)
        yield* Fiber.await(waiting)
        assert.deepStrictEqual(done, ["early"])
        assert.isDefined(table.replaced("1"))
        yield* second.open
        yield* Fiber.await(other)
        assert.isUndefined(table.replaced("1"))
      }))
    }
  })

  it("takes a removed name out of the listings of its directory only, in any case", () => {
    const table = new FileTable()
    const forgotten: Array<string> = []
    const list = (path: StorePath, identity: string) => {
      const stream = table.file(identity, true).stream("")
      for (const cursor of [{ forget: (name: string) => forgotten.push(`${path.join("/")}: ${name}`) }, undefined]) {
        const open = { stream, cursor } as unknown as { -readonly [K in keyof FileOpen]: FileOpen[K] }
        open.link = table.enter(open, stream, path)
      }
    }
    list(["d"], "1")
    list(["d", "e"], "2")
    list([], "3")
    table.forgetEntry(["D", "Name"])
    table.forgetEntry(["x"])
    table.forgetEntry(["none", "x"])
    assert.deepStrictEqual(forgotten, ["d: NAME", ": X"])
  })

  it("knows which paths are a directory or below it, in any case", () => {
    const cases: ReadonlyArray<readonly [StorePath, StorePath, boolean]> = [
      [["a"], [], true],
      [[], [], true],
      [["A", "b"], ["a"], true],
      [["a"], ["A"], true],
      [["a"], ["a", "b"], false],
      [["ab"], ["a"], false],
      [["a", "c"], ["a", "b"], false]
    ]
    for (const [path, ancestor, expected] of cases) assert.strictEqual(isWithin(path, ancestor), expected)
    assert.strictEqual(keyOf(["a", "B"]), keyOf(["A", "b"]))
    assert.notStrictEqual(keyOf(["a", "b"]), keyOf(["ab"]))
  })

  it("forgets a file with its last stream, and keeps a later file of the same identity and stream of the same name", () => {
    const table = new FileTable()
    const enter = (name: string) => {
      const stream = table.file("1", false).stream(name)
      const open = { stream } as { -readonly [K in keyof FileOpen]: FileOpen[K] }
      open.link = table.enter(open, stream, ["f"])
      return open
    }
    const [data, named] = [enter(""), enter("s")]
    assert.strictEqual(data.link, named.link)
    const { file } = data.stream
    table.release(data.stream, data.link)
    assert.isTrue(table.files.has("1"), "it has opens")
    table.leave(data)
    table.release(data.stream, data.link)
    assert.deepStrictEqual([...file.streams.keys()], ["S"])
    assert.strictEqual(table.linkOf(file, ["f"]), named.link)
    table.leave(named)
    table.release(named.stream)
    assert.isFalse(table.files.has("1"))
    // A name without opens stays, with its pending deletion, until it is released itself.
    assert.strictEqual(table.linkOf(file, ["F"]), named.link)
    const later = enter("s")
    assert.notStrictEqual(later.stream, named.stream)
    table.release(named.stream, named.link)
    assert.strictEqual(table.files.get("1")?.streams.get("S"), later.stream)
    assert.deepStrictEqual(table.at(["f"]), [later.link])
    // A second release of a stream does not take a later one of its name out of the file.
    const other = enter("t")
    table.leave(later)
    table.release(later.stream)
    const last = enter("s")
    table.release(later.stream)
    assert.deepStrictEqual([...last.stream.file.streams.values()], [other.stream, last.stream])
    assert.strictEqual(table.renames, 0)
    table.renamed(later.link, ["g"])
    assert.strictEqual(table.renames, 1)
  })

  it("keeps the pending deletion of a name until the name is released", () => {
    const table = new FileTable()
    const stream = table.file("1", false).stream("")
    const open = { stream } as { -readonly [K in keyof FileOpen]: FileOpen[K] }
    open.link = table.enter(open, stream, ["F"])
    open.link.deletePending = true
    assert.isTrue(table.at(["f"]).some(({ deletePending }) => deletePending))
    table.leave(open)
    assert.isTrue(table.at(["f"]).some(({ deletePending }) => deletePending))
    table.release(stream, open.link)
    assert.isFalse(table.at(["f"]).some(({ deletePending }) => deletePending))
  })
})

/**
 * The simplest model of a store (names in a tree of maps, bytes in arrays), which shares no code with any store. Random
 * operations must have the same results in a real store as in the model.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ShareStore, StoreError, StoreFile, StorePath, StoreReason } from "../../../Server/ShareStore.ts"
import { random } from "../Random.ts"
import { assert } from "./Assertions.ts"

interface Item {
  name: string
  bytes: Uint8Array
  readonly entries: Map<string, Item> | undefined
}

type Answer = string | Uint8Array | ReadonlyArray<string>

const key = (name: string) => name.toUpperCase()

class Refused extends Error {
  readonly reason: StoreReason["_tag"]
  constructor(reason: StoreReason["_tag"]) {
    super(reason)
    this.reason = reason
  }
}

const no = (reason: StoreReason["_tag"]): never => {
  throw new Refused(reason)
}

const resized = (bytes: Uint8Array, size: number) => {
  const next = new Uint8Array(size)
  next.set(bytes.subarray(0, size))
  return next
}

class Model {
  readonly root: Item = { name: "", bytes: new Uint8Array(0), entries: new Map() }

  directory(path: StorePath): Map<string, Item> {
    let at = this.root
    for (const name of path.slice(0, -1)) at = at.entries?.get(key(name)) ?? no("PathNotFound")
    return at.entries ?? no("PathNotFound")
  }

  find(path: StorePath): Item {
    return path.length === 0 ? this.root : this.directory(path).get(key(path.at(-1)!)) ?? no("NotFound")
  }

  file(path: StorePath): Item {
    const item = this.find(path)
    return item.entries === undefined ? item : no("IsDirectory")
  }

  make(path: StorePath, isDirectory: boolean): string {
    const directory = this.directory(path)
    const name = path.at(-1)!
    if (directory.has(key(name))) no("Exists")
    directory.set(key(name), { name, bytes: new Uint8Array(0), entries: isDirectory ? new Map() : undefined })
    return "made"
  }

  remove(path: StorePath): string {
    const item = this.find(path)
    if (item.entries !== undefined && item.entries.size > 0) no("NotEmpty")
    this.directory(path).delete(key(item.name))
    return "removed"
  }

  rename(from: StorePath, to: StorePath, replace: boolean): string {
    const item = this.find(from)
    const target = this.directory(to)
    if (to.length > from.length && from.every((name, i) => key(name) === key(to[i]!))) no("AccessDenied")
    const there = target.get(key(to.at(-1)!))
    if (there !== undefined && there !== item) {
      if (!replace) no("Exists")
      if (there.entries !== undefined) no("IsDirectory")
      if (item.entries !== undefined) no("NotDirectory")
    }
    this.directory(from).delete(key(item.name))
    item.name = to.at(-1)!
    target.set(key(item.name), item)
    return "renamed"
  }
}

const letters = ["a", "b", "c"]

/** Runs `count` random operations of a seed on both, and fails at the first operation with different results. */
export const modelAgrees = (store: ShareStore, seed: number, count: number): Effect.Effect<void, StoreError> =>
  Effect.gen(function*() {
    const pick = random(seed * 7919)
    const model = new Model()

    const name = () => {
      const letter = letters[pick(letters.length)]!
      return pick(2) === 0 ? letter : letter.toUpperCase()
    }
    const path = (): StorePath => Array.from({ length: 1 + pick(3) }, name)

    const onFile = (at: StorePath, use: (file: StoreFile) => Effect.Effect<Answer, StoreError>) =>
      Effect.scoped(Effect.flatMap(store.open(at, { mode: "existing", type: "file" }), ({ file }) => use(file)))

    const operation = (): readonly [string, Effect.Effect<Answer, StoreError>, () => Answer] => {
      const at = path()
      const shown = at.join("/")
      switch (pick(10)) {
        case 0:
        case 1: {
          const isDirectory = pick(2) === 0
          return [
            `make ${isDirectory ? "directory" : "file"} ${shown}`,
            Effect.as(Effect.scoped(store.open(at, { mode: "new", type: isDirectory ? "directory" : "file" })), "made"),
            () => model.make(at, isDirectory)
          ]
        }
        case 2: {
          const offset = pick(100_000)
          const bytes = Uint8Array.from({ length: 1 + pick(50) ** 2 }, () => pick(256))
          return [
            `write ${shown} ${offset} ${bytes.length}`,
            onFile(at, (file) => Effect.as(file.write(BigInt(offset), bytes), "written")),
            () => {
              const item = model.file(at)
              item.bytes = resized(item.bytes, Math.max(item.bytes.length, offset + bytes.length))
              item.bytes.set(bytes, offset)
              return "written"
            }
          ]
        }
        case 3: {
          const size = pick(150_000)
          return [
            `truncate ${shown} ${size}`,
            onFile(at, (file) => Effect.as(file.truncate(BigInt(size)), "cut")),
            () => {
              const item = model.file(at)
              item.bytes = resized(item.bytes, size)
              return "cut"
            }
          ]
        }
        case 4: {
          const offset = pick(100_000)
          const length = pick(100_000)
          return [
            `zero ${shown} ${offset} ${length}`,
            onFile(at, (file) => Effect.as(file.zero({ offset: BigInt(offset), length: BigInt(length) }), "zero")),
            () => {
              model.file(at).bytes.fill(0, offset, offset + length)
              return "zero"
            }
          ]
        }
        case 5:
          return [`remove ${shown}`, Effect.as(store.remove(at), "removed"), () => model.remove(at)]
        case 6: {
          const to = path()
          const replace = pick(2) === 0
          return [
            `rename ${shown} ${to.join("/")} ${replace}`,
            Effect.as(store.rename(at, to, { replace }), "renamed"),
            () => model.rename(at, to, replace)
          ]
        }
        case 7: {
          return [
            `list ${shown}`,
            Effect.map(
              Stream.runCollect(store.list(at)),
              (nodes) => nodes.map((node) => `${node.name} ${node.size}`).sort()
            ),
            () =>
              Array.from(
                (model.find(at).entries ?? no("NotDirectory")).values(),
                (item) => `${item.name} ${item.bytes.length}`
              )
                .sort()
          ]
        }
        case 8:
          return [
            `stat ${shown}`,
            Effect.map(store.stat(at), (node) => `${node.name} ${node.type} ${node.size}`),
            () => {
              const item = model.find(at)
              return `${item.name} ${item.entries === undefined ? "file" : "directory"} ${item.bytes.length}`
            }
          ]
        default:
          return [
            `read ${shown}`,
            onFile(at, (file) => file.read(0n, 300_000)),
            () => model.file(at).bytes
          ]
      }
    }

    const log: Array<string> = []
    for (let i = 0; i < count; i++) {
      const [shown, effect, expect] = operation()
      log.push(shown)
      const actual = yield* Effect.match(effect, {
        onFailure: (error): Answer => `refused: ${error.reason._tag}`,
        onSuccess: (answer): Answer => answer
      })
      let expected: Answer
      try {
        expected = expect()
      } catch (error) {
        if (!(error instanceof Refused)) throw error
        expected = `refused: ${error.reason}`
      }
      const same = actual instanceof Uint8Array && expected instanceof Uint8Array
        ? Buffer.compare(actual, expected) === 0
        : JSON.stringify(actual) === JSON.stringify(expected)
      const show = (answer: Answer) => answer instanceof Uint8Array ? `${answer.length} bytes` : JSON.stringify(answer)
      assert.isTrue(same, `${show(actual)} is not ${show(expected)}, after ${log.slice(-30).join("; ")}`)
    }
  })

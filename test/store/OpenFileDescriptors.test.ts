/**
 * Proves which descriptors of files are open: as few as the limit allows, the longest unused closed first, none closed
 * while a call uses it, and none left in the end. Each test opens real files and asks the platform which are open.
 */
// oxlint-disable no-await-in-loop -- the calls come one after the other
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach } from "vitest"
import type { StoreError } from "../../src/Server/ShareStore.ts"
import * as Local from "../../src/Server/Store/internal/Local.ts"
import { Descriptor, OpenFileDescriptors } from "../../src/Server/Store/internal/OpenFileDescriptors.ts"
import { PromptCalls } from "../../src/Server/Store/internal/PromptCalls.ts"
import { random } from "../random.ts"

let folder = ""
beforeEach(() => {
  folder = Fs.mkdtempSync(join(tmpdir(), "effect-smb-descriptors-"))
})
afterEach(() => Fs.rmSync(folder, { recursive: true }))

/** A file, with all numbers that its opens have had. */
class File {
  readonly descriptor: Descriptor
  readonly #inode: bigint
  readonly #had = new Set<number>()
  /** Each open, in order: `r` for reading, `w` for writing too. A `+` follows if a descriptor was open already. */
  opens = ""
  /** The next opens fail with this error, at most as many as `failures`. */
  error: unknown
  failures = Infinity
  /** The next opens wait for this. */
  gate: Promise<void> | undefined

  constructor(name: string, prompt = true) {
    const path = join(folder, name)
    Fs.writeFileSync(path, name)
    this.#inode = Fs.statSync(path, { bigint: true }).ino
    this.descriptor = new Descriptor(async (writing, fd) => {
      this.opens += `${writing ? "w" : "r"}${fd === undefined ? "" : "+"}`
      await this.gate
      if (this.error !== undefined && this.failures-- > 0) throw this.error
      return this.another(writing)
    }, new PromptCalls(prompt))
  }

  another(writing: boolean): number {
    const fd = Fs.openSync(join(folder, this.name), writing ? "r+" : "r")
    this.#had.add(fd)
    return fd
  }

  get name(): string {
    return Fs.readdirSync(folder).find((name) => Fs.statSync(join(folder, name), { bigint: true }).ino === this.#inode)!
  }

  isOpen(fd: number): boolean {
    try {
      return Fs.fstatSync(fd, { bigint: true }).ino === this.#inode
    } catch {
      return false
    }
  }

  /** The number of its open descriptors. */
  get count(): number {
    return [...this.#had].filter((fd) => this.isOpen(fd)).length
  }
}

/** Waits until the closes that have begun are done: the thread pool takes its calls in order. */
const closed = async () => {
  for (let i = 0; i < 12; i++) await Local.lstat(folder)
}

/** A call that stays in its body until `end`. */
const held = (use: (body: (fd: number) => Promise<number>) => Promise<number>) => {
  const began = Promise.withResolvers<number>()
  const end = Promise.withResolvers<void>()
  const done = use(async (fd) => {
    began.resolve(fd)
    await end.promise
    return fd
  })
  done.catch(began.reject)
  return { began: began.promise, done, end: async () => (end.resolve(), await done) }
}

const fdOf = (fd: number) => Promise.resolve(fd)
const isSettled = async (promise: Promise<unknown>) => {
  let settled = false
  const settle = () => {
    settled = true
  }
  promise.then(settle, settle)
  await closed()
  return settled
}
const reason = (promise: Promise<unknown>) =>
  promise.then(() => assert.fail("it did not fail"), (error: StoreError) => error.reason._tag)

const refusal = Object.assign(new Error("refused"), { code: "EACCES" })
const fault = Object.assign(new Error("fault"), { code: "EIO" })

describe("descriptors of open files", () => {
  it("close the longest unused file when there are more than the limit", async () => {
    const all = new OpenFileDescriptors(2, true)
    const [a, b, c] = [new File("a"), new File("b"), new File("c")]
    const counts = () => [a, b, c].map(({ count }) => count)
    for (const { descriptor } of [a, b, a]) await all.use(descriptor, fdOf)
    assert.deepStrictEqual(counts(), [1, 1, 0])
    await all.use(c.descriptor, fdOf)
    assert.deepStrictEqual(counts(), [1, 0, 1])
    await all.use(b.descriptor, fdOf)
    assert.deepStrictEqual(counts(), [0, 1, 1])
    assert.deepStrictEqual([a.opens, b.opens, c.opens], ["r", "rr", "r"])
    for (const { descriptor } of [a, b, c]) all.close(descriptor)
    assert.deepStrictEqual(counts(), [0, 0, 0])
  })

  it("stay while calls use them or a name was removed, and are trimmed after the last call", async () => {
    const all = new OpenFileDescriptors(1, true)
    const [a, b, c] = [new File("a"), new File("b"), new File("c")]
    const counts = () => [a, b, c].map(({ count }) => count)
    const one = held((body) => all.use(a.descriptor, body))
    await one.began
    const other = held((body) => all.use(a.descriptor, body))
    await other.began
    await all.pin(b.descriptor)
    await all.use(c.descriptor, fdOf)
    assert.deepStrictEqual(counts(), [1, 1, 0])
    await one.end()
    assert.deepStrictEqual(counts(), [1, 1, 0])
    await other.end()
    assert.deepStrictEqual(counts(), [0, 1, 0])
    all.close(b.descriptor)
    assert.deepStrictEqual(counts(), [0, 0, 0])
  })

  it("close only as many as are above the limit", async () => {
    const all = new OpenFileDescriptors(2, true)
    const files = ["a", "b", "c", "d"].map((name) => new File(name))
    const calls = []
    for (const { descriptor } of files) {
      const call = held((body) => all.use(descriptor, body))
      await call.began
      calls.push(call)
    }
    for (const [i, call] of calls.entries()) {
      await call.end()
      assert.deepStrictEqual(files.map(({ count }) => count), [[0, 1, 1, 1], [0, 0, 1, 1]][Math.min(i, 1)])
    }
    for (const { descriptor } of files) all.close(descriptor)
  })

  it("are opened once for reading, and once more for the first change, which keeps them", async () => {
    const all = new OpenFileDescriptors(9, true)
    const a = new File("a")
    await Promise.all([1, 2, 3].map(() => all.use(a.descriptor, fdOf)))
    assert.strictEqual(a.opens, "r")
    assert.isFalse(a.descriptor.changed)
    await Promise.all([1, 2, 3].map(() => all.change(a.descriptor, fdOf)))
    assert.strictEqual(a.opens, "rw+")
    assert.isTrue(a.descriptor.changed)
    await all.use(a.descriptor, (fd) => Promise.resolve(Fs.writeSync(fd, "x")))
    await closed()
    assert.deepStrictEqual([a.opens, a.count], ["rw+", 1])
    all.close(a.descriptor)
    await closed()
    assert.strictEqual(a.count, 0)
  })

  it("open for writing after an open for reading that was under way", async () => {
    const all = new OpenFileDescriptors(9, true)
    const a = new File("a")
    const gate = Promise.withResolvers<void>()
    a.gate = gate.promise
    const calls = [all.use(a.descriptor, fdOf), all.change(a.descriptor, fdOf), all.use(a.descriptor, fdOf)]
    gate.resolve()
    const [reading, writing, later] = await Promise.all(calls)
    assert.strictEqual(a.opens, "rw+")
    assert.notStrictEqual(writing, reading)
    assert.include([reading, writing], later)
    all.close(a.descriptor)
    await closed()
    assert.strictEqual(a.count, 0)
  })

  it("keep the descriptor of a read that the first change meets, until the read and the change have ended", async () => {
    const all = new OpenFileDescriptors(9, true)
    const a = new File("a")
    const read = held((body) => all.use(a.descriptor, body))
    const reading = await read.began
    const change = held((body) => all.change(a.descriptor, body))
    const writing = await change.began
    await closed()
    assert.deepStrictEqual([a.isOpen(reading), a.isOpen(writing)], [true, true])
    await change.end()
    await closed()
    assert.deepStrictEqual([a.isOpen(reading), a.isOpen(writing)], [true, true])
    await read.end()
    await closed()
    assert.deepStrictEqual([a.isOpen(reading), a.isOpen(writing)], [false, true])
    all.close(a.descriptor)
    await closed()
    assert.strictEqual(a.count, 0)
  })

  it("of a closed file stay until its last call has ended, with the descriptor from before the first change", async () => {
    const all = new OpenFileDescriptors(9, true)
    const a = new File("a")
    const read = held((body) => all.use(a.descriptor, body))
    await read.began
    const change = held((body) => all.change(a.descriptor, body))
    await change.began
    all.close(a.descriptor)
    await closed()
    assert.strictEqual(a.count, 2)
    await read.end()
    await closed()
    assert.strictEqual(a.count, 2)
    await change.end()
    await closed()
    assert.strictEqual(a.count, 0)
  })

  it("are opened early by a preparation, once, and its failure is left to the later call", async () => {
    const all = new OpenFileDescriptors(9, true)
    const [a, b] = [new File("a"), new File("b")]
    all.prepare(a.descriptor)
    assert.strictEqual(a.opens, "r")
    await all.use(a.descriptor, fdOf)
    all.prepare(a.descriptor)
    assert.deepStrictEqual([a.opens, a.count], ["r", 1])
    b.error = fault
    all.prepare(b.descriptor)
    await closed()
    assert.strictEqual(await all.use(b.descriptor, fdOf).catch((error) => error), fault)
    b.error = undefined
    await all.use(b.descriptor, fdOf)
    assert.deepStrictEqual([b.opens, b.count], ["rrr", 1])
    for (const { descriptor } of [a, b]) all.close(descriptor)
    assert.deepStrictEqual([a.count, b.count], [0, 0])
  })

  it("open the file again after another call's open has failed", async () => {
    const all = new OpenFileDescriptors(9, true)
    const a = new File("a")
    const gate = Promise.withResolvers<void>()
    a.gate = gate.promise
    a.error = fault
    a.failures = 1
    const first = all.use(a.descriptor, fdOf).catch((error) => error)
    const second = all.use(a.descriptor, fdOf)
    gate.resolve()
    assert.strictEqual(await first, fault)
    assert.isTrue(a.isOpen(await second))
    assert.strictEqual(a.opens, "rr")
    all.close(a.descriptor)
  })

  it("take the descriptor of a file that was just made, and close it if the file has or opens one", async () => {
    const all = new OpenFileDescriptors(1, true)
    const [a, b] = [new File("a"), new File("b")]
    const adopted = a.another(true)
    all.adopt(a.descriptor, adopted)
    assert.strictEqual(await all.use(a.descriptor, fdOf), adopted)
    assert.strictEqual(await all.change(a.descriptor, fdOf), adopted)
    assert.strictEqual(a.opens, "")
    all.adopt(a.descriptor, a.another(true))
    await closed()
    assert.strictEqual(a.count, 1)
    const gate = Promise.withResolvers<void>()
    b.gate = gate.promise
    const opening = all.use(b.descriptor, fdOf)
    all.adopt(b.descriptor, b.another(true))
    await closed()
    assert.strictEqual(b.count, 0)
    gate.resolve()
    await opening
    // The limit counts adopted descriptors.
    await closed()
    assert.deepStrictEqual([a.count, b.count], [0, 1])
    all.adopt(a.descriptor, a.another(true))
    assert.deepStrictEqual([a.count, b.count], [1, 0])
    for (const { descriptor } of [a, b]) all.close(descriptor)
    await closed()
    assert.deepStrictEqual([a.count, b.count], [0, 0])
  })

  for (const opensAgain of [true, false]) {
    for (const changed of [true, false]) {
      for (const refused of [true, false]) {
        const title = `a ${changed ? "changed" : "read"} file${refused ? " that may only be read" : ""}${
          opensAgain ? "" : " without descriptors as paths"
        }`
        it(`hold ${title} before its name is removed`, async () => {
          const all = new OpenFileDescriptors(1, opensAgain)
          const [a, b] = [new File("a"), new File("b")]
          if (changed) {
            await all.change(a.descriptor, fdOf)
            // Another file takes its descriptor.
            await all.use(b.descriptor, fdOf)
            await closed()
            assert.strictEqual(a.count, 0)
          } else await all.use(a.descriptor, fdOf)
          a.opens = ""
          if (refused) a.error = refusal
          const writing = changed || !opensAgain
          if (refused && changed) {
            // No descriptor is left: the file cannot be held.
            assert.strictEqual(await all.pin(a.descriptor).catch((error) => error), refusal)
            assert.deepStrictEqual([a.opens, a.descriptor.nameless], ["wr", false])
            a.error = undefined
            await all.pin(a.descriptor)
          } else await all.pin(a.descriptor)
          a.error = undefined
          assert.isTrue(a.descriptor.nameless)
          assert.strictEqual(a.opens, refused && changed ? "wrw" : writing ? (changed ? "w" : "w+") : "")
          await all.use(b.descriptor, fdOf)
          await closed()
          assert.deepStrictEqual([a.count, b.count], [1, 0])
          // The removed file is used by its descriptor alone.
          const change = all.change(a.descriptor, fdOf)
          if (opensAgain || !refused || changed) assert.isTrue(a.isOpen(await change))
          else assert.strictEqual(await reason(change), "AccessDenied")
          all.close(a.descriptor)
          await closed()
          assert.strictEqual(a.count, 0)
          assert.strictEqual(await reason(all.use(a.descriptor, fdOf)), "AccessDenied")
          all.close(b.descriptor)
        })
      }
    }
  }

  it("fail to hold a file with the error of its open, and the file counts as one with a name", async () => {
    const all = new OpenFileDescriptors(1, false)
    const a = new File("a")
    a.error = fault
    assert.strictEqual(await all.pin(a.descriptor).catch((error) => error), fault)
    assert.deepStrictEqual([a.opens, a.descriptor.nameless], ["w", false])
    a.error = undefined
    assert.isTrue(a.isOpen(await all.use(a.descriptor, fdOf)))
    all.close(a.descriptor)
  })

  it("let changes run at the same time, and a change that must be alone run alone, in the order of their calls", async () => {
    const all = new OpenFileDescriptors(9, true)
    const { descriptor } = new File("a")
    const [one, two] = [1, 2].map(() => held((body) => all.change(descriptor, body)))
    await Promise.all([one!.began, two!.began])
    const alone = held((body) => all.alone(descriptor, body))
    const third = held((body) => all.change(descriptor, body))
    const second = held((body) => all.alone(descriptor, body))
    // A read does not wait.
    await all.use(descriptor, fdOf)
    await one!.end()
    assert.isFalse(await isSettled(alone.began))
    await two!.end()
    await alone.began
    assert.isFalse(await isSettled(Promise.race([third.began, second.began])))
    await alone.end()
    await third.began
    assert.isFalse(await isSettled(second.began))
    await third.end()
    await second.began
    await second.end()
    assert.isUndefined(descriptor.exclusive)
    assert.strictEqual(descriptor.writes?.size, 0)
    all.close(descriptor)
  })

  it("go on after a change that has failed, alone or not", async () => {
    const all = new OpenFileDescriptors(9, true)
    const { descriptor } = new File("a")
    const fail = () => Promise.reject(fault)
    for (const call of ["change", "alone"] as const) {
      const failing = [all.change(descriptor, fail), all.alone(descriptor, fail), all[call](descriptor, fail)]
      const next = all[call](descriptor, fdOf)
      for (const one of await Promise.allSettled(failing)) assert.strictEqual(one.status, "rejected")
      assert.isNumber(await next)
    }
    all.close(descriptor)
  })

  it("mark a file as changed by a change that is alone", async () => {
    const all = new OpenFileDescriptors(9, true)
    const a = new File("a")
    await all.alone(a.descriptor, fdOf)
    assert.isTrue(a.descriptor.changed)
    assert.strictEqual(a.opens, "w")
    all.close(a.descriptor)
  })

  it("are closed at once on a prompt file system, and otherwise in the thread pool", async () => {
    const platform = process.getBuiltinModule("node:fs")
    const { close, closeSync } = platform
    let ways: Array<string> = []
    Object.assign(platform, {
      close: (fd: number, done: Fs.NoParamCallback) => (ways.push("later"), close(fd, done)),
      closeSync: (fd: number) => (ways.push("now"), closeSync(fd))
    })
    syncBuiltinESMExports()
    try {
      for (const prompt of [true, false]) {
        for (const changed of [true, false]) {
          const all = new OpenFileDescriptors(9, true)
          const a = new File(`${prompt} ${changed}`, prompt)
          await all.use(a.descriptor, fdOf, changed)
          if (changed) await all.change(a.descriptor, fdOf)
          ways = []
          all.close(a.descriptor)
          await closed()
          assert.deepStrictEqual(ways, [prompt ? "now" : "later"])
          assert.strictEqual(a.count, 0)
          // A descriptor has no number any more that another file could get.
          assert.deepStrictEqual([a.descriptor.fd, a.descriptor.writable], [undefined, false])
        }
      }
    } finally {
      Object.assign(platform, { close, closeSync })
      syncBuiltinESMExports()
    }
  })

  it("are within the limit, open while they are used, and all closed in the end, after any sequence of calls", async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const next = random(seed * 7919)
      const limit = 1 + next(3)
      const all = new OpenFileDescriptors(limit, true)
      const files = Array.from({ length: 5 }, (_, i) => new File(`${seed} ${i}`, next(2) === 0))
      const calls: Array<ReturnType<typeof held> & { readonly file: File }> = []
      for (let step = 0; step < 60; step++) {
        const file = files[next(files.length)]!
        const { descriptor } = file
        const what = next(6)
        if (what < 3) {
          const writes = next(2) === 0
          const call = held((body) => writes ? all.change(descriptor, body) : all.use(descriptor, body))
          const fd = await call.began
          assert.isTrue(file.isOpen(fd))
          if (writes) Fs.writeSync(fd, "x")
          calls.push({ ...call, file })
        } else if (what < 5 && calls.length > 0) await calls.splice(next(calls.length), 1)[0]!.end()
        else await all.use(descriptor, fdOf)
        await closed()
        const busy = new Set(calls.map((call) => call.file))
        for (const call of calls) assert.isTrue(call.file.isOpen(await call.began), `seed ${seed}, step ${step}`)
        // Descriptors are closed after each call.
        if (what < 3) continue
        const idle = () => files.filter((one) => !busy.has(one)).reduce((sum, { count }) => sum + count, 0)
        const allowed = Math.max(0, limit - busy.size)
        // A thread of the pool can be slow with its close.
        for (let waits = 0; idle() > allowed && waits < 200; waits++) await closed()
        assert.isAtMost(idle(), allowed, `seed ${seed}, step ${step}`)
      }
      for (const { descriptor } of files) all.close(descriptor)
      for (const call of calls) await call.end()
      await closed()
      assert.deepStrictEqual(files.map(({ count }) => count), files.map(() => 0), `seed ${seed}`)
    }
  })
})

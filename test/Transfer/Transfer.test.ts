/**
 * Whole transfers by their public functions: what is at the target afterwards, what the events say, and what stays. Servers
 * are in memory, local files are real.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Stream } from "effect"
import { SmbClient, TestTransport } from "effect-smb"
import * as Fs from "node:fs"
import { join } from "node:path"
import * as FileTime from "../../src/Codec/FileTime.ts"
import { CreateDisposition } from "../../src/Smb2/Message/Constants.ts"
import * as Transfer from "../../src/Transfer/Transfer.ts"
import { data, folder, inTime, provide, read, run, there, write } from "./transfers.ts"

describe("sync from this machine to a server", () => {
  it.effect("copies what is missing, then nothing, then what has changed, and keeps times", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { a: "one", d: { b: "two", e: {} } })
      const time = new Date(Date.UTC(2020, 1, 2, 3, 4, 5))
      Fs.utimesSync(join(here, "a"), time, time)
      const first = yield* run(Transfer.sync(here, data))
      assert.deepStrictEqual([first.end, first.told], ["done", ["copied a", "copied b"]])
      assert.deepStrictEqual(yield* there(data), { a: "one", d: "/", "d/b": "two", "d/e": "/" })
      const smb = yield* SmbClient.SmbClient
      assert.strictEqual((yield* smb.stat(`${data}\\a`)).lastWriteTime, FileTime.fromDate(time))
      const second = yield* run(Transfer.sync(here, data))
      assert.deepStrictEqual(second.told, ["skipped a: Same", "skipped b: Same"])
      Fs.writeFileSync(join(here, "d/b"), "2")
      assert.deepStrictEqual((yield* run(Transfer.sync(here, data))).told, ["copied b", "skipped a: Same"])
      assert.strictEqual((yield* there(data))["d/b"], "2")
    }).pipe(Effect.scoped, provide()))

  it.effect("counts all files and bytes, and knows the total before the end", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { a: "a".repeat(100), b: "b".repeat(200_000), c: "" })
      const { events } = yield* run(Transfer.upload(here, data))
      const { progress } = events.at(-1)!
      assert.deepStrictEqual(progress, {
        done: { files: 3, bytes: 200_100 },
        total: { files: 3, bytes: 200_100 },
        isTotalKnown: true
      })
      const again = yield* run(Transfer.sync(here, data))
      assert.deepStrictEqual(again.events.at(-1)!.progress, progress)
    }).pipe(Effect.scoped, provide()))

  it.effect("removes with delete what only the target has, and nothing that the filter leaves out", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { a: "a", d: {} })
      const options = { delete: true, exclude: ["*.keep", "kept/"] }
      const { end, told } = yield* run(Transfer.sync(here, data, options))
      assert.deepStrictEqual([end, told], ["done", [
        "copied a",
        "removed gone",
        "removed old",
        "removed x",
        "removed x"
      ]])
      assert.deepStrictEqual(yield* there(data), {
        a: "a",
        d: "/",
        "d/b.keep": "b",
        partly: "/",
        "partly/c.keep": "c",
        kept: "/",
        "kept/x": "x"
      })
    }).pipe(
      Effect.scoped,
      provide({
        old: "old",
        d: { x: "x", "b.keep": "b" },
        gone: { deep: { x: "x" } },
        partly: { x: "x", "c.keep": "c" },
        kept: { x: "x" }
      })
    ))

  it.effect.each(
    [
      ["maximumSize", { maximumSize: 10 }, "large"],
      ["minimumSize", { minimumSize: 11 }, "small"],
      ["include", { include: ["small"] }, "large"],
      ["exclude", { exclude: ["large"] }, "large"]
    ] as const
  )("removes with delete no file that %s leaves out, also in a folder that only the target has", (
    [, options, stays]
  ) =>
    Effect.gen(function*() {
      const here = yield* folder
      const { end, told } = yield* run(Transfer.sync(here, data, { delete: true, ...options }))
      const goes = stays === "large" ? "small" : "large"
      assert.deepStrictEqual([end, told], ["done", [`removed ${goes}`]])
      assert.deepStrictEqual(Object.keys(yield* there(data)).toSorted(), ["gone", `gone/${stays}`])
    }).pipe(Effect.scoped, provide({ gone: { small: "s", large: "l".repeat(100) } })))

  it.effect("removes nothing when a copy failed, and no more than maximumDeletions", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { "bad:name": "a" })
      const failed = yield* run(Transfer.sync(here, data, { delete: true }))
      assert.deepStrictEqual([failed.end, failed.told], ["Incomplete", ["failed bad:name"]])
      assert.deepStrictEqual(Object.keys(yield* there(data)).toSorted(), ["one", "two"])
      Fs.rmSync(join(here, "bad:name"))
      const limited = yield* run(Transfer.sync(here, data, { delete: true, maximumDeletions: 1 }))
      assert.deepStrictEqual(limited.end, "Incomplete")
      assert.lengthOf(limited.told.filter((line) => line.startsWith("removed")), 1)
      assert.lengthOf(limited.told.filter((line) => line.startsWith("failed")), 1)
      assert.lengthOf(Object.keys(yield* there(data)), 1)
    }).pipe(Effect.scoped, provide({ one: "1", two: "2" })))

  it.effect("fails, and removes nothing, when the source is no folder", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { file: "f" })
      for (const path of [join(here, "none"), join(here, "file")]) {
        assert.strictEqual((yield* run(Transfer.sync(path, data, { delete: true }))).end, "LocalError")
      }
      assert.strictEqual((yield* run(Transfer.sync(`${data}\\none`, here, { delete: true }))).end, "SmbError")
      assert.strictEqual((yield* run(Transfer.sync(`${data}\\one`, here, { delete: true }))).end, "SmbError")
      assert.strictEqual((yield* run(Transfer.sync(here, here))).end, "LocalError")
      assert.deepStrictEqual(yield* there(data), { one: "1" })
      assert.deepStrictEqual(read(here), { file: "f" })
    }).pipe(Effect.scoped, provide({ one: "1" })))

  it.effect("changes nothing in a dry run, and says what it would do", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { a: "a", d: { b: "b" } })
      const { end, told } = yield* run(Transfer.sync(here, data, { delete: true, dryRun: true }))
      assert.deepStrictEqual([end, told], ["done", ["Copy a", "Copy b", "Remove old"]])
      assert.deepStrictEqual(yield* there(data), { old: "old" })
    }).pipe(Effect.scoped, provide({ old: "old" })))

  it.effect("takes names that differ in case for one name", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { Readme: "new" })
      const { told } = yield* run(Transfer.sync(here, data, { delete: true }))
      assert.deepStrictEqual(told, ["copied Readme"])
      assert.deepStrictEqual(Object.values(yield* there(data)), ["new"])
    }).pipe(Effect.scoped, provide({ README: "a longer text" })))
})

describe("sync from a server to this machine", () => {
  it.effect("copies what is missing, then nothing, and removes with delete what only this machine has", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { old: "old", gone: { x: "x" } })
      const first = yield* run(Transfer.sync(data, here))
      assert.deepStrictEqual(first.told, ["copied a", "copied b"])
      const second = yield* run(Transfer.sync(data, here, { delete: true }))
      assert.deepStrictEqual(second.told, ["removed gone", "removed old", "skipped a: Same", "skipped b: Same"])
      assert.deepStrictEqual(read(here), { a: "a", d: { b: "b", e: {} } })
    }).pipe(Effect.scoped, provide({ a: "a", d: { b: "b", e: {} } })))

  it.effect("removes nothing when a directory of the server cannot be listed", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { d: { mine: "mine" }, old: "old" })
      const { end, told } = yield* run(Transfer.sync(data, here, { delete: true }))
      assert.deepStrictEqual([end, told], ["Incomplete", ["copied a", "failed d"]])
      assert.deepStrictEqual(read(here), { a: "a", d: { mine: "mine" }, old: "old" })
    }).pipe(
      Effect.scoped,
      provide({ a: "a", d: { b: "b" } }, {
        faults: [{
          when: ({ request }) => request._tag === "CREATE" && request.body.name === "d",
          is: { status: "STATUS_ACCESS_DENIED" }
        }]
      })
    ))

  it.effect("compares by size or by content when the user says so", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { same: "same", swap: "1234" })
      const later = new Date(Date.UTC(2031, 0, 1))
      for (const name of ["same", "swap"]) Fs.utimesSync(join(here, name), later, later)
      const bySize = yield* run(Transfer.sync(data, here, { compare: "size" }))
      assert.deepStrictEqual(bySize.told, ["skipped same: Same", "skipped swap: Same"])
      const byContent = yield* run(Transfer.sync(data, here, { compare: "checksum" }))
      assert.deepStrictEqual(byContent.told, ["copied swap", "skipped same: Same"])
      Fs.utimesSync(join(here, "same"), later, later)
      const update = yield* run(Transfer.download(data, here, { existing: "update" }))
      assert.deepStrictEqual(update.told, ["skipped same: Newer", "skipped swap: Same"])
      const skip = yield* run(Transfer.download(`${data}\\same`, join(here, "same"), { existing: "skip" }))
      assert.deepStrictEqual(skip.told, ["skipped same: Exists"])
      const one = yield* run(Transfer.download(`${data}\\same`, join(here, "same"), { dryRun: true }))
      assert.deepStrictEqual(one.told, ["Copy same"])
    }).pipe(Effect.scoped, provide({ same: "same", swap: "4321" })))
})

describe("sync between servers", () => {
  for (const target of ["\\\\nas\\other\\copy", "\\\\far\\data"]) {
    it.effect(`copies to ${target}, then nothing, and removes with delete what only the target has`, () =>
      Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        const first = yield* run(Transfer.sync(data, target))
        assert.deepStrictEqual([first.end, first.told], ["done", ["copied a", "copied b"]])
        assert.deepStrictEqual(yield* there(target), { a: "a", d: "/", "d/b": "b".repeat(100_000) })
        const [one, other] = [yield* smb.stat(`${data}\\a`), yield* smb.stat(`${target}\\a`)]
        assert.strictEqual(one.lastWriteTime, other.lastWriteTime)
        yield* smb.writeFile(`${target}\\extra`, "x")
        const second = yield* run(Transfer.sync(data, target, { delete: true }))
        assert.deepStrictEqual(second.told, ["removed extra", "skipped a: Same", "skipped b: Same"])
      }).pipe(Effect.scoped, provide({ a: "a", d: { b: "b".repeat(100_000) } })))
  }

  it.effect("makes the target of an empty directory, and with dryRun sends no request that changes something", () =>
    Effect.gen(function*() {
      const { commands, requests } = yield* TestTransport.TestServers
      const target = "\\\\nas\\other\\copy"
      for (const source of [`${data}\\empty`, `${data}\\full`]) {
        const before = (yield* commands).length
        const { end } = yield* run(Transfer.copyTree(source, target, { dryRun: true }))
        assert.strictEqual(end, "done")
        const opened = (yield* requests).slice(before).flatMap(({ request }) =>
          request._tag === "CREATE" ? [request.body.createDisposition] : []
        )
        assert.isAbove(opened.length, 0)
        assert.deepStrictEqual(opened.filter((disposition) => disposition !== CreateDisposition.FILE_OPEN), [])
      }
      assert.strictEqual((yield* run(Transfer.copyTree(`${data}\\empty`, target))).end, "done")
      assert.deepStrictEqual(yield* there("\\\\nas\\other"), { copy: "/" })
    }).pipe(Effect.scoped, provide({ empty: {}, full: { a: "a", d: { b: "b" } } })))

  it.effect("does not copy a directory into itself without end", () =>
    Effect.gen(function*() {
      const { end, told } = yield* run(Transfer.copyTree(data, `${data}\\d\\copy`))
      assert.deepStrictEqual([end, told.filter((line) => line.startsWith("copied"))], ["done", [
        "copied a",
        "copied b"
      ]])
      assert.deepStrictEqual(yield* there(`${data}\\d\\copy`), { a: "a", d: "/", "d/b": "b" })
    }).pipe(Effect.scoped, provide({ a: "a", d: { b: "b" } })))

  it.effect("refuses a target that is the source, in any case of letters", () =>
    Effect.gen(function*() {
      for (const [from, to] of [["d", "d"], ["d", "D"], ["a", "A"]]) {
        const refused = Stream.runDrain(Transfer.copyTree(`${data}\\${from}`, `${data}\\${to}`))
        const { message } = yield* Effect.flip(refused)
        assert.match(message, /^\\\\nas\\data\\\w: source and target are the same.*: nothing was copied$/)
        assert.notMatch(message, /effect-smb/)
      }
      assert.deepStrictEqual(yield* there(data), { a: "a", d: "/", "d/b": "b" })
    }).pipe(Effect.scoped, provide({ a: "a", d: { b: "b" } })))

  it.effect("passes on attributes only when the user says so", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      yield* smb.setAttributes(`${data}\\a`, { fileAttributes: 0x22 })
      for (const target of ["\\\\nas\\other", "\\\\far\\data"]) {
        yield* run(Transfer.copyTree(`${data}\\a`, `${target}\\plain`))
        yield* run(Transfer.copyTree(`${data}\\a`, `${target}\\kept`, { attributes: true }))
        const hidden = (name: string) =>
          Effect.map(smb.stat(`${target}\\${name}`), ({ fileAttributes }) => (fileAttributes & 2) !== 0)
        assert.isTrue(yield* hidden("kept"))
        assert.isFalse(yield* hidden("plain"))
      }
    }).pipe(Effect.scoped, provide({ a: "a" })))
})

describe("a transfer", () => {
  const drops = { faults: [{ on: "READ", is: "drop", times: 1 } as const] }

  it.effect("tries a file again after its connection broke, and counts its bytes once", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const { end, events } = yield* inTime(run(Transfer.download(`${data}\\a`, join(here, "a"))))
      assert.strictEqual(end, "done")
      assert.strictEqual(events.at(-1)!.progress.done.bytes, 100_000)
      assert.deepStrictEqual(Fs.readdirSync(here), ["a"])
    }).pipe(Effect.scoped, provide({ a: "a".repeat(100_000) }, drops)))

  for (
    const [name, start] of [
      ["download", (here) => Transfer.download("\\\\gone\\data\\a", join(here, "a"))],
      ["upload", (here) => Transfer.upload(join(here, "here"), "\\\\gone\\data\\a")],
      ["upload of a folder", (here) => Transfer.upload(here, "\\\\gone\\data")],
      ["copyTree from it", () => Transfer.copyTree("\\\\gone\\data\\a", data)],
      ["copyTree to it", () => Transfer.copyTree(`${data}\\a`, "\\\\gone\\data\\a")],
      ["sync from it", (here) => Transfer.sync("\\\\gone\\data", here)],
      ["sync to it", (here) => Transfer.sync(here, "\\\\gone\\data")]
    ] as ReadonlyArray<readonly [string, (here: string) => ReturnType<typeof Transfer.sync>]>
  ) {
    it.effect(`asks a server once that does not answer at its beginning: ${name}`, () =>
      Effect.gen(function*() {
        const here = yield* folder
        write(here, { here: "text" })
        const { end, told } = yield* inTime(run(start(here)))
        assert.deepStrictEqual([end, told], ["TransportError", []])
        assert.isBelow(yield* Clock.currentTimeMillis, 1000)
      }).pipe(Effect.scoped, provide({ a: "text" })))
  }

  it.effect("tells each new attempt, with its reason, its pause and its number", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const { end, events } = yield* inTime(run(Transfer.download(`${data}\\a`, join(here, "a"))))
      assert.strictEqual(end, "TransportError")
      const messages = events.flatMap((event) => event._tag === "Warned" ? [event.warning] : [])
      assert.deepStrictEqual(messages.map(({ kind, path }) => [kind, path]), [
        ["TriedAgain", "\\\\nas\\data\\a"],
        ["TriedAgain", "\\\\nas\\data\\a"]
      ])
      const [first, second] = messages.map(({ message }) => message)
      assert.match(first!, /^\\\\nas\\data\\a: nas:445 closed the connection.*\. Trying again in 1 s \(1 of 2\)$/)
      assert.match(second!, /\. Trying again in 2 s \(2 of 2\)$/)
    }).pipe(Effect.scoped, provide({ a: "a".repeat(100_000) }, { faults: [{ on: "READ", is: "drop" }] })))

  it.effect("ends with the connection's error when retries are used up", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const { end } = yield* run(Transfer.download(`${data}\\a`, join(here, "a"), { retries: 0 }))
      assert.strictEqual(end, "TransportError")
      assert.deepStrictEqual(Fs.readdirSync(here), [])
    }).pipe(Effect.scoped, provide({ a: "a".repeat(100_000) }, drops)))

  const refusesOnce = (status: "STATUS_FILE_LOCK_CONFLICT" | "STATUS_ACCESS_DENIED") => ({
    faults: [{ on: "READ", is: { status }, times: 1 } as const]
  })

  for (
    const [status, wanted] of [["STATUS_FILE_LOCK_CONFLICT", "done"], ["STATUS_ACCESS_DENIED", "SmbError"]] as const
  ) {
    it.effect(`${wanted === "done" ? "tries a file again" : "fails at once"} after ${status}`, () =>
      Effect.gen(function*() {
        const here = yield* folder
        const target = join(here, "a")
        const { end } = yield* inTime(run(Transfer.download(`${data}\\a`, target)))
        assert.strictEqual(end, wanted)
        assert.deepStrictEqual(Fs.readdirSync(here), wanted === "done" ? ["a"] : [])
      }).pipe(Effect.scoped, provide({ a: "a".repeat(100_000) }, refusesOnce(status))))
  }

  it.effect("moves no more bytes a second than bandwidth allows", () =>
    Effect.gen(function*() {
      const here = yield* folder
      yield* inTime(run(Transfer.download(data, here, { bandwidth: 10_000 })))
      assert.isAtLeast(yield* Clock.currentTimeMillis, 10_000)
      assert.deepStrictEqual(Object.keys(read(here)).toSorted(), ["a", "b", "c"])
    }).pipe(Effect.scoped, provide({ a: "a".repeat(50_000), b: "b".repeat(50_000), c: "c".repeat(50_000) })))

  it.effect("leaves no part when its consumer ends the stream", () =>
    Effect.gen(function*() {
      const here = yield* folder
      yield* Transfer.download(`${data}\\a`, join(here, "a")).pipe(
        Stream.takeUntil((event) => event._tag === "Moved"),
        Stream.runDrain
      )
      assert.deepStrictEqual(Fs.readdirSync(here).filter((name) => name !== "a"), [])
    }).pipe(Effect.scoped, provide({ a: "a".repeat(3_000_000) })))

  it.effect("writes a stream of bytes to a server", () =>
    Effect.gen(function*() {
      const bytes = Stream.make(Buffer.from("one "), Buffer.from("two"))
      const { told } = yield* run(Transfer.uploadStream(bytes, `${data}\\s`, { name: "input" }))
      assert.deepStrictEqual(told, ["copied s"])
      assert.deepStrictEqual(yield* there(data), { s: "one two" })
    }).pipe(provide()))

  it.effect("says that a server does not set the time of a copy", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { a: "a", b: "b".repeat(100_000) })
      const { end, told } = yield* run(Transfer.upload(here, data))
      assert.deepStrictEqual([end, told], ["done", ["TimeNotKept a", "TimeNotKept b", "copied a", "copied b"]])
      assert.deepStrictEqual(yield* there(data), { a: "a", b: "b".repeat(100_000) })
      const without = yield* run(Transfer.upload(here, data, { times: false }))
      assert.deepStrictEqual(without.told, ["copied a", "copied b"])
    }).pipe(
      Effect.scoped,
      provide({}, {
        faults: [{
          // FileBasicInformation
          when: ({ request }) => request._tag === "SET_INFO" && request.body.fileInfoClass === 4,
          is: { status: "STATUS_NOT_SUPPORTED" }
        }]
      })
    ))
})

describe("a transfer of one file", () => {
  const progress = { done: { files: 1, bytes: 100_000 }, total: { files: 1, bytes: 100_000 }, isTotalKnown: true }
  const content = "a".repeat(100_000)

  it.effect("knows its total from the start, in each direction and for each rule", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const local = join(here, "a")
      for (const existing of ["replace", "skip"] as const) {
        for (
          const transfer of [
            Transfer.download(`${data}\\a`, local, { existing }),
            Transfer.upload(local, `${data}\\b`, { existing }),
            Transfer.copyTree(`${data}\\a`, "\\\\far\\data\\a", { existing }),
            Transfer.copyTree(`${data}\\a`, "\\\\nas\\other\\a", { existing })
          ]
        ) {
          const { events } = yield* run(transfer)
          assert.isTrue(events.every((event) => event.progress.isTotalKnown && event.progress.total.bytes === 100_000))
          assert.deepStrictEqual(events.at(-1)!.progress, progress)
        }
      }
      const { events } = yield* run(Transfer.uploadStream(Stream.make(Buffer.from(content)), `${data}\\s`))
      assert.deepStrictEqual(events.at(-1)!.progress, progress)
    }).pipe(Effect.scoped, provide({ a: content })))

  it.effect("is uploaded over an existing one unless the rule says otherwise", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { a: "new" })
      const time = new Date(Date.UTC(2000, 0, 1))
      Fs.utimesSync(join(here, "a"), time, time)
      const smb = yield* SmbClient.SmbClient
      yield* smb.setAttributes(`${data}\\a`, { lastWriteTime: FileTime.fromDate(new Date(Date.UTC(2010, 0, 1))) })
      const upload = (existing: Transfer.TransferOptions["existing"]) =>
        Effect.map(run(Transfer.upload(join(here, "a"), `${data}\\a`, { existing })), ({ told }) => told)
      assert.deepStrictEqual(yield* upload("skip"), ["skipped a: Exists"])
      assert.deepStrictEqual(yield* upload("update"), ["skipped a: Newer"])
      assert.deepStrictEqual(yield* upload("different"), ["copied a"])
      assert.deepStrictEqual(yield* upload("update"), ["skipped a: Same"])
      assert.deepStrictEqual(yield* there(data), { a: "new" })
    }).pipe(Effect.scoped, provide({ a: "old" })))
})

describe("a tree that is uploaded", () => {
  it.effect("leaves out excluded folders with all below, and files by name and size", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { a: "a", big: "b".repeat(100), node_modules: { x: "x" }, d: { node_modules: { y: "y" }, z: "z" } })
      const { told } = yield* run(Transfer.upload(here, data, { exclude: ["node_modules/"], maximumSize: 99 }))
      assert.deepStrictEqual(told, ["copied a", "copied z"])
      assert.deepStrictEqual(yield* there(data), { a: "a", d: "/", "d/z": "z" })
    }).pipe(Effect.scoped, provide()))

  it.effect("warns of symbolic links, and does not follow them", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const outside = yield* folder
      write(outside, { secret: "secret" })
      write(here, { a: "a" })
      Fs.symlinkSync(outside, join(here, "link"))
      const { told } = yield* run(Transfer.sync(here, data, { delete: true }))
      assert.deepStrictEqual(told, ["NoFile link", "copied a"])
      assert.deepStrictEqual(yield* there(data), { a: "a" })
    }).pipe(Effect.scoped, provide()))
})

describe("check", () => {
  it.effect("finds each difference once, and nothing between equal folders", () =>
    Effect.gen(function*() {
      const here = yield* folder
      yield* run(Transfer.download(data, here))
      const differences = (options?: Transfer.CheckOptions) =>
        Effect.map(
          Stream.runCollect(Transfer.check(here, data, options)),
          (all) => all.map(({ _tag, source }) => `${_tag} ${source.slice(here.length + 1)}`).toSorted()
        )
      assert.deepStrictEqual(yield* differences(), [])
      assert.deepStrictEqual(yield* differences({ compare: "checksum" }), [])
      Fs.writeFileSync(join(here, "a"), "b")
      const time = Fs.statSync(join(here, "d/b")).mtime
      Fs.writeFileSync(join(here, "d/b"), "x")
      Fs.utimesSync(join(here, "d/b"), time, time)
      Fs.rmSync(join(here, "gone"))
      Fs.rmSync(join(here, "kind"))
      write(here, { mine: { x: "x" }, kind: {} })
      const always = ["ContentDiffers a", "OnlySource mine", "OnlyTarget gone", "TypeDiffers kind"]
      assert.deepStrictEqual(yield* differences(), always)
      assert.deepStrictEqual(
        yield* differences({ compare: "checksum" }),
        ["ContentDiffers a", "ContentDiffers d/b", ...always.slice(1)]
      )
      assert.deepStrictEqual(yield* differences({ compare: "size" }), always.slice(1))
      assert.deepStrictEqual(yield* differences({ exclude: ["a", "mine", "gone", "kind"] }), [])
    }).pipe(Effect.scoped, provide({ a: "a", d: { b: "b" }, gone: "g", kind: "k" })))

  it.effect("fails when a folder is missing", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const end = (from: string, to: string) => Effect.flip(Stream.runDrain(Transfer.check(from, to)))
      assert.strictEqual((yield* end(here, `${data}\\none`))._tag, "SmbError")
      assert.strictEqual((yield* end(join(here, "none"), data))._tag, "LocalError")
    }).pipe(Effect.scoped, provide()))
})

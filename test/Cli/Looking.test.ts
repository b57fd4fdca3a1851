/** `ls`, `find`, `tree`, `du` and `df` against the own server on loopback, in this process. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Result } from "effect"
import { SmbClient } from "effect-smb"
import * as Actions from "../../src/Cli/Actions.ts"
import * as Find from "../../src/Cli/Find.ts"
import * as Quantity from "../../src/Cli/Quantity.ts"
import * as Space from "../../src/Cli/Space.ts"
import * as Tree from "../../src/Cli/Tree.ts"
import * as FileTime from "../../src/Codec/FileTime.ts"
import * as Served from "./served.ts"

const day = (number: number) => FileTime.fromMillis(Date.UTC(2026, 0, number))

/** Files with their sizes, and the day of January 2026 when they were written. */
const files = [
  ["a10.iso", 3000, 5],
  ["a9.iso", 70_000, 1],
  ["plans\\b.TXT", 10, 3],
  ["plans\\deep\\c.txt", 500, 2],
  ["plans\\deep\\d.iso", 0, 4]
] as const

/** Runs with a client of a server that has these files, and the beginning of their paths. */
const withFiles = <A, E, R>(
  use: (base: string, smb: SmbClient.Client) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function*() {
    const { port } = yield* Served.server()
    const context = yield* Layer.build(Served.client({ port }))
    const smb = Context.get(context, SmbClient.SmbClient)
    const base = `//127.0.0.1:${port}/data`
    yield* smb.makeDirectory(`${base}/plans/deep/empty`, { recursive: true })
    for (const [path, size, written] of files) {
      const at = `${base}/${path.replaceAll("\\", "/")}`
      yield* smb.writeFile(at, new Uint8Array(size))
      yield* smb.setAttributes(at, { lastWriteTime: day(written) })
    }
    return yield* Effect.provide(use(base, smb), context)
  }).pipe(Effect.scoped)

const listing = { json: false, long: false, recursive: false, human: false, sort: "none", reverse: false } as const
const printed = Served.printed

describe("ls", () => {
  it.live("sorts by name, size and time, each in both directions, and shows sizes with units", () =>
    withFiles((base) =>
      Effect.gen(function*() {
        const ls = (options: Partial<Parameters<typeof Actions.list>[1]>) =>
          Effect.map(printed(Actions.list(Served.path(base), { ...listing, ...options })), ({ lines }) => lines)
        assert.deepStrictEqual(yield* ls({ sort: "name" }), ["a9.iso", "a10.iso", "plans/"])
        assert.deepStrictEqual(yield* ls({ sort: "name", reverse: true }), ["plans/", "a10.iso", "a9.iso"])
        assert.deepStrictEqual((yield* ls({ sort: "size" })).slice(0, 2), ["a9.iso", "a10.iso"])
        assert.deepStrictEqual(
          (yield* ls({ sort: "time" })).filter((name) => name !== "plans/"),
          ["a10.iso", "a9.iso"]
        )
        assert.deepStrictEqual(yield* ls({ reverse: true }), (yield* ls({})).toReversed())
        const long = yield* ls({ sort: "size", long: true, human: true })
        assert.match(long[0]!, /^-\S+ {3}69K \d{4}-/)
      })
    ))
})

describe("find", () => {
  it.live("finds what meets all conditions, the start included, and goes as deep as it should", () =>
    withFiles((base) =>
      Effect.gen(function*() {
        const find = (options: Partial<Find.Options>) =>
          Effect.map(
            printed(Find.find(Served.path(base), { json: false, print0: false, ...options })),
            ({ lines }) => lines.map((line) => line.slice(base.length + 1)).toSorted()
          )
        assert.deepStrictEqual(yield* find({ name: "*.iso" }), ["a10.iso", "a9.iso", "plans/deep/d.iso"])
        assert.deepStrictEqual(yield* find({ name: "*.txt" }), ["plans/b.TXT", "plans/deep/c.txt"])
        assert.deepStrictEqual(yield* find({ type: "d" }), ["", "plans", "plans/deep", "plans/deep/empty"])
        assert.deepStrictEqual(yield* find({ larger: 500n }), ["a10.iso", "a9.iso"])
        assert.deepStrictEqual(yield* find({ smaller: 10n }), ["plans/deep/d.iso"])
        assert.deepStrictEqual(yield* find({ larger: 9n, smaller: 501n, name: "*" }), [
          "plans/b.TXT",
          "plans/deep/c.txt"
        ])
        assert.deepStrictEqual(yield* find({ type: "f", newer: day(2), older: day(5) }), [
          "plans/b.TXT",
          "plans/deep/d.iso"
        ])
        assert.deepStrictEqual(yield* find({ maximumDepth: 0 }), [""])
        assert.deepStrictEqual(yield* find({ maximumDepth: 1, type: "f" }), ["a10.iso", "a9.iso"])
        const raw = yield* printed(
          Find.find(Served.path(`${base}/plans`), { json: false, print0: true, type: "f", maximumDepth: 1 })
        )
        assert.strictEqual(raw.out, `${base}/plans/b.TXT\0`)
        const json = yield* printed(Find.find(Served.path(`${base}/a9.iso`), { json: true, print0: false }))
        assert.deepInclude(json.objects()[0], { name: "a9.iso", size: 70_000, type: "file" })
      })
    ))
})

describe("tree", () => {
  it.live("draws folders and files, sorted by name", () =>
    withFiles((base) =>
      Effect.gen(function*() {
        const whole = yield* printed(Tree.tree(Served.path(base), { json: false, directories: false }))
        assert.deepStrictEqual(whole.lines, [
          base,
          "├── a9.iso",
          "├── a10.iso",
          "└── plans/",
          "    ├── b.TXT",
          "    └── deep/",
          "        ├── c.txt",
          "        ├── d.iso",
          "        └── empty/",
          "",
          "3 folders, 5 files"
        ])
        const small = yield* printed(Tree.tree(Served.path(base), { json: false, directories: true, maximumDepth: 1 }))
        assert.deepStrictEqual(small.lines, [base, "└── plans/", "", "1 folder"])
      })
    ))
})

describe("du and df", () => {
  it.live("add up what is below each folder, for as many levels as are wanted", () =>
    withFiles((base) =>
      Effect.gen(function*() {
        const du = (depth: number, ...paths: ReadonlyArray<string>) =>
          Effect.map(
            printed(Space.du(paths.map(Served.path), { json: true, human: false, allocated: false, depth })),
            ({ objects }) =>
              objects().map(({ files, path, size }) => [path.slice(base.length + 1).replaceAll("\\", "/"), size, files])
          )
        assert.deepStrictEqual(yield* du(9, base), [
          ["plans/deep/empty", 0, 0],
          ["plans/deep", 500, 2],
          ["plans", 510, 3],
          ["", 73_510, 5]
        ])
        assert.deepStrictEqual(yield* du(1, base), [["plans", 510, 3], ["", 73_510, 5]])
        assert.deepStrictEqual(yield* du(0, base, `${base}/a10.iso`), [["", 73_510, 5], ["a10.iso", 3000, 1]])
        const text = yield* printed(
          Space.du([Served.path(base), Served.path(`${base}/none`)], {
            json: false,
            human: true,
            allocated: false,
            depth: 0
          })
        )
        assert.strictEqual(text.out, `72K     ${base}\n`)
        // One path that is missing is one line, and the others are measured.
        assert.match(text.err, /none.*STATUS_OBJECT_NAME_NOT_FOUND/)
        assert.strictEqual(text.failure?.message, "1 entry could not be listed")
      })
    ))

  it.live("show the space that the server tells", () =>
    withFiles((base) =>
      Effect.gen(function*() {
        const path = Served.path(`${base}/plans`)
        const space = yield* Space.spaceOf(path)
        assert.isAbove(Number(space.total), 0)
        const json = yield* printed(Space.df([path], { json: true, human: false }))
        assert.deepInclude(json.objects()[0], {
          total: Number(space.total),
          available: Number(space.available),
          used: Number(space.total - space.free),
          quotaLimited: false
        })
        const { lines } = yield* printed(Space.df([path], { json: false, human: true }))
        assert.match(lines[0]!, /^Share +Size +Used +Available +Use$/)
        assert.match(lines[1]!, /^\/\/127\.0\.0\.1:\d+\/data\/plans +\S+[KMGTP] +\S+ +\S+ +\d+%$/)
      })
    ))

  it("count the used part of what this user can use, rounded up as df does", () => {
    const space = (total: bigint, free: bigint, available: bigint) => Space.percent({ total, free, available })
    assert.deepStrictEqual([space(100n, 100n, 100n), space(1000n, 1n, 1n), space(1000n, 500n, 0n), space(0n, 0n, 0n)], [
      "0%",
      "100%",
      "100%",
      "-"
    ])
    assert.strictEqual(space(1000n, 999n, 999n), "1%")
  })
})

describe("quantities", () => {
  it("of bytes are read with units of 1024, and anything else is refused", () => {
    const read = (text: string) => Result.getOrUndefined(Quantity.parseSize(text))
    assert.deepStrictEqual(["0", "512", "512B", "10K", "10k", "1.5M", "2GiB", "1TB", "9007199254740993"].map(read), [
      0n,
      512n,
      512n,
      10_240n,
      10_240n,
      1_572_864n,
      2_147_483_648n,
      1_099_511_627_776n,
      undefined
    ])
    assert.deepStrictEqual(["", "K", "-1", "1,5M", "1e3", "10 K", "0x10", "1.5.5"].map(read), Array(8).fill(undefined))
  })

  it("of bytes are shown as `ls -h` shows them", () => {
    // The right side is from numfmt --to=iec --round=up (GNU coreutils 9.1).
    const known = { 0: "0", 1023: "1023", 1024: "1.0K", 1025: "1.1K", 10_137: "9.9K", 10_241: "11K", 102_400: "100K" }
    const large = { 1_047_553: "1.0M", 1_048_576: "1.0M", 1_572_864: "1.5M", 5_000_000_000: "4.7G" }
    for (const [bytes, text] of Object.entries({ ...known, ...large })) {
      assert.strictEqual(Quantity.human(BigInt(bytes)), text)
    }
  })

  it("of time are dates, dates with a time, or spans before now", () => {
    const now = Date.UTC(2026, 10, 30, 12)
    const read = (text: string) => {
      const found = Result.getOrUndefined(Quantity.parseTime(text, now))
      return found === undefined ? undefined : FileTime.toMillis(found)
    }
    assert.strictEqual(read("now"), now)
    assert.strictEqual(read("90m"), now - 5_400_000)
    assert.strictEqual(read("2w"), now - 14 * 86_400_000)
    assert.strictEqual(read("2026-11-30"), new Date(2026, 10, 30).getTime())
    assert.strictEqual(read("2026-11-30 14:05"), new Date(2026, 10, 30, 14, 5).getTime())
    assert.strictEqual(read("2026-11-30T14:05:09Z"), Date.UTC(2026, 10, 30, 14, 5, 9))
    assert.strictEqual(read("2026-11-30T14:05+0100"), Date.UTC(2026, 10, 30, 13, 5))
    assert.deepStrictEqual(
      ["", "yesterday", "7", "7y", "2026-13-01", "2026-02-30", "2026-11-30T25:00", "14:05"].map(read),
      Array(8).fill(undefined)
    )
  })
})

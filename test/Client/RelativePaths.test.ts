/**
 * The relative paths and the dates of entries from lists and walks, over servers in memory: from the directory that the
 * operation began with, also behind a DFS link and at a share's root, and with mapped names.
 */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Redacted, Result, Stream } from "effect"
import { Credentials, DfsAdapter, SmbClient, TestTransport, UncPath } from "effect-smb"
import { FileTime } from "effect-smb/Codec"

const user = Credentials.layer(Credentials.password("user", Redacted.make("password")))
const files = { "a.txt": "A", d: { "b.txt": "B", "e\uf022f": { "c.txt": "C" } } }

const paths = (smb: SmbClient.Client, start: UncPath.PathInput, recursive: boolean) =>
  Effect.map(
    Stream.runCollect(recursive ? smb.walk(start) : smb.list(start)),
    (found) => found.map(({ relativePath }) => relativePath).toSorted()
  )

describe("entries", () => {
  it.effect("have their path from the start of the list or walk, with slashes, and stat has none", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const all = ["a.txt", "d", "d/b.txt", "d/e\uf022f", "d/e\uf022f/c.txt"]
      for (const start of ["//nas/data", "smb://ann@nas/data/", "\\\\NAS\\DATA"]) {
        assert.deepStrictEqual(yield* paths(smb, start, true), all)
        assert.deepStrictEqual(yield* paths(smb, start, false), ["a.txt", "d"])
      }
      assert.deepStrictEqual(yield* paths(smb, "//nas/data/x/../d", true), ["b.txt", "e\uf022f", "e\uf022f/c.txt"])
      assert.strictEqual((yield* smb.stat("//nas/data/d/b.txt")).relativePath, "")
      assert.deepStrictEqual(
        yield* paths(smb.withNames("mapped"), "//nas/data/d", true),
        ["b.txt", "e:f", "e:f/c.txt"]
      )
      const base = Result.getOrThrow(UncPath.parse("//nas/data/d"))
      for (const { path, relativePath } of yield* Stream.runCollect(smb.walk(base))) {
        assert.deepStrictEqual(UncPath.relative(base, path), Result.succeed(relativePath))
        assert.strictEqual(UncPath.format(UncPath.join(base, relativePath)), path)
      }
    }).pipe(
      Effect.provide(SmbClient.layer()),
      Effect.provide([TestTransport.layerFiles({ data: files }), user])
    ))

  it.effect("behind a DFS link have their path in the namespace", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.deepStrictEqual(yield* paths(smb, "//ns/dfs", true), [
        "link",
        "link/a.txt",
        "link/d",
        "link/d/b.txt",
        "link/d/e\uf022f",
        "link/d/e\uf022f/c.txt"
      ])
      assert.deepStrictEqual(yield* paths(smb, "//ns/dfs/link/d", false), ["b.txt", "e\uf022f"])
    }).pipe(
      Effect.provide(DfsAdapter.layerWithoutDiscovery()),
      Effect.provide(SmbClient.layer()),
      Effect.provide([
        TestTransport.layer({
          ns: {
            shares: { dfs: { link: {} } },
            referrals: { "//ns/dfs": { targets: ["//ns/dfs"] }, "//ns/dfs/link": { targets: ["//nas/data"] } }
          },
          nas: { shares: { data: files } }
        }),
        user
      ])
    ))

  it.effect("have dates as well as ticks, and take dates for their times", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const written = DateTime.makeUnsafe("2024-02-29T12:34:56.789Z")
      yield* smb.writeFile("//nas/data/new", "x", { lastWriteTime: written })
      const created = new Date("2020-01-02T03:04:05.006Z")
      yield* smb.setAttributes("//nas/data/new", { creationTime: created })
      const listed = yield* Stream.runCollect(smb.list("//nas/data", { pattern: "new" }))
      for (const entry of [...listed, yield* smb.stat("//nas/data/new")]) {
        assert.strictEqual(DateTime.formatIso(entry.lastWritten!), "2024-02-29T12:34:56.789Z")
        assert.deepStrictEqual(entry.created?.epochMilliseconds, created.getTime())
        for (
          const [date, ticks] of [
            [entry.created, entry.creationTime],
            [entry.lastAccessed, entry.lastAccessTime],
            [entry.lastWritten, entry.lastWriteTime],
            [entry.changed, entry.changeTime]
          ] as const
        ) assert.deepStrictEqual(date, FileTime.toDateTime(ticks))
      }
      assert.lengthOf(listed, 1)
    }).pipe(
      Effect.provide(SmbClient.layer()),
      Effect.provide([TestTransport.layerFiles({ data: files }), user])
    ))
})

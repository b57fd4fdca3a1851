/** Every method of a file system on a share has a span with its own name, its server and its path, and says how it ended. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, FileSystem, Redacted, type Scope, Stream } from "effect"
import { Credentials, SmbClient, SmbFileSystem, TestTransport } from "effect-smb"
import { Attribute } from "../../src/Protocol/Spans.ts"
import { settle } from "../Client/scripted.ts"
import { attributesOf, lineage, spansOf } from "../tracing.ts"

const secret = "a-password-that-no-span-has"

type Methods = {
  [K in keyof FileSystem.FileSystem]: FileSystem.FileSystem[K] extends (...args: any) => any ? K : never
}[keyof FileSystem.FileSystem]

const one = new Uint8Array(1)

const runs: { readonly [K in Methods]: (fs: FileSystem.FileSystem) => Effect.Effect<unknown, unknown, Scope.Scope> } = {
  access: (fs) => fs.access("/a"),
  chmod: (fs) => fs.chmod("/a", 0o644),
  chown: (fs) => fs.chown("/a", 1, 1),
  copy: (fs) => fs.copy("/a", "/b"),
  copyFile: (fs) => fs.copyFile("/a", "/b"),
  exists: (fs) => fs.exists("/a"),
  glob: (fs) => fs.glob("/a"),
  link: (fs) => fs.link("/a", "/b"),
  lstat: (fs) => fs.lstat("/a"),
  makeDirectory: (fs) => fs.makeDirectory("/a"),
  makeTempDirectory: (fs) => fs.makeTempDirectory(),
  makeTempDirectoryScoped: (fs) => fs.makeTempDirectoryScoped(),
  makeTempFile: (fs) => fs.makeTempFile(),
  makeTempFileScoped: (fs) => fs.makeTempFileScoped(),
  open: (fs) => fs.open("/a"),
  readDirectory: (fs) => fs.readDirectory("/a"),
  readDirectoryEntries: (fs) => fs.readDirectoryEntries("/a"),
  readFile: (fs) => fs.readFile("/a"),
  readFileString: (fs) => fs.readFileString("/a"),
  readLink: (fs) => fs.readLink("/a"),
  realPath: (fs) => fs.realPath("/a"),
  remove: (fs) => fs.remove("/a"),
  rename: (fs) => fs.rename("/a", "/b"),
  sink: (fs) => Stream.run(Stream.make(one), fs.sink("/a")),
  stat: (fs) => fs.stat("/a"),
  stream: (fs) => Stream.runDrain(fs.stream("/a")),
  symlink: (fs) => fs.symlink("/a", "/b"),
  truncate: (fs) => fs.truncate("/a"),
  utimes: (fs) => fs.utimes("/a", 0, 0),
  watch: (fs) => Effect.raceFirst(Stream.runDrain(fs.watch("/a")), settle),
  writeFile: (fs) => fs.writeFile("/a", one),
  writeFileString: (fs) => fs.writeFileString("/a", "ü")
}

const withFiles = <A, E>(use: (fs: FileSystem.FileSystem) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.scoped(Effect.flatMap(FileSystem.FileSystem, use)).pipe(
    Effect.provide(SmbFileSystem.layer("smb://joe@nas/data/base")),
    Effect.provide(SmbClient.layer()),
    Effect.provide([
      TestTransport.layer({ nas: { user: "joe", password: secret, shares: { data: { base: { a: "text" } } } } }),
      Credentials.layer(Credentials.password("joe", Redacted.make(secret)))
    ])
  )

describe("the span of a method", () => {
  it.effect.each(Object.entries(runs).map(([name, run]) => ({ name, run })))(
    "of a file system: $name",
    ({ name, run }) =>
      Effect.gen(function*() {
        // A server in memory cannot do all of this: the span is there in any case.
        const spans = yield* spansOf(withFiles(run))
        const own = spans[0]!
        assert.strictEqual(own.name, `SmbFileSystem.${name}`)
        assert.strictEqual(own.status._tag, "Ended")
        const temporary = name.startsWith("makeTemp")
        const two = ["copy", "copyFile", "link", "rename", "symlink"].includes(name)
        assert.deepInclude(attributesOf(own), {
          [Attribute.serverAddress]: "nas",
          [Attribute.serverPort]: 445,
          [Attribute.share]: "data",
          ...(temporary ? {} : { [Attribute.filePath]: "/a" }),
          ...(two ? { [Attribute.destinationPath]: "/b" } : {})
        })
        const { exit } = own.status as Extract<typeof own.status, { readonly _tag: "Ended" }>
        const failed = exit._tag === "Failure" && !Cause.hasInterruptsOnly(exit.cause)
        assert.strictEqual(failed, Attribute.errorType in attributesOf(own))
        for (const span of spans) {
          if (span.name.startsWith("SmbClient.")) assert.include(lineage(span), own.name)
          assert.notInclude(JSON.stringify([...span.attributes]), secret)
          assert.notInclude(JSON.stringify([...span.attributes]), "joe")
        }
      })
  )

  it.effect("is tested for each", () =>
    Effect.flatMap(
      withFiles((fs) =>
        Effect.sync(() => Object.entries(fs).flatMap(([name, value]) => typeof value === "function" ? [name] : []))
      ),
      (names) => Effect.sync(() => assert.deepStrictEqual(names.toSorted(), Object.keys(runs).toSorted()))
    ))

  it.effect("has the bytes", () =>
    Effect.gen(function*() {
      const bytes: ReadonlyArray<readonly [Methods, number]> = [
        ["readFile", 4],
        ["readFileString", 4],
        ["stream", 4],
        ["writeFile", 1],
        ["writeFileString", 2]
      ]
      for (const [name, count] of bytes) {
        const [own] = yield* spansOf(withFiles(runs[name]))
        assert.strictEqual(attributesOf(own)[Attribute.bytes], count, name)
      }
    }))
})

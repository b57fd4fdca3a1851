/**
 * The user and the password of a URL are in no error and no span, also if the URL is broken or if the other
 * arguments of an operation are wrong.
 */
import { assert, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Redacted, Stream } from "effect"
import { Credentials, OpenMode, SmbClient, TestTransport } from "effect-smb"
import { UncPath } from "effect-smb/Client"
import { random } from "../random.ts"
import { make } from "../tracing.ts"

const json = (value: unknown) => JSON.stringify(value, (_, one) => typeof one === "bigint" ? String(one) : one)

const secret = "s3cr3tPW"

const provide = Effect.provide(
  SmbClient.layer().pipe(
    Layer.provideMerge(TestTransport.layerFiles({ data: { a: "0123456789", d: {} } })),
    Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
  )
)

type Run = (smb: SmbClient.Client, path: string) => Effect.Effect<unknown, unknown>

/** Each fails also with a path that can be used. */
const runs: Readonly<Record<string, Run>> = {
  truncate: (smb, path) => smb.truncate(path, -1),
  writeFile: (smb, path) => smb.writeFile(path, [] as never),
  "writeFile atomic": (smb, path) => smb.writeFile(path, "x", { atomic: true, lastWriteTime: new Date(Number.NaN) }),
  readFile: (smb, path) => smb.readFile(path, { maximum: 3 }),
  "readFile maximum": (smb, path) => smb.readFile(path, { maximum: -3 }),
  stream: (smb, path) => Stream.runDrain(smb.stream(path, { offset: -1 })),
  sink: (smb, path) => Stream.run(Stream.make([] as never), smb.sink(path)),
  list: (smb, path) => Stream.runDrain(smb.list(path, { pattern: "a\0" })),
  readLink: (smb, path) => smb.readLink(path),
  makeLink: (smb, path) => smb.makeLink(path, "x".repeat(40_000)),
  setAttributes: (smb, path) => smb.setAttributes(path, { fileAttributes: 1.5 }),
  copy: (smb, path) => smb.copy(path, path),
  rename: (smb, path) => smb.rename(path, "//other/data/b"),
  "rename to": (smb, path) => smb.rename("//other/data/b", path),
  open: (smb, path) => Effect.scoped(smb.open(path, { ...OpenMode.read, createOptions: 1.5 }))
}

const urls = (() => {
  const below = random(31)
  const of = <A>(all: ReadonlyArray<A>): A => all[below(all.length)]!
  const hosts = ["nas", "nas:0", "nas:99999", "nas:x", "", "[::1", "[zz]", "::1", "na%zzs", "n@as"]
  const paths = ["/data/a", "/data/%zz", "/data/a%2Fb", "/data/a%5Cb", "/..", "", "/data/../..", "/data/a%00", "//"]
  const starts = [
    "smb://",
    "SMB://",
    "//",
    "\\\\",
    "\\\\?\\UNC\\",
    "smb:\\\\",
    "smb:/",
    "smb:",
    "cifs://",
    " smb://"
  ]
  const before = ["joe:", "joe:x@", "joe:%zz", "CORP;joe:", "joe%3A", "joe:x:", "joe:x/", "joe:a@b:/"]
  const after = ["@", "@", "%zz@", "@@", "/y@", "%40"]
  return Array.from({ length: 1500 }, () => `${of(starts)}${of(before)}${secret}${of(after)}${of(hosts)}${of(paths)}`)
})()

it("no error of a path has the password of its text", () => {
  let failures = 0
  for (const url of urls) {
    const parsed = UncPath.parse(url)
    if (parsed._tag === "Success") continue
    failures++
    const { failure } = parsed
    assert.notInclude(`${failure.message} ${JSON.stringify(failure)} ${failure.stack}`, secret, url)
    assert.notInclude(UncPath.shown(url), secret, url)
  }
  assert.isAbove(failures, 1000)
})

it("all other text of a path stays in its error", () => {
  for (
    const path of ["//nas:99/data/..@/..//../..", "smb://nas/data/a@b%zz", "//[::1]:445/d/x@y\0", "a/b@c", "//nas:x/d"]
  ) {
    const parsed = UncPath.parse(path)
    if (parsed._tag === "Failure") assert.include(parsed.failure.message, JSON.stringify(path).slice(1, 5))
    assert.strictEqual(UncPath.shown(path), path)
  }
  assert.strictEqual(UncPath.shown("smb://joe:x@nas/d/a@b"), "\\\\nas\\d\\a@b")
})

it.live("no operation shows the user and the password of a URL", () =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const valid = [`smb://joe:${secret}@nas/data/a`, `//joe:${secret}@nas/data/a`]
    // A path with another server in it is no subject of this test: the client would look for that server.
    const broken = urls.filter((url) => UncPath.parse(url)._tag === "Failure").slice(0, 60)
    for (const [name, run] of Object.entries(runs)) {
      for (const url of [...valid, ...broken]) {
        const { spans, tracer } = make()
        const exit = yield* Effect.exit(Effect.withTracer(Effect.suspend(() => run(smb, url)), tracer))
        assert(Exit.isFailure(exit), name)
        const shown = [
          Cause.pretty(exit.cause),
          json(exit),
          ...spans.map((span) =>
            `${span.name} ${json([...span.attributes, span.events])} ${
              span.status._tag === "Ended" && Exit.isFailure(span.status.exit)
                ? Cause.pretty(span.status.exit.cause)
                : ""
            }`
          )
        ]
        assert.notInclude(shown.join("\n"), secret, `${name} ${url}`)
      }
    }
  }).pipe(provide))

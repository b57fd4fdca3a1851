/** Habits that all modules share: keys of services and references, names of layers, and names of spans. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted, type Scope, Stream, Tracer } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import { Spans } from "effect-smb/Protocol"
import { globSync, readFileSync } from "node:fs"
import { basename } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../", import.meta.url))

interface Source {
  readonly path: string
  readonly room: string
  readonly text: string
}

const sources: ReadonlyArray<Source> = globSync("src/*/**/*.ts", { cwd: root }).toSorted()
  .filter((path) => !path.startsWith("src/Cli/"))
  .map((path) => ({ path, room: path.split("/")[1]!, text: readFileSync(root + path, "utf8") }))

const isPublic = ({ path }: Source) => !path.includes("/internal/") && basename(path) !== "index.ts"

describe("keys of services and references", () => {
  const keyed = sources.flatMap((source) =>
    [
      ...source.text.matchAll(/(export )?class (\w+) extends Context\.Service<[\s\S]*?>\(\)\(\s*"([^"]*)"/g),
      ...source.text.matchAll(
        /^(export )?const (\w+)(?:(?!^export |^const )[\s\S])*? = Context\.Reference[^"]*"([^"]*)"/gm
      )
    ].map(([, exported, name, key]) => ({ source, exported, name: name!, key: key! }))
  )

  it("are all found", () => {
    const uses = sources.flatMap(({ text }) => [...text.matchAll(/= Context\.Reference\b|extends Context\.Service\b/g)])
    assert.isAbove(uses.length, 15)
    assert.strictEqual(keyed.length, uses.length)
  })

  it("are effect-smb/Room/Name, and each is there once", () => {
    assert.deepStrictEqual(
      keyed.map(({ key }) => key),
      keyed.map(({ name, source }) => `effect-smb/${source.room}/${name}`)
    )
    assert.strictEqual(new Set(keyed.map(({ key }) => key)).size, keyed.length)
  })

  it("belong to names that an app can import", async () => {
    for (const { exported, name, source } of keyed) {
      assert.isTrue(exported !== undefined && isPublic(source), `${source.path}: ${name}`)
      const barrel: Record<string, Record<string, unknown>> = await import(`${root}src/${source.room}/index.ts`)
      assert.isDefined(barrel[basename(source.path, ".ts")]?.[name], `${source.path}: ${name}`)
    }
  })
})

it("UTF-16 is decoded where an even number of bytes is certain, in three places", () => {
  // Of half a character at an odd address, Node writes a byte behind its memory (nodejs/node#64697).
  const places = sources.filter(({ text }) => /toString\("(?:utf-?16le|ucs-?2)"\)/i.test(text)).map(({ path }) => path)
  assert.deepStrictEqual(places, ["src/Auth/internal/NtlmText.ts", "src/Codec/Codec.ts", "src/Dfs/internal/Text.ts"])
})

describe("layers", () => {
  /** The exported constants whose type, or the type of whose result, is a layer. */
  const layers = sources.filter(isPublic).flatMap(({ path, text }) =>
    text.split(/^export const /m).slice(1).flatMap((declaration) => {
      const name = /^\w+/.exec(declaration)![0]
      const head = /^[\s\S]*?(?: =>|(?<!=) = (?!\{\}|\())/.exec(declaration)?.[0] ?? ""
      const value = /^\w+ =\s*layer\b|^\w+ = Layer\./.test(declaration)
      return /\)?: Layer\.Layer</.test(head) || value ? [{ path, name }] : []
    })
  )

  it("are called layer, or layerX where X says how the service is made", () => {
    assert.isAbove(layers.length, 24)
    assert.deepStrictEqual(layers.filter(({ name }) => !/^layer(?:[A-Z]\w*)?$/.test(name)), [])
  })

  it("take their options as layer(options?), and have no second name for that", () => {
    assert.deepStrictEqual(layers.filter(({ name }) => /With$|Options$/.test(name)), [])
  })
})

/** What an attribute of a span may say. */
const attributes: ReadonlySet<string> = new Set(Object.values(Spans.Attribute))

describe("spans", () => {
  it("are called Module.operation, after a public module", () => {
    // The names of operations and methods are made from these by rule, and their own tests see each of them.
    const names = sources.flatMap(({ text }) =>
      text.includes("Spans.") ? [...text.matchAll(/"([A-Z]\w*\.[a-z]\w*)"/g)].map(([, name]) => name!) : []
    )
    assert.isAbove(names.length, 14)
    const modules = new Set(sources.filter(isPublic).map(({ path }) => basename(path, ".ts")))
    assert.deepStrictEqual(names.filter((name) => !modules.has(name.split(".", 1)[0]!)), [])
  })

  it("are made by Spans, which has the names of all attributes", () => {
    const own = new Set([
      "src/Protocol/Spans.ts",
      "src/Client/internal/OperationSpans.ts",
      "src/Server/internal/Connection/RequestSpans.ts"
    ])
    const makers = /\b(?:Effect|Stream|Layer)\.(?:fn\("|fn\(`|\w*[sS]pan\w*\()|annotateCurrentSpan/
    assert.deepStrictEqual(
      sources.filter(({ path, text }) => !own.has(path) && makers.test(text)).map(({ path }) => path),
      []
    )
    for (const name of attributes) assert.match(name, /^(?:server|client|network|error|file|smb)\.[a-z_.]+$/)
  })

  /** The operations of a client, each with its arguments. */
  const path = "smb://ann@s/data/a.txt"
  const operations: {
    readonly [
      K in keyof Omit<
        SmbClient.Client,
        | "connect"
        | "negotiate"
        | "logOn"
        | "retryLogons"
        | "withLocator"
        | "names"
        | "withNames"
        | "confinedTo"
        | "security"
      >
    ]: (
      smb: SmbClient.Client
    ) => Effect.Effect<unknown, unknown, Scope.Scope>
  } = {
    copy: (smb) => smb.copy(path, "//s/data/b.txt", { create: true }),
    exists: (smb) => smb.exists(path),
    list: (smb) => Stream.runDrain(smb.list("//s/data")),
    lookupDomains: (smb) => Effect.ignore(smb.lookupDomains(path)),
    lookupNames: (smb) => Effect.ignore(smb.lookupNames(path, ["ann"])),
    lookupSids: (smb) => smb.lookupSids(path, ["S-1-5-21-1-2-3-1000"]),
    makeDirectory: (smb) => smb.makeDirectory("//s/data/d"),
    makeHardLink: (smb) => Effect.ignore(smb.makeHardLink(path, "//s/data/h.txt")),
    makeLink: (smb) => Effect.ignore(smb.makeLink("//s/data/l", "a.txt")),
    namedStreams: (smb) => Effect.ignore(smb.namedStreams(path)),
    open: (smb) => Effect.scoped(smb.open(path)),
    openFiles: (smb) => Effect.ignore(smb.openFiles("//s")),
    openToRead: (smb) => Effect.scoped(smb.openToRead(path)),
    previousVersions: (smb) => Effect.ignore(smb.previousVersions(path)),
    readFile: (smb) => smb.readFile(path),
    readFileString: (smb) => smb.readFileString(path),
    readLink: (smb) => Effect.ignore(smb.readLink(path)),
    readTo: (smb) => smb.readTo(path, () => Effect.void),
    removable: (smb) => Effect.ignore(smb.removable(path)),
    remove: (smb) => Effect.ignore(smb.remove("//s/data/none")),
    rename: (smb) => Effect.ignore(smb.rename(path, "//s/data/c.txt")),
    sessions: (smb) => Effect.ignore(smb.sessions("//s")),
    setAttributes: (smb) => Effect.ignore(smb.setAttributes(path, {})),
    shares: (smb) => Effect.ignore(smb.shares("//s")),
    sink: (smb) => Stream.run(Stream.make(new Uint8Array(1)), smb.sink("//s/data/e.txt")),
    stat: (smb) => smb.stat(path),
    stream: (smb) => Stream.runDrain(smb.stream(path)),
    truncate: (smb) => Effect.ignore(smb.truncate(path, 1)),
    walk: (smb) => Stream.runDrain(smb.walk("//s/data")),
    watch: (smb) => Effect.ignore(Stream.runDrain(Stream.take(smb.watch("//s/none"), 1))),
    withShare: (smb) => smb.withShare(path, () => Effect.void),
    writeFile: (smb) => smb.writeFile(path, new Uint8Array(2)),
    writeFrom: (smb) => smb.writeFrom(path, () => Effect.succeed(0))
  }

  it.effect("are opened by every operation of a client, with its path, without a user or a password", () =>
    Effect.gen(function*() {
      const password = "a-password-that-no-log-has"
      const transport = TestTransport.layer({ s: { user: "ann", password, shares: { data: { "a.txt": "text" } } } })
      for (const [operation, run] of Object.entries(operations)) {
        const spans: Array<Tracer.NativeSpan> = []
        const tracer = Tracer.make({
          span(given) {
            const span = new Tracer.NativeSpan(given)
            spans.push(span)
            return span
          }
        })
        yield* Effect.scoped(Effect.flatMap(SmbClient.SmbClient, run)).pipe(
          Effect.provide(SmbClient.layer()),
          Effect.provide([transport, Credentials.layer(Credentials.password("ann", Redacted.make(password)))]),
          Effect.provideService(Tracer.Tracer, tracer)
        )
        const own = spans.find((span) => span.name === `SmbClient.${operation}` && Option.isNone(span.parent))
        assert.match(String(own?.attributes.get(Spans.Attribute.path)), /^\\\\s(\\|$)/, operation)
        for (const span of spans) {
          for (const [key, value] of span.attributes) {
            assert.isTrue(attributes.has(key), `${span.name}: ${key}`)
            assert.notInclude(String(value), "ann@")
            assert.notInclude(String(value), password)
          }
        }
      }
    }))
})

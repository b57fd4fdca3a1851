/** Every transfer has one span, with both places and what it has moved; the operations of the client are its children. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Redacted, Stream } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import { Attribute } from "../../src/Protocol/Spans.ts"
import * as Transfer from "../../src/Transfer/Transfer.ts"
import { attributesOf, lineage, spansOf } from "../tracing.ts"

type Streams = "check" | "copyTree" | "download" | "sync" | "upload" | "uploadStream"

const nas = { [Attribute.serverAddress]: "nas", [Attribute.serverPort]: 445, [Attribute.share]: "data" }
const tree = { [Attribute.path]: "\\\\nas\\data\\tree" }
const moved = (files: number, bytes: number) => ({ [Attribute.files]: files, [Attribute.bytes]: bytes })

const runs: {
  readonly [K in Streams]: readonly [
    (folder: string) => Stream.Stream<unknown, unknown, SmbClient.SmbClient | FileSystem.FileSystem>,
    (folder: string) => Record<string, unknown>
  ]
} = {
  download: [
    (folder) => Transfer.download("smb://joe@nas/data/tree", `${folder}/new`),
    (folder) => ({ ...tree, [Attribute.filePath]: `${folder}/new`, ...moved(2, 8) })
  ],
  upload: [
    (folder) => Transfer.upload(`${folder}/local`, "//nas/data/tree"),
    (folder) => ({ ...tree, [Attribute.filePath]: `${folder}/local`, ...moved(1, 5) })
  ],
  uploadStream: [
    () => Transfer.uploadStream(Stream.make(new Uint8Array(7)), "//nas/data/tree/c", { name: "made" }),
    () => ({ [Attribute.path]: "\\\\nas\\data\\tree\\c", [Attribute.filePath]: "made", ...moved(1, 7) })
  ],
  copyTree: [
    () => Transfer.copyTree("//nas/data/tree", "//nas/data/copy"),
    () => ({ ...tree, [Attribute.destinationPath]: "\\\\nas\\data\\copy", [Attribute.files]: 2 })
  ],
  sync: [
    (folder) => Transfer.sync(`${folder}/local`, "//nas/data/tree"),
    (folder) => ({ ...tree, [Attribute.filePath]: `${folder}/local`, ...moved(1, 5) })
  ],
  check: [
    (folder) => Transfer.check(`${folder}/local`, "//nas/data/tree"),
    (folder) => ({ ...tree, [Attribute.filePath]: `${folder}/local` })
  ]
}

const provided = <A, E>(effect: Effect.Effect<A, E, SmbClient.SmbClient | FileSystem.FileSystem>) =>
  Effect.provide(
    effect,
    SmbClient.layer().pipe(
      Layer.provide(TestTransport.layer({
        nas: { user: "joe", password: "secret", shares: { data: { tree: { a: "text", b: "more" } } } }
      })),
      Layer.provide(Credentials.layer(Credentials.password("joe", Redacted.make("secret")))),
      Layer.provideMerge(NodeServices.layer)
    )
  )

describe("the span of a transfer", () => {
  it.effect.each(Object.entries(runs).map(([name, run]) => ({ name, run })))(
    "has its places, its files and its bytes: $name",
    ({ name, run: [run, expected] }) =>
      Effect.scoped(Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const folder = yield* fs.makeTempDirectoryScoped()
        yield* fs.makeDirectory(`${folder}/local`)
        yield* fs.writeFileString(`${folder}/local/new`, "fresh")
        const spans = yield* spansOf(provided(Stream.runDrain(run(folder))))
        const [own, ...others] = spans
        assert.strictEqual(own!.name, `Transfer.${name}`)
        assert.deepInclude(attributesOf(own), { ...nas, ...expected(folder) })
        assert.notProperty(attributesOf(own), Attribute.errorType)
        assert.isAbove(others.length, 2)
        for (const span of others) assert.include(lineage(span), own!.name)
        for (const span of spans) assert.strictEqual(span.status._tag, "Ended", span.name)
      })).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("says how it failed", () =>
    Effect.gen(function*() {
      const [own] = yield* spansOf(provided(Stream.runDrain(Transfer.download("//nas/data/none", "/nowhere/x"))))
      assert.deepInclude(attributesOf(own), {
        [Attribute.errorType]: "ObjectNameNotFound",
        [Attribute.status]: "STATUS_OBJECT_NAME_NOT_FOUND"
      })
    }))

  it("is tested for every transfer", () => {
    const functions = Object.entries(Transfer).flatMap(([name, value]) => typeof value === "function" ? [name] : [])
    assert.deepStrictEqual(
      functions.filter((name) => name !== "isRemote").toSorted(),
      Object.keys(runs).toSorted()
    )
  })
})

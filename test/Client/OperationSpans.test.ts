/**
 * What every operation on a path has in common: a span that names the operation and its paths, without the user of an
 * `smb://` path; and the error of a request that the server refuses after the open.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Stream, Tracer } from "effect"
import * as PathOperations from "../../src/Client/internal/PathOperations.ts"
import type { Operations } from "../../src/Client/Operations.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { Control } from "../../src/Codec/SecurityDescriptor.ts"
import { fromStatus } from "../../src/Protocol/Errors.ts"
import { mutations, operationsOf, others } from "./mutations.ts"
import * as Scripted from "./scripted.ts"

const path = "smb://joe@nas/data/f"
const other = "smb://ann@nas/data/g"
const descriptor = {
  sbz1: 0,
  control: Control.SE_DACL_PRESENT | Control.SE_SELF_RELATIVE,
  owner: undefined,
  group: undefined,
  sacl: undefined,
  dacl: { aclRevision: 2, aces: [] }
}

type Run = (smb: Operations) => Effect.Effect<unknown, unknown>

/** The operations, and the names of their spans if these are not the operation's own. */
const runs: Readonly<Record<string, Run | readonly [Run, string]>> = {
  withShare: (smb) => Effect.scoped(smb.withShare(path, () => Effect.fail("no"))),
  open: (smb) => Effect.scoped(smb.open(path)),
  readFile: (smb) => smb.readFile(path),
  readFileString: (smb) => smb.readFileString(path),
  stream: (smb) => Stream.runDrain(smb.stream(path)),
  readTo: (smb) => smb.readTo(path, () => Effect.void),
  openToRead: (smb) => Effect.scoped(smb.openToRead(path)),
  writeFile: (smb) => smb.writeFile(path, "x"),
  sink: (smb) => Stream.run(Stream.make(new Uint8Array(1)), smb.sink(path)),
  writeFrom: (smb) => smb.writeFrom(path, () => Effect.succeed(0)),
  stat: (smb) => smb.stat(path),
  exists: (smb) => smb.exists(path),
  list: (smb) => Stream.runDrain(smb.list(path)),
  walk: [(smb) => Stream.runDrain(smb.walk(path)), "list"],
  makeDirectory: (smb) => smb.makeDirectory(path),
  remove: (smb) => smb.remove(path),
  removable: (smb) => smb.removable(path),
  rename: (smb) => smb.rename(path, other),
  makeHardLink: (smb) => smb.makeHardLink(path, other),
  copy: (smb) => smb.copy(path, other),
  watch: (smb) => Stream.runDrain(smb.watch(path)),
  setAttributes: (smb) => smb.setAttributes(path, { fileAttributes: 1 }),
  truncate: (smb) => smb.truncate(path, 1),
  "security.get": (smb) => smb.security.get(path),
  "security.set": (smb) => smb.security.set(path, descriptor),
  namedStreams: (smb) => smb.namedStreams(path),
  readLink: (smb) => smb.readLink(path),
  makeLink: (smb) => smb.makeLink(path, "t"),
  previousVersions: (smb) => smb.previousVersions(path)
}

const denied = fromStatus(NtStatus.STATUS_ACCESS_DENIED, "CREATE", "\\\\nas\\data\\f")
const refusing = Scripted.batches(() => denied, { open: () => Effect.fail(denied) })

const spansOf = (run: Effect.Effect<unknown, unknown>) => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span(given) {
      const span = new Tracer.NativeSpan(given)
      spans.push(span)
      return span
    }
  })
  return Effect.as(Effect.exit(Effect.withTracer(run, tracer)), spans)
}

describe("the span of an operation", () => {
  it.effect.each(Object.entries(runs).map(([name, given]) => ({ name, given })))(
    "has the path without its user: $name",
    ({ given, name }) =>
      Effect.gen(function*() {
        const [run, called] = typeof given === "function" ? [given, name] : given
        const spans = yield* spansOf(run(PathOperations.operations(refusing.context)))
        const span = spans.find((one) => one.name === `SmbClient.${called}`)
        assert.isDefined(span)
        const two = name === "rename" || name === "makeHardLink" || name === "copy"
        assert.deepStrictEqual(Object.fromEntries(span!.attributes), {
          path: "\\\\nas\\data\\f",
          ...(two ? { to: "\\\\nas\\data\\g" } : {})
        })
      })
  )

  const ofServers = ["shares", "openFiles", "sessions"] as const
  it.effect.each(ofServers)("of the list %s has the server", (name) =>
    Effect.gen(function*() {
      const spans = yield* spansOf(PathOperations.operations(refusing.context)[name]("smb://joe@nas"))
      assert.strictEqual(spans.find((span) => span.name === `SmbClient.${name}`)?.attributes.get("path"), "\\\\nas")
    }))

  it.effect("has an empty path if the text is no path", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(PathOperations.operations(refusing.context).stat("no path"))
      assert.deepStrictEqual(spans.map(({ attributes, name }) => [name, attributes.get("path")]), [[
        "SmbClient.stat",
        ""
      ]])
    }))

  it("is tested for every operation", () => {
    const all = new Set([...others, ...mutations.map(({ of }) => of)])
    const known = operationsOf(PathOperations.operations(refusing.context) as never)
    assert.deepStrictEqual(known.filter((name) => !(name in runs)).toSorted(), ofServers.toSorted())
    assert.isTrue(known.every((name) => all.has(name)))
  })
})

describe("an operation whose open succeeds", () => {
  const full = fromStatus(NtStatus.STATUS_DISK_FULL, "SET_INFO", "\\\\nas\\data\\f")
  const names = [
    "writeFile",
    "remove",
    "setAttributes",
    "truncate",
    "security.get",
    "security.set",
    "namedStreams",
    "readLink",
    "makeLink",
    "previousVersions",
    "readFile",
    "readFileString"
  ]
  it.effect.each(names.map((name) => ({ name })))(
    "fails with the error of its request: $name",
    ({ name }) =>
      Effect.gen(function*() {
        const { context } = Scripted.batches(({ operations }) => ({ results: operations.map(() => Result.fail(full)) }))
        const run = runs[name] as Run
        assert.strictEqual(yield* Effect.flip(run(PathOperations.operations(context))), full)
      })
  )
})

/**
 * Which requests change something at a server (MS-SMB2 2.2.13, 2.2.31; MS-FSCC 2.3), and that a `TransportError` says so
 * (`sent`) if an earlier request of the same operation has.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Changes from "../../src/Protocol/Changes.ts"
import { fromStatus, TransportError } from "../../src/Protocol/Errors.ts"
import type * as Operation from "../../src/Protocol/Operation.ts"
import type * as Share from "../../src/Protocol/Share.ts"

const options = (createDisposition: number, createOptions = 0): Share.OpenOptions => ({
  desiredAccess: 1,
  shareAccess: 7,
  createDisposition,
  createOptions
})

/** Every operation, and whether it changes something. */
const operations: ReadonlyArray<readonly [Operation.Any, boolean]> = [
  [{ _tag: "Read", offset: 0n, length: 1 }, false],
  [{ _tag: "Write", offset: 0n, data: new Uint8Array(0) }, true],
  [{ _tag: "Flush" }, false],
  [{ _tag: "QueryInfo", information: { _tag: "File", fileInformationClass: 18 }, maximum: 1, decode: never }, false],
  [{ _tag: "SetInfo", information: { _tag: "File", fileInformationClass: 4 }, data: new Uint8Array(0) }, true],
  [
    { _tag: "QueryDirectory", fileInformationClass: 37, pattern: "*", restart: false, maximum: 1, decode: never },
    false
  ],
  [{ _tag: "ChangeNotify", completionFilter: 1, recursive: false, maximum: 1 }, false],
  [{ _tag: "Lock", ranges: [], exclusive: true, wait: false }, false],
  [{ _tag: "Unlock", ranges: [] }, false]
]

function never(): never {
  throw new Error("nothing is decoded here")
}

describe("a request changes something", () => {
  it.each([
    ["FILE_SUPERSEDE", 0, 0, true],
    ["FILE_OPEN", 1, 0, false],
    ["FILE_CREATE", 2, 0, true],
    ["FILE_OPEN_IF", 3, 0, true],
    ["FILE_OVERWRITE", 4, 0, true],
    ["FILE_OVERWRITE_IF", 5, 0, true],
    ["FILE_OPEN with FILE_DELETE_ON_CLOSE", 1, 0x1000, true],
    ["FILE_OPEN with FILE_DELETE_ON_CLOSE and others", 1, 0x1040, true],
    ["FILE_OPEN with every other option", 1, 0xffff_efff, false]
  ])("if it is a CREATE with %s: %i, %i, %s", (_, disposition, createOptions, changes) => {
    assert.strictEqual(Changes.opens(options(disposition, createOptions)), changes)
    assert.strictEqual(Changes.batch(options(disposition, createOptions), []), changes)
  })

  it.each(operations.map(([operation, changes]) => [operation._tag, changes, operation] as const))(
    "if it is %s: %s",
    (_, changes, operation) => {
      assert.strictEqual(Changes.operation(operation), changes)
      assert.strictEqual(Changes.batch(options(1), [operations[0]![0], operation]), changes)
    }
  )

  it.each([
    ["FSCTL_DFS_GET_REFERRALS", 0x0006_0194, false],
    ["FSCTL_DFS_GET_REFERRALS_EX", 0x0006_01b0, false],
    ["FSCTL_GET_REPARSE_POINT", 0x0009_00a8, false],
    ["FSCTL_PIPE_PEEK", 0x0011_400c, false],
    ["FSCTL_PIPE_WAIT", 0x0011_0018, false],
    ["FSCTL_QUERY_NETWORK_INTERFACE_INFO", 0x0014_01fc, false],
    ["FSCTL_SRV_ENUMERATE_SNAPSHOTS", 0x0014_4064, false],
    ["FSCTL_SRV_REQUEST_RESUME_KEY", 0x0014_0078, false],
    ["FSCTL_VALIDATE_NEGOTIATE_INFO", 0x0014_0204, false],
    ["FSCTL_DELETE_REPARSE_POINT", 0x0009_00ac, true],
    ["FSCTL_FILE_LEVEL_TRIM", 0x0009_8208, true],
    ["FSCTL_PIPE_TRANSCEIVE", 0x0011_c017, true],
    ["FSCTL_SET_REPARSE_POINT", 0x0009_00a4, true],
    ["FSCTL_SET_SPARSE", 0x0009_00c4, true],
    ["FSCTL_SET_ZERO_DATA", 0x0009_80c8, true],
    ["FSCTL_SRV_COPYCHUNK", 0x0014_40f2, true],
    ["FSCTL_SRV_COPYCHUNK_WRITE", 0x0014_80f2, true],
    ["a control that is not in the documents", 0x0009_fff0, true]
  ])("if it is a control that does not only ask: %s (0x%x), %s", (_, ctlCode, changes) => {
    assert.strictEqual(Changes.operation({ _tag: "Ioctl", ctlCode, input: new Uint8Array(0), maximum: 0 }), changes)
  })
})

describe("the record of an operation", () => {
  const closed = new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "nas", port: 445, detail: "why" })
  const note = Effect.withFiber((fiber) => Effect.sync(() => fiber.getRef(Changes.CurrentChanges)?.note()))

  it.effect("makes a TransportError say `sent` after a change, and leaves all other errors unchanged", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(Changes.whole(Effect.fail(closed))), closed)
      const error = yield* Effect.flip(Changes.whole(Effect.andThen(note, Effect.fail(closed))))
      assert.deepInclude(error, { reason: closed.reason, server: "nas", port: 445, detail: "why", sent: true })
      const refused = fromStatus(0xc000_0022, "WRITE")
      assert.strictEqual(yield* Effect.flip(Changes.whole(Effect.andThen(note, Effect.fail(refused)))), refused)
      assert.strictEqual(yield* Changes.whole(Effect.as(note, 7)), 7)
    }))

  it.effect("has the changes of the operations that are part of it, and not those of the operation around it", () =>
    Effect.gen(function*() {
      const seen = yield* Changes.recorded((outer) =>
        Effect.gen(function*() {
          const sibling = yield* Changes.recorded((inner) => Effect.sync(() => inner.changed))
          const part = yield* Changes.recorded((inner) => Effect.map(note, () => inner.changed))
          const next = yield* Changes.recorded((inner) => Effect.sync(() => inner.changed))
          return [sibling, part, next, outer.changed]
        })
      )
      assert.deepStrictEqual(seen, [false, true, false, true])
      assert.deepInclude(
        yield* Effect.flip(Changes.whole(Effect.andThen(Changes.whole(note), Effect.fail(closed)))),
        { sent: true }
      )
    }))

  it.effect("ends with its operation", () =>
    Effect.gen(function*() {
      yield* Changes.whole(note)
      assert.isUndefined(yield* Changes.CurrentChanges)
      assert.strictEqual(yield* Effect.flip(Changes.whole(Effect.fail(closed))), closed)
    }))
})

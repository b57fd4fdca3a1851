/**
 * A connected share as each version of the protocol makes it: its names, with and without DFS, what the server ended, and
 * a batch by several requests.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import * as Changes from "../../src/Protocol/Changes.ts"
import * as ConnectedShare from "../../src/Protocol/ConnectedShare.ts"
import { fromStatus, TransportError } from "../../src/Protocol/Errors.ts"
import type * as Share from "../../src/Protocol/Share.ts"

const failure = fromStatus(0xc000_0022, "CREATE")

const make = () => {
  const opened: Array<unknown> = []
  const tree = new ConnectedShare.Tree("\\\\nas:4455\\data", "disk")
  const share = ConnectedShare.make({ server: "nas", port: 4455 }, tree, {
    name: "data",
    isDfs: true,
    limits: { read: 1, write: 2, transact: 3 },
    dialect: "3.1.1",
    session: "NT1/7",
    ended: () => undefined,
    compounds: () => false,
    control: () => Effect.fail(failure),
    open: (...all) => {
      opened.push(all)
      return Effect.fail(failure)
    },
    batch: (dfs, path, options, operations) => {
      opened.push([dfs, path, options, operations])
      return Effect.fail(failure)
    }
  })
  return { opened, share, tree }
}

describe("a connected share", () => {
  it("has its server's own port in its session, and none in the path of TREE_CONNECT", () => {
    const { share } = make()
    assert.deepInclude(share, { server: "nas", port: 4455, name: "data", type: "disk", sessionKey: "nas:4455/NT1/7" })
    assert.strictEqual(ConnectedShare.requestPath({ server: "nas", port: 4455 }, "data"), "\\\\nas\\data")
  })

  it("opens by the namespace's names only in its form with DFS names", () => {
    const { opened, share } = make()
    const options = { desiredAccess: 1, shareAccess: 7, createDisposition: 1, createOptions: 0 }
    const dfs = { server: "corp", share: "public" }
    for (const one of [share, share.withDfsName(dfs)]) {
      Effect.runSyncExit(Effect.scoped(one.open("a", options)))
      Effect.runSyncExit(one.batch("b", options, []))
    }
    assert.deepStrictEqual(opened, [
      [undefined, "a", options],
      [undefined, "b", options, []],
      [dfs, "a", options],
      [dfs, "b", options, []]
    ])
  })

  it("is lost with the session that the server has ended, also if the server then ends the share", () => {
    const { share, tree } = make()
    assert.isUndefined(share.lost())
    tree.onLost("share")
    assert.strictEqual(share.lost(), "share")
    tree.onLost("session")
    tree.onLost("share")
    assert.strictEqual(share.lost(), "session")
  })

  it("names its root by the share, and other paths below it", () => {
    const { tree } = make()
    assert.deepStrictEqual(["", "a\\b"].map((path) => tree.full(path)), [
      "\\\\nas:4455\\data",
      "\\\\nas:4455\\data\\a\\b"
    ])
  })
})

it("a CLOSE succeeds by the status 0 alone, and fails with its own command and the path of the open", () => {
  assert.deepStrictEqual(Effect.runSyncExit(ConnectedShare.closed(0, "p")), Exit.void)
  for (const status of [1, 0xc000_007f]) {
    const exit = Effect.runSyncExit(Effect.flip(ConnectedShare.closed(status, "\\\\nas\\data\\f")))
    assert(Exit.isSuccess(exit))
    assert.deepInclude(exit.value, { status, command: "CLOSE", path: "\\\\nas\\data\\f" })
  }
})

it.effect("a batch by several requests is one operation: a failure says `sent` if a request before it changed something", () =>
  Effect.gen(function*() {
    const lost = new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "nas", port: 445 })
    const options = { desiredAccess: 1, shareAccess: 7, createDisposition: 1, createOptions: 0 }
    const note = Effect.withFiber((fiber) => Effect.sync(() => fiber.getRef(Changes.CurrentChanges)?.note()))
    for (const [change, sent] of [[note, true], [Effect.void, undefined]] as const) {
      let ended = false
      const open = Effect.as(
        Effect.andThen(change, Effect.addFinalizer(() => Effect.sync(() => void (ended = true)))),
        {
          path: "f",
          opened: {} as Share.Opened,
          caching: () => ({ oplockLevel: 0, leaseState: 0 }),
          run: () => Effect.fail(lost),
          close: Effect.void
        } as Share.OpenFile
      )
      const error = yield* Effect.flip(ConnectedShare.batch(open, options, [{ _tag: "Flush" }]))
      assert.strictEqual((error as TransportError).sent, sent)
      assert.isTrue(ended)
    }
  }))

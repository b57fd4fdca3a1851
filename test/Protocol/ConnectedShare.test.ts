/** A connected share as each version of the protocol makes it: its names, with and without DFS, and what the server ended. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ConnectedShare from "../../src/Protocol/ConnectedShare.ts"
import { fromStatus } from "../../src/Protocol/Errors.ts"

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

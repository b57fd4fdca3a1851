/**
 * Proves that a change is reported to the watches of its directory, and to recursive watches above, and that watches
 * elsewhere cost nothing.
 */
import { assert, describe, it } from "@effect/vitest"
import { FileTable } from "../../src/Server/internal/State/FileTable.ts"
import type { FileOpen } from "../../src/Server/internal/State/Model.ts"
import * as Watch from "../../src/Server/internal/State/Watch.ts"
import * as Limits from "../../src/Server/Limits.ts"
import type { StorePath } from "../../src/Server/ShareStore.ts"
import { CompletionFilter, NotifyAction } from "../../src/Smb2/Message/Constants.ts"

/** Every change that a client can watch. */
const everyChange = Object.values(CompletionFilter).reduce((all, one) => all | one, 0)

const place = () => {
  const table = new FileTable()
  const server = { limits: Limits.defaults, notified: 0, watches: 0 }
  const session = { watches: 0 }
  const usage = { watches: 0, notified: 0 }
  const watch = (path: StorePath, recursive: boolean): Watch.DirectoryWatch => {
    const stream = table.file(path.join("/"), true).stream("")
    const open = { stream, table, server, usage } as unknown as { -readonly [K in keyof FileOpen]: FileOpen[K] }
    open.link = table.enter(open, stream, path)
    Object.defineProperty(open, "path", { get: () => open.link.path })
    const made = new Watch.DirectoryWatch(open, session as never, everyChange, recursive, 65_536)
    open.watch = made
    Watch.begin(made)
    return made
  }
  return { table, server, session, watch }
}

const names = (watch: Watch.DirectoryWatch) => watch.take()?.changes?.map(({ fileName }) => fileName)

describe("Watch", () => {
  it("reports a change to the watch of its directory and to recursive watches above, and to no others", () => {
    const { table, watch } = place()
    const [root, flat, deep, other] = [
      watch([], true),
      watch(["a"], false),
      watch(["a", "b"], true),
      watch(["c"], true)
    ]
    Watch.report(table, 1, [{ action: NotifyAction.FILE_ACTION_ADDED, path: ["A", "B", "c", "f"] }, {
      action: NotifyAction.FILE_ACTION_ADDED,
      path: ["a", "g"],
      stream: "s"
    }])
    assert.deepStrictEqual(names(root), ["A\\B\\c\\f", "a\\g:s"])
    assert.deepStrictEqual(names(flat), ["g:s"])
    assert.deepStrictEqual(names(deep), ["c\\f"])
    assert.isUndefined(names(other))
  })

  it("looks at no more watches for a change when 8000 other directories are watched", () => {
    const { table, watch } = place()
    watch(["here"], false)
    const looks = () => {
      let count = 0
      const { at } = table
      table.at = (path) => {
        count++
        const links = at.call(table, path)
        count += links.reduce((sum, { watches }) => sum + watches.size, 0)
        return links
      }
      Watch.report(table, 1, [{ action: NotifyAction.FILE_ACTION_ADDED, path: ["here", "f"] }])
      table.at = at
      return count
    }
    const before = looks()
    for (let i = 0; i < 8000; i++) watch([`d${i}`], true)
    assert.strictEqual(looks(), before)
  })

  it("releases its kept changes and its counts when a watch ends", () => {
    const { server, session, table, watch } = place()
    const one = watch(["a"], false)
    Watch.report(table, 1, [{ action: NotifyAction.FILE_ACTION_ADDED, path: ["a", "f"] }])
    assert.isAbove(server.notified, 0)
    assert.deepStrictEqual([server.watches, session.watches, table.watching], [1, 1, 1])
    Watch.end(one.open)
    Watch.end(one.open)
    assert.deepStrictEqual([server.notified, server.watches, session.watches, table.watching], [0, 0, 0, 0])
  })
})

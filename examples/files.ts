/** An open file: reads and writes at any offset, and a lock, while the scope is open. */
import { Effect } from "effect"
import { OpenMode, SmbClient } from "effect-smb"

/** Adds one to a counter of 8 bytes, which other clients change too. */
export const count = Effect.fn("count")(
  function*(path: string) {
    const smb = yield* SmbClient.SmbClient
    const file = yield* smb.open(path, OpenMode.readWrite)
    yield* file.lock([{ offset: 0, length: 8 }])
    const bytes = new Uint8Array(8)
    yield* file.readInto(0, bytes)
    const view = new DataView(bytes.buffer)
    const next = view.getBigUint64(0, true) + 1n
    view.setBigUint64(0, next, true)
    yield* file.write(0, bytes)
    yield* file.close // fails where the server could not keep it
    return next
  },
  Effect.scoped
)

/** Settings that are never seen half written, and a line of a log that no other program overwrites. */
export const save = Effect.fn("save")(function*(settings: unknown, line: string) {
  const smb = yield* SmbClient.SmbClient
  yield* smb.writeFile("//nas/data/settings.json", JSON.stringify(settings), { atomic: true, flush: true })
  yield* smb.writeFile("//nas/logs/jobs.log", `${line}\n`, { append: true })
})

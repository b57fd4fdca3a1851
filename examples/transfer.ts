/** Copies of trees: docs/transfer.md. */
import { Effect, Stream } from "effect"
import { Transfer } from "effect-smb"

export const mirror = Transfer.sync("./site", "//nas/www", { delete: true, exclude: ["*.tmp"], concurrency: 8 }).pipe(
  Stream.runForEach(({ progress: { done, total } }) => Effect.log(`${done.bytes} of ${total.bytes} bytes`))
)

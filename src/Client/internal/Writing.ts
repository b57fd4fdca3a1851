/** Writes files by path: a whole file from memory, a stream, or buffers that the caller fills; and sets their size. */
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import { AccessMask } from "../../Smb2/Message/Constants.ts"
import * as Information from "../Information.ts"
import * as OpenMode from "../OpenMode.ts"
import type { Operations } from "../Operations.ts"
import * as SmbFile from "../SmbFile.ts"
import { batch, firstResult, openFile } from "./Opening.ts"
import * as PipelinedWrites from "./PipelinedWrites.ts"
import type { PathContext } from "./TargetAttempt.ts"
import { oneCompound } from "./TransferWindow.ts"

/** Empties an existing file, except if an offset is given: the bytes before it stay. */
const openMode = (
  options: SmbFile.WriteOptions & { readonly create?: boolean | undefined } | undefined
): Share.OpenOptions =>
  options?.offset !== undefined
    ? { ...OpenMode.overwrite, createDisposition: OpenMode.readWrite.createDisposition }
    : options?.create === true
    ? OpenMode.create
    : OpenMode.overwrite

/**
 * The operations that write files. `writeFile` writes small files in one compound.
 *
 * @category constructors
 */
export const operations = (
  context: PathContext
): Pick<Operations, "writeFile" | "sink" | "writeFrom" | "truncate"> => ({
  writeFile: Effect.fnUntraced(function*(path, data, options) {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data
    const time = options?.lastWriteTime
    const timed = (mode: Share.OpenOptions) =>
      time === undefined ? mode : OpenMode.withAccess(mode, AccessMask.FILE_WRITE_ATTRIBUTES)
    const usual = options?.create === true ? OpenMode.create : OpenMode.overwrite
    const mode = timed({ ...usual, shareAccess: options?.shareAccess ?? usual.shareAccess })
    /** What follows the data. The time comes last: its refusal then leaves nothing else undone. */
    const after: ReadonlyArray<Operation.Flush | Operation.SetInfo> = [
      ...(options?.flush === true ? [{ _tag: "Flush" } as const] : []),
      ...(time === undefined ? [] : [
        Information.setFile("FileBasicInformation", { ...Information.unchanged, lastWriteTime: time })
      ])
    ]
    const writeFrom = (offset: number, mode: Share.OpenOptions) =>
      Effect.scoped(Effect.gen(function*() {
        const { file, share } = yield* openFile(context, path, mode)
        yield* PipelinedWrites.writeBuffer(file, share.limits.write, BigInt(offset), bytes.subarray(offset))
        for (const operation of after) yield* file.run<Operation.Any>(operation)
        yield* file.close
      }))
    if (bytes.length > oneCompound) return yield* writeFrom(0, mode)
    const { results } = yield* batch(context, path, mode, (limits): ReadonlyArray<Operation.Any> => [
      ...(bytes.length === 0 ? [] : [{ _tag: "Write" as const, offset: 0n, data: bytes.subarray(0, limits.write) }]),
      ...after
    ])
    const outcomes: Array<unknown> = []
    for (const result of results) outcomes.push(yield* Effect.fromResult(result))
    const written = outcomes[0]
    // If a server took only part of the data, the rest is sent again; the server takes it or says why not.
    if (typeof written === "number" && written < bytes.length) yield* writeFrom(written, timed(OpenMode.write))
  }),
  sink: (path, options) =>
    Sink.make<Uint8Array>()((chunks) =>
      Effect.gen(function*() {
        const { file, share } = yield* openFile(context, path, openMode(options))
        const offset = BigInt(options?.offset ?? 0)
        const count = yield* PipelinedWrites.truncatingAfter(
          file,
          offset,
          // Without an offset the open has emptied the file.
          options?.truncate === true && options.offset !== undefined,
          PipelinedWrites.write(file, share.limits.write, offset, chunks)
        )
        yield* file.close
        return count
      })
    ),
  writeFrom: (path, fill, options) =>
    Effect.scoped(Effect.flatMap(
      openFile(context, path, openMode(options)),
      ({ file, share }) => Effect.tap(SmbFile.make(share, file).writeFrom(fill, options), () => file.close)
    )),
  truncate: Effect.fnUntraced(function*(path, size) {
    const { results } = yield* batch(context, path, OpenMode.write, [
      Information.setFile("FileEndOfFileInformation", { endOfFile: BigInt(size) })
    ])
    yield* firstResult(results)
  })
})

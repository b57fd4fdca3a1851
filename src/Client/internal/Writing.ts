/** Writes files by path: a whole file from memory, a stream, or buffers that the caller fills; and sets their size. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as FileTime from "../../Codec/FileTime.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import { AccessMask } from "../../Smb2/Message/Constants.ts"
import type { ClientError } from "../ClientError.ts"
import * as Information from "../Information.ts"
import * as OpenMode from "../OpenMode.ts"
import type { Operations, SinkOptions, WriteFileOptions } from "../Operations.ts"
import * as SmbFile from "../SmbFile.ts"
import type * as UncPath from "../UncPath.ts"
import { batch, firstResult, type OpenedFile, openFile } from "./Opening.ts"
import * as PipelinedWrites from "./PipelinedWrites.ts"
import type { PathContext } from "./TargetAttempt.ts"
import { oneCompound } from "./TransferWindow.ts"

/** The bytes of a text or of bytes. */
export const bytesOf = (data: Uint8Array | string): Uint8Array =>
  typeof data === "string" ? new TextEncoder().encode(data) : data

/** The ticks of the time that a file gets. */
export const ticksOf = ({ lastWriteTime }: Pick<WriteFileOptions, "lastWriteTime">): bigint | undefined =>
  lastWriteTime === undefined ? undefined : Result.getOrThrow(FileTime.fromInput(lastWriteTime))

/** Empties an existing file, except if an offset is given: the bytes before it stay. */
const openMode = (options: SinkOptions | undefined): Share.OpenOptions =>
  options?.offset !== undefined
    ? { ...OpenMode.overwrite, createDisposition: OpenMode.readWrite.createDisposition }
    : options?.create === true
    ? OpenMode.create
    : OpenMode.overwrite

/**
 * Opens a file to append to it, uses it and closes it. The right to write anywhere in the file lets servers without
 * WRITEs to the end keep two programs that append apart by a lock. A user can have the right to append alone.
 */
const appending = <A, E, R>(
  context: PathContext,
  path: UncPath.PathInput,
  options: {
    readonly create?: boolean | undefined
    readonly shareAccess?: number | undefined
    readonly times?: boolean | undefined
  },
  use: (opened: OpenedFile) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | ClientError, Exclude<R, Scope.Scope>> => {
  const usual: Share.OpenOptions = {
    ...OpenMode.append,
    shareAccess: options.shareAccess ?? OpenMode.append.shareAccess,
    createDisposition: options.create === true
      ? OpenMode.create.createDisposition
      : OpenMode.append.createDisposition
  }
  const mode = options.times === true ? OpenMode.withAccess(usual, AccessMask.FILE_WRITE_ATTRIBUTES) : usual
  return Effect.scoped(Effect.flatMap(
    Effect.catchReason(
      openFile(context, path, OpenMode.withAccess(mode, AccessMask.FILE_WRITE_DATA)),
      "SmbError",
      "AccessDenied",
      () => openFile(context, path, mode)
    ),
    (opened) => Effect.tap(use(opened), () => opened.file.close)
  ))
}

/**
 * The operations that write files. `writeFile` writes small files in one compound.
 *
 * @category constructors
 */
export const operations = (
  context: PathContext
): Pick<Operations, "writeFile" | "sink" | "writeFrom" | "truncate"> => ({
  writeFile: Effect.fnUntraced(function*(path, data, options) {
    const bytes = bytesOf(data)
    const time = ticksOf(options ?? {})
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
    if (options?.append === true) {
      const { create, shareAccess } = options
      return yield* appending(
        context,
        path,
        { create, shareAccess, times: time !== undefined },
        ({ file, share }) =>
          Effect.gen(function*() {
            yield* SmbFile.make(share, file).append(bytes)
            for (const operation of after) yield* file.run<Operation.Any>(operation)
          })
      )
    }
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
        if (options?.append === true) {
          return yield* appending(
            context,
            path,
            { create: options.create },
            ({ file, share }) => Stream.run(chunks, SmbFile.make(share, file).sink({ append: true }))
          )
        }
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

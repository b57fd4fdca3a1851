/** Reads files by path: a whole file in memory, or a range of it that can go on at another target. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Arguments from "../../Protocol/Arguments.ts"
import * as Spans from "../../Protocol/Spans.ts"
import type { ClientError } from "../ClientError.ts"
import { FileShortened } from "../FileShortened.ts"
import { FileTooLarge } from "../FileTooLarge.ts"
import * as OpenMode from "../OpenMode.ts"
import type { Operations, ReadableFile } from "../Operations.ts"
import * as SmbFile from "../SmbFile.ts"
import type * as UncPath from "../UncPath.ts"
import * as EndOfFile from "./EndOfFile.ts"
import * as FileArguments from "./FileArguments.ts"
import { batch, beginForFailover, openForFailover } from "./Opening.ts"
import { about } from "./OperationSpans.ts"
import { text } from "./PathNames.ts"
import * as PipelinedReads from "./PipelinedReads.ts"
import * as ReadFailover from "./ReadFailover.ts"
import * as SmallFile from "./SmallFile.ts"
import { onShare, type PathContext, toRead } from "./TargetAttempt.ts"
import { oneCompound } from "./TransferWindow.ts"
import { openVersion } from "./VersionedOpen.ts"

/** The most bytes that `readFile` returns by default: 2 GiB. */
const defaultMaximum = 0x8000_0000

const toRange = (range: SmbFile.RangeOptions | undefined): ReadFailover.Range => ({
  offset: BigInt(range?.offset ?? 0),
  length: range?.length === undefined ? undefined : BigInt(range.length)
})

/** The caller gets the data only when it is complete, so another target can start again. */
const readLarge = (context: PathContext, path: UncPath.PathInput, maximum: number) =>
  onShare(toRead(context), path, (share, below) =>
    Effect.gen(function*() {
      const file = yield* openVersion(share, below, OpenMode.readSequentially, share.open)
      const size = file.opened.endOfFile
      const tooLarge = (size: bigint) => new FileTooLarge({ path: text(path), size, maximum })
      if (size > maximum) return yield* tooLarge(size)
      const source = PipelinedReads.source(share, file)
      if (size === 0n) {
        // The server does not know the size, or the file is empty.
        const chunks: Array<Uint8Array> = []
        yield* PipelinedReads.readTo(source, 0n, undefined, (chunk, offset) => {
          const end = offset + BigInt(chunk.length)
          chunks.push(chunk.slice())
          return end > maximum ? Effect.fail(tooLarge(end)) : Effect.void
        })
        return new Uint8Array(Buffer.concat(chunks))
      }
      const data = yield* Arguments.encoded("maximum", maximum, text(path), () => new Uint8Array(Number(size)))
      const found = BigInt(yield* PipelinedReads.readInto(source, 0n, data))
      return found < size ? yield* new FileShortened({ path: source.path, expected: size, found }) : data
    }))

/** Reads a small file at once, and opens a larger one. */
const wholeOrOpen: typeof openForFailover = (context, path, options) =>
  beginForFailover(
    context,
    path,
    (share, below) =>
      Effect.flatMap(SmallFile.whole(share, below, options), (file) =>
        Effect.map(
          file === undefined ? openVersion(share, below, options, share.open) : Effect.succeed(file),
          (file) => ({ share, file })
        ))
  )

/** Lends the bytes of a range to `use`. With `start`, the read begins with a file that is already open. */
const readRange = <E, R>(
  context: PathContext,
  path: UncPath.PathInput,
  use: (chunk: Uint8Array, offset: bigint) => Effect.Effect<unknown, E, R>,
  range: SmbFile.RangeOptions | undefined,
  start?: ReadFailover.Start
): Effect.Effect<bigint, E | ClientError, R> =>
  ReadFailover.readTo(
    openForFailover(context, path, OpenMode.readSequentially),
    context.locator.goesOn,
    text(path),
    toRange(range),
    use,
    ({ file, share }, range, use) => SmbFile.make(share, file).readTo(use, range),
    start
  )

/** The bytes of a range. With `start`, the read begins with a file that is already open. */
const streamRange = (
  context: PathContext,
  path: UncPath.PathInput,
  range: SmbFile.RangeOptions | undefined,
  start?: ReadFailover.Start
): Stream.Stream<Uint8Array, ClientError> =>
  ReadFailover.stream(
    openForFailover(context, path, OpenMode.readSequentially),
    context.locator.goesOn,
    text(path),
    toRange(range),
    ({ file, share }, range) => SmbFile.make(share, file).stream(range),
    start
  )

/**
 * The operations that read files. `readFile` reads small files in one compound.
 *
 * @category constructors
 */
export const operations = (
  context: PathContext
): Pick<Operations, "readFile" | "readFileString" | "stream" | "readTo" | "openToRead"> => {
  const readFile: Operations["readFile"] = Effect.fnUntraced(function*(path, options) {
    const maximum = options?.maximum ?? defaultMaximum
    let requested = oneCompound
    const { opened, results } = yield* batch(context, path, OpenMode.read, (limits) => {
      requested = Math.min(oneCompound, limits.read)
      return [{ _tag: "Read", offset: 0n, length: requested }]
    })
    const data = yield* Effect.fromResult(EndOfFile.foundAtOpen(opened, results[0]))
    return BigInt(data.length) >= opened.endOfFile && data.length < requested && data.length <= maximum
      ? data
      : yield* readLarge(context, path, maximum)
  })
  return {
    readFile,
    readFileString: Effect.fnUntraced(function*(path) {
      return new TextDecoder().decode(yield* readFile(path))
    }),
    stream: (path, range) => streamRange(context, path, range),
    readTo: (path, use, range) => readRange(context, path, use, range),
    openToRead: (path, options) =>
      Effect.map(
        (options?.atOnce === true ? wholeOrOpen : openForFailover)(context, path, OpenMode.readSequentially)(undefined),
        (opened) => {
          const file = SmbFile.make(opened.share, opened.file)
          const start: ReadFailover.Start = { opened, onMove: options?.onMove }
          const functions: Pick<ReadableFile, "stream" | "readTo"> = {
            stream: (range) =>
              Spans.stream(
                Stream.suspend(() => streamRange(context, path, range, start)),
                "SmbClient.stream",
                () => about(path),
                (chunk) => chunk.length
              ),
            readTo: (use, range) =>
              Spans.effect(
                readRange(context, path, use, range, start),
                "SmbClient.readTo",
                about(path),
                (count) => count
              )
          }
          return { path: file.path, opened: file.opened, ...FileArguments.each(file.path, functions) }
        }
      )
  }
}

/** Methods on the bytes of a file: whole, as a stream, as a sink, and as an open file. */
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { ClientError } from "../../Client/ClientError.ts"
import * as Information from "../../Client/Information.ts"
import * as OpenMode from "../../Client/OpenMode.ts"
import type { SmbFile } from "../../Client/SmbFile.ts"
import type * as UncPath from "../../Client/UncPath.ts"
import { isNameSurrogate } from "../../Codec/Reparse.ts"
import type * as Share from "../../Protocol/Share.ts"
import { CreateAction, CreateOptions, FileAttributes } from "../../Smb2/Message/Constants.ts"
import { at, atFile, type Root } from "./Access.ts"
import { badArgument, failure, fromClient, type Place } from "./Failures.ts"
import * as OpenedFile from "./OpenedFile.ts"
import * as OpenFlags from "./OpenFlags.ts"

interface OpenOptions {
  readonly flag?: FileSystem.OpenFlag | undefined
  readonly mode?: number | undefined
  readonly noFollow?: boolean | undefined
}

interface Opened {
  readonly file: SmbFile
  readonly flag: OpenFlags.Flag
}

/**
 * Opens an entry itself, and fails if that is a link. The check is of the opened entry: another program cannot put a
 * link in its place before the open. A reparse point that is no link, such as a deduplicated file, is opened again to
 * get at its data.
 */
const openItself = Effect.fnUntraced(function*(
  root: Root,
  place: Place,
  unc: UncPath.UncPath,
  options: Share.OpenOptions
): Effect.fn.Return<SmbFile, ClientError | PlatformError, Scope.Scope> {
  const createOptions = options.createOptions | CreateOptions.FILE_OPEN_REPARSE_POINT
  const file = yield* root.smb.open(unc, { ...options, createOptions })
  if ((file.opened.fileAttributes & FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT) === 0) return file
  const { reparseTag } = yield* file.run(Information.queryFile("FileAttributeTagInformation"))
  yield* file.close
  return isNameSurrogate(reparseTag)
    ? yield* Effect.fail(failure(place, "BadResource", "the path is a symbolic link"))
    : yield* root.smb.open(unc, options)
})

/** Opens a file until the scope closes. */
const openFile = (
  root: Root,
  method: string,
  path: string,
  { flag: text = "r", mode, noFollow = false }: OpenOptions
): Effect.Effect<Opened, PlatformError, Scope.Scope> => {
  const flag = OpenFlags.parse(text)
  const place: Place = { method, path, creates: flag.creates }
  const { empties, options } = OpenFlags.toOptions(flag, mode, noFollow)
  return (flag.writes ? atFile : at)(root, place, ({ unc }) =>
    Effect.gen(function*() {
      const file = yield* noFollow ? openItself(root, place, unc, options) : root.smb.open(unc, options)
      if (empties && file.opened.createAction !== CreateAction.FILE_CREATED) yield* file.truncate(0)
      return { file, flag }
    }))
}

/** The size of a chunk in bytes if the program names none, as with other file systems of Effect. */
const defaultChunk = 64 * 1024

/** The pieces of a chunk that is not complete yet. */
interface Begun {
  readonly pieces: ReadonlyArray<Uint8Array>
  readonly length: number
}

const nothing: Begun = { pieces: [], length: 0 }

const joined = ({ length, pieces }: Begun): Uint8Array => {
  const all = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}

/**
 * The same bytes in chunks of `size` bytes; the last one can be shorter. A chunk within one piece is not copied. Memory
 * is for the bytes that came, so that a program can name a size that no memory has.
 */
const inChunks = (size: number) => <E, R>(pieces: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E, R> =>
  Stream.mapAccum(
    pieces,
    () => nothing,
    (begun, piece) => {
      const chunks: Array<Uint8Array> = []
      let from = 0
      if (begun.length > 0) {
        from = Math.min(size - begun.length, piece.length)
        const more = { pieces: [...begun.pieces, piece.subarray(0, from)], length: begun.length + from }
        if (more.length < size) return [more, chunks]
        chunks.push(joined(more))
      }
      while (from + size <= piece.length) {
        chunks.push(piece.subarray(from, from + size))
        from += size
      }
      const rest = piece.subarray(from)
      return [rest.length === 0 ? nothing : { pieces: [rest], length: rest.length }, chunks]
    },
    { onHalt: (begun) => begun.length === 0 ? [] : [joined(begun)] }
  )

const sizeOf = (
  method: string,
  name: string,
  input: ByteSize.Input | undefined
): Effect.Effect<bigint | undefined, PlatformError> => {
  if (input === undefined) return Effect.succeed(undefined)
  const size = ByteSize.fromInput(input)
  return Option.isSome(size)
    ? Effect.succeed(size.value)
    : Effect.fail(badArgument(method, `${name} is not a number of bytes: ${input}`))
}

/** The methods on the bytes of files, those included that others derive. */
export const methods = (
  root: Root
): Pick<FileSystem.FileSystem, "open" | "readFile" | "writeFile" | "truncate" | "stream" | "sink"> => ({
  open: (path, options) =>
    Effect.map(
      openFile(root, "open", path, options ?? {}),
      ({ file, flag }) => OpenedFile.make(path, file, flag)
    ),
  readFile: (path) => atFile(root, { method: "readFile", path }, ({ unc }) => root.smb.readFile(unc)),
  writeFile: (path, data, options) => {
    const place: Place = { method: "writeFile", path, creates: true }
    const flag = options?.flag ?? "w"
    // One round trip for a small file.
    if ((flag === "w" || flag === "wx") && options?.mode === undefined) {
      return atFile(
        root,
        place,
        ({ unc }) => root.smb.writeFile(unc, data, { create: flag === "wx", shareAccess: OpenMode.read.shareAccess })
      )
    }
    return Effect.scoped(
      Effect.flatMap(openFile(root, "writeFile", path, { ...options, flag }), ({ file, flag }) =>
        !flag.writes
          ? Effect.fail(failure(place, "BadResource", "the file was not opened for writing"))
          : Effect.mapError(
            Effect.andThen(flag.appends ? file.append(data) : file.write(0, data), file.close),
            fromClient(place)
          ))
    )
  },
  truncate: (path, length) =>
    Effect.flatMap(
      OpenedFile.toLength("truncate", length),
      (size) => atFile(root, { method: "truncate", path }, ({ unc }) => root.smb.truncate(unc, size))
    ),
  stream: (path, options) =>
    Stream.unwrap(Effect.gen(function*() {
      const place: Place = { method: "stream", path }
      const offset = yield* sizeOf("stream", "offset", options?.offset)
      const length = yield* sizeOf("stream", "bytesToRead", options?.bytesToRead)
      const size = options?.chunkSize ?? defaultChunk
      if (!Number.isSafeInteger(size) || size < 1) {
        return Stream.fail(badArgument("stream", `chunkSize has to be a whole number, at least 1: ${size}`))
      }
      const { unc } = yield* atFile(root, place, Effect.succeed)
      return root.smb.stream(unc, { offset, length }).pipe(Stream.mapError(fromClient(place)), inChunks(size))
    })),
  sink: (path, options) =>
    Sink.unwrap(Effect.map(
      openFile(root, "sink", path, { ...options, flag: options?.flag ?? "w" }),
      ({ file, flag }): Sink.Sink<void, Uint8Array, never, PlatformError> => {
        const place: Place = { method: "sink", path }
        if (!flag.writes) return Sink.fail(failure(place, "BadResource", "the file was not opened for writing"))
        const written = Sink.map(file.sink(flag.appends ? { append: true } : { offset: 0 }), () => undefined)
        return written.pipe(Sink.mapEffect(() => file.close), Sink.mapError(fromClient(place)))
      }
    ))
})

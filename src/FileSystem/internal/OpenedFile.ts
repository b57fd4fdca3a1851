/** An open file with a cursor, as Effect's `File` describes it. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import type { ClientError } from "../../Client/ClientError.ts"
import * as Information from "../../Client/Information.ts"
import type { SmbFile } from "../../Client/SmbFile.ts"
import * as Allocate from "../../Codec/Allocate.ts"
import { badArgument, failure, fromClient, type Place } from "./Failures.ts"
import * as FileInfo from "./FileInfo.ts"
import type { Flag } from "./OpenFlags.ts"

/** The largest offset in a file: offsets on the wire are signed. */
const largest = (1n << 63n) - 1n

const allInformation = Information.queryFile("FileAllInformation")

/** The size of a truncated file: without a length 0, and less than 0 is 0 too, as in Node. */
export const toLength = (method: string, length: number | undefined): Effect.Effect<number, PlatformError> =>
  length === undefined || Number.isSafeInteger(length)
    ? Effect.succeed(Math.max(0, length ?? 0))
    : Effect.fail(badArgument(method, `the length has to be a whole number: ${length}`))

/** An open file. It closes with the scope that `file` was opened in. */
export const make = (path: string, file: SmbFile, flag: Flag): FileSystem.File => {
  let cursor = 0n
  const at = (method: string): Place => ({ method, path })
  const to = <A>(method: string, effect: Effect.Effect<A, ClientError>): Effect.Effect<A, PlatformError> =>
    Effect.mapError(effect, fromClient(at(method)))
  const allowed = (method: string, is: boolean, what: string): Effect.Effect<void, PlatformError> =>
    is ? Effect.void : Effect.fail(failure(at(method), "BadResource", `the file was not opened for ${what}`))

  const readAt = (
    method: string,
    buffer: Uint8Array,
    position: bigint | undefined
  ): Effect.Effect<number, PlatformError> =>
    Effect.suspend(() => {
      if (position !== undefined && position < 0n) {
        return Effect.fail(badArgument(method, "the position is before the start of the file"))
      }
      const offset = position ?? cursor
      // No file reaches that place, or the buffer has no room: there are no bytes to read.
      const count = offset + BigInt(buffer.length) > largest || buffer.length === 0
        ? Effect.succeed(0)
        : to(method, file.readInto(offset, buffer))
      return Effect.andThen(
        allowed(method, flag.reads, "reading"),
        Effect.map(count, (count) => {
          if (position === undefined) cursor = offset + BigInt(count)
          return count
        })
      )
    })

  const writeAll = (method: string, buffer: Uint8Array): Effect.Effect<void, PlatformError> =>
    Effect.suspend(() => {
      const offset = cursor
      if (offset + BigInt(buffer.length) > largest) {
        return Effect.fail(badArgument(method, `no file has ${offset + BigInt(buffer.length)} bytes`))
      }
      return Effect.andThen(
        allowed(method, flag.writes, "writing"),
        flag.appends
          ? to(method, file.append(buffer))
          : Effect.map(to(method, file.write(offset, buffer)), () => {
            cursor = offset + BigInt(buffer.length)
          })
      )
    })

  return {
    [FileSystem.FileTypeId]: FileSystem.FileTypeId,
    stat: Effect.map(
      to("stat", file.run(allInformation)),
      ({ basicInformation, internalInformation, standardInformation }) =>
        FileInfo.make({
          attributes: { ...basicInformation, ...standardInformation },
          reparseTag: 0,
          onDiskId: file.opened.onDiskId,
          indexNumber: internalInformation.indexNumber,
          numberOfLinks: standardInformation.numberOfLinks
        })
    ),
    seek: (offset, from) =>
      Effect.suspend(() => {
        const position = from === "start" ? offset : cursor + offset
        if (position < 0n) return Effect.fail(badArgument("seek", "Cannot seek before the start of the file"))
        cursor = position
        return Effect.succeed(position)
      }),
    sync: flag.writes ? to("sync", file.flush) : Effect.void,
    read: (buffer, options) => readAt("read", buffer, options?.position),
    readAlloc: (size, options) =>
      Effect.suspend(() => {
        if (!Number.isSafeInteger(size) || size < 0) {
          return Effect.fail(badArgument("readAlloc", `the size has to be a whole number, at least 0: ${size}`))
        }
        let buffer: Uint8Array<ArrayBuffer>
        try {
          buffer = Allocate.uninitialized(size)
        } catch {
          return Effect.fail(badArgument("readAlloc", `there is no memory for ${size} bytes: read the file in parts`))
        }
        return Effect.map(
          readAt("readAlloc", buffer, options?.position),
          (count) => count === 0 ? Option.none() : Option.some(count === size ? buffer : buffer.slice(0, count))
        )
      }),
    truncate: (length) =>
      Effect.gen(function*() {
        const size = yield* toLength("truncate", length)
        yield* allowed("truncate", flag.writes, "writing")
        yield* to("truncate", file.truncate(size))
        if (!flag.appends && cursor > BigInt(size)) cursor = BigInt(size)
      }),
    write: (buffer) => Effect.as(writeAll("write", buffer), buffer.length),
    writeAll: (buffer) => writeAll("writeAll", buffer)
  }
}

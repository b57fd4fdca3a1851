/** Writes to the end of a file that other programs may extend at the same time. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { RequestError } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as Information from "../Information.ts"
import * as PipelinedWrites from "./PipelinedWrites.ts"

/** The offset of a WRITE to the end of the file, wherever that is (MS-SMB2 2.2.21, MS-FSA 2.1.5.4). */
export const endOfFile = 0xffff_ffff_ffff_ffffn

/** The largest offset in a file: offsets on the wire are signed. */
const largest = (1n << 63n) - 1n

/** A range that no file reaches: programs that append lock it, if the server cannot find the end by itself. */
const appending = { offset: largest - 1n, length: 1n }

type Lock = (ranges: readonly [typeof appending]) => Effect.Effect<void, RequestError, Scope.Scope>

const query = Information.queryFile("FileStandardInformation")

/**
 * Writes to the end for a server that does not know such a WRITE, such as smbd. A lock keeps the other programs that
 * append in this way from writing between the two requests. If a server refuses a lock to an open with the right to
 * append alone, the client appends without it.
 */
const atQueriedEnd = (
  file: Share.OpenFile,
  chunk: number,
  lock: Lock,
  data: Uint8Array
): Effect.Effect<number, RequestError> =>
  Effect.scoped(Effect.gen(function*() {
    yield* Effect.catchReason(lock([appending]), "SmbError", "AccessDenied", () => Effect.void)
    const { endOfFile } = yield* file.run(query)
    yield* PipelinedWrites.writeBuffer(file, chunk, endOfFile, data)
    return data.length
  }))

/** Writes all bytes to the end of the file. A server finds the end for each WRITE of at most `chunk` bytes. */
export const append = (
  file: Share.OpenFile,
  chunk: number,
  lock: Lock,
  data: Uint8Array
): Effect.Effect<void, RequestError> =>
  Effect.suspend(() => {
    if (data.length === 0) return Effect.void
    const piece = data.subarray(0, chunk)
    return file.run<Operation.Write>({ _tag: "Write", offset: endOfFile, data: piece }).pipe(
      Effect.catchReason("SmbError", "InvalidParameter", () => atQueriedEnd(file, chunk, lock, data)),
      Effect.flatMap((count) => append(file, chunk, lock, data.subarray(count)))
    )
  })

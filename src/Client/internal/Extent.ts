/**
 * How far an open file reaches, as far as its reader knows.
 *
 * A READ behind the end of a file is answered with STATUS_END_OF_FILE and no data. Nothing is read that is known to lie
 * there: whether the file has grown is asked by its size (FileStandardInformation, MS-FSCC 2.4.47), which takes the same one
 * round trip.
 *
 * A server that tells the size 0 may not know it, as with the files of `/proc` and with pipes: those are read until
 * nothing comes. Some servers sign the answer that says so wrongly (ksmbd of Linux 6.12). Then the size has the last word,
 * since its answer can be believed.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { ProtocolError, RequestError } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as Information from "../Information.ts"

const query = Information.queryFile("FileStandardInformation")

/** A READ was answered, and the answer cannot be believed. */
const isDisbelieved = (error: RequestError): error is ProtocolError =>
  error._tag === "ProtocolError" && error.reason === "BadSignature"

const nothing = new Uint8Array(0)

/**
 * What a READ found that went out with the open, in one packet: nothing where its answer cannot be believed, and that of
 * the open says that there is nothing.
 */
export const foundAtOpen = (
  { endOfFile }: Share.Opened,
  read: Result.Result<Uint8Array, RequestError>
): Result.Result<Uint8Array, RequestError> =>
  Result.isFailure(read) && isDisbelieved(read.failure) && endOfFile === 0n ? Result.succeed(nothing) : read

/**
 * The extent of one open, in bytes.
 *
 * @category models
 */
export class Extent {
  private readonly file: Share.OpenFile
  /** Where the file ends, or ended when this side last heard of it; `undefined` where the server does not know. */
  private known: bigint | undefined
  /** The size that reading may count on: the one at the open, until this open makes the file shorter. */
  size: bigint

  constructor(file: Share.OpenFile) {
    this.file = file
    this.size = file.opened.endOfFile
    this.known = this.size === 0n ? undefined : this.size
  }

  /** This open has cut off what was behind `end`. */
  cut(end: bigint): void {
    if (end < this.size) this.size = end
    if (this.known !== undefined && end < this.known) this.known = end
  }

  /** This open has written up to `end`, or made the file reach there. */
  extend(end: bigint): void {
    if (this.known !== undefined && end > this.known) this.known = end
  }

  /** Whether a READ at `at` may find something, as far as is known without asking. */
  holds(at: bigint): boolean {
    return this.known === undefined || at < this.known
  }

  /** A READ at `at`, which finds nothing where its answer cannot be believed and the file ends there by its size. */
  read(operation: Operation.Read): Effect.Effect<Uint8Array, RequestError> {
    return Effect.catchIf(this.file.run(operation), isDisbelieved, (error) =>
      Effect.flatMap(
        this.file.run(query),
        ({ endOfFile }) => operation.offset >= endOfFile ? Effect.succeed(nothing) : Effect.fail(error)
      ))
  }

  /** Whether a READ at `at` may find something. Asks the server for the size of the file where that is not known. */
  reaches(at: bigint): Effect.Effect<boolean, RequestError> {
    if (this.holds(at)) return Effect.succeed(true)
    return Effect.map(
      // A server that does not tell the size is asked for the bytes.
      Effect.catchTag(
        Effect.map(this.file.run(query), ({ endOfFile }) => endOfFile),
        "SmbError",
        () => Effect.succeed(undefined)
      ),
      (end) => {
        if (end === undefined) return true
        if (this.known !== undefined && end > this.known) this.known = end
        return at < end
      }
    )
  }
}

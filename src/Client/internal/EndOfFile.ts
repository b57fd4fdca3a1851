/**
 * The end of an open file, as far as its reader knows it.
 *
 * A server responds to a READ behind the end of a file with STATUS_END_OF_FILE and no data. So the client does not read
 * behind the known end. To find out whether the file has grown, it queries the size (FileStandardInformation, MS-FSCC
 * 2.4.47), which takes the same one round trip.
 *
 * A server that returns the size 0 may not know the size, as with the files of `/proc` and with pipes: those are read
 * until a READ returns nothing. Some servers sign that last response wrongly (ksmbd of Linux 6.12). Then the size
 * decides, because its response can be trusted.
 */
import * as BigInts from "effect/BigInt"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { ProtocolError, RequestError } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as Information from "../Information.ts"

const query = Information.queryFile("FileStandardInformation")

/** The response to a READ has a wrong signature. */
const isDisbelieved = (error: RequestError): error is ProtocolError =>
  error._tag === "ProtocolError" && error.reason._tag === "BadSignature"

const nothing = new Uint8Array(0)

/**
 * The bytes of a READ that was sent with the open in one packet. Empty if the READ's response cannot be trusted and the
 * open's response says that the file is empty.
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
  /** The end of the file, as far as this side knows; `undefined` if the server does not know it. */
  private known: bigint | undefined
  /** The size that a reader can expect: the size at the open, until this open makes the file shorter. */
  size: bigint

  constructor(file: Share.OpenFile) {
    this.file = file
    this.size = file.opened.endOfFile
    this.known = this.size === 0n ? undefined : this.size
  }

  /** This open has cut the file at `end`. */
  cut(end: bigint): void {
    this.size = BigInts.min(end, this.size)
    if (this.known !== undefined) this.known = BigInts.min(end, this.known)
  }

  /** This open has written up to `end`, or has extended the file to `end`. */
  extend(end: bigint): void {
    if (this.known !== undefined) this.known = BigInts.max(end, this.known)
  }

  /** Whether a READ at `at` can return data, as far as is known without a query. */
  holds(at: bigint): boolean {
    return this.known === undefined || at < this.known
  }

  /** A READ at `at`. If its response cannot be trusted and the file's size ends there, the result is empty. */
  read(operation: Operation.Read): Effect.Effect<Uint8Array, RequestError> {
    return Effect.catchIf(this.file.run(operation), isDisbelieved, (error) =>
      Effect.flatMap(
        this.file.run(query),
        ({ endOfFile }) => operation.offset >= endOfFile ? Effect.succeed(nothing) : Effect.fail(error)
      ))
  }

  /** Whether a READ at `at` can return data. Queries the size of the file if it is not known. */
  reaches(at: bigint): Effect.Effect<boolean, RequestError> {
    if (this.holds(at)) return Effect.succeed(true)
    return Effect.map(
      // If the server does not return the size, the client reads the bytes.
      Effect.catchTag(
        Effect.map(this.file.run(query), ({ endOfFile }) => endOfFile),
        "SmbError",
        () => Effect.succeed(undefined)
      ),
      (end) => {
        if (end === undefined) return true
        this.extend(end)
        return at < end
      }
    )
  }
}

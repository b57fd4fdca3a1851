/**
 * A small file that was read in one compound with its open and its close: an open file whose bytes are in memory, for a
 * reader that works on open files.
 */
import * as Effect from "effect/Effect"
import type { RequestError } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import type { ClientError } from "../ClientError.ts"
import * as EndOfFile from "./EndOfFile.ts"
import { oneCompound } from "./TransferWindow.ts"
import { openVersion } from "./VersionedOpen.ts"

/** A read of the data; its result belongs to the caller. */
const read = (data: Uint8Array, { destination, length, offset }: Operation.Read): Uint8Array => {
  const from = Number(offset)
  const found = data.subarray(from, from + length)
  if (destination === undefined) return found.slice()
  destination.set(found)
  return destination.subarray(0, found.length)
}

/** The file that has these bytes. Its only operations are reads, and the query for its size. */
const make = (path: string, opened: Share.Opened, data: Uint8Array): Share.OpenFile => ({
  path,
  opened,
  caching: () => ({ oplockLevel: 0, leaseState: 0 }),
  run: <O extends Operation.Any>(operation: O): Effect.Effect<Operation.Output<O>, RequestError> => {
    switch (operation._tag) {
      case "Read":
        return Effect.sync(() => read(data, operation)) as Effect.Effect<any>
      case "QueryInfo":
        return Effect.succeed({ endOfFile: BigInt(data.length) }) as Effect.Effect<any>
      default:
        return Effect.die(new Error(`${operation._tag} on a file that is only read`))
    }
  },
  close: Effect.void
})

/**
 * Opens, reads and closes a file in one compound. `undefined` if that did not give all of it: the file is larger, or the
 * protocol has no compounds.
 */
export const whole = (
  share: Share.Share,
  below: string,
  options: Share.OpenOptions
): Effect.Effect<Share.OpenFile | undefined, ClientError> => {
  if (!share.compounds()) return Effect.succeed(undefined)
  const length = Math.min(oneCompound, share.limits.read)
  return Effect.flatMap(
    openVersion(
      share,
      below,
      options,
      (path, options) => share.batch(path, options, [{ _tag: "Read", offset: 0n, length }])
    ),
    ({ opened, results }) =>
      Effect.map(
        Effect.fromResult(EndOfFile.foundAtOpen(opened, results[0])),
        (data) =>
          BigInt(data.length) >= opened.endOfFile && data.length < length ? make(below, opened, data) : undefined
      )
  )
}

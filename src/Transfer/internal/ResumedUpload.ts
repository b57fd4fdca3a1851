/**
 * Uploads that can be continued: the part stays on the server after a failure, under a name that the next run finds
 * again for the same local file.
 *
 * The part is written block by block, and a block begins when all bytes before it are there. Inside of a block the
 * requests run in parallel, so after a failure the last block can have gaps. A later run writes it again.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { hostname } from "node:os"
import { resolve } from "node:path"
import * as FileReplacement from "../../Client/FileReplacement.ts"
import * as OpenMode from "../../Client/OpenMode.ts"
import * as PartNames from "../../Client/PartNames.ts"
import { SmbClient } from "../../Client/SmbClient.ts"
import * as UncPath from "../../Client/UncPath.ts"
import { CreateDisposition } from "../../Smb2/Message/Constants.ts"
import { LocalError } from "../LocalError.ts"
import * as LocalName from "./LocalName.ts"
import type { Options } from "./Options.ts"
import type { Run } from "./Run.ts"
import * as Same from "./Same.ts"

/** The size of a block, in bytes. Parts of earlier versions rely on it. */
export const block = 4 * 1024 * 1024

/** How many bytes of a part are sure to be whole, by its size: all blocks before the one of its last byte. */
export const wholeBytes = (size: bigint): bigint => {
  const length = BigInt(block)
  return size === 0n ? 0n : ((size - 1n) / length) * length
}

/** An existing part is opened with its bytes; no other program writes at the same time. */
const mode = { ...OpenMode.create, createDisposition: CreateDisposition.FILE_OPEN_IF }

/** Fills the buffer from the local file, up to its end. */
const fill = Effect.fnUntraced(function*(local: FileSystem.File, buffer: Uint8Array) {
  let length = 0
  while (length < buffer.length) {
    const count = yield* local.read(buffer.subarray(length))
    if (count === 0) break
    length += count
  }
  return buffer.subarray(0, length)
})

const changed = (path: string): LocalError =>
  new LocalError({ path, detail: "the file changed while it was sent: send it again" })

/** Copies a local file through a part that stays if it fails. Returns the count of bytes of the whole file. */
export const copy = Effect.fnUntraced(function*(
  source: string,
  local: FileSystem.File,
  info: FileSystem.File.Info,
  target: UncPath.UncPath,
  { run, throttle }: Pick<Options, "throttle"> & { readonly run: Run },
  fileAttributes: number | undefined
) {
  const smb = yield* SmbClient
  const { size } = info
  const { lastWriteTime } = Same.localFacts(info)
  const found = yield* FileReplacement.look(smb, target)
  // Another machine can have another file of the same path, size and time.
  const tag = LocalName.resumeTag(`${hostname()}\0${resolve(source)}`, size, lastWriteTime ?? 0n)
  const path = UncPath.join(UncPath.parent(target), PartNames.parts(UncPath.name(target), tag)[0])
  yield* Effect.scoped(Effect.gen(function*() {
    const part = yield* smb.open(path, mode)
    const there = part.opened.endOfFile
    let offset = there > size ? 0n : wholeBytes(there)
    const { advance } = yield* run.file(source, UncPath.format(target), Number(size), Number(offset))
    yield* local.seek(offset, "start")
    const buffer = new Uint8Array(block)
    for (;;) {
      const data = yield* fill(local, buffer)
      if (data.length === 0) break
      yield* throttle(data.length, part.write(offset, data))
      offset += BigInt(data.length)
      yield* advance(data.length)
    }
    const now = yield* local.stat
    if (offset !== size || now.size !== size || Same.localFacts(now).lastWriteTime !== lastWriteTime) {
      return yield* changed(source)
    }
    if (there > size) yield* part.truncate(size)
    // A server may find out only at the CLOSE that it cannot keep the data, and the old file still exists.
    yield* part.close
  }))
  const about = { lastWriteTime, fileAttributes: fileAttributes ?? FileReplacement.passedOn(found) }
  yield* smb.setAttributes(path, about).pipe(
    Effect.catchTag("SmbError", (error) => run.warn(FileReplacement.timeNotKept(target, error)))
  )
  yield* smb.rename(path, target, { replace: true })
  return size
})

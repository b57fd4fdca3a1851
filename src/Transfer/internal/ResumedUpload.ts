/**
 * Uploads that can be continued: the part stays on the server after a failure, under a name that the next run finds
 * again for the same local file.
 *
 * Other users of the folder can guess this name, so a part that exists is not trusted. It is never opened through a
 * link. All its bytes are read and compared with the local file before anything is written: requests of a failed run
 * went in parallel, so a byte can also be a zero that no request has reached. A part with any other byte, or of another
 * owner, stays as it is, and the file is sent whole under a random name.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { hostname } from "node:os"
import { resolve } from "node:path"
import * as OpenMode from "../../Client/OpenMode.ts"
import * as PartNames from "../../Client/PartNames.ts"
import * as ReplacedFile from "../../Client/ReplacedFile.ts"
import * as ReplacementNotice from "../../Client/ReplacementNotice.ts"
import { type Client, SmbClient } from "../../Client/SmbClient.ts"
import type { SmbFile } from "../../Client/SmbFile.ts"
import * as UncPath from "../../Client/UncPath.ts"
import { isMissing } from "../../Protocol/Errors.ts"
import { AccessMask, CreateDisposition, CreateOptions, FileAttributes } from "../../Smb2/Message/Constants.ts"
import { LocalError } from "../LocalError.ts"
import type { AbandonedParts } from "./AbandonedParts.ts"
import * as LocalName from "./LocalName.ts"
import type { Options } from "./Options.ts"
import type { Run } from "./Run.ts"
import * as Same from "./Same.ts"
import * as Warnings from "./Warnings.ts"

/** The size of a block, in bytes. */
export const block = 4 * 1024 * 1024

/** A part is read too. No other program writes at the same time. */
const access = OpenMode.create.desiredAccess | OpenMode.read.desiredAccess

const newPart = { ...OpenMode.withAccess(OpenMode.create, access), shareAccess: PartNames.shareAccess }

/** A link is opened itself. */
const oldPart = {
  ...newPart,
  createDisposition: CreateDisposition.FILE_OPEN,
  createOptions: newPart.createOptions | CreateOptions.FILE_OPEN_REPARSE_POINT
}

/** What no part of an upload is: a link, or a directory. */
const foreign = FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT | FileAttributes.FILE_ATTRIBUTE_DIRECTORY

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

/** The owner of a file; `undefined` if the server does not tell it. */
const ownerOf = (smb: Client, path: UncPath.UncPath) =>
  smb.security.get(path).pipe(
    Effect.map(({ owner }) => owner),
    Effect.catchTag("SmbError", () => Effect.succeed(undefined))
  )

/** The owner of a file that this user creates in the folder of `path`; `undefined` if the server does not tell it. */
const ownOwner = (smb: Client, path: UncPath.UncPath) => {
  const probe = UncPath.join(UncPath.parent(path), PartNames.parts("owner", PartNames.randomTag())[0])
  return Effect.scoped(Effect.andThen(
    smb.open(probe, {
      ...OpenMode.withAccess(OpenMode.create, AccessMask.DELETE),
      createOptions: OpenMode.create.createOptions | CreateOptions.FILE_DELETE_ON_CLOSE
    }),
    ownerOf(smb, probe)
  )).pipe(Effect.catchTag("SmbError", () => Effect.succeed(undefined)))
}

/** Whether a part can be continued by its owner. */
const isOwn = Effect.fnUntraced(function*(smb: Client, path: UncPath.UncPath) {
  const owner = yield* ownerOf(smb, path)
  const own = owner === undefined ? undefined : yield* ownOwner(smb, path)
  return own === undefined || own === owner
})

/**
 * Where the part goes on: the first block that differs from the local file. `undefined` if a byte of the part is
 * neither that of the local file nor a zero: another program has written it.
 */
const proven = Effect.fnUntraced(function*(local: FileSystem.File, part: SmbFile, there: bigint) {
  const [ours, theirs] = [new Uint8Array(block), new Uint8Array(block)]
  let same: bigint | undefined
  yield* local.seek(0n, "start")
  for (let offset = 0n; offset < there; offset += BigInt(block)) {
    const left = there - offset
    const length = left < BigInt(block) ? Number(left) : block
    const wanted = yield* fill(local, ours.subarray(0, length))
    const count = yield* part.readInto(offset, theirs.subarray(0, length))
    if (wanted.length < length || count < length) return undefined
    if (Buffer.compare(wanted, theirs.subarray(0, length)) === 0) continue
    if (theirs.subarray(0, length).some((byte, i) => byte !== 0 && byte !== wanted[i])) return undefined
    same ??= offset
  }
  return same ?? there
})

/** The part of an earlier run and where it goes on, or a new part; `undefined` if something else has its name. */
const openPart = Effect.fnUntraced(function*(
  smb: Client,
  path: UncPath.UncPath,
  local: FileSystem.File,
  size: bigint
) {
  const part = yield* smb.open(path, oldPart).pipe(
    Effect.catchTag("SmbError", (error) => {
      if (isMissing(error)) return Effect.succeed("missing" as const)
      const { _tag } = error.reason
      // A directory, or a file of another user.
      return _tag === "FileIsADirectory" || _tag === "AccessDenied" ? Effect.succeed(undefined) : Effect.fail(error)
    })
  )
  if (part === undefined) return undefined
  if (part === "missing") return { part: yield* smb.open(path, newPart), offset: 0n }
  const { endOfFile, fileAttributes } = part.opened
  if ((fileAttributes & foreign) !== 0 || endOfFile > size || !(yield* isOwn(smb, path))) return undefined
  const offset = yield* proven(local, part, endOfFile)
  if (offset === undefined) return undefined
  if (offset > 0n) return { part, offset }
  // Nothing proves that this is a part: another name may lead to the same file. Only this name is removed.
  yield* part.close
  yield* smb.remove(path)
  return { part: yield* smb.open(path, newPart), offset }
})

/**
 * Copies a local file through a part that stays if it fails. Returns the count of bytes of the whole file; `undefined`
 * if something else has the name of the part: then nothing is copied.
 */
export const copy = Effect.fnUntraced(function*(
  source: string,
  local: FileSystem.File,
  info: FileSystem.File.Info,
  target: UncPath.UncPath,
  { abandoned, run, throttle }: Pick<Options, "throttle"> & { readonly abandoned: AbandonedParts; readonly run: Run },
  fileAttributes: number | undefined
) {
  const smb = yield* SmbClient
  const { size } = info
  const { lastWriteTime } = Same.localFacts(info)
  const found = yield* ReplacedFile.look(smb, target)
  // Another machine can have another file of the same path, size and time.
  const tag = LocalName.resumeTag(`${hostname()}\0${resolve(source)}`, size, lastWriteTime ?? 0n)
  const path = UncPath.join(UncPath.parent(target), PartNames.parts(UncPath.name(target), tag)[0])
  // If something else has this name, it stays.
  abandoned.keep(path)
  const isPlaced = yield* Effect.scoped(Effect.gen(function*() {
    const opened = yield* openPart(smb, path, local, size)
    if (opened === undefined) return false
    const { part } = opened
    let { offset } = opened
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
    // A server may find out only at the CLOSE that it cannot keep the data, and the old file still exists.
    yield* part.close
    return true
  }))
  if (!isPlaced) {
    yield* run.warn(Warnings.notContinued(UncPath.format(path)))
    return undefined
  }
  const about = { lastWriteTime, fileAttributes: fileAttributes ?? ReplacedFile.passedOn(found) }
  yield* smb.setAttributes(path, about).pipe(
    Effect.catchTag("SmbError", (error) => run.warn(ReplacementNotice.timeNotKept(target, error)))
  )
  yield* smb.rename(path, target, { replace: true })
  return size
})

/**
 * Files on a server that are being written: under another name beside the final one, until they are whole.
 *
 * The part is made with the right to delete it, which whoever makes a file has for as long as it is open, also in a folder
 * where nothing can be deleted. So it can be renamed, or taken away, by that open. Where files of a folder can be deleted
 * later too, the part is closed first and renamed by its name: a server may find out only at the CLOSE that it cannot
 * keep what it was given, and the old file is still there then.
 *
 * Where a server takes none of the names that a part may have, a new file is written in its place, made for this and taken
 * away again if it does not become whole. A file that is there is never written into: that is the user's to ask for.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import { randomBytes } from "node:crypto"
import type { ClientError } from "../Client/ClientError.ts"
import * as Information from "../Client/Information.ts"
import * as OpenMode from "../Client/OpenMode.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import * as SmbFile from "../Client/SmbFile.ts"
import * as UncPath from "../Client/UncPath.ts"
import { Malformed } from "../Codec/Malformed.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import { fromStatus, isMissing, ProtocolError, SmbError, TransportError } from "../Protocol/Errors.ts"
import type * as Share from "../Protocol/Share.ts"
import { AccessMask } from "../Smb2/Message/Constants.ts"
import { printable, type Report } from "./Failure.ts"
import * as LocalName from "./LocalName.ts"

/** What content is written to. */
export interface Writable {
  readonly writeFrom: <E, R>(
    fill: (buffer: Uint8Array) => Effect.Effect<number, E, R>
  ) => Effect.Effect<bigint, E | ClientError, R>
  readonly sink: () => Sink.Sink<bigint, Uint8Array, never, ClientError>
}

/** What a file is to have in it: bytes that are at hand, or what comes. It gives the count of bytes. */
export type Content<E, R> =
  | { readonly _tag: "Bytes"; readonly bytes: Uint8Array }
  | { readonly _tag: "Flow"; readonly run: (to: Writable) => Effect.Effect<bigint, E, R> }

const FILE_ATTRIBUTE_READONLY = 0x01
const FILE_ATTRIBUTE_DIRECTORY = 0x10
const FILE_ATTRIBUTE_ARCHIVE = 0x20

/** What a file that is replaced leaves to the one that takes its place: hidden, system. */
const kept = 0x02 | 0x04

/** Attributes of the file that is to be replaced; `undefined` where there is none. */
type Found = { readonly fileAttributes: number | undefined } | undefined

/** What a server says to a name that it does not take, or not from this user. */
const isUnwelcome = (error: SmbError): boolean =>
  error.command === "CREATE" && (isMissing(error) || error.reason === "AccessDenied" ||
    error.reason === "ObjectNameInvalid" || error.reason === "NameTooLong")

/** What a server means that has no file of a name which it was to make. */
const vetoed = "The server takes no file of this name. Its administrator may have vetoed it: use another name."

const hint = "--in-place writes into the file itself"

/** Who reads an error knows the final name, and not that of the part. */
const named = (error: SmbError, part: string, name: string): SmbError => {
  if (error.path?.endsWith(`\\${part}`) !== true) return error
  return new SmbError({ ...error, path: error.path.slice(0, -part.length) + name })
}

const beside = (path: UncPath.UncPath, name: string): UncPath.UncPath => UncPath.join(UncPath.parent(path), name)

/** How long the removal may take: a server that has gone does not take its part away either. */
const patience = "1 second"

/** The usual right to write, and to rename and to delete by the open. */
const withDelete = (OpenMode.create.desiredAccess | OpenMode.remove.desiredAccess) >>> 0

/** A file that was made, and how its open is used. */
interface Made {
  readonly file: SmbFile.SmbFile
  /** Below the share. */
  readonly below: string
  readonly path: UncPath.UncPath
  readonly isPart: boolean
  /** The server was asked to rename it by this open, and has not refused: from then on the open may be that of the target. */
  mayBePlaced: boolean
}

/**
 * Whether it can be deleted, and so renamed, also by a later open. smbd says so by SMB 1 of all files, whatever the account
 * may do.
 */
const isDeletable = ({ file: { opened: { maximalAccess }, share } }: Made): boolean =>
  maximalAccess !== undefined && (maximalAccess & AccessMask.DELETE) !== 0 && share.dialect !== "NT1"

const open = Effect.fnUntraced(function*(
  path: UncPath.UncPath,
  options: Share.OpenOptions,
  isPart: boolean
): Effect.fn.Return<Made, ClientError, SmbClient | Scope.Scope> {
  const smb = yield* SmbClient
  return yield* smb.withShare(
    path,
    (share, below) =>
      Effect.map(share.open(below, options), (file) => ({
        file: SmbFile.make(share, file),
        below,
        path,
        isPart,
        mayBePlaced: false
      }))
  )
})

const unfinished = (path: UncPath.UncPath, what: string): Report => {
  const name = UncPath.format(path)
  const message = `${printable(name)}: ${what}`
  return { code: 0, message, json: { warning: "Unfinished", path: name, message } }
}

/** What the user is told of that could not be taken away; `known` where it is sure to be there. */
const left = (path: UncPath.UncPath, why: string, known: boolean): Report =>
  known
    ? unfinished(path, `an unfinished file is left there, since it could not be removed (${why}). Remove it.`)
    : unfinished(path, `an unfinished file may be left there, since the server could not be asked (${why}). Remove it.`)

/** What has been asked of the server, and whether it was done is not known: no answer has come that can be believed. */
const isUnanswered = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && exit.cause.reasons.some((reason) => {
    if (reason._tag !== "Fail") return reason._tag === "Interrupt"
    const { error } = reason
    return error instanceof TransportError
      ? error.sent === true
      : error instanceof ProtocolError || error instanceof Malformed
  })

/**
 * Writes a file: after success the whole file stands there, after anything else what stood there before. `isNew` where
 * nothing can be there, as in a directory that has just been made.
 */
export type Replace = <E, R>(
  target: UncPath.UncPath,
  content: Content<E, R>,
  isNew?: boolean
) => Effect.Effect<bigint, E | ClientError, R | SmbClient>

/** One run of the command: what it has found out about folders serves the files that come after. */
export const make = (tell: (report: Report) => Effect.Effect<void>): Replace => {
  /** Folders that take the usual name of a part, and let it be renamed by that. */
  const easy = new Set<string>()

  /** Takes a file away that did not become whole, whoever has interrupted it; says so where that cannot be done. */
  const takeAway = (path: UncPath.UncPath, removed: Effect.Effect<void, ClientError, SmbClient>, known = true) =>
    removed.pipe(
      Effect.interruptible,
      Effect.timeoutOption(patience),
      Effect.matchEffect({
        onFailure: (error) =>
          error instanceof SmbError && isMissing(error)
            ? Effect.void
            : tell(left(path, error.message, known || error instanceof SmbError)),
        onSuccess: (done) => Option.isSome(done) ? Effect.void : tell(left(path, `no answer within ${patience}`, known))
      })
    )

  /** A new file may stand in its place, and may be somebody else's by now: it is named, and stays. */
  const mention = (target: UncPath.UncPath) =>
    Effect.flatMap(SmbClient, (smb) => smb.exists(target)).pipe(
      Effect.interruptible,
      Effect.timeoutOption(patience),
      Effect.orElseSucceed(() => Option.some(true)),
      Effect.flatMap((found) =>
        Option.getOrElse(found, () => true)
          ? tell(
            unfinished(target, "an unfinished file may be left there. Look at it, and remove it or write it again.")
          )
          : Effect.void
      )
    )

  const byName = (path: UncPath.UncPath) => Effect.flatMap(SmbClient, (smb) => smb.remove(path, { force: true }))

  /** The deletion is done at the CLOSE, so that it counts: smbd forgets it where the connection ends before. */
  const byOpen = ({ file }: Made) =>
    Effect.andThen(
      file.run(Information.setFile("FileDispositionInformation", { deletePending: true })),
      file.close
    )

  /**
   * In one round trip by its name, where that may be, since who has interrupted this waits for it. What the open is of, once
   * a rename was asked for and nobody knows what came of it, may be all that there is: then by the name of the part alone.
   */
  const removed = (made: Made): Effect.Effect<void, ClientError, SmbClient> => {
    if (made.mayBePlaced) return byName(made.path)
    return isDeletable(made)
      ? Effect.catch(byName(made.path), (error) => Effect.mapError(byOpen(made), () => error))
      : Effect.catch(byOpen(made), () => byName(made.path))
  }

  /** The file that is there. Whether it may be replaced is looked at before anything is sent. */
  const look = Effect.fnUntraced(function*(target: UncPath.UncPath): Effect.fn.Return<Found, ClientError, SmbClient> {
    const smb = yield* SmbClient
    const found: Found = yield* smb.stat(target).pipe(
      Effect.catchTag(
        "SmbError",
        // Perhaps it may only not be looked at.
        (error) => Effect.succeed(isMissing(error) ? undefined : { fileAttributes: undefined })
      )
    )
    const attributes = found?.fileAttributes ?? 0
    const path = UncPath.format(target)
    if ((attributes & FILE_ATTRIBUTE_DIRECTORY) !== 0) {
      return yield* fromStatus(NtStatus.STATUS_FILE_IS_A_DIRECTORY, "CREATE", path)
    }
    if ((attributes & FILE_ATTRIBUTE_READONLY) !== 0) {
      return yield* new SmbError({
        ...fromStatus(NtStatus.STATUS_ACCESS_DENIED, "CREATE", path),
        because: "The file is read-only, and is not replaced. Clear that attribute, or remove the file."
      })
    }
    return found
  })

  /** Makes the part under a name that the server takes, or where it takes none a new file in its place. */
  const create = Effect.fnUntraced(function*(
    target: UncPath.UncPath,
    found: Found,
    tag: string
  ): Effect.fn.Return<Made, ClientError, SmbClient | Scope.Scope> {
    const hiding = (found?.fileAttributes ?? 0) & kept
    const options: Share.OpenOptions = {
      ...OpenMode.create,
      desiredAccess: withDelete,
      queryMaximalAccess: true,
      ...(hiding === 0 ? {} : { fileAttributes: hiding | FILE_ATTRIBUTE_ARCHIVE })
    }
    let refusal: SmbError | undefined
    for (const name of LocalName.parts(UncPath.name(target), tag)) {
      const path = beside(target, name)
      const made = yield* Effect.result(Effect.onExit(
        open(path, options, true),
        // Whoever goes before the answer comes does not know that the part is there.
        (exit) => isUnanswered(exit) ? takeAway(path, byName(path), false) : Effect.void
      ))
      if (made._tag === "Success") return made.success
      if (!(made.failure instanceof SmbError) || !isUnwelcome(made.failure)) return yield* made.failure
      refusal ??= made.failure
    }
    if (found !== undefined) {
      return yield* new SmbError({
        ...refusal!,
        detail: `so the file is called until it is whole and takes the place of ${UncPath.name(target)}: ${hint}`
      })
    }
    return yield* open(target, options, false).pipe(
      Effect.catchTag(
        "SmbError",
        (error) => error.reason === "AccessDenied" ? open(target, OpenMode.create, false) : Effect.fail(error)
      ),
      Effect.catchTag("SmbError", (error) => {
        const isVetoed = error.reason === "ObjectNameNotFound" || error.reason === "NoSuchFile"
        return Effect.fail(isVetoed ? new SmbError({ ...error, because: vetoed }) : error)
      }),
      Effect.onExit((exit) => isUnanswered(exit) ? mention(target) : Effect.void)
    )
  })

  /** Renames the part by its name, once its CLOSE has said that all of it is kept. */
  const takePlace = (part: UncPath.UncPath, target: UncPath.UncPath, found: Found) =>
    Effect.flatMap(SmbClient, (smb) => smb.rename(part, target, { replace: true })).pipe(
      Effect.catchTag("SmbError", (error) => Effect.fail(refusedPlace(error, part, target, found)))
    )

  const refusedPlace = (error: SmbError, part: UncPath.UncPath, target: UncPath.UncPath, found: Found): SmbError => {
    const { detail: _, ...rest } = named(error, UncPath.name(part), UncPath.name(target))
    return new SmbError(
      found === undefined ? rest : { ...rest, detail: `the file that is there could not be replaced: ${hint}` }
    )
  }

  const finish = Effect.fnUntraced(function*(
    made: Made,
    target: UncPath.UncPath,
    found: Found
  ): Effect.fn.Return<void, ClientError, SmbClient> {
    const { below, file, isPart, path } = made
    if (!isPart) return yield* file.close
    if (isDeletable(made)) {
      yield* file.close
      yield* takePlace(path, target, found)
      const folder = UncPath.format(UncPath.parent(target))
      if (UncPath.name(path).endsWith(LocalName.partEnd)) easy.add(folder)
      return
    }
    // What cannot be kept is to be heard of before the place is taken.
    yield* file.flush
    made.mayBePlaced = true
    yield* file.run(Information.setFile("FileRenameInformation", {
      replaceIfExists: true,
      rootDirectory: 0n,
      fileName: below.slice(0, -UncPath.name(path).length) + UncPath.name(target)
    })).pipe(
      Effect.catchTag("SmbError", (error) => {
        made.mayBePlaced = false
        return Effect.fail(refusedPlace(error, path, target, found))
      })
    )
  })

  /** By an open of its own from the part's beginning to its end. */
  const byOneOpen = <E, R>(
    target: UncPath.UncPath,
    content: Content<E, R>,
    found: Found,
    tag: string
  ): Effect.Effect<bigint, E | ClientError, R | SmbClient> =>
    Effect.scoped(
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(create(target, found, tag)), (made) => {
          const { file } = made
          const written: Effect.Effect<bigint, E | ClientError, R> = content._tag === "Bytes"
            ? Effect.as(file.write(0, content.bytes), BigInt(content.bytes.length))
            : content.run({ writeFrom: (fill) => file.writeFrom(fill), sink: () => file.sink() })
          const whole = Effect.tap(written, finish(made, target, found))
          return restore(whole).pipe(
            Effect.onExit((exit) => Exit.isSuccess(exit) ? Effect.void : takeAway(made.path, removed(made))),
            // It has its place: what the CLOSE says is told, and nothing is taken away.
            Effect.tap(file.close),
            Effect.mapError((error): E | ClientError =>
              error instanceof SmbError ? named(error, UncPath.name(made.path), UncPath.name(target)) : error
            )
          )
        })
      )
    ) as Effect.Effect<bigint, E | ClientError, R | SmbClient>

  /** Few bytes into a folder that is known: one round trip for all of the part, and one for its place. */
  const quickly = (
    target: UncPath.UncPath,
    bytes: Uint8Array,
    found: Found,
    tag: string
  ): Effect.Effect<bigint, ClientError, SmbClient> => {
    const part = beside(target, LocalName.parts(UncPath.name(target), tag)[0])
    let isMade = false
    return Effect.acquireUseRelease(
      SmbClient,
      (smb) =>
        smb.writeFile(part, bytes, { create: true }).pipe(
          Effect.mapError((error) => {
            if (!(error instanceof SmbError) || error.command === "CREATE") return error
            isMade = true
            return named(error, UncPath.name(part), UncPath.name(target))
          }),
          Effect.tap(Effect.sync(() => {
            isMade = true
          })),
          Effect.andThen(takePlace(part, target, found)),
          Effect.as(BigInt(bytes.length))
        ),
      (_, exit) =>
        Exit.isFailure(exit) && (isMade || isUnanswered(exit)) ? takeAway(part, byName(part), isMade) : Effect.void
    )
  }

  return Effect.fnUntraced(function*<E, R>(
    target: UncPath.UncPath,
    content: Content<E, R>,
    isNew = false
  ): Effect.fn.Return<bigint, E | ClientError, R | SmbClient> {
    const found = isNew ? undefined : yield* look(target)
    const tag = randomBytes(6).toString("hex")
    const hiding = (found?.fileAttributes ?? 0) & kept
    if (content._tag === "Flow" || hiding !== 0 || !easy.has(UncPath.format(UncPath.parent(target)))) {
      return yield* byOneOpen(target, content, found, tag)
    }
    return yield* Effect.catch(
      quickly(target, content.bytes, found, tag),
      (error): Effect.Effect<bigint, E | ClientError, R | SmbClient> =>
        // A name that is not taken, though those before it were.
        error instanceof SmbError && isUnwelcome(error)
          ? byOneOpen(target, content, found, tag)
          : Effect.fail(error)
    )
  })
}

/**
 * Files that are replaced as a whole: `writeFile` with `atomic`, and the copies of transfers. Until a file is complete,
 * it has another name next to the final one. Such an incomplete file is called a part.
 *
 * The part is created with the right to delete it. The creator of a file has this right while the file is open, also in
 * a folder where nothing can be deleted. So this open can rename or remove the part. If files of the folder can be
 * deleted later too, the part is closed first and renamed by its name: a server may find out only at the CLOSE that it
 * cannot keep the data, and then the old file still exists.
 *
 * If a server refuses all names for the part, a new file is written at its final name, and removed again if it does not
 * become complete. An existing file is never overwritten in place unless the user asks for it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import * as Changes from "../Protocol/Changes.ts"
import { isMissing, SmbError } from "../Protocol/Errors.ts"
import type * as Share from "../Protocol/Share.ts"
import { AccessMask } from "../Smb2/Message/Constants.ts"
import type { ClientError } from "./ClientError.ts"
import * as Information from "./Information.ts"
import * as OpenResponse from "./internal/OpenResponse.ts"
import * as OpenMode from "./OpenMode.ts"
import type { Operations } from "./Operations.ts"
import * as PartNames from "./PartNames.ts"
import * as PartRename from "./PartRename.ts"
import * as ReplacedFile from "./ReplacedFile.ts"
import * as ReplacementNotice from "./ReplacementNotice.ts"
import * as SmbFile from "./SmbFile.ts"
import * as UncPath from "./UncPath.ts"

/**
 * The operations of a client that a replacement uses.
 *
 * @category models
 * @since 0.2.0
 */
export type Files = Pick<Operations, "withShare" | "writeFile" | "stat" | "exists" | "remove" | "rename">

/**
 * How a replacement tells its caller.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  readonly tell: (notice: ReplacementNotice.Notice) => Effect.Effect<void>
  /** What a person can do if the server refuses all names for the part: the end of an error's message. */
  readonly hint: string
  /** Makes the tag in the name of a part: 12 hexadecimal digits. Default: random ones. */
  readonly tag?: (() => string) | undefined
}

/**
 * The file that content is written to.
 *
 * @category models
 * @since 0.2.0
 */
export interface Writable {
  readonly writeFrom: <E, R>(
    fill: (buffer: Uint8Array) => Effect.Effect<number, E, R>
  ) => Effect.Effect<bigint, E | ClientError, R>
  readonly sink: () => Sink.Sink<bigint, Uint8Array, never, ClientError>
}

/**
 * The content of a file: bytes in memory, or bytes that arrive over time. Writing it returns the count of bytes.
 *
 * @category models
 * @since 0.2.0
 */
export type Content<E, R> =
  | { readonly _tag: "Bytes"; readonly bytes: Uint8Array }
  | { readonly _tag: "Flow"; readonly run: (to: Writable) => Effect.Effect<bigint, E, R> }

/** Whether an error means that the server refuses the name, or refuses it to this user. */
const isUnwelcome = (error: SmbError): boolean =>
  error.command === "CREATE" && (isMissing(error) || error.reason._tag === "AccessDenied" ||
    error.reason._tag === "ObjectNameInvalid" || error.reason._tag === "NameTooLong")

/** The meaning of a server's error that a file to be created does not exist. */
const vetoed = "The server takes no file of this name. Its administrator may have vetoed it: use another name."

const beside = (path: UncPath.UncPath, name: string): UncPath.UncPath => UncPath.join(UncPath.parent(path), name)

/** The usual rights to write, and the right to rename and delete by the open. */
const withDelete = (OpenMode.create.desiredAccess | OpenMode.remove.desiredAccess) >>> 0

/** A created file, and the state of its open. */
interface Made extends PartRename.Part {
  readonly file: SmbFile.SmbFile
  /** Below the share. */
  readonly below: string
  readonly path: UncPath.UncPath
  readonly isPart: boolean
  /** Its writer has it, and removes it if it does not become complete. */
  isTaken: boolean
  /** The open that made it has no CLOSE yet. */
  isOpen: boolean
}

/**
 * Whether a later open can delete the file too, and so rename it. By SMB 1 smbd says so of all files, no matter which
 * rights the account has.
 */
const isDeletable = ({ file: { opened: { maximalAccess }, share } }: Made): boolean =>
  maximalAccess !== undefined && (maximalAccess & AccessMask.DELETE) !== 0 && share.dialect !== "NT1"

/** Whether a request failed without a response that can be trusted. `OpenResponse.awaited` has interruptions. */
const isLost = <A>(exit: Exit.Exit<A, ClientError>): exit is Exit.Failure<A, ClientError> =>
  !Exit.hasInterrupts(exit) && OpenResponse.isUnanswered(exit)

/**
 * What is known about a file that is written, and what it gets.
 *
 * @category models
 * @since 0.2.0
 */
export interface About {
  /** No file can exist there, as in a directory that was just created. */
  readonly isNew?: boolean | undefined
  /** An existing file is not replaced: the write fails with `ObjectNameCollision`. */
  readonly create?: boolean | undefined
  /** The content is on the server's disk before the file gets its name. */
  readonly flush?: boolean | undefined
  /** The last write time that the file gets, in ticks of 100 ns since 1601. Default: the time of the copy. */
  readonly lastWriteTime?: bigint | undefined
  /** The attributes that the file gets (MS-FSCC 2.6). Default: those of a new file, and hidden and system of the old one. */
  readonly fileAttributes?: number | undefined
}

/** Whether the file gets a time or attributes. */
const hasTime = ({ fileAttributes, lastWriteTime }: About): boolean =>
  fileAttributes !== undefined || lastWriteTime !== undefined

/**
 * Writes a file, and returns the count of bytes. After success the complete file is at its name; after a failure its
 * name is unchanged.
 *
 * @category models
 * @since 0.2.0
 */
export type Replace = <E, R>(
  target: UncPath.UncPath,
  content: Content<E, R>,
  about?: About
) => Effect.Effect<bigint, E | ClientError, R>

/**
 * A way to replace files by the operations of a client. It knows the folders of the files that it has written: what it
 * has learned about a folder serves the later files in it.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (smb: Files, { hint, tag: makeTag = PartNames.randomTag, tell }: Options): Replace => {
  /**
   * Whether files of a folder can be renamed and deleted by their name: then a small part needs no open that stays. The
   * server has said so of the folder (FILE_DELETE_CHILD), or of a part in it.
   */
  const easy = new Map<string, Effect.Effect<boolean, ClientError>>()

  /** Asks for this user's rights in a folder once. A server without an answer has not said so. */
  const isEasy = (folder: UncPath.UncPath): Effect.Effect<boolean, ClientError> =>
    Effect.suspend(() => {
      const key = UncPath.format(folder)
      const known = easy.get(key)
      if (known !== undefined) return known
      const asked = Effect.scoped(smb.withShare(folder, (share, below) =>
        share.dialect === "NT1"
          ? Effect.succeed(false)
          : Effect.map(
            share.batch(below, { ...OpenMode.attributes, queryMaximalAccess: true }, []),
            ({ opened: { maximalAccess } }) => ((maximalAccess ?? 0) & AccessMask.FILE_DELETE_CHILD) !== 0
          ))).pipe(
          Effect.catchTag("SmbError", () => Effect.succeed(false)),
          // The next file asks again after a lost connection.
          Effect.onExit((exit) => Exit.isSuccess(exit) ? Effect.void : Effect.sync(() => easy.delete(key)))
        )
      return Effect.flatMap(Effect.cached(asked), (cached) => {
        if (!easy.has(key)) easy.set(key, cached)
        return cached
      })
    })

  const takeAway = ReplacementNotice.partRemoval(tell)

  /**
   * Creates a file. It is removed with the scope, unless its writer has taken it: an interruption can come when the file
   * exists, and no one has it yet.
   */
  const open = (
    path: UncPath.UncPath,
    options: Share.OpenOptions,
    isPart: boolean
  ): Effect.Effect<Made, ClientError, Scope.Scope> =>
    smb.withShare(
      path,
      (share, below) =>
        OpenResponse.awaited(
          Effect.map(share.open(below, { ...options, deleteIfAbandoned: true }), (file): Made => ({
            file: SmbFile.make(share, file),
            below,
            path,
            isPart,
            isTaken: false,
            isOpen: true,
            place: "Here"
          })),
          (made) => Effect.addFinalizer(() => made.isTaken ? Effect.void : takeAway(path, removed(made))),
          (exit) => isPart ? takeAwayLate(path, exit) : mention(path, exit)
        )
    )

  /** Tells of a part that the server may create later, or may have created: it has not responded to the CREATE. */
  const mayCome = (path: UncPath.UncPath) =>
    tell(ReplacementNotice.left(path, `no answer within ${OpenResponse.patience}`, false))

  /**
   * Removes a part whose CREATE has no response that can be trusted. While the server can still create it, it is not
   * enough that no file has the name.
   */
  const takeAwayLate = (path: UncPath.UncPath, exit: Exit.Failure<unknown, ClientError>): Effect.Effect<void> => {
    if (Exit.hasInterrupts(exit)) return mayCome(path)
    if (!PartRename.isStillDue(exit)) return takeAway(path, byName(path), false)
    return smb.exists(path).pipe(
      Effect.interruptible,
      Effect.timeoutOption(OpenResponse.patience),
      Effect.orElseSucceed(() => Option.none<boolean>()),
      Effect.flatMap((found) => Option.getOrElse(found, () => false) ? takeAway(path, byName(path)) : mayCome(path))
    )
  }

  /** A new file may be at the final name, and may already belong to another user: it is reported, and stays. */
  const mention = (target: UncPath.UncPath, exit: Exit.Failure<unknown, ClientError>) =>
    (Exit.hasInterrupts(exit) || PartRename.isStillDue(exit) ? Effect.succeed(true) : smb.exists(target)).pipe(
      Effect.interruptible,
      Effect.timeoutOption(OpenResponse.patience),
      Effect.orElseSucceed(() => Option.some(true)),
      Effect.flatMap((found) =>
        Option.getOrElse(found, () => true)
          ? tell(
            ReplacementNotice.unfinished(
              target,
              "an unfinished file may be left there. Look at it, and remove it or write it again."
            )
          )
          : Effect.void
      )
    )

  const byName = (path: UncPath.UncPath) => smb.remove(path, { force: true })

  /** The deletion is complete at the CLOSE: smbd forgets it if the connection ends before. */
  const byOpen = ({ file }: Made) =>
    Effect.andThen(
      file.run(Information.setFile("FileDispositionInformation", { deletePending: true })),
      file.close
    )

  /**
   * Removes the part by the open that made it, which also has the right where nothing can be deleted later. If the
   * connection ended with a rename, the open may be that of the target, the only copy: then only the name of the part is
   * used. The server removes the part when its last open is closed, so this waits for the CLOSE: a program that ends at
   * once would end its connection before.
   */
  const removed = (made: Made): Effect.Effect<void, ClientError> =>
    made.place === "Unknown" || !made.isOpen
      ? byName(made.path)
      : Effect.catch(byOpen(made), () => Effect.andThen(Effect.ignore(made.file.close), byName(made.path)))

  /** Removes the part of a write that has ended early, unless it has its final name, or can still get it. */
  const giveUp = (
    { place }: PartRename.Part,
    path: UncPath.UncPath,
    remove: Effect.Effect<void, ClientError>
  ): Effect.Effect<void> =>
    place === "Placed" ? Effect.void : place === "Moving" ? mayCome(path) : takeAway(path, remove)

  /** Creates the part with a name that the server allows. If it allows none, creates a new file at the final name. */
  const create = Effect.fnUntraced(function*(
    target: UncPath.UncPath,
    found: ReplacedFile.Found,
    tag: string,
    setsTime: boolean
  ): Effect.fn.Return<Made, ClientError, Scope.Scope> {
    const fileAttributes = ReplacedFile.passedOn(found)
    const options: Share.OpenOptions = {
      ...OpenMode.create,
      shareAccess: PartNames.shareAccess,
      desiredAccess: withDelete,
      queryMaximalAccess: true,
      ...(fileAttributes === undefined ? {} : { fileAttributes })
    }
    const openPart = (path: UncPath.UncPath) =>
      setsTime
        ? Effect.catchIf(
          open(path, OpenMode.withAccess(options, AccessMask.FILE_WRITE_ATTRIBUTES), true),
          (error) => error instanceof SmbError && error.reason._tag === "AccessDenied",
          // A folder can allow new files, and not their times.
          () => open(path, options, true)
        )
        : open(path, options, true)
    let refusal: SmbError | undefined
    for (const name of PartNames.parts(UncPath.name(target), tag)) {
      const path = beside(target, name)
      const made = yield* Effect.result(Effect.onExit(
        openPart(path),
        // The server may have created the part.
        (exit) => isLost(exit) ? takeAwayLate(path, exit) : Effect.void
      ))
      if (made._tag === "Success") return made.success
      if (!(made.failure instanceof SmbError) || !isUnwelcome(made.failure)) return yield* made.failure
      refusal ??= made.failure
    }
    if (found !== undefined) {
      return yield* new SmbError({
        ...refusal!,
        detail: `the copy needs this name until all content is written and it can replace ${
          UncPath.name(target)
        }: ${hint}`
      })
    }
    return yield* open(target, options, false).pipe(
      Effect.catchTag(
        "SmbError",
        (error) =>
          error.reason._tag === "AccessDenied"
            ? open(target, { ...OpenMode.create, shareAccess: PartNames.shareAccess }, false)
            : Effect.fail(error)
      ),
      Effect.catchTag("SmbError", (error) => {
        const isVetoed = error.reason._tag === "ObjectNameNotFound" || error.reason._tag === "NoSuchFile"
        return Effect.fail(isVetoed ? new SmbError({ ...error, because: vetoed }) : error)
      }),
      Effect.onExit((exit) => isLost(exit) ? mention(target, exit) : Effect.void)
    )
  })

  /** Renames the part by its name, after its CLOSE has confirmed that all of it is kept. */
  const takePlace = (
    state: PartRename.Part,
    part: UncPath.UncPath,
    target: UncPath.UncPath,
    found: ReplacedFile.Found,
    about: About
  ) =>
    PartRename.rename(state, smb.rename(part, target, { replace: about.create !== true })).pipe(
      Effect.catchTag("SmbError", (error) => Effect.fail(refusedPlace(error, part, target, found)))
    )

  const refusedPlace = (
    error: SmbError,
    part: UncPath.UncPath,
    target: UncPath.UncPath,
    found: ReplacedFile.Found
  ): SmbError => {
    const { detail: _, ...rest } = ReplacementNotice.named(error, UncPath.name(part), UncPath.name(target))
    return new SmbError(
      found === undefined ? rest : { ...rest, detail: `the existing file could not be replaced: ${hint}` }
    )
  }

  const finish = Effect.fnUntraced(function*(
    made: Made,
    target: UncPath.UncPath,
    found: ReplacedFile.Found,
    about: About
  ): Effect.fn.Return<void, ClientError> {
    const { below, file, isPart, path } = made
    if (about.flush === true) yield* file.flush
    if (!isPart) return yield* file.close
    if (isDeletable(made)) {
      made.isOpen = false
      yield* file.close
      yield* takePlace(made, path, target, found, about)
      const folder = UncPath.format(UncPath.parent(target))
      if (UncPath.name(path).endsWith(PartNames.partEnd)) easy.set(folder, Effect.succeed(true))
      return
    }
    // An error about data that cannot be kept must come before the rename.
    if (about.flush !== true) yield* file.flush
    const rename = Information.setFile("FileRenameInformation", {
      replaceIfExists: about.create !== true,
      rootDirectory: 0n,
      fileName: below.slice(0, -UncPath.name(path).length) + UncPath.name(target)
    })
    yield* PartRename.rename(made, file.run(rename)).pipe(
      Effect.catchTag("SmbError", (error) => Effect.fail(refusedPlace(error, path, target, found)))
    )
  })

  /** The content is complete without its time: this is no failure, and the user is told. */
  const withoutTime = (target: UncPath.UncPath) => (error: SmbError) =>
    tell(ReplacementNotice.timeNotKept(target, error))

  /** Gives the part its time. The server keeps a time that was set, no matter what is written by the same open. */
  const setTime = ({ file }: Made, target: UncPath.UncPath, about: About): Effect.Effect<void, ClientError> =>
    hasTime(about)
      ? file.run(
        Information.setFile("FileBasicInformation", {
          ...Information.unchanged,
          lastWriteTime: about.lastWriteTime ?? 0n,
          fileAttributes: about.fileAttributes ?? 0
        })
      ).pipe(Effect.catchTag("SmbError", withoutTime(target)))
      : Effect.void

  /** Writes and renames the part with one open. */
  const byOneOpen = <E, R>(
    target: UncPath.UncPath,
    content: Content<E, R>,
    found: ReplacedFile.Found,
    tag: string,
    about: About
  ): Effect.Effect<bigint, E | ClientError, R> =>
    Effect.scoped(
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(create(target, found, tag, hasTime(about))), (made) => {
          const { file } = made
          made.isTaken = true
          const written: Effect.Effect<bigint, E | ClientError, R> = content._tag === "Bytes"
            ? Effect.as(file.write(0, content.bytes), BigInt(content.bytes.length))
            : content.run({ writeFrom: (fill) => file.writeFrom(fill), sink: () => file.sink() })
          const whole = written.pipe(
            Effect.tap(setTime(made, target, about)),
            Effect.tap(finish(made, target, found, about))
          )
          return restore(whole).pipe(
            Effect.onExit((exit) => Exit.isSuccess(exit) ? Effect.void : giveUp(made, made.path, removed(made))),
            // The part is renamed: an error of the CLOSE is reported, and nothing is removed.
            Effect.tap(file.close),
            Effect.mapError((error): E | ClientError =>
              error instanceof SmbError
                ? ReplacementNotice.named(error, UncPath.name(made.path), UncPath.name(target))
                : error
            )
          )
        })
      )
    ) as Effect.Effect<bigint, E | ClientError, R>

  /** Writes a small file into a known folder: one round trip for the whole part, and one for the rename. */
  const quickly = (
    target: UncPath.UncPath,
    bytes: Uint8Array,
    found: ReplacedFile.Found,
    tag: string,
    about: About
  ): Effect.Effect<bigint, ClientError> => {
    const { flush, lastWriteTime } = about
    const part = beside(target, PartNames.parts(UncPath.name(target), tag)[0])
    let isMade = false
    const state: PartRename.Part = { place: "Here" }
    return OpenResponse.awaited(
      smb.writeFile(part, bytes, { create: true, flush, lastWriteTime }),
      () =>
        Effect.sync(() => {
          isMade = true
        }),
      (exit) => takeAwayLate(part, exit)
    ).pipe(
      Effect.catch((error) =>
        // All content is there.
        error instanceof SmbError && error.command === "SET_INFO" ? withoutTime(target)(error) : Effect.fail(error)
      ),
      Effect.mapError((error) => {
        if (!(error instanceof SmbError) || error.command === "CREATE") return error
        isMade = true
        return ReplacementNotice.named(error, UncPath.name(part), UncPath.name(target))
      }),
      Effect.andThen(takePlace(state, part, target, found, about)),
      Effect.as(BigInt(bytes.length)),
      Effect.onExit((exit) =>
        Exit.isFailure(exit) && isMade
          ? giveUp(state, part, byName(part))
          : isLost(exit)
          ? takeAwayLate(part, exit)
          : Effect.void
      )
    )
  }

  const replace = Effect.fnUntraced(function*<E, R>(
    target: UncPath.UncPath,
    content: Content<E, R>,
    about: About = {}
  ): Effect.fn.Return<bigint, E | ClientError, R> {
    const isSmall = content._tag === "Bytes" && about.fileAttributes === undefined
    const [found, isQuick] = yield* Effect.all([
      about.isNew === true || about.create === true ? Effect.succeed(undefined) : ReplacedFile.look(smb, target),
      isSmall ? isEasy(UncPath.parent(target)) : Effect.succeed(false)
    ], { concurrency: 2 })
    const tag = makeTag()
    if (content._tag === "Flow" || !isQuick || ReplacedFile.passedOn(found) !== undefined) {
      return yield* byOneOpen(target, content, found, tag, about)
    }
    return yield* Effect.catch(
      quickly(target, content.bytes, found, tag, about),
      (error): Effect.Effect<bigint, E | ClientError, R> =>
        // The server refuses this name, though it allowed the ones before.
        error instanceof SmbError && isUnwelcome(error)
          ? byOneOpen(target, content, found, tag, about)
          : Effect.fail(error)
    )
  })
  // One operation for the caller: a connection that breaks after the part was made says so (`sent`).
  return (target, content, about) => Changes.whole(replace(target, content, about))
}

/**
 * What SMB 1 does by name: RENAME, DELETE, CREATE_DIRECTORY and DELETE_DIRECTORY (MS-CIFS 2.2.4.1, 2.2.4.2, 2.2.4.7,
 * 2.2.4.8).
 *
 * An open renames within its directory and deletes, where the server passes the classes of MS-FSCC or knows the level.
 * All else goes by name: a rename into another directory, and everything on servers that know no better.
 *
 * These commands take patterns for names, and would do to several files what is meant for one. What has a wildcard in it
 * is no name, and is refused here.
 */
import * as Effect from "effect/Effect"
import { hasWildcards } from "../Codec/DosWildcard.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import { fold } from "../Codec/UpCase.ts"
import { fromStatus, type SmbError } from "../Protocol/Errors.ts"
import { Command, everything, SearchAttributes } from "./Message/Constants.ts"
import * as Simple from "./Message/Simple.ts"
import * as Trans2 from "./Message/Trans2.ts"
import type { OpenFile, Running } from "./OpenFile.ts"
import * as Requests from "./Requests.ts"

const { encode } = Requests

const FileRenameInformation = 10

/** What is found of files, and never of directories. */
const files = everything & ~SearchAttributes.SMB_FILE_ATTRIBUTE_DIRECTORY

/** How the same file is let go and opened again, for what wants nobody to have it open. */
export interface Reopen {
  readonly close: (fid: number) => Running<void>
  readonly open: (path: string, name: Requests.WireName) => Running<number>
}

/** The path of the directory that something is in, and the name that it has there. */
const directoryOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("\\")))
const nameOf = (path: string): string => path.slice(path.lastIndexOf("\\") + 1)

/** A name in the same directory that nobody has. */
const unique = (path: string, { session: { entropy } }: Requests.Tree): string => {
  const directory = directoryOf(path)
  const name = `~${Buffer.from(entropy.bytes(8, "temporary name")).toString("hex")}.tmp`
  return directory === "" ? name : `${directory}\\${name}`
}

/** Makes a directory by CREATE_DIRECTORY: for servers that cannot make one by opening it. */
export const makeDirectory = (tree: Requests.Tree, name: Requests.WireName, path: string): Running<void> =>
  hasWildcards(path)
    ? Effect.fail(fromStatus(NtStatus.STATUS_OBJECT_NAME_INVALID, "CREATE_DIRECTORY", tree.full(path)))
    : Effect.flatMap(
      tree.request({
        command: Command.SMB_COM_CREATE_DIRECTORY,
        body: encode(Simple.DirectoryName(tree.unicode), { fileName: name.text }),
        flags2: name.flags2,
        mutates: true
      }),
      ({ header: { status } }): Running<void> =>
        status === 0 ? Effect.void : Effect.fail(fromStatus(status, "CREATE_DIRECTORY", tree.full(path)))
    )

/**
 * The names of one open file.
 *
 * @category models
 */
export class Names {
  private readonly file: OpenFile
  private readonly reopen: Reopen

  constructor(file: OpenFile, reopen: Reopen) {
    this.file = file
    this.reopen = reopen
  }

  /**
   * Renames within the directory by the open, else by RENAME, which never replaces.
   *
   * To replace, the file goes there under a name that nobody has, and then takes the other's place by the open, whole or
   * not at all. Where the server has no such rename, the other file steps aside to a name that nobody has, and is deleted
   * when its place is taken: for a moment there is no file of the name, and if the connection breaks just then, the old
   * one is left under the other name.
   */
  rename(to: string, replace: boolean): Running<void> {
    const { path } = this.file.target
    if (hasWildcards(to) || !this.file.tree.canSay(to)) {
      return this.file.failed(NtStatus.STATUS_OBJECT_NAME_INVALID, "RENAME")
    }
    if (this.file.passes && fold(directoryOf(path)) === fold(directoryOf(to))) {
      return this.renameHere(nameOf(to), replace)
    }
    const moved = this.move(to)
    return !replace ? moved : Effect.catchTag(moved, "SmbError", (error) => {
      // A file is not in its own way.
      if (error.reason !== "ObjectNameCollision" || fold(path) === fold(to)) return Effect.fail(error)
      return Effect.uninterruptible(this.file.passes ? this.replace(path, to) : this.displace(path, to, error))
    })
  }

  /** Takes the place of a file in another directory. */
  private replace(path: string, to: string): Running<void> {
    const between = unique(to, this.file.tree)
    return Effect.andThen(
      this.move(between),
      Effect.tapError(this.renameHere(nameOf(to), true), () => this.takeBack(this.move(path), between, path))
    )
  }

  /** Gives a file its name again after a later step has failed. Where that fails too, the log says where the file is. */
  private takeBack(renamed: Running<void>, from: string, to: string): Effect.Effect<void> {
    const { tree } = this.file
    return Effect.catch(renamed, (error) =>
      Effect.logWarning(
        `${tree.full(from)} is what was ${tree.full(to)}: a rename failed in the middle, and could not be taken back ` +
          `(${error.message}). Rename it.`
      ))
  }

  /** Puts the file in the way aside, takes its place, and deletes it. Each step is taken back if the next one fails. */
  private displace(path: string, to: string, collision: SmbError): Running<void> {
    const aside = unique(to, this.file.tree)
    return Effect.andThen(
      Effect.catchTag(this.renameTo(to, aside, files), "SmbError", (error) =>
        // What is in the way is a directory, which no file replaces.
        Effect.fail(error.reason === "NoSuchFile" || error.reason === "FileIsADirectory" ? collision : error)),
      Effect.tapError(
        Effect.andThen(
          this.move(to),
          Effect.tapError(this.deleteName(aside), () => this.takeBack(this.move(path), to, path))
        ),
        () => this.takeBack(this.renameTo(aside, to, files), aside, to)
      )
    )
  }

  /**
   * Deletes at once what is open, by DELETE or DELETE_DIRECTORY: for servers that do not know how to mark an open. The
   * open is let go before, and gone for good after.
   */
  remove(): Running<void> {
    const { isDirectory, name, path } = this.file.target
    if (hasWildcards(path)) return this.file.failed(NtStatus.STATUS_OBJECT_NAME_INVALID, "DELETE")
    const removed = isDirectory
      ? this.file.simple(
        Command.SMB_COM_DELETE_DIRECTORY,
        encode(Simple.DirectoryName(this.file.tree.unicode), { fileName: name.text }),
        "DELETE_DIRECTORY",
        { flags2: name.flags2 }
      )
      : this.deleteName(path)
    return this.letGo(removed, undefined)
  }

  /**
   * Renames by name. smbd takes our own open for somebody else's, and thinks about that for a second: then the file is let
   * go before, and opened again under whatever name it has afterwards.
   */
  private move(to: string): Running<void> {
    const named = Effect.suspend(() => this.renameTo(this.file.target.path, to))
    const letGo = Effect.suspend(() => this.letGo(named, to))
    return this.file.tree.session.nativeLanMan.startsWith("Samba") ? letGo : Effect.uninterruptible(Effect.catchTag(
      Effect.andThen(named, Effect.sync(() => this.settle(to))),
      "SmbError",
      (error) => error.reason === "SharingViolation" ? letGo : Effect.fail(error)
    ))
  }

  /** The file has this path from now on. */
  private settle(path: string): void {
    const { target } = this.file
    this.file.target = { ...target, path, name: Requests.renamed(target.name, target.path, path) }
  }

  /**
   * Closes the file, does something by its name, and opens it again: by the path that it has then, or where it was if
   * that failed. Without a path it is gone then.
   */
  private letGo(done: Running<void>, to: string | undefined): Running<void> {
    const opened: Running<void> = Effect.suspend(() => {
      const { name, path } = this.file.target
      return Effect.map(this.reopen.open(path, name), (fid) => {
        this.file.target = { ...this.file.target, fid }
        this.file.gone = false
      })
    })
    return Effect.uninterruptible(Effect.andThen(
      this.reopen.close(this.file.fid),
      Effect.suspend(() => {
        // Until it is open again there is no FID that could be used.
        this.file.gone = true
        return Effect.matchEffect(done, {
          // Where it cannot be opened again, it is gone, and whatever is done with it says so.
          onFailure: (error): Running<void> => Effect.andThen(Effect.ignore(opened), Effect.fail(error)),
          onSuccess: (): Running<void> => {
            if (to === undefined) return Effect.void
            this.settle(to)
            return opened
          }
        })
      })
    ))
  }

  private renameHere(fileName: string, replaceIfExists: boolean): Running<void> {
    return this.file.setFile(
      FileRenameInformation,
      encode(Trans2.FileRenameInformation, { replaceIfExists, rootDirectory: 0, fileName })
    )
  }

  /** The name on the wire of something else on the share. */
  private wire(path: string): string {
    const { target } = this.file
    return Requests.renamed(target.name, target.path, path).text
  }

  private renameTo(from: string, to: string, searchAttributes: number = everything): Running<void> {
    return this.file.simple(
      Command.SMB_COM_RENAME,
      encode(Simple.Rename(this.file.tree.unicode), {
        searchAttributes,
        oldFileName: this.wire(from),
        newFileName: this.wire(to)
      }),
      "RENAME",
      { flags2: this.file.target.name.flags2 }
    )
  }

  private deleteName(path: string): Running<void> {
    return Effect.suspend(() =>
      this.file.simple(
        Command.SMB_COM_DELETE,
        encode(Simple.Delete(this.file.tree.unicode), { searchAttributes: files, fileName: this.wire(path) }),
        "DELETE",
        { flags2: this.file.target.name.flags2 }
      )
    )
  }
}

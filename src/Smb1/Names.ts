/**
 * What SMB 1 does by name: RENAME, NT_RENAME, DELETE, CREATE_DIRECTORY and DELETE_DIRECTORY (MS-CIFS 2.2.4.1, 2.2.4.2,
 * 2.2.4.7, 2.2.4.8, 2.2.4.66).
 *
 * An open renames within its directory and deletes, where the server passes the classes of MS-FSCC or knows the level.
 * All else goes by name: a rename into another directory, and everything on servers that know no better. smbd's rename by
 * an open takes no file that is hidden or of the system: RENAME has attributes to look for, and that class has none.
 *
 * These commands take patterns for names, and would do to several files what is meant for one. What has a wildcard in it
 * is no name, and is refused here.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { hasWildcards } from "../Codec/DosWildcard.ts"
import * as FileInformation from "../Codec/FileInformation.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import { fold } from "../Codec/UpCase.ts"
import { fromStatus, type RequestError, SmbError } from "../Protocol/Errors.ts"
import { Command, everything, SearchAttributes, SMB_NT_RENAME_SET_LINK_INFO } from "./Message/Constants.ts"
import * as Simple from "./Message/Simple.ts"
import * as Trans2 from "./Message/Trans2.ts"
import { OpenFile, refusesPassing, type Running } from "./OpenFile.ts"
import * as Requests from "./Requests.ts"

const { encode } = Requests

const FileBasicInformation = 4
const FileRenameInformation = 10
const FileLinkInformation = 11

/** What the two classes that hold a name are set by. */
const setting = "SET_FILE_INFORMATION"

/** Attributes (MS-FSCC 2.6) that keep a file from being found by who does not ask for them. */
const hiding = SearchAttributes.SMB_FILE_ATTRIBUTE_HIDDEN | SearchAttributes.SMB_FILE_ATTRIBUTE_SYSTEM
const FILE_ATTRIBUTE_NORMAL = 0x80

/** What is found of files, and never of directories. */
const files = everything & ~SearchAttributes.SMB_FILE_ATTRIBUTE_DIRECTORY

/** How the same file is let go and opened again, for what wants nobody to have it open. */
export interface Reopen {
  readonly close: (fid: number) => Running<void>
  readonly open: (path: string, name: Requests.WireName) => Running<number>
  /** Opens the file once more to change its attributes. */
  readonly openAttributes: (path: string, name: Requests.WireName) => Running<{
    readonly fid: number
    readonly fileAttributes: number
  }>
  /** Closes what `openAttributes` has opened. */
  readonly closeAttributes: (fid: number) => Running<void>
}

/** The path of the directory that something is in, and the name that it has there. */
const directoryOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("\\")))
const nameOf = (path: string): string => path.slice(path.lastIndexOf("\\") + 1)

/**
 * Names in the same directory that nobody has, most welcome first. Without an extension, as administrators refuse `*.tmp` and
 * its like; the second for those who refuse `~*`.
 */
const unique = (path: string, { session: { entropy } }: Requests.Tree): readonly [string, string] => {
  const directory = directoryOf(path)
  const digits = Buffer.from(entropy.bytes(8, "temporary name")).toString("hex")
  const at = (name: string) => directory === "" ? name : `${directory}\\${name}`
  return [at(`~${digits}`), at(digits)]
}

/** What a server says to a name that it does not take. smbd says of one that is vetoed that there is no such file. */
const refusesName = ({ reason }: SmbError): boolean =>
  reason === "ObjectNameNotFound" || reason === "NoSuchFile" || reason === "ObjectNameInvalid" ||
  reason === "AccessDenied"

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
    const passes = this.file.passes(setting, FileRenameInformation)
    if (!passes || fold(directoryOf(path)) !== fold(directoryOf(to))) return this.byName(path, to, replace, passes)
    return Effect.catchTag(this.renameHere(nameOf(to), replace), "SmbError", (error): Running<void> => {
      if (error.reason === "NoSuchFile") return this.byName(path, to, replace, true)
      return refusesPassing(error) ? this.unpassed(this.byName(path, to, replace, false)) : Effect.fail(error)
    })
  }

  /** The rename by other means, when the server has refused the one by the open. When it works, it is gone at once. */
  private unpassed(renamed: Running<void>): Running<void> {
    return Effect.tap(renamed, Effect.sync(() => this.file.passNoMore(setting, FileRenameInformation)))
  }

  private byName(path: string, to: string, replace: boolean, passes: boolean): Running<void> {
    const moved = this.move(to)
    return !replace ? moved : Effect.catchTag(moved, "SmbError", (error) => {
      // A file is not in its own way.
      if (error.reason !== "ObjectNameCollision" || fold(path) === fold(to)) return Effect.fail(error)
      return Effect.uninterruptible(passes ? this.replace(path, to, error) : this.displace(path, to, error))
    })
  }

  /** Takes the place of a file by way of a name beside it, from which the open renames. */
  private replace(path: string, to: string, collision: SmbError): Running<void> {
    const { name: between, named: moved } = this.underOther(path, to, (name) => this.move(name))
    const here = Effect.suspend(() => this.renameHere(nameOf(to), true))
    const { tree } = this.file
    const replaced = Effect.andThen(
      moved,
      Effect.tapError(
        Effect.catchTag(
          here,
          "SmbError",
          (error) => error.reason === "NoSuchFile" ? this.shown(here, to, error) : Effect.fail(error)
        ),
        (error) => error._tag === "SmbError" ? this.takeBack(this.move(path), between(), path) : Effect.void
      )
    )
    return this.tellingWhere(
      replaced,
      path,
      to,
      () =>
        `The file is there, or is called ${tree.full(between())} or ${tree.full(to)} now: look for it, and rename it.`
    ).pipe(Effect.catchTag("SmbError", (error): Running<void> => {
      if (error.command !== setting) return Effect.fail(error)
      // Also by its name a server may take it for hidden, whatever its attributes are.
      if (error.reason === "NoSuchFile") return this.displace(path, to, collision)
      return refusesPassing(error) ? this.unpassed(this.displace(path, to, collision)) : Effect.fail(error)
    }))
  }

  /**
   * Renames without the attributes that keep the file from being found, and sets them again, however that ends. Where it
   * has none, or they cannot be changed, it stays with the refusal.
   */
  private shown(renamed: Running<void>, to: string, refusal: SmbError): Running<void> {
    const { target: { path }, tree } = this.file
    const orRefusal = <A>(effect: Running<A>): Running<A> =>
      Effect.catchTag(effect, "SmbError", () => Effect.fail(refusal))
    return Effect.acquireUseRelease(
      orRefusal(Effect.suspend(() => this.reopen.openAttributes(this.file.target.path, this.file.target.name))),
      ({ fid, fileAttributes }): Running<void> => {
        if ((fileAttributes & hiding) === 0) return Effect.fail(refusal)
        const open = new OpenFile(tree, { ...this.file.target, fid })
        const set = (attributes: number) =>
          open.setFile(
            FileBasicInformation,
            encode(FileInformation.FileBasicInformation, {
              creationTime: 0n,
              lastAccessTime: 0n,
              lastWriteTime: 0n,
              changeTime: 0n,
              fileAttributes: attributes
            })
          )
        const lost = (error: RequestError, names: string) =>
          Effect.logWarning(
            `${names} has lost its attributes "hidden" and "system" in a rename, and could not get them again ` +
              `(${error.message}). Set them.`
          )
        const either = `${tree.full(path)}, or what was that and is ${tree.full(to)} now,`
        const setAgain = (exit: Exit.Exit<void, RequestError>) =>
          Effect.catch(set(fileAttributes), (error) => lost(error, Exit.isSuccess(exit) ? tree.full(to) : either))
        return Effect.andThen(
          Effect.tapError(
            orRefusal(set(fileAttributes & ~hiding || FILE_ATTRIBUTE_NORMAL)),
            (error) => error._tag === "SmbError" ? Effect.void : lost(error, tree.full(path))
          ),
          Effect.onExit(renamed, setAgain)
        )
      },
      ({ fid }) => Effect.ignore(this.reopen.closeAttributes(fid))
    )
  }

  /** Gives the open file one more name, by the open or by NT_RENAME, which never replaces. */
  link(to: string, replace: boolean): Running<void> {
    const { flags2 } = this.file.target.name
    if (hasWildcards(to) || !this.file.tree.canSay(to)) {
      return this.file.failed(NtStatus.STATUS_OBJECT_NAME_INVALID, "NT_RENAME")
    }
    return this.file.passed(
      setting,
      FileLinkInformation,
      () => this.file.setName(FileLinkInformation, this.named(to, replace)),
      replace ? this.file.failed(NtStatus.STATUS_NOT_SUPPORTED, "NT_RENAME") : this.file.simple(
        Command.SMB_COM_NT_RENAME,
        encode(Simple.NtRename(this.file.tree.unicode), {
          searchAttributes: files,
          informationLevel: SMB_NT_RENAME_SET_LINK_INFO,
          oldFileName: this.wire(this.file.target.path),
          newFileName: this.wire(to)
        }),
        "NT_RENAME",
        { flags2 }
      )
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

  /** Gives something a name that nobody has, on the way of `path` to `to`. `name` is the one that was tried last. */
  private underOther(
    path: string,
    to: string,
    give: (name: string) => Running<void>
  ): { readonly name: () => string; readonly named: Running<void> } {
    const { tree } = this.file
    const [first, second] = unique(to, tree)
    let name = first
    const because =
      `The server takes neither ${nameOf(first)} nor ${nameOf(second)} for a name, one of which is needed for a ` +
      "moment to replace a file by SMB 1. Its administrator may have vetoed them: speak SMB 2 or 3 with it, or remove the " +
      "file that is to be replaced."
    const again = Effect.suspend(() => {
      name = second
      return Effect.catchTag(
        give(second),
        "SmbError",
        (error) =>
          Effect.fail(
            // Of the name, and not of the right to change anything there.
            refusesName(error) && error.reason !== "AccessDenied"
              ? new SmbError({ ...error, path: tree.full(path), because })
              : error
          )
      )
    })
    return {
      name: () => name,
      named: Effect.catchTag(give(first), "SmbError", (error) => refusesName(error) ? again : Effect.fail(error))
    }
  }

  /**
   * A rename in several steps. One whose answer does not come can be neither gone on with nor taken back, since the
   * connection has ended: then the log says where the files may be, and what is to be done.
   */
  private tellingWhere(renamed: Running<void>, path: string, to: string, where: () => string): Running<void> {
    const { tree } = this.file
    return Effect.tapError(renamed, (error) =>
      error._tag === "SmbError" ? Effect.void : Effect.logWarning(
        `The rename of ${tree.full(path)} to ${tree.full(to)} was cut off in the middle (${error.message}). ${where()}`
      ))
  }

  /** Puts the file in the way aside, takes its place, and deletes it. Each step is taken back if the next one fails. */
  private displace(path: string, to: string, collision: SmbError): Running<void> {
    const { name: aside, named: stepped } = this.underOther(path, to, (name) => this.renameTo(to, name, files))
    const { tree } = this.file
    let where = () => `What was ${tree.full(to)} may be called ${tree.full(aside())} now: rename it back.`
    const step = <A, E>(effect: Effect.Effect<A, E>, next: () => string) =>
      Effect.tap(effect, Effect.sync(() => void (where = next)))
    /** What can be taken back: after anything but a refusal there is no connection to do it. */
    const orBack = <A>(effect: Running<A>, back: () => Effect.Effect<void>): Running<A> =>
      Effect.tapError(effect, (error) => error._tag === "SmbError" ? back() : Effect.void)
    const displaced = Effect.andThen(
      step(
        Effect.catchTag(stepped, "SmbError", (error) =>
          // What is in the way is a directory, which no file replaces.
          Effect.fail(error.reason === "NoSuchFile" || error.reason === "FileIsADirectory" ? collision : error)),
        () =>
          `What was ${tree.full(to)} is called ${
            tree.full(aside())
          } now: rename it back, or remove it where its place is taken.`
      ),
      orBack(
        Effect.andThen(
          step(
            this.move(to),
            () => `What was ${tree.full(to)} before may still be there, as ${tree.full(aside())}: remove it.`
          ),
          orBack(Effect.suspend(() => this.deleteName(aside())), () => this.takeBack(this.move(path), to, path))
        ),
        () => this.takeBack(this.renameTo(aside(), to, files), aside(), to)
      )
    )
    return this.tellingWhere(displaced, path, to, () => where())
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
      Effect.suspend((): Running<void> => this.file.gone ? Effect.void : this.reopen.close(this.file.fid)),
      Effect.suspend(() => {
        // Until it is open again there is no FID that could be used.
        this.file.gone = true
        return Effect.matchEffect(done, {
          // Where it cannot be opened again, it is gone, and whatever is done with it says so.
          onFailure: (error): Running<void> => Effect.andThen(Effect.ignore(opened), Effect.fail(error)),
          onSuccess: (): Running<void> => {
            if (to === undefined) return Effect.void
            this.settle(to)
            // What was to be done has been done, also where nobody may open the file any more.
            return Effect.catchTag(opened, "SmbError", () => Effect.void)
          }
        })
      })
    ))
  }

  private renameHere(fileName: string, replace: boolean): Running<void> {
    return this.file.gone
      ? this.file.failed(NtStatus.STATUS_FILE_CLOSED, setting)
      : this.file.setName(FileRenameInformation, this.named(fileName, replace))
  }

  private named(fileName: string, replaceIfExists: boolean): Uint8Array {
    return encode(Trans2.FileRenameInformation, { replaceIfExists, rootDirectory: 0, fileName })
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

/**
 * Renames, links and deletes an open file, also by the commands that take a name: RENAME, NT_RENAME, DELETE and
 * DELETE_DIRECTORY (MS-CIFS 2.2.4.2, 2.2.4.7, 2.2.4.8, 2.2.4.66).
 *
 * A rename within a directory and a deletion use the open, if the server passes the classes of MS-FSCC through or knows
 * the level. Everything else goes by name: a rename into another directory, and all changes on servers that have
 * neither. smbd's rename by an open does not find hidden or system files: RENAME has attributes for the search, and the
 * class has none.
 *
 * These commands take patterns as names, and would then change several files instead of one. This module refuses a name
 * with a wildcard.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { hasWildcards } from "../Codec/DosWildcard.ts"
import * as FileInformation from "../Codec/FileInformation.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import { fold } from "../Codec/UpCase.ts"
import { type RequestError, SmbError } from "../Protocol/Errors.ts"
import { Command, everything, SearchAttributes, SMB_NT_RENAME_SET_LINK_INFO } from "./Message/Constants.ts"
import * as Simple from "./Message/Simple.ts"
import * as Trans2 from "./Message/Trans2.ts"
import { OpenFile, refusesPassing, type Running } from "./OpenFile.ts"
import * as TreeRequests from "./TreeRequests.ts"

const { encode } = TreeRequests

const FileBasicInformation = 4
const FileRenameInformation = 10
const FileLinkInformation = 11

/** The command that sets the two classes that hold a name. */
const setting = "SET_FILE_INFORMATION"

/** Attributes (MS-FSCC 2.6) of files that a search finds only if it asks for them. */
const hiding = SearchAttributes.SMB_FILE_ATTRIBUTE_HIDDEN | SearchAttributes.SMB_FILE_ATTRIBUTE_SYSTEM
const FILE_ATTRIBUTE_NORMAL = 0x80

/** Search attributes that find all files, and never directories. */
const files = everything & ~SearchAttributes.SMB_FILE_ATTRIBUTE_DIRECTORY

/**
 * Closes the file and opens it again, for commands that work only if no client has it open.
 *
 * @since 0.1.0
 */
export interface Reopen {
  readonly close: (fid: number) => Running<void>
  readonly open: (path: string, name: TreeRequests.WireName) => Running<number>
  /** Opens the file a second time to change its attributes. */
  readonly openAttributes: (path: string, name: TreeRequests.WireName) => Running<{
    readonly fid: number
    readonly fileAttributes: number
  }>
  /** Closes what `openAttributes` opened. */
  readonly closeAttributes: (fid: number) => Running<void>
}

/** The path of the directory that holds a path's last name. */
const directoryOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("\\")))
const nameOf = (path: string): string => path.slice(path.lastIndexOf("\\") + 1)

/**
 * Two unused names in the same directory, the preferred one first. Without an extension, because administrators refuse `*.tmp`
 * and similar names. The second is for administrators who refuse `~*`.
 */
const unique = (path: string, { session: { entropy } }: TreeRequests.Tree): readonly [string, string] => {
  const directory = directoryOf(path)
  const digits = Buffer.from(entropy.bytes(8, "temporary name")).toString("hex")
  const at = (name: string) => directory === "" ? name : `${directory}\\${name}`
  return [at(`~${digits}`), at(digits)]
}

/** Whether a server refuses the name itself. To a vetoed name smbd answers that there is no such file. */
const refusesName = ({ reason: { _tag } }: SmbError): boolean =>
  _tag === "ObjectNameNotFound" || _tag === "NoSuchFile" || _tag === "ObjectNameInvalid" || _tag === "AccessDenied"

/**
 * Renames, links and deletes one open file.
 *
 * @category models
 * @since 0.1.0
 */
export class RenameAndDelete {
  private readonly file: OpenFile
  private readonly reopen: Reopen

  constructor(file: OpenFile, reopen: Reopen) {
    this.file = file
    this.reopen = reopen
  }

  /**
   * Renames within the directory by the open, otherwise by RENAME, which never replaces.
   *
   * To replace, the file first gets an unused name in the new directory. The open then renames it over the other
   * file, in one step or not at all. If the server has no such rename, the other file is first renamed to an unused
   * name, and is deleted when the new file has its name. For a moment no file has the name, and if the connection
   * breaks just then, the old file keeps the unused name.
   */
  rename(to: string, replace: boolean): Running<void> {
    const { path } = this.file.target
    if (hasWildcards(to) || !this.file.tree.canSay(to)) {
      return this.file.failed(NtStatus.STATUS_OBJECT_NAME_INVALID, "RENAME")
    }
    const passes = this.file.passes(setting, FileRenameInformation)
    if (!passes || fold(directoryOf(path)) !== fold(directoryOf(to))) return this.byName(path, to, replace, passes)
    return Effect.catchTag(this.renameHere(nameOf(to), replace), "SmbError", (error): Running<void> => {
      if (error.reason._tag === "NoSuchFile") return this.byName(path, to, replace, true)
      return refusesPassing(error) ? this.unpassed(this.byName(path, to, replace, false)) : Effect.fail(error)
    })
  }

  /**
   * The rename by other means, after the server refused the one by the open. If it works, it is used at once from then
   * on.
   */
  private unpassed(renamed: Running<void>): Running<void> {
    return Effect.tap(renamed, Effect.sync(() => this.file.passNoMore(setting, FileRenameInformation)))
  }

  private byName(path: string, to: string, replace: boolean, passes: boolean): Running<void> {
    const moved = this.move(to)
    return !replace ? moved : Effect.catchTag(moved, "SmbError", (error) => {
      // A file does not collide with itself.
      if (error.reason._tag !== "ObjectNameCollision" || fold(path) === fold(to)) return Effect.fail(error)
      return Effect.uninterruptible(passes ? this.replace(path, to, error) : this.displace(path, to, error))
    })
  }

  /** Replaces a file: renames to an unused name next to it, and from there by the open. */
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
          (error) => error.reason._tag === "NoSuchFile" ? this.shown(here, to, error) : Effect.fail(error)
        ),
        (error) => error._tag === "SmbError" ? this.undo(this.move(path), between(), path) : Effect.void
      )
    )
    return this.tellingWhere(
      replaced,
      path,
      to,
      () =>
        `The file still has its name, or is now called ${tree.full(between())} or ${
          tree.full(to)
        }: look for it, and rename it.`
    ).pipe(Effect.catchTag("SmbError", (error): Running<void> => {
      if (error.command !== setting) return Effect.fail(error)
      // A server may also hide a file by its name, with any attributes.
      if (error.reason._tag === "NoSuchFile") return this.displace(path, to, collision)
      return refusesPassing(error) ? this.unpassed(this.displace(path, to, collision)) : Effect.fail(error)
    }))
  }

  /**
   * Renames without the attributes that hide the file, and sets them again afterwards, also after a failure. If the
   * file has no such attributes, or they cannot be changed, fails with the first refusal.
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

  /** Gives a file its old name after a later step has failed. If that fails too, the log says where the file is. */
  private undo(renamed: Running<void>, from: string, to: string): Effect.Effect<void> {
    const { tree } = this.file
    return Effect.catch(renamed, (error) =>
      Effect.logWarning(
        `${tree.full(from)} is what was ${tree.full(to)}: a rename failed in the middle, and could not be undone ` +
          `(${error.message}). Rename it.`
      ))
  }

  /** Gives a file an unused name, on the way from `path` to `to`. `name` is the name that was tried last. */
  private underOther(
    path: string,
    to: string,
    give: (name: string) => Running<void>
  ): { readonly name: () => string; readonly named: Running<void> } {
    const { tree } = this.file
    const [first, second] = unique(to, tree)
    let name = first
    const because =
      `The server refuses the names ${nameOf(first)} and ${nameOf(second)}. To replace a file by SMB 1, the client ` +
      "needs one of them for a moment. The administrator may have vetoed them: use SMB 2 or 3, or remove the file that " +
      "you want to replace."
    const again = Effect.suspend(() => {
      name = second
      return Effect.catchTag(
        give(second),
        "SmbError",
        (error) =>
          Effect.fail(
            // Of the name, and not of the right to change anything there.
            refusesName(error) && error.reason._tag !== "AccessDenied"
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
   * A rename in several steps. After a missing response the client can neither continue nor undo it, because the connection
   * has ended. Then the log says where the files may be, and what the user can do.
   */
  private tellingWhere(renamed: Running<void>, path: string, to: string, where: () => string): Running<void> {
    const { tree } = this.file
    return Effect.tapError(renamed, (error) =>
      error._tag === "SmbError" ? Effect.void : Effect.logWarning(
        `The rename of ${tree.full(path)} to ${tree.full(to)} was cut off in the middle (${error.message}). ${where()}`
      ))
  }

  /**
   * Renames the existing file to an unused name, takes its place, and deletes it. If a step fails, the previous ones
   * are undone.
   */
  private displace(path: string, to: string, collision: SmbError): Running<void> {
    const { name: aside, named: stepped } = this.underOther(path, to, (name) => this.renameTo(to, name, files))
    const { tree } = this.file
    let where = () => `What was ${tree.full(to)} may be called ${tree.full(aside())} now: rename it back.`
    const step = <A, E>(effect: Effect.Effect<A, E>, next: () => string) =>
      Effect.tap(effect, Effect.sync(() => void (where = next)))
    /** Undoes a step after a refusal. After any other failure there is no connection for it. */
    const orBack = <A>(effect: Running<A>, back: () => Effect.Effect<void>): Running<A> =>
      Effect.tapError(effect, (error) => error._tag === "SmbError" ? back() : Effect.void)
    const displaced = Effect.andThen(
      step(
        Effect.catchTag(stepped, "SmbError", (error) =>
          // The existing name is a directory, which a file cannot replace.
          Effect.fail(
            error.reason._tag === "NoSuchFile" || error.reason._tag === "FileIsADirectory" ? collision : error
          )),
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
          orBack(Effect.suspend(() => this.deleteName(aside())), () => this.undo(this.move(path), to, path))
        ),
        () => this.undo(this.renameTo(aside(), to, files), aside(), to)
      )
    )
    return this.tellingWhere(displaced, path, to, () => where())
  }

  /**
   * Deletes the open file at once, by DELETE or DELETE_DIRECTORY: for servers that cannot mark an open for deletion.
   * The open is closed before, and is not opened again.
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
   * Renames by name. smbd treats the client's own open as a conflict, and waits for a second before it says so. The
   * file is therefore closed before, and opened again afterwards under its current name.
   */
  private move(to: string): Running<void> {
    const named = Effect.suspend(() => this.renameTo(this.file.target.path, to))
    const letGo = Effect.suspend(() => this.letGo(named, to))
    return this.file.tree.session.nativeLanMan.startsWith("Samba") ? letGo : Effect.uninterruptible(Effect.catchTag(
      Effect.andThen(named, Effect.sync(() => this.settle(to))),
      "SmbError",
      (error) => error.reason._tag === "SharingViolation" ? letGo : Effect.fail(error)
    ))
  }

  /** The file has this path from now on. */
  private settle(path: string): void {
    const { target } = this.file
    this.file.target = { ...target, path, name: TreeRequests.renamed(target.name, target.path, path) }
  }

  /**
   * Closes the file, runs `done`, and opens the file again: at the path `to`, or at the old path if `done` failed.
   * Without `to` it stays closed after a success.
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
        // Until the file is open again, it has no valid FID.
        this.file.gone = true
        return Effect.matchEffect(done, {
          // If it cannot be opened again, it is gone, and every later operation fails with that.
          onFailure: (error): Running<void> => Effect.andThen(Effect.ignore(opened), Effect.fail(error)),
          onSuccess: (): Running<void> => {
            if (to === undefined) return Effect.void
            this.settle(to)
            // The work is done, even if the file cannot be opened any more.
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

  /** The name on the wire of another path on the share. */
  private wire(path: string): string {
    const { target } = this.file
    return TreeRequests.renamed(target.name, target.path, path).text
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

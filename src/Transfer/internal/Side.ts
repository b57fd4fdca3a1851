/** One side of a comparison, as both are seen alike: a folder of this machine, or a directory of a server. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import { join } from "node:path"
import { SmbClient } from "../../Client/SmbClient.ts"
import * as UncPath from "../../Client/UncPath.ts"
import { isNameSurrogate } from "../../Codec/Reparse.ts"
import { isMissing } from "../../Protocol/Errors.ts"
import { LocalError, notFound } from "../LocalError.ts"
import type { EntryError } from "../TransferEvent.ts"
import type { Facts } from "./Choice.ts"
import * as DryRun from "./DryRun.ts"
import * as Same from "./Same.ts"

/** What each side needs. */
export type Services = SmbClient | FileSystem.FileSystem

/** An entry of a folder. */
export interface Item {
  readonly name: string
  readonly type: "file" | "directory" | "other"
  readonly facts: Facts
  /** The directory is a DFS link or a junction: what is below it is at another place. */
  readonly leadsAway?: boolean
}

export interface Side {
  /** The path of an entry, as messages name it. */
  readonly path: (names: ReadonlyArray<string>) => string
  /** The entries of a folder; `undefined` if there is no such folder. */
  readonly list: (
    names: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Item> | undefined, EntryError, Services>
  /**
   * Fails if the folder is a link that only the server knows of: what is below it is at another place, and is not
   * removed.
   */
  readonly refuseLink: (names: ReadonlyArray<string>) => Effect.Effect<void, EntryError, Services>
  /** Fails as `remove` would, as far as that is known without a change. */
  readonly refuseRemoval: (names: ReadonlyArray<string>) => Effect.Effect<void, EntryError, Services>
  /** Removes a file, or a folder with everything below. A link is removed itself. */
  readonly remove: (names: ReadonlyArray<string>) => Effect.Effect<void, EntryError, Services>
  /** The SHA-256 of a file. */
  readonly hash: (names: ReadonlyArray<string>) => Effect.Effect<string, EntryError, Services>
}

export const local = (base: string): Side => {
  const path = (names: ReadonlyArray<string>) => join(base, ...names)
  return {
    path,
    list: Effect.fnUntraced(function*(names) {
      const fs = yield* FileSystem.FileSystem
      const found = yield* fs.readDirectoryEntries(path(names)).pipe(
        Effect.catchIf((error) => error.reason._tag === "NotFound", () => Effect.succeed(undefined))
      )
      if (found === undefined) return undefined
      const items: Array<Item> = []
      for (const { name, type } of found) {
        if (type === "Directory") {
          items.push({ name, type: "directory", facts: { size: 0n, lastWriteTime: undefined } })
        } else if (type === "File") {
          const info = yield* fs.stat(path([...names, name])).pipe(
            Effect.catchIf(
              (error) => error.reason._tag === "NotFound",
              () =>
                name.includes("\ufffd")
                  // The file exists, and cannot be opened by this name.
                  ? Effect.fail(new LocalError({ path: path([...names, name]), detail: notFound(name) }))
                  // It was removed since.
                  : Effect.succeed(undefined)
            )
          )
          if (info !== undefined) items.push({ name, type: "file", facts: Same.localFacts(info) })
        } else items.push({ name, type: "other", facts: { size: 0n, lastWriteTime: undefined } })
      }
      return items
    }),
    // A listing tells what is a link.
    refuseLink: () => Effect.void,
    refuseRemoval: (names) => DryRun.writableHere(path(names.slice(0, -1))),
    remove: (names) => Effect.flatMap(FileSystem.FileSystem, (fs) => fs.remove(path(names), { recursive: true })),
    hash: (names) => Same.localHash(path(names))
  }
}

export const remote = (base: UncPath.UncPath): Side => {
  const at = (names: ReadonlyArray<string>) => UncPath.join(base, names.join("\\"))
  return {
    path: (names) => UncPath.format(at(names)),
    list: (names) =>
      Effect.flatMap(SmbClient, (smb) =>
        smb.list(at(names)).pipe(
          Stream.map((entry): Item => ({
            name: entry.name,
            type: entry.type === "symlink" ? "other" : entry.type,
            facts: Same.remoteFacts(entry),
            leadsAway: isNameSurrogate(entry.reparseTag)
          })),
          Stream.runCollect,
          Effect.catchTag("SmbError", (error) => isMissing(error) ? Effect.succeed(undefined) : Effect.fail(error))
        )),
    refuseLink: (names) =>
      Effect.flatMap(SmbClient, (smb) => Effect.asVoid(smb.removable(at(names), { recursive: true }))),
    refuseRemoval: (names) =>
      Effect.flatMap(SmbClient, (smb) => Effect.asVoid(smb.removable(at(names), { recursive: true, access: true }))),
    remove: (names) =>
      Effect.flatMap(SmbClient, (smb) =>
        smb.remove(at(names), { recursive: true }).pipe(
          // Another attempt finds nothing if the first one has removed it.
          Effect.catchIf((error) => error._tag === "SmbError" && isMissing(error), () => Effect.void)
        )),
    hash: (names) => Same.remoteHash(at(names))
  }
}

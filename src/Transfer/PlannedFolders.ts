/**
 * The folders that dry runs would have made. Some callers do several transfers one after the other, and a later one copies
 * into a folder that an earlier one makes: their dry runs share what is planned.
 */
import { dirname, resolve } from "node:path"
import * as UncPath from "../Client/UncPath.ts"
import { fold } from "../Codec/UpCase.ts"

/**
 * Folders of servers and of this machine.
 *
 * @category models
 * @since 0.2.0
 */
export interface PlannedFolders {
  /** Adds a folder, and those above it: a folder is made with all that are missing on the way to it. */
  readonly add: (folder: UncPath.UncPath | string) => void
  readonly has: (folder: UncPath.UncPath | string) => boolean
}

type Folder = UncPath.UncPath | string

const keyOf = (folder: Folder): string => typeof folder === "string" ? resolve(folder) : fold(UncPath.format(folder))

/** The folder above; the uppermost is its own. */
const above = (folder: Folder): Folder =>
  typeof folder === "string"
    ? dirname(resolve(folder))
    : folder.path === ""
    ? folder
    : UncPath.parent(folder)

/**
 * No folders yet.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (): PlannedFolders => {
  const planned = new Set<string>()
  return {
    add: (folder) => {
      for (let one: Folder = folder; !planned.has(keyOf(one)); one = above(one)) planned.add(keyOf(one))
    },
    has: (folder) => planned.has(keyOf(folder))
  }
}

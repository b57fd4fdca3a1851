/**
 * Where the command keeps its own files: the folders that each platform has for configuration, state and caches.
 *
 * Linux and all other systems except macOS and Windows follow the XDG Base Directory Specification. macOS has folders
 * in ~/Library, and Windows has the roaming and the local folder of the user's profile. On macOS earlier versions looked
 * for the configuration where XDG has it: a file there still counts if the platform's own folder does not have it.
 */
import { existsSync } from "node:fs"
import { posix, win32 } from "node:path"
import * as HomeFolder from "./HomeFolder.ts"

/** What the paths depend on. */
export interface Machine {
  readonly platform: NodeJS.Platform
  readonly env: NodeJS.ProcessEnv
  /** The user's home folder; `undefined` if the user has none. */
  readonly home: string | undefined
  /** Whether a file exists. */
  readonly exists: (path: string) => boolean
}

/** This machine, and the user who runs the command. */
export const thisMachine = (): Machine => ({
  platform: process.platform,
  env: process.env,
  home: HomeFolder.known(),
  exists: existsSync
})

/** The name of the command's folder in each of the platform's folders. */
const own = "effect-smb"

const rules = ({ platform }: Machine) => platform === "win32" ? win32 : posix

/** The folder that a variable names. The XDG specification says to ignore a relative path. */
const named = (machine: Machine, variable: string): string | undefined => {
  const value = machine.env[variable]
  return value !== undefined && rules(machine).isAbsolute(value) ? value : undefined
}

/** A folder below the user's home; if the user has no home, a path below which nothing exists. */
const below = (machine: Machine, ...names: ReadonlyArray<string>): string =>
  rules(machine).join(machine.home ?? HomeFolder.none, ...names)

const xdgConfiguration = (machine: Machine) => named(machine, "XDG_CONFIG_HOME") ?? below(machine, ".config")
const roaming = (machine: Machine) => named(machine, "APPDATA") ?? below(machine, "AppData", "Roaming")
const local = (machine: Machine) => named(machine, "LOCALAPPDATA") ?? below(machine, "AppData", "Local")
const support = (machine: Machine) => below(machine, "Library", "Application Support")

/** The folders of a kind of file: the platform's own one first, then those of earlier versions. */
type Folders = (machine: Machine) => readonly [string, ...Array<string>]

const configurationFolders: Folders = (machine) => {
  switch (machine.platform) {
    case "win32":
      return [roaming(machine)]
    case "darwin":
      return [support(machine), xdgConfiguration(machine)]
    default:
      return [xdgConfiguration(machine)]
  }
}

const stateFolders: Folders = (machine) => {
  switch (machine.platform) {
    case "win32":
      return [local(machine)]
    case "darwin":
      return [support(machine)]
    default:
      return [named(machine, "XDG_STATE_HOME") ?? below(machine, ".local", "state")]
  }
}

/** The first of the paths that exists, or the platform's own one. */
const find = (folders: Folders, name: string, machine: Machine): string => {
  const paths = folders(machine).map((folder) => rules(machine).join(folder, own, name))
  return paths.find(machine.exists) ?? paths[0]!
}

/** The default path of the configuration file, which need not exist. */
export const configurationFile = (machine = thisMachine()): string => find(configurationFolders, "config.json", machine)

/** The default path of the file of users, which need not exist. */
export const usersFile = (machine = thisMachine()): string => find(configurationFolders, "users", machine)

/** The default path of the file of known servers, which need not exist. */
export const serversFile = (machine = thisMachine()): string => find(configurationFolders, "servers.json", machine)

/** The path of the file that stores the users' identifiers. */
export const identityFile = (machine = thisMachine()): string => find(stateFolders, "identity.json", machine)

/** The path of the file that stores the opens of continuously available shares. */
export const opensFile = (machine = thisMachine()): string => find(stateFolders, "opens.sqlite", machine)

/** The path of the lines that were typed in the shell. */
export const historyFile = (machine = thisMachine()): string => find(stateFolders, "shell-history", machine)

/** The folder of compiled code, which Node makes; `undefined` if the user has no folder for that. */
export const compileCache = (machine = thisMachine()): string | undefined => {
  const { join } = rules(machine)
  const { env, home, platform } = machine
  if (env.NODE_COMPILE_CACHE !== undefined) return env.NODE_COMPILE_CACHE
  if (platform === "win32") {
    return home === undefined && named(machine, "LOCALAPPDATA") === undefined
      ? undefined
      : join(local(machine), own, "Cache")
  }
  const caches = platform === "darwin" ? undefined : named(machine, "XDG_CACHE_HOME")
  if (caches === undefined && home === undefined) return undefined
  return join(caches ?? below(machine, ...(platform === "darwin" ? ["Library", "Caches"] : [".cache"])), own)
}

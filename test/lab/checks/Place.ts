/**
 * The place of a run of checks, and what each check needs: the paths for a client, and the paths of the same files on the
 * server's disk.
 */
import { Effect } from "effect"
import type { OpenMode, SmbClient, SmbError } from "effect-smb"
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type Server, user } from "../Server.ts"

/** A place on a share, directly or through a namespace. */
export interface Place {
  readonly smb: SmbClient.Client
  /** Another client, with its own connections. */
  readonly other: SmbClient.Client
  /** `\\server\share`, or `\\server\root\link`. */
  readonly base: string
  /** The server and share that hold the files. */
  readonly server: Server
  readonly share: string
  /** A folder below the share that no other run uses. */
  readonly folder: string
  /** Arguments that smbclient and smbcacls need for this server. */
  readonly clientArgs?: ReadonlyArray<string>
}

/** A check's own folder. */
export interface Spot extends Place {
  /** A path for the client. */
  readonly at: (...names: ReadonlyArray<string>) => string
  /** The same on the server's disk. */
  readonly disk: (...names: ReadonlyArray<string>) => string
  /** The same for smbclient, relative to the share of the server itself. */
  readonly inShare: (...names: ReadonlyArray<string>) => string
  /** Writes a file on the server's disk. The lab's user owns it. */
  readonly put: (name: string, content: string | Uint8Array) => void
  /** The same for a folder. */
  readonly folderAt: (...names: ReadonlyArray<string>) => void
  /** The content of a file on the server's disk. */
  readonly get: (...names: ReadonlyArray<string>) => Buffer
}

/** A named check. */
export interface Check {
  readonly name: string
  readonly run: (spot: Spot) => Effect.Effect<unknown, unknown, any>
}

let owner: number | undefined
const own = (path: string) => {
  owner ??= Number(execFileSync("id", ["-u", user.name], { encoding: "utf8" }))
  chownSync(path, owner, -1)
}

export const spot = (place: Place, name: string): Spot => {
  const disk: Spot["disk"] = (...names) => join(place.server.path(place.share, place.folder, name), ...names)
  const folderAt: Spot["folderAt"] = (...names) => {
    mkdirSync(disk(...names), { recursive: true })
    own(disk(...names))
  }
  return {
    ...place,
    at: (...names) => [place.base, place.folder, name, ...names].join("\\"),
    disk,
    inShare: (...names) => [place.folder, name, ...names].join("\\"),
    put: (file, content) => {
      const above = file.split("/").slice(0, -1)
      for (let i = 1; i <= above.length; i++) folderAt(...above.slice(0, i))
      writeFileSync(disk(file), content)
      own(disk(file))
    },
    folderAt,
    get: (...names) => readFileSync(disk(...names))
  }
}

/** Pseudo-random bytes: the same for the same size and seed. */
export const noise = (size: number, seed = 1): Uint8Array => {
  const bytes = new Uint8Array(size)
  let state = seed * 0x9e3779b1 >>> 0 || 1
  for (let i = 0; i < size; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state
  }
  return bytes
}

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** The reason of the `SmbError` that an effect must fail with. */
export const refused = <A, E extends { readonly _tag: string }, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<string, unknown, R> =>
  Effect.map(
    Effect.flip(effect),
    (error) => error._tag === "SmbError" ? (error as unknown as SmbError).reason._tag : error._tag
  )

/** Milliseconds that an effect takes. */
export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<readonly [number, A], E, R> =>
  Effect.suspend(() => {
    const began = performance.now()
    return Effect.map(effect, (value) => [performance.now() - began, value] as const)
  })

export type OpenOptions = typeof OpenMode.read

/** Methods on the attributes of a file: `stat`, `access`, `chmod`, `chown`, `utimes`. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import type { ClientError } from "../../Client/ClientError.ts"
import type * as Entry from "../../Client/Entry.ts"
import * as Information from "../../Client/Information.ts"
import * as OpenMode from "../../Client/OpenMode.ts"
import type * as UncPath from "../../Client/UncPath.ts"
import * as FileTime from "../../Codec/FileTime.ts"
import { SmbError } from "../../Protocol/Errors.ts"
import type * as Share from "../../Protocol/Share.ts"
import { AccessMask, FileAttributes } from "../../Smb2/Message/Constants.ts"
import { at, type Root } from "./Access.ts"
import { badArgument, failure, type Place } from "./Failures.ts"
import * as FileInfo from "./FileInfo.ts"
import type { Located } from "./Paths.ts"

const { FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_NORMAL, FILE_ATTRIBUTE_READONLY } = FileAttributes

const queries = [
  Information.queryFile("FileStandardInformation"),
  Information.queryFile("FileInternalInformation"),
  Information.queryFile("FileAttributeTagInformation")
] as const

const get = <A>(result: Result.Result<A, unknown>): A | undefined =>
  Result.isSuccess(result) ? result.success : undefined

/** What the server says about an entry, in one round trip. */
const facts = (root: Root, unc: UncPath.UncPath, follow: boolean): Effect.Effect<FileInfo.Facts, ClientError> =>
  Effect.scoped(root.smb.withShare(unc, (share, below) =>
    Effect.map(
      share.batch(
        below,
        { ...(follow ? OpenMode.attributes : OpenMode.readReparsePoint), queryOnDiskId: true },
        queries
      ),
      ({ opened, results: [standard, internal, tag] }): FileInfo.Facts => ({
        attributes: opened,
        reparseTag: follow ? 0 : get(tag)?.reparseTag ?? 0,
        onDiskId: opened.onDiskId,
        indexNumber: get(internal)?.indexNumber,
        numberOfLinks: get(standard)?.numberOfLinks
      })
    )))

const inspect = (root: Root, place: Place, follow: boolean): Effect.Effect<FileSystem.File.Info, PlatformError> =>
  at(root, place, (found) =>
    // A link with a separator after it means what it leads to.
    Effect.flatMap(facts(root, found.unc, follow || found.isDirectory), (found_) => {
      const info = FileInfo.make(found_)
      return found.isDirectory && info.type !== "Directory"
        ? Effect.fail(failure(place, "BadResource", "the path means a directory, and the entry is a file"))
        : Effect.succeed(info)
    }))

const readable = AccessMask.FILE_READ_DATA
const writable = AccessMask.FILE_WRITE_DATA

/**
 * The rights of the user in the entry. A server without an answer (SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST, MS-SMB2
 * 2.2.13.2.5) is asked by an open with the wanted rights.
 */
const checkAccess = (
  root: Root,
  { unc }: Located,
  wanted: number
): Effect.Effect<{ readonly opened: Share.Opened; readonly isAllowed: boolean }, ClientError> =>
  Effect.scoped(root.smb.withShare(unc, (share, below) =>
    Effect.flatMap(
      share.batch(below, wanted === 0 ? OpenMode.attributes : { ...OpenMode.attributes, queryMaximalAccess: true }, []),
      ({ opened }) => {
        const { maximalAccess } = opened
        if (wanted === 0) return Effect.succeed({ opened, isAllowed: true })
        if (maximalAccess !== undefined) {
          return Effect.succeed({ opened, isAllowed: (maximalAccess & wanted) === wanted })
        }
        return share.batch(below, OpenMode.withAccess(OpenMode.attributes, wanted), []).pipe(
          Effect.as({ opened, isAllowed: true }),
          Effect.catchReason("SmbError", "AccessDenied", () => Effect.succeed({ opened, isAllowed: false }))
        )
      }
    )))

/** The file time of a time as Node takes it: a date, or seconds since 1970. The value 0 would mean "unchanged". */
const toFileTime = (method: string, time: Date | number): Effect.Effect<FileTime.FileTime, PlatformError> => {
  const millis = typeof time === "number" ? time * 1000 : time.getTime()
  if (!Number.isFinite(millis)) return Effect.fail(badArgument(method, "a time is not a number"))
  const ticks = FileTime.fromMillis(millis)
  return Effect.succeed(ticks === 0n ? 1n : ticks)
}

/** The methods on attributes. */
export const methods = (
  root: Root
): Pick<FileSystem.FileSystem, "stat" | "lstat" | "access" | "chmod" | "chown" | "utimes"> => ({
  stat: (path) => inspect(root, { method: "stat", path }, true),
  lstat: (path) => inspect(root, { method: "lstat", path }, false),
  access: (path, options) => {
    const place = { method: "access", path }
    const wanted = (options?.readable === true ? readable : 0) | (options?.writable === true ? writable : 0)
    return at(root, place, (found) =>
      Effect.flatMap(checkAccess(root, found, wanted), ({ isAllowed, opened }) => {
        const isDirectory = (opened.fileAttributes & FILE_ATTRIBUTE_DIRECTORY) !== 0
        if (found.isDirectory && !isDirectory) {
          return Effect.fail(failure(place, "BadResource", "the path means a directory, and the entry is a file"))
        }
        const isReadOnly = !isDirectory && (opened.fileAttributes & FILE_ATTRIBUTE_READONLY) !== 0
        if (isAllowed && !(options?.writable === true && isReadOnly)) return Effect.void
        const what = [
          ...(options?.readable === true ? ["read"] : []),
          ...(options?.writable === true ? ["write"] : [])
        ].join(" and ")
        return Effect.fail(failure(
          place,
          "PermissionDenied",
          isAllowed ? "the file is read-only" : `the user has no permission to ${what}`
        ))
      }))
  },
  chmod: (path, mode) =>
    at(root, { method: "chmod", path }, ({ unc }) =>
      Effect.flatMap(root.smb.stat(unc), ({ fileAttributes }) => {
        const others = fileAttributes & ~(FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_NORMAL)
        const wanted = FileInfo.isWritable(mode) ? others : others | FILE_ATTRIBUTE_READONLY
        return (wanted & FILE_ATTRIBUTE_READONLY) === (fileAttributes & FILE_ATTRIBUTE_READONLY)
          ? Effect.void
          // 0 would mean "unchanged".
          : root.smb.setAttributes(unc, { fileAttributes: wanted === 0 ? FILE_ATTRIBUTE_NORMAL : wanted })
      })),
  chown: (path) => {
    const place = { method: "chown", path }
    return at(root, place, ({ unc }) =>
      Effect.andThen(
        root.smb.stat(unc),
        Effect.fail(failure(
          place,
          "PermissionDenied",
          "a file on a share has SIDs instead of numbers for its owner and group: use `security` of SmbClient"
        ))
      ))
  },
  utimes: (path, atime, mtime) =>
    at(root, { method: "utimes", path }, ({ unc }) =>
      Effect.gen(function*() {
        const lastAccessTime = yield* toFileTime("utimes", atime)
        const lastWriteTime = yield* toFileTime("utimes", mtime)
        yield* root.smb.setAttributes(unc, { lastAccessTime, lastWriteTime })
      }))
})

/** Whether an entry exists under its name; a link itself counts. */
export const find = (root: Root, unc: UncPath.UncPath): Effect.Effect<Entry.Entry | undefined, ClientError> =>
  root.smb.stat(unc, { follow: false }).pipe(
    Effect.catchIf(
      (error): error is SmbError => error instanceof SmbError && missing.has(error.reason._tag),
      () => Effect.succeed(undefined)
    )
  )

const missing: ReadonlySet<string> = new Set(["ObjectNameNotFound", "ObjectPathNotFound", "DeletePending"])

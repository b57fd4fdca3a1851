/**
 * Application instances (MS-SMB2 2.2.13.2.13, 2.2.13.2.15, 3.3.5.9.13): an application can move to another client and
 * open its files there again. The server closes the opens that the application has by its earlier client, so that they
 * do not keep the application from its own files.
 */
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type { StorePath } from "../../ShareStore.ts"
import * as Access from "../State/Access.ts"
import { keyOf } from "../State/FileTable.ts"
import type { FileOpen, Share, StreamNode } from "../State/Model.ts"
import type { AppInstance, AppInstanceVersion } from "../State/OpenFields.ts"

/** Whether a version is greater than another one. */
const isGreater = (version: AppInstanceVersion, other: AppInstanceVersion): boolean =>
  version.high === other.high ? version.low > other.low : version.high > other.high

/** Whether a CREATE with the version `asked` may close an open with the version `earlier`. */
const mayReplace = (asked: AppInstanceVersion | undefined, earlier: AppInstanceVersion | undefined): boolean =>
  earlier === undefined || asked !== undefined && isGreater(asked, earlier)

/**
 * The opens of the same application instance by other clients, which must be closed before this CREATE opens the
 * stream of this path; or the status that refuses the CREATE. `maximalAccess` is the user's access to the file: without the right to
 * read it, the user cannot close another open (3.3.5.9.13).
 */
export const earlier = (
  asked: AppInstance | undefined,
  share: Share,
  path: StorePath,
  stream: StreamNode,
  maximalAccess: number
): ReadonlyArray<FileOpen> | number => {
  if (asked === undefined) return []
  const key = keyOf(path)
  const opens = Array.from(stream.appInstances?.get(asked.id) ?? []).filter((open) =>
    open.appInstance!.clientGuid !== asked.clientGuid && open.share === share && keyOf(open.path) === key
  )
  if (opens.some((open) => !mayReplace(asked.version, open.appInstance!.version))) {
    return NtStatus.STATUS_FILE_FORCED_CLOSED
  }
  return (maximalAccess & Access.generic.read) === Access.generic.read ? opens : []
}

/** From now on the open belongs to an application instance. */
export const enter = (open: FileOpen, appInstance: AppInstance): void => {
  open.appInstance = appInstance
  const all = open.stream.appInstances ??= new Map()
  const known = all.get(appInstance.id)
  if (known === undefined) all.set(appInstance.id, new Set([open]))
  else known.add(open)
}

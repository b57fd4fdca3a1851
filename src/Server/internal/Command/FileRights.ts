/**
 * The rights that stored security descriptors give a user over names: to add a name to a directory, or to take an
 * existing one (MS-FSA 2.1.5.15.6, 2.1.5.15.11).
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type * as Sd from "../../../Codec/SecurityDescriptor.ts"
import { AccessMask as A, FileAttributes as F } from "../../../Smb2/Message/Constants.ts"
import { storeError, type StoreNode, type StorePath } from "../../ShareStore.ts"
import * as Access from "../State/Access.ts"
import type { Identity } from "../State/Identity.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { Share } from "../State/Model.ts"
import { fromStoreError, kept, type Refusal, refusal, refuse } from "../Wire/Reply.ts"
import * as SymbolicLinks from "./SymbolicLinks.ts"

/** An existing file with its descriptor; undefined if it does not exist. */
export const lookUp = (
  share: Share,
  path: StorePath
): Effect.Effect<{ readonly node: StoreNode; readonly descriptor: Sd.SecurityDescriptor } | undefined, Refusal> =>
  Effect.scoped(
    Effect.flatMap(
      share.store.open(path, { mode: "existing", type: "file" }),
      ({ file, node }) =>
        Effect.map(kept(file, "SecurityDescriptor"), (bytes) => ({ node, descriptor: Access.decode(bytes) }))
    )
  ).pipe(
    Effect.catch((error) =>
      error.reason._tag === "NotFound" ? Effect.succeed(undefined) : Effect.fail(fromStoreError(error))
    )
  )

/**
 * The descriptor of a directory, or the default one if the store keeps none. A symbolic link is not a directory here.
 */
export const ofDirectory = (share: Share, path: StorePath): Effect.Effect<Sd.SecurityDescriptor, Refusal> => {
  const { reparsePoints, securityDescriptors } = share.volume.supports
  if (!securityDescriptors && !reparsePoints) return Effect.succeed(Access.defaultDescriptor)
  return Effect.scoped(
    Effect.flatMap(
      share.store.open(path, { mode: "existing", type: "directory" }),
      ({ file, node }) =>
        SymbolicLinks.isLink(node)
          ? Effect.fail(storeError("PathNotFound"))
          : Effect.map(kept(file, "SecurityDescriptor"), Access.decode)
    )
  ).pipe(
    Effect.mapError((error) =>
      error.reason._tag === "NotFound" ? refusal(NtStatus.STATUS_OBJECT_PATH_NOT_FOUND) : fromStoreError(error)
    )
  )
}

/** A user, and the tree's MaximalAccess: the most rights that the user has to any file of the share. */
export interface Bearer {
  readonly user: Identity
  readonly maximalAccess: number
}

/** The rights that a descriptor and the share give a user. */
export const rightsOf = (descriptor: Sd.SecurityDescriptor, { maximalAccess, user }: Bearer): number =>
  Access.maximal(descriptor, user) & maximalAccess

/** The user of a request, in the request's tree. */
export const bearerOf = ({ session, tree }: Incoming): Bearer => ({
  user: session!.user!,
  maximalAccess: tree!.maximalAccess
})

/** Refuses a user without the right to add a file, or a directory, to a directory. */
export const checkAdding = (
  parent: Sd.SecurityDescriptor,
  bearer: Bearer,
  directory: boolean
): Effect.Effect<void, Refusal> =>
  (rightsOf(parent, bearer) & (directory ? A.FILE_ADD_SUBDIRECTORY : A.FILE_ADD_FILE)) === 0
    ? refuse(NtStatus.STATUS_ACCESS_DENIED)
    : Effect.void

/** Refuses a user without the right to replace the file of this name. Gives that file, if it exists. */
export const checkReplacing = Effect.fnUntraced(function*(
  share: Share,
  path: StorePath,
  parent: Sd.SecurityDescriptor,
  bearer: Bearer
): Effect.fn.Return<StoreNode | undefined, Refusal> {
  const there = yield* lookUp(share, path)
  if (there === undefined) return undefined
  const deletes = (bearer.maximalAccess & A.DELETE) !== 0 && (
    (Access.maximal(there.descriptor, bearer.user) & A.DELETE) !== 0 ||
    (Access.maximal(parent, bearer.user) & A.FILE_DELETE_CHILD) !== 0
  )
  const readOnly = (there.node.fileAttributes & F.FILE_ATTRIBUTE_READONLY) !== 0 && there.node.type === "file"
  return deletes && !readOnly ? there.node : yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
})

/** CREATE of a file or directory that does not exist (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1.1). */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { has } from "../../../Codec/Flags.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type * as Sd from "../../../Codec/SecurityDescriptor.ts"
import {
  AccessMask as A,
  CompletionFilter,
  CreateAction,
  CreateDisposition as D,
  CreateOptions as O,
  FileAttributes as F,
  NotifyAction
} from "../../../Smb2/Message/Constants.ts"
import * as Events from "../../Events.ts"
import type { ShareStore, StoreChanges, StoreNode, StoreOpen, StoreOpened } from "../../ShareStore.ts"
import * as Access from "../State/Access.ts"
import * as DirectoryCaching from "../State/DirectoryCaching.ts"
import * as Watch from "../State/Watch.ts"
import { fromStoreError, type Refusal, refuse, type Reply, stored } from "../Wire/Reply.ts"
import * as CreateCheck from "./CreateCheck.ts"
import { type CreateRequest, enter, respond, settable } from "./CreateEnter.ts"
import * as CreatesAgain from "./CreatesAgain.ts"
import * as FileRights from "./FileRights.ts"
import * as OpensByName from "./OpensByName.ts"
import * as OplockGrant from "./OplockGrant.ts"
import * as Security from "./Security.ts"
import * as SymbolicLinks from "./SymbolicLinks.ts"
import * as Volumes from "./Volumes.ts"

type Granted = Pick<Extract<CreateCheck.GrantedAccess, { readonly access: number }>, "access" | "maximal">

/** The access that is granted to the file of a new stream; undefined if the file does not exist yet. */
const grantedOfFile = Effect.fnUntraced(function*(
  { body, incoming, name, share }: CreateRequest,
  parent: Sd.SecurityDescriptor
): Effect.fn.Return<Granted | undefined, Refusal> {
  const found = yield* FileRights.lookUp(share, name.path)
  if (found === undefined) return undefined
  // A stream is made in the link's target: `SymbolicLinks.onTheWay` tells the client where that is.
  if (SymbolicLinks.isLink(found.node) && !has(body.createOptions, O.FILE_OPEN_REPARSE_POINT)) {
    return yield* refuse(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
  }
  const granted = CreateCheck.grant(incoming, body, found.node, found.descriptor, parent, true, true)
  return "refused" in granted ? yield* refuse(granted.refused) : granted
})

/** Makes the file; undefined if another client or program made it first. */
export const make = (request: CreateRequest): Effect.Effect<Reply | undefined, Refusal> =>
  Effect.suspend(() =>
    request.share.table.adding(request.name.path.slice(0, -1), makeIn(request)) ??
      // The directory is being made a link.
      refuse(NtStatus.STATUS_SHARING_VIOLATION)
  )

const makeIn = Effect.fnUntraced(function*(request: CreateRequest): Effect.fn.Return<Reply | undefined, Refusal> {
  const { body, contexts, incoming, name, share } = request
  const user = incoming.session!.user!
  const directory = CreateCheck.makesDirectory(body, name)
  if (share.readOnly) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  // The lease belongs to another file or stream, since this one does not exist (3.3.5.9.8, 3.3.5.9.11).
  if (OplockGrant.findLease(incoming, contexts) !== undefined) return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  if (name.path.length === 0 && name.stream === undefined) return yield* refuse(NtStatus.STATUS_OBJECT_NAME_COLLISION)
  if (directory && has(body.fileAttributes, F.FILE_ATTRIBUTE_TEMPORARY)) {
    return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  }
  if (has(body.createOptions, O.FILE_DELETE_ON_CLOSE) && has(body.fileAttributes, F.FILE_ATTRIBUTE_READONLY)) {
    return yield* refuse(NtStatus.STATUS_CANNOT_DELETE)
  }
  if (contexts.extendedAttributes !== undefined && !share.volume.supports.extendedAttributes) {
    return yield* refuse(NtStatus.STATUS_EAS_NOT_SUPPORTED)
  }
  const { allocationSize = 0n } = contexts
  const path = name.path.slice(0, -1)
  const parent = yield* FileRights.ofDirectory(share, path)
  if (name.endsInBackslash && !directory) return yield* refuse(NtStatus.STATUS_OBJECT_NAME_INVALID)
  if (!directory) yield* Volumes.checkFreeSpaceIn(share, path, allocationSize)
  if (yield* OpensByName.isPending(share, path)) return yield* refuse(NtStatus.STATUS_DELETE_PENDING)
  const { stream } = name
  // A new stream of an existing file is a change to that file: the user needs the right to write to it.
  const ofFile = stream === undefined ? undefined : yield* grantedOfFile(request, parent)
  const asked = Access.mapGeneric(body.desiredAccess)
  if (ofFile === undefined) {
    yield* FileRights.checkAdding(parent, FileRights.bearerOf(incoming), directory)
    const deletes = has(body.createOptions, O.FILE_DELETE_ON_CLOSE) ? A.DELETE : 0
    const specific = (asked & ~(A.MAXIMUM_ALLOWED | A.SYNCHRONIZE | A.ACCESS_SYSTEM_SECURITY)) | deletes
    if ((specific & ~incoming.tree!.maximalAccess) !== 0) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
    if (has(asked, A.ACCESS_SYSTEM_SECURITY) && !user.administrator) {
      return yield* refuse(NtStatus.STATUS_PRIVILEGE_NOT_HELD)
    }
  }
  yield* Security.checkInitial(user, contexts.descriptor)
  const descriptor = Access.forChild(parent, contexts.descriptor, user, incoming.server.domainSid, directory)
  const attributes = (body.fileAttributes & settable) | (directory ? 0 : F.FILE_ATTRIBUTE_ARCHIVE)
  const initial: StoreChanges & { readonly securityDescriptor?: Uint8Array } = {
    fileAttributes: attributes,
    ...share.volume.supports.securityDescriptors ? { securityDescriptor: Access.encode(descriptor) } : {}
  }
  const type = directory ? "directory" : "file"
  // A part of the store without descriptors (a USB stick that is mounted in a folder) gives new files the default one.
  // That loses nothing if the directory has the default one too, and the client asked for none.
  const isDefault = contexts.descriptor === undefined && parent === Access.defaultDescriptor
  const openNew = (how: Pick<StoreOpen, "mode" | "type" | "stream">) =>
    Effect.catchIf(
      share.store.open(name.path, { ...how, initial }),
      ({ reason }) => reason._tag === "Unsupported" && isDefault && initial.securityDescriptor !== undefined,
      () => share.store.open(name.path, { ...how, initial: { fileAttributes: attributes } })
    )
  const granted = ofFile ?? grantedOfNew(request, descriptor)
  if (stream === undefined || ofFile !== undefined) return yield* makeBy(request, openNew, type, granted, false)
  // A new stream also makes its file.
  const { created, node } = yield* stored(Effect.scoped(openNew({ mode: "either", type: "file" })))
  // Another client made the file first: it is looked up again.
  if (!created) return undefined
  return yield* Effect.onError(makeBy(request, openNew, type, granted, true), () => unmake(request, node, undefined))
})

/**
 * Makes the file or the stream by `openNew`, and enters its open; undefined if another client or program made it first.
 * `isFileNew`: the file of the stream was made just before.
 */
const makeBy = Effect.fnUntraced(function*(
  request: CreateRequest,
  openNew: (how: Pick<StoreOpen, "mode" | "type" | "stream">) => ReturnType<ShareStore["open"]>,
  type: StoreOpen["type"],
  granted: Granted,
  isFileNew: boolean
): Effect.fn.Return<Reply | undefined, Refusal> {
  const { body, name, scope, share } = request
  const { stream } = name
  if (type === "file") yield* CreatesAgain.begin(request)
  const opened = yield* openNew({
    mode: "new",
    type: stream === undefined ? type : "file",
    ...stream === undefined ? {} : { stream }
  }).pipe(
    Scope.provide(scope),
    Effect.map((one): StoreOpened | undefined => one),
    Effect.catch((error) => {
      if (error.reason._tag !== "Exists") return Effect.fail(fromStoreError(error))
      if (body.createDisposition !== D.FILE_CREATE) return Effect.succeed(undefined)
      return Effect.andThen(
        SymbolicLinks.stopAt(request),
        Effect.flatMap(
          OpensByName.isPending(share, name.path),
          (pending) => refuse(pending ? NtStatus.STATUS_DELETE_PENDING : NtStatus.STATUS_OBJECT_NAME_COLLISION)
        )
      )
    })
  )
  if (opened === undefined) {
    yield* CreatesAgain.notMade(request)
    return undefined
  }
  // If the client is told that the file was not made, no file may stay behind.
  return yield* Effect.onError(
    finish(request, opened, granted, isFileNew),
    () => unmake(request, opened.node, stream)
  )
})

/** The user who makes a file gets the access that they ask for. */
const grantedOfNew = ({ body, incoming }: CreateRequest, descriptor: Sd.SecurityDescriptor): Granted => {
  const asked = Access.mapGeneric(body.desiredAccess)
  return {
    access: has(asked, A.MAXIMUM_ALLOWED)
      ? (asked & ~A.MAXIMUM_ALLOWED) | (Access.generic.all & incoming.tree!.maximalAccess)
      : asked,
    maximal: Access.maximal(descriptor, incoming.session!.user!)
  }
}

/** Fills in and enters the new file; undefined if everything must be looked up again. */
const finish = Effect.fnUntraced(function*(
  request: CreateRequest,
  opened: StoreOpened,
  { access, maximal }: Granted,
  isFileNew: boolean
): Effect.fn.Return<Reply | undefined, Refusal> {
  const { contexts, name: { path, stream }, share } = request
  const directory = opened.node.type === "directory" && stream === undefined
  if (contexts.extendedAttributes !== undefined) {
    yield* stored(opened.file.setBlob("ExtendedAttributes", contexts.extendedAttributes))
  }
  const entered = yield* enter(request, opened, access, directory, false, { checked: access, maximal })
  if (entered === undefined) return undefined
  if (isFileNew) {
    Watch.report(share.table, CompletionFilter.FILE_NOTIFY_CHANGE_FILE_NAME, [
      { action: NotifyAction.FILE_ACTION_ADDED, path }
    ])
  }
  const filter = stream !== undefined
    ? CompletionFilter.FILE_NOTIFY_CHANGE_STREAM_NAME
    : directory
    ? CompletionFilter.FILE_NOTIFY_CHANGE_DIR_NAME
    : CompletionFilter.FILE_NOTIFY_CHANGE_FILE_NAME
  Watch.report(share.table, filter, [{
    action: stream === undefined ? NotifyAction.FILE_ACTION_ADDED : NotifyAction.FILE_ACTION_ADDED_STREAM,
    path,
    ...stream === undefined ? {} : { stream }
  }])
  DirectoryCaching.changed(share.table, path, entered.open)
  if (!directory) entered.open.stream.reserved = contexts.allocationSize ?? 0n
  return yield* respond(request, entered.open, entered, CreateAction.FILE_CREATED, maximal)
})

/** Removes the new file or stream of a request that failed, unless another client has opened it since. */
const unmake = (
  { incoming: { server }, name: { path }, share }: CreateRequest,
  node: StoreNode,
  stream: string | undefined
): Effect.Effect<void> =>
  Effect.suspend(() => {
    for (const _ of share.table.files.get(node.identity)?.opens() ?? []) return Effect.void
    return share.store.remove(path, { expected: node.identity, ...stream === undefined ? {} : { stream } }).pipe(
      Effect.tapError((error) =>
        server.logRates.deletions.tell((more) => Events.notDeleted(share.name, path, error, more))
      ),
      Effect.ignore
    )
  })

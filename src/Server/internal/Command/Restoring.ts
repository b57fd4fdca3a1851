/**
 * The opens of an earlier server (MS-SMB2 3.3.5.9.12): before the server listens, it opens their files again, with
 * their share modes, locks, leases and pending deletions, so that no other client comes first. Each then waits for its
 * client, at most until its timeout ends.
 *
 * A file is found by its path, and must have the identity that it had. If it does not exist any more, or is another
 * one, its open is gone: its client gets STATUS_OBJECT_NAME_NOT_FOUND.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { fold } from "../../../Codec/UpCase.ts"
import * as Events from "../../Events.ts"
import type { StoreError, StoreOpened, StorePath } from "../../ShareStore.ts"
import { storeError } from "../../ShareStore.ts"
import * as ChangesByOthers from "../State/ChangesByOthers.ts"
import * as Locks from "../State/Locks.ts"
import { FileOpen, Lease, type Server, type Share, StreamLocks } from "../State/Model.ts"
import type { OpenRecord, Records } from "../State/OpenRecord.ts"
import * as AppInstances from "./AppInstances.ts"
import * as CreatesAgain from "./CreatesAgain.ts"
import * as Durable from "./Durable.ts"

/** Files that are opened at one time. */
const concurrency = 32

/** Clients may have been told of this many breaks of a lease that the store was not told of. */
const untoldBreaks = 16

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"))

/** Opens the file of a record by a path; fails with `Stale` if another file has that path now. */
const find = (
  share: Share,
  { kept }: OpenRecord,
  path: StorePath,
  scope: Scope.Scope
): Effect.Effect<{ readonly opened: StoreOpened; readonly path: StorePath }, StoreError> =>
  share.store.open(path, {
    mode: "existing",
    type: "file",
    forData: true,
    ...kept.stream === "" ? {} : { stream: kept.stream }
  }).pipe(
    Scope.provide(scope),
    Effect.flatMap((opened) =>
      // A stream can also be one of a directory.
      opened.node.identity === kept.identity && (kept.stream !== "" || opened.node.type === "file")
        ? Effect.succeed({ opened, path })
        : Effect.fail(storeError("Stale"))
    )
  )

/**
 * The state of a restored lease. Other programs may have changed the file while no server listened: then the client
 * must not go on with what it has cached. The file's times show that, but they do not show which program it was.
 */
const stateOf = Effect.fnUntraced(function*(
  server: Server,
  share: Share,
  { kept }: OpenRecord,
  path: StorePath,
  opened: StoreOpened
): Effect.fn.Return<number> {
  if (kept.lease === undefined) return 0
  const { complete } = yield* ChangesByOthers.listen(server, share, path, opened)
  if (!complete) return 0
  if (share.store.changes === undefined) return kept.lease.state
  const { node } = opened
  const written = BigInt(kept.written)
  return node.lastWriteTime <= written && node.changeTime <= written ? kept.lease.state : 0
})

/** The lease or oplock of a record; a lease that another open has already is shared. */
const leaseOf = (server: Server, open: FileOpen, kept: NonNullable<OpenRecord["kept"]["lease"]>, state: number) => {
  const { stream } = open
  if (kept.kind === "oplock") {
    if (state === 0) return undefined
    server.meter.oplocks++
    return new Lease(stream, state)
  }
  const key = bytesOf(kept.key)
  const known = server.leases.find(kept.clientGuid, key)
  if (known !== undefined) {
    known.state &= state
    return known.stream === stream ? known : undefined
  }
  const lease = new Lease(stream, state, {
    clientGuid: kept.clientGuid,
    key,
    version: kept.version,
    parentKey: kept.parentKey === undefined ? undefined : bytesOf(kept.parentKey),
    epoch: kept.version === 2 ? (kept.epoch + untoldBreaks) & 0xffff : 0
  })
  server.leases.add(lease)
  return lease
}

/** Enters the open of a record in all tables. */
const enter = (
  server: Server,
  share: Share,
  record: OpenRecord,
  { opened, path }: { readonly opened: StoreOpened; readonly path: StorePath },
  scope: Scope.Closeable,
  state: number
): void => {
  const { id, kept, locks, sequences } = record
  const stream = share.table.file(kept.identity, opened.node.type === "directory").stream(kept.stream)
  const usage = server.usages.of({ guest: false, sid: kept.owner }, "")
  usage.opens++
  const open = new FileOpen(
    server,
    {
      id,
      stream,
      path,
      file: opened.file,
      scope,
      usage,
      grantedAccess: kept.grantedAccess,
      shareAccess: kept.shareAccess,
      createOptions: kept.createOptions,
      directory: false
    },
    undefined,
    // Its client returns with its own tree.
    { id: 0, share, encrypted: share.options.encrypt === true, maximalAccess: 0 }
  )
  open.mode = kept.mode
  open.createAction = kept.createAction
  open.mayBeReplayed = kept.mayBeReplayed
  open.deleteOnClose = kept.deleteOnClose
  open.parentLeaseKey = kept.parentLeaseKey
  open.durable = {
    resilient: kept.resilient,
    persistent: kept.persistent,
    version: kept.durable,
    createGuid: kept.createGuid,
    timeout: kept.timeout,
    clientGuid: kept.clientGuid,
    owner: kept.owner
  }
  if (kept.createGuid !== undefined) {
    open.createGuid = kept.createGuid
    open.clientGuid = kept.clientGuid
    server.replays.done(kept.clientGuid, kept.createGuid, open)
  }
  if (kept.appInstance !== undefined) {
    const { clientGuid, id, version } = kept.appInstance
    AppInstances.enter(open, {
      id,
      clientGuid,
      version: version === undefined ? undefined : { high: BigInt(version.high), low: BigInt(version.low) }
    })
  }
  if (kept.deletePending) open.link.deletePending = true
  if (kept.streamDeletePending) stream.deletePending = true
  server.opens.set(id, open)
  // The store had a durable open only for the way from one server to the next.
  if (kept.persistent) server.kept!.enter(open)
  else server.kept!.remove(id)
  const lease = kept.lease === undefined ? undefined : leaseOf(server, open, kept.lease, state)
  if (lease !== undefined) {
    lease.opens.add(open)
    stream.leases.add(lease)
    open.lease = lease
    usage.leases.set(lease, (usage.leases.get(lease) ?? 0) + 1)
  }
  for (const { end, exclusive, offset } of locks) {
    for (const one of exclusive) {
      const all = stream.locks ??= new StreamLocks()
      Locks.add(all, { open, offset, end, exclusive: one, serial: Locks.nextSerial() })
    }
  }
  if (sequences.length > 0) open.lockSequences = new Map(sequences)
  // What is restored can be less than what was kept: the store learns of that before any client does.
  server.kept!.changed(open)
  Durable.awaitClient(server, open)
}

const restoreOne = Effect.fnUntraced(function*(server: Server, record: OpenRecord): Effect.fn.Return<void> {
  const { id, kept, renaming } = record
  const lost = (why: string) =>
    Effect.suspend(() => {
      server.kept!.remove(id)
      server.meter.restored("lost")
      return Events.openNotRestored(kept.share, kept.path, why)
    })
  const share = server.shares.get(fold(kept.share))
  if (share === undefined) return yield* lost("the share does not exist any more")
  if (kept.persistent && share.options.continuousAvailability !== true) {
    return yield* lost("the share is not continuously available any more")
  }
  const scope = Scope.makeUnsafe()
  const found = yield* find(share, record, kept.path, scope).pipe(
    Effect.catch((error) => renaming === undefined ? Effect.fail(error) : find(share, record, renaming, scope)),
    Effect.catch((error) => Effect.succeed(error))
  )
  if (!("opened" in found)) {
    yield* Scope.close(scope, Exit.void)
    return yield* lost(found.reason._tag === "Stale" ? "another file has its name" : found.message)
  }
  const state = yield* stateOf(server, share, record, found.path, found.opened)
  enter(server, share, record, found, scope, state)
  server.meter.restored("restored")
})

/** Restores the opens of an earlier server. When it is done, the `OpenStore` knows which of them are left. */
export const restore = (server: Server, { interrupted, opens }: Records): Effect.Effect<void, StoreError> =>
  Effect.forEach(opens, (record) => restoreOne(server, record), { concurrency, discard: true }).pipe(
    Effect.andThen(CreatesAgain.restore(server, interrupted)),
    Effect.andThen(Effect.suspend(() => server.kept!.flush))
  )

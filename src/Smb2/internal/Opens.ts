/**
 * Opens on a tree connect, one by one and in compounds (MS-SMB2 3.2.4.3, 3.2.5.7): CREATE, the operations of an open, and
 * an open that a client reclaims.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { NtStatus } from "../../Codec/NtStatus.ts"
import * as Changes from "../../Protocol/Changes.ts"
import * as ConnectedShare from "../../Protocol/ConnectedShare.ts"
import { fromStatus, type RequestError, type SmbError } from "../../Protocol/Errors.ts"
import * as OpenLife from "../../Protocol/OpenLife.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import type * as Breaks from "../Breaks.ts"
import * as Commands from "../Commands.ts"
import * as Connection from "../Connection.ts"
import * as LockSequences from "../LockSequences.ts"
import { anyFileId } from "../Message/Common.ts"
import { Command, Dialect, FileAttributes, HeaderFlags, LeaseState, OplockLevel } from "../Message/Constants.ts"
import { Fsctl } from "../Message/Fsctl.ts"
import * as Open from "../Open.ts"
import * as Reauthentication from "../Reauthentication.ts"
import * as SymbolicLink from "../SymbolicLink.ts"
import type { Tree } from "./ConnectedTree.ts"

/** Runs the operations of an open. If the open can outlive its connection, its LOCK requests have sequences. */
const runOf = (
  tree: Tree,
  { fileId, opened }: Open.Open,
  path: string,
  kept: LockSequences.LockSequences | undefined
): { readonly run: Share.OpenFile["run"]; readonly locks: () => LockSequences.LockSequences | undefined } => {
  const plain = tree.session.negotiated.dialect === Dialect.SMB_2_0_2
  let sequences = kept ?? (opened.durable === undefined || plain ? undefined : new LockSequences.LockSequences())
  const run: Share.OpenFile["run"] = (operation) => {
    switch (operation._tag) {
      case "Lock":
      case "Unlock":
        return Effect.suspend(() => {
          if (sequences === undefined) return tree.run(operation, fileId, path)
          const known = sequences
          const sequence = known.take(operation)
          return tree.run(operation, fileId, path, sequence).pipe(
            Effect.tap(() => Effect.sync(() => known.answered(sequence, operation))),
            Effect.tapErrorTag("SmbError", () => Effect.sync(() => known.answered(sequence, operation)))
          )
        })
      case "Ioctl":
        return Effect.tap(tree.run(operation, fileId, path), () =>
          Effect.sync(() => {
            // From now on the open is resilient (3.2.5.14.8).
            if (operation.ctlCode !== Fsctl.FSCTL_LMR_REQUEST_RESILIENCY || plain) return
            sequences ??= new LockSequences.LockSequences()
          }))
      default:
        return tree.run(operation, fileId, path)
    }
  }
  return { run, locks: () => sequences }
}

/** Whether a server still keeps a durable open with this oplock or lease for its client (3.3.1.4, 3.3.7.1). */
const isKept = ({ durable, lease }: Share.Opened, caching: Breaks.Caching): boolean =>
  durable !== undefined && (durable.persistent || (lease === undefined
    ? caching.oplockLevel === OplockLevel.SMB2_OPLOCK_LEVEL_BATCH
    : (caching.leaseState & LeaseState.SMB2_LEASE_HANDLE_CACHING) !== 0))

const makeFile = (
  tree: Tree,
  open: Open.Open,
  path: string,
  options: Share.OpenOptions
): Effect.Effect<Share.OpenFile, never, Scope.Scope> =>
  Effect.gen(function*() {
    const held = tree.breaks.hold(
      open.fileId,
      open.opened.oplockLevel,
      open.opened.lease,
      // A directory has nothing to lose: it is opened and listed again.
      (caching) =>
        options.outlives === true &&
        ((open.opened.fileAttributes & FileAttributes.FILE_ATTRIBUTE_DIRECTORY) !== 0 || isKept(open.opened, caching)),
      (outgoing) => tree.session.connection.submit([tree.outgoing(outgoing)], [() => {}])
    )
    const life = yield* OpenLife.make({
      options,
      isPipe: tree.type === "pipe",
      close: Effect.suspend(() => {
        held.release()
        return tree.close(open.fileId, path)
      }),
      closeLater: () => {
        held.release()
        tree.closeLater(open.fileId)
      }
    })
    const { locks, run } = runOf(
      tree,
      open,
      path,
      options.reclaim?.locks as LockSequences.LockSequences | undefined
    )
    const { durable, lease } = open.opened
    return {
      path,
      opened: open.opened,
      caching: () => held.caching,
      run: (operation) => life.run(operation, run(operation)),
      attempt: (operation) => life.attempt(operation, run(operation)),
      reclaim: () =>
        durable === undefined || !isKept(open.opened, held.caching) ? undefined : {
          fileId: open.fileId,
          durable,
          lease: lease === undefined ? undefined : { ...lease, leaseState: held.caching.leaseState },
          oplockLevel: held.caching.oplockLevel,
          locks: locks()
        },
      close: life.close
    }
  })

/** The name in a CREATE: below the share, or with the DFS flag below the namespace. */
const wireName = (dfs: ConnectedShare.DfsName | undefined, path: string): string =>
  dfs === undefined ? path : path === "" ? `${dfs.server}\\${dfs.share}` : `${dfs.server}\\${dfs.share}\\${path}`

/** Why a CREATE was refused; with the link, if the server stopped at one. */
const refused = (tree: Tree, path: string, reply: Connection.Reply): SmbError => {
  const { status } = reply.header
  const link = status === NtStatus.STATUS_STOPPED_ON_SYMLINK ? SymbolicLink.decode(reply, path) : undefined
  return fromStatus(status, "CREATE", tree.full(path), link)
}

const createOutgoing = (
  tree: Tree,
  dfs: ConnectedShare.DfsName | undefined,
  path: string,
  options: Share.OpenOptions
) => {
  const { entropy, negotiated } = tree.session
  const { body, createGuid, replay } = Open.encode(wireName(dfs, path), options, negotiated.dialect, entropy)
  const outgoing = tree.outgoing(
    {
      command: Command.CREATE,
      body,
      mutates: Changes.opens(options)
    },
    (dfs === undefined ? 0 : HeaderFlags.SMB2_FLAGS_DFS_OPERATIONS) |
      (replay ? HeaderFlags.SMB2_FLAGS_REPLAY_OPERATION : 0)
  )
  return { outgoing, createGuid }
}

/** Opens a file until the scope ends. */
export const openFile = (
  tree: Tree,
  dfs: ConnectedShare.DfsName | undefined,
  path: string,
  options: Share.OpenOptions,
  refusals = 0
): Effect.Effect<Share.OpenFile, RequestError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) => {
    const { createGuid, outgoing } = createOutgoing(tree, dfs, path, options)
    const seen = Reauthentication.countOf(tree)
    const request = Connection.request(tree.session.connection, {
      ...outgoing,
      orphan: (reply) => {
        const open = Open.decode(reply, createGuid)
        if (Result.isSuccess(open)) tree.closeLate(open.success, options)
      }
    })
    return Effect.flatMap(restore(request), (reply): Effect.Effect<Share.OpenFile, RequestError, Scope.Scope> => {
      if (Reauthentication.isNeeded(reply)) {
        return restore(Reauthentication.resend<Share.OpenFile, Scope.Scope>(
          tree,
          seen,
          refusals + 1,
          () => refused(tree, path, reply),
          (refusals) => openFile(tree, dfs, path, options, refusals)
        ))
      }
      if (reply.header.status !== 0) return Effect.fail(refused(tree, path, reply))
      return Effect.flatMap(Effect.fromResult(Open.decode(reply, createGuid)), (open) =>
        options.reclaim === undefined
          ? makeFile(tree, open, path, options)
          : reclaimed(tree, open, path, options, options.reclaim))
    })
  })

/** The open that the server has given back: it stays durable, which the response does not repeat (3.3.5.9.12). */
const reclaimed = (
  tree: Tree,
  open: Open.Open,
  path: string,
  options: Share.OpenOptions,
  reclaim: Share.Reclaim
): Effect.Effect<Share.OpenFile, RequestError, Scope.Scope> =>
  Effect.suspend(() => {
    const difference = Open.differs(open, reclaim)
    if (difference === undefined) {
      return makeFile(tree, { ...open, opened: { ...open.opened, durable: reclaim.durable } }, path, options)
    }
    tree.closeLater(open.fileId)
    return Effect.fail(
      tree.session.connection.protocolError(
        "UnexpectedResponse",
        `the server gave ${difference} when the open of ${tree.full(path)} was reclaimed, so it is not used: ` +
          "the server is at fault"
      )
    )
  })

/** A server that takes no related requests responds to all of them with one of these, and to the first alone with success. */
const refusals: ReadonlySet<number> = new Set([NtStatus.STATUS_INVALID_PARAMETER, NtStatus.STATUS_NOT_SUPPORTED])

const areRefused = (replies: ReadonlyArray<Connection.Reply>): boolean =>
  replies.every(({ header }) => refusals.has(header.status))

/** Carries out the operations of a refused compound one by one. */
const oneByOne = (
  tree: Tree,
  open: Effect.Effect<Share.OpenFile, RequestError, Scope.Scope>,
  options: Share.OpenOptions,
  operations: ReadonlyArray<Operation.Any>
): Effect.Effect<OpenLife.Batched, RequestError> =>
  ConnectedShare.batch(
    Effect.tap(open, () =>
      Effect.sync(() => {
        tree.session.connection.refusesCompounds = true
      })),
    options,
    operations
  )

/** Opens a file, carries out operations and closes it, in one compound if the server takes that. */
export const batch = (
  tree: Tree,
  dfs: ConnectedShare.DfsName | undefined,
  path: string,
  options: Share.OpenOptions,
  operations: ReadonlyArray<Operation.Any>,
  refusals = 0
): Effect.Effect<OpenLife.Batched, RequestError> => {
  const { createGuid, outgoing } = createOutgoing(tree, dfs, path, options)
  const seen = Reauthentication.countOf(tree)
  const encoded = operations.map((operation) => tree.encode(operation, anyFileId))
  const outgoings: ReadonlyArray<Connection.Outgoing> = [
    outgoing,
    ...encoded,
    tree.closeOutgoing(anyFileId)
  ]
  const { connection } = tree.session
  // The server grants too few credits for a compound, or takes none.
  if (connection.refusesCompounds || !connection.affords(outgoings)) {
    return ConnectedShare.batch(openFile(tree, dfs, path, options), options, operations)
  }
  return Effect.flatMap(
    Connection.compound(connection, outgoings),
    (replies): Effect.Effect<OpenLife.Batched, RequestError> => {
      const created = replies[0]!
      if (Reauthentication.isNeeded(created)) {
        return Reauthentication.resend(
          tree,
          seen,
          refusals + 1,
          () => refused(tree, path, created),
          (refusals) => batch(tree, dfs, path, options, operations, refusals)
        )
      }
      if (areRefused(replies)) return oneByOne(tree, openFile(tree, dfs, path, options), options, operations)
      if (created.header.status !== 0) return Effect.fail(refused(tree, path, created))
      const open = Open.decode(created, createGuid)
      if (Result.isFailure(open)) return Effect.fail(open.failure)
      // The file is open already, and was perhaps created by that.
      if (areRefused(replies.slice(1))) {
        return oneByOne(tree, makeFile(tree, open.success, path, options), options, operations)
      }
      const closed = replies[replies.length - 1]!.header.status
      // A server that stops a compound at its first failure leaves the open behind.
      if (closed !== 0) tree.closeLater(open.success.fileId)
      const results: Array<Result.Result<unknown, unknown>> = []
      for (let i = 0; i < operations.length; i++) {
        const result = Commands.decode(operations[i]!, replies[i + 1]!, tree.full(path))
        if (Result.isFailure(result) && result.failure._tag === "Malformed") return Effect.fail(result.failure)
        results.push(result)
      }
      return closed !== 0 && OpenLife.closeCounts(options, operations, results)
        ? Effect.fail(fromStatus(closed, "CLOSE", tree.full(path)))
        : Effect.succeed({ opened: open.success.opened, results })
    }
  )
}

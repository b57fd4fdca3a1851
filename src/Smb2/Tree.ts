/**
 * A share on a session: TREE_CONNECT, and the opens below it (MS-SMB2 3.2.4.2.4, 3.2.4.3, 3.2.5.5).
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Codec from "../Codec/Codec.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import * as Changes from "../Protocol/Changes.ts"
import * as ConnectedShare from "../Protocol/ConnectedShare.ts"
import { fromStatus, type RequestError, type SmbError, type TransportError, withDetail } from "../Protocol/Errors.ts"
import * as Multiplexer from "../Protocol/Multiplexer.ts"
import * as OpenLife from "../Protocol/OpenLife.ts"
import type * as Operation from "../Protocol/Operation.ts"
import type * as Share from "../Protocol/Share.ts"
import * as UncName from "../Protocol/UncName.ts"
import type * as Breaks from "./Breaks.ts"
import * as Commands from "./Commands.ts"
import * as Connection from "./Connection.ts"
import * as Dialects from "./Dialects.ts"
import * as Header from "./Header.ts"
import * as LockSequences from "./LockSequences.ts"
import { anyFileId, type FileId } from "./Message/Common.ts"
import {
  Capabilities,
  Command,
  Dialect,
  FileAttributes,
  HeaderFlags,
  LeaseState,
  OplockLevel,
  ShareCapabilities,
  ShareFlags,
  ShareType
} from "./Message/Constants.ts"
import { Fsctl } from "./Message/Fsctl.ts"
import * as TreeConnect from "./Message/TreeConnect.ts"
import * as Open from "./Open.ts"
import * as Reauthentication from "./Reauthentication.ts"
import type { Session } from "./Session.ts"
import * as SymbolicLink from "./SymbolicLink.ts"
import * as ValidateNegotiate from "./ValidateNegotiate.ts"

export type { ConnectedShare, DfsName } from "../Protocol/ConnectedShare.ts"

const types: Record<number, Share.Share["type"]> = {
  [ShareType.SMB2_SHARE_TYPE_DISK]: "disk",
  [ShareType.SMB2_SHARE_TYPE_PIPE]: "pipe",
  [ShareType.SMB2_SHARE_TYPE_PRINT]: "printer"
}

/** Fills in the common fields of every request on this tree. */
class Tree extends ConnectedShare.Tree implements Connection.Owner {
  readonly session: Session
  readonly treeId: number
  readonly encrypted: boolean
  readonly breaks: Breaks.Breaks
  constructor(
    session: Session,
    treeId: number,
    uncPath: string,
    type: Share.Share["type"],
    encrypted: boolean,
    breaks: Breaks.Breaks
  ) {
    super(uncPath, type)
    this.session = session
    this.treeId = treeId
    this.encrypted = encrypted
    this.breaks = breaks
  }

  outgoing<O extends Pick<Connection.Outgoing, "command" | "body">>(request: O, flags = 0): O & Connection.Outgoing {
    return {
      ...request,
      treeId: this.treeId,
      security: this.session.security,
      owner: this,
      encrypted: this.encrypted,
      flags
    }
  }

  encode(
    operation: Operation.Any,
    fileId: FileId,
    lockSequence?: LockSequences.LockSequence
  ): Connection.Outgoing {
    const outgoing = this.outgoing(Commands.encode(operation, fileId, lockSequence))
    // A READ from a pipe waits until the other end writes to it.
    return operation._tag === "Read" && this.type === "pipe" ? { ...outgoing, waits: true } : outgoing
  }

  run<O extends Operation.Any>(
    operation: O,
    fileId: FileId,
    path: string,
    lockSequence?: LockSequences.LockSequence,
    refusals = 0
  ): Effect.Effect<Operation.Output<O>, RequestError> {
    const outgoing = this.encode(operation, fileId, lockSequence)
    const seen = Reauthentication.countOf(this)
    return Effect.flatMap(
      Connection.request(
        this.session.connection,
        // A lock that is granted after its caller has stopped waiting would keep all others out until the file is
        // closed.
        operation._tag === "Lock" ? { ...outgoing, orphan: () => this.unlockLater(operation, fileId) } : outgoing
      ),
      (reply) =>
        Reauthentication.isNeeded(reply)
          ? Reauthentication.resend(
            this,
            seen,
            refusals + 1,
            () => this.expired(Commands.commandName(outgoing.command), path),
            (refusals) => this.run(operation, fileId, path, lockSequence, refusals)
          )
          : Effect.fromResult(Commands.decode(operation, reply, this.full(path)))
    )
  }

  /** The server's refusal of a request because the session has expired. */
  expired(command: string, path: string): SmbError {
    return fromStatus(NtStatus.STATUS_NETWORK_SESSION_EXPIRED, command, this.full(path))
  }

  private unlockLater({ ranges }: Operation.Lock, fileId: FileId): void {
    const { connection } = this.session
    connection.submit([this.encode({ _tag: "Unlock", ranges }, fileId)], [() => {}])
  }

  closeOutgoing(fileId: FileId): Connection.Outgoing {
    return this.outgoing({ command: Command.CLOSE, body: Open.encodeClose(fileId) })
  }

  /** Closes an open without waiting, if its owner no longer waits. */
  closeLater(fileId: FileId): void {
    // The server has ended the open with its share. By the same FileId the client may have reclaimed it already.
    if (this.lost !== undefined) return
    this.session.connection.submit([this.closeOutgoing(fileId)], [() => {}])
  }

  /** Closes an open that came after its caller had stopped waiting. */
  closeLate({ fileId, opened }: Open.Open, options: Share.OpenOptions): void {
    const before = ConnectedShare.beforeLateClose(options, opened)
    if (before === undefined) return this.closeLater(fileId)
    this.session.connection.submit([this.encode(before, fileId)], [() => this.closeLater(fileId)])
  }

  close(fileId: FileId, path: string, refusals = 0): Effect.Effect<void, RequestError> {
    const seen = Reauthentication.countOf(this)
    return Effect.flatMap(
      Connection.request(this.session.connection, this.closeOutgoing(fileId)),
      (reply) =>
        Reauthentication.isNeeded(reply)
          ? Reauthentication.resend(
            this,
            seen,
            refusals + 1,
            () => this.expired("CLOSE", path),
            (refusals) => this.close(fileId, path, refusals)
          )
          : ConnectedShare.closed(reply.header.status, this.full(path))
    )
  }
}

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

const openFile = (
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

const batch = (
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

/** Why a share that demands encryption would refuse the session. */
const unencrypted = ({ negotiated, unauthenticated }: Session): string =>
  unauthenticated
    ? "or it demands encryption, which a guest's session does not have: log on with a user and a password"
    : `or it demands encryption, which dialect ${
      Dialects.nameOf(negotiated.dialect)
    } does not have here: offer 3.0 or later (\`dialects\`)`

const decodeTreeConnect = Codec.decode("SMB2 TREE_CONNECT Response", Codec.at(Header.size, TreeConnect.Response))

const demandsEncryption = ({ shareFlags }: TreeConnect.Response): boolean =>
  (shareFlags & ShareFlags.SMB2_SHAREFLAG_ENCRYPT_DATA) !== 0

const disconnectOutgoing = (tree: Tree): Connection.Outgoing =>
  tree.outgoing({
    command: Command.TREE_DISCONNECT,
    body: Codec.encode(TreeConnect.DisconnectRequest)({}),
    atEnd: true
  })

const connect = Effect.fnUntraced(function*(session: Session, share: string, breaks: Breaks.Breaks) {
  const { connection } = session
  const uncPath = UncName.format(connection.options, share)
  const make = ({ header }: Connection.Reply, response: TreeConnect.Response): Tree =>
    new Tree(
      session,
      header.treeId,
      uncPath,
      types[response.shareType] ?? "disk",
      session.encrypted || demandsEncryption(response),
      breaks
    )
  const outgoing: Connection.Outgoing = {
    command: Command.TREE_CONNECT,
    body: Codec.encode(TreeConnect.Request)({
      flags: 0,
      path: ConnectedShare.requestPath(connection.options, share),
      treeConnectContexts: []
    }),
    security: session.security,
    encrypted: session.encrypted,
    // Required in 3.1.1 (MS-SMB2 3.2.4.1.1), harmless in earlier dialects.
    mustSign: true,
    orphan: (reply) => {
      const response = decodeTreeConnect(reply.packet)
      if (Result.isFailure(response)) return
      connection.submit([disconnectOutgoing(make(reply, response.success))], [() => {}])
    }
  }
  const refused = () => fromStatus(NtStatus.STATUS_NETWORK_SESSION_EXPIRED, "TREE_CONNECT", uncPath)
  const send = (refusals: number): Effect.Effect<Connection.Reply, RequestError> => {
    const owner = { session, onLost: () => {} }
    const seen = Reauthentication.countOf(owner)
    return Effect.flatMap(Connection.request(connection, outgoing), (reply) =>
      Reauthentication.isNeeded(reply)
        ? Reauthentication.resend(owner, seen, refusals + 1, refused, send)
        : Effect.succeed(reply))
  }
  const reply = yield* send(0)
  const { status } = reply.header
  if (status !== 0) {
    // smbd says the same where the share demands encryption and the session has no key for it.
    const dark = status === NtStatus.STATUS_ACCESS_DENIED && session.security.encrypt === undefined
    return yield* withDetail(fromStatus(status, "TREE_CONNECT", uncPath), dark ? unencrypted(session) : undefined)
  }
  const response = yield* Effect.fromResult(decodeTreeConnect(reply.packet))
  if (demandsEncryption(response) && session.security.encrypt === undefined) {
    return yield* connection.protocolError(
      "EncryptionUnavailable",
      `the share ${uncPath} demands encryption, which this session cannot give`
    )
  }
  return { tree: make(reply, response), response }
})

/** A WRITE on an open that survives is repeated; any other request that changes something may have had its effect. */
const isHarmless = (command: number): boolean => command === Command.WRITE

/**
 * Ends a connection as if it had been lost, and says whether it did: only if nothing is lost by that.
 *
 * @since 0.2.0
 */
export const breakOff = (
  connection: Connection.Connection,
  breaks: Breaks.Breaks,
  error: TransportError
): boolean => {
  if (connection.failed !== undefined || !breaks.allSurvive || connection.isChanging(isHarmless)) return false
  connection.fail(error)
  return true
}

const disconnect = (tree: Tree): Effect.Effect<void> =>
  Multiplexer.requestAtEnd(Connection.request(tree.session.connection, disconnectOutgoing(tree)))

const makeShare = (tree: Tree, name: string, response: TreeConnect.Response): ConnectedShare.ConnectedShare => {
  const { connection, negotiated, settings } = tree.session
  // The server grants further credits, so this is computed each time.
  const limit = (server: number) => Math.min(server, settings.maximumTransfer, connection.largestTransfer)
  const serverDfs = negotiated.dialect === Dialect.SMB_2_0_2 ||
    (negotiated.capabilities & Capabilities.SMB2_GLOBAL_CAP_DFS) !== 0
  return ConnectedShare.make(connection.options, tree, {
    name,
    isDfs: serverDfs && (response.capabilities & ShareCapabilities.SMB2_SHARE_CAP_DFS) !== 0,
    limits: {
      get read() {
        return limit(negotiated.maxReadSize)
      },
      get write() {
        return limit(negotiated.maxWriteSize)
      },
      get transact() {
        return limit(negotiated.maxTransactSize)
      }
    },
    session: String(tree.session.security.sessionId),
    dialect: Dialects.nameOf(negotiated.dialect),
    continuouslyAvailable: (response.capabilities & ShareCapabilities.SMB2_SHARE_CAP_CONTINUOUS_AVAILABILITY) !== 0,
    ended: () => connection.ended,
    breakOff: (why) => breakOff(connection, tree.breaks, connection.transportError("ConnectionClosed", why)),
    doubt: () => connection.doubt((error) => breakOff(connection, tree.breaks, error)),
    open: (dfs, path, options) => openFile(tree, dfs, path, options),
    batch: (dfs, path, options, operations) => batch(tree, dfs, path, options, operations),
    compounds: () => !connection.refusesCompounds,
    control: (operation) => tree.run(operation, anyFileId, "")
  })
}

/**
 * Connects to a share. It is disconnected when the scope closes.
 *
 * Errors: `SmbError` (`BadNetworkName` if the share does not exist, `AccessDenied`), `ProtocolError` if the share
 * demands encryption that is not available, or if the negotiation was changed on the way.
 *
 * @since 0.1.0
 */
export const make = (
  session: Session,
  share: string,
  breaks: Breaks.Breaks
): Effect.Effect<ConnectedShare.ConnectedShare, RequestError, Scope.Scope> =>
  Effect.acquireRelease(connect(session, share, breaks), ({ tree }) => disconnect(tree), { interruptible: true }).pipe(
    Effect.tap(({ tree }) => ValidateNegotiate.validate(session, tree.treeId, tree.encrypted)),
    Effect.map(({ response, tree }) => makeShare(tree, share, response))
  )

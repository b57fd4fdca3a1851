/**
 * A share on a session: TREE_CONNECT, and the share that callers have (MS-SMB2 3.2.4.2.4, 3.2.5.5).
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Codec from "../Codec/Codec.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import * as ConnectedShare from "../Protocol/ConnectedShare.ts"
import { fromStatus, type RequestError, type TransportError, withDetail } from "../Protocol/Errors.ts"
import * as Multiplexer from "../Protocol/Multiplexer.ts"
import type * as Share from "../Protocol/Share.ts"
import * as UncName from "../Protocol/UncName.ts"
import type * as Breaks from "./Breaks.ts"
import * as Connection from "./Connection.ts"
import * as Dialects from "./Dialects.ts"
import * as Header from "./Header.ts"
import { Tree } from "./internal/ConnectedTree.ts"
import * as Opens from "./internal/Opens.ts"
import { anyFileId } from "./Message/Common.ts"
import { Capabilities, Command, Dialect, ShareCapabilities, ShareFlags, ShareType } from "./Message/Constants.ts"
import * as TreeConnect from "./Message/TreeConnect.ts"
import * as Reauthentication from "./Reauthentication.ts"
import type { Session } from "./Session.ts"
import * as ValidateNegotiate from "./ValidateNegotiate.ts"

export type { ConnectedShare, DfsName } from "../Protocol/ConnectedShare.ts"

const types: Record<number, Share.Share["type"]> = {
  [ShareType.SMB2_SHARE_TYPE_DISK]: "disk",
  [ShareType.SMB2_SHARE_TYPE_PIPE]: "pipe",
  [ShareType.SMB2_SHARE_TYPE_PRINT]: "printer"
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
    open: (dfs, path, options) => Opens.openFile(tree, dfs, path, options),
    batch: (dfs, path, options, operations) => Opens.batch(tree, dfs, path, options, operations),
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

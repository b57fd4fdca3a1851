/**
 * A share on a session: TREE_CONNECT_ANDX, and the opens below it (MS-CIFS 3.2.4.2.5, MS-SMB 3.2.4.2.5).
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Codec from "../Codec/Codec.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import * as ConnectedShare from "../Protocol/ConnectedShare.ts"
import { fromStatus, type RequestError, type TransportError } from "../Protocol/Errors.ts"
import * as Multiplexer from "../Protocol/Multiplexer.ts"
import * as OpenLife from "../Protocol/OpenLife.ts"
import type * as Share from "../Protocol/Share.ts"
import * as UncName from "../Protocol/UncName.ts"
import type * as Breaks from "./Breaks.ts"
import * as Commands from "./Commands.ts"
import * as Connection from "./Connection.ts"
import * as Header from "./Header.ts"
import {
  Capabilities,
  Command,
  OptionalSupport,
  SetFileLevel,
  Trans2Subcommand,
  TreeConnectFlags
} from "./Message/Constants.ts"
import { Close } from "./Message/Simple.ts"
import * as Trans2 from "./Message/Trans2.ts"
import * as TreeConnect from "./Message/TreeConnect.ts"
import * as Open from "./Open.ts"
import type { Session } from "./Session.ts"
import * as TreeRequests from "./TreeRequests.ts"

export type { ConnectedShare, DfsName } from "../Protocol/ConnectedShare.ts"

const FILE_ATTRIBUTE_DIRECTORY = 0x10

/** Opens an existing file to read and change its attributes, shared with all other opens. */
const toAttributes = { desiredAccess: 0x0010_0180, shareAccess: 7, createDisposition: 1 }

const types: Record<string, Share.Share["type"]> = { "A:": "disk", IPC: "pipe", "LPT1:": "printer", COMM: "pipe" }

const closeOutgoing = (tree: TreeRequests.Tree, fid: number): Connection.Outgoing =>
  tree.outgoing({
    command: Command.SMB_COM_CLOSE,
    body: Codec.encode(Close)({ fid, lastTimeModified: 0xffff_ffff }),
    closes: fid
  })

/** Closes an open without waiting, if its owner no longer waits. */
const closeLater = (tree: TreeRequests.Tree, fid: number): void => {
  tree.connection.submit(closeOutgoing(tree, fid), () => {})
}

/** Closes an open that came after its caller had stopped waiting. */
const closeLate = (tree: TreeRequests.Tree, options: Share.OpenOptions) => ({ fid, opened }: Open.Open): void => {
  const before = ConnectedShare.beforeLateClose(options, opened)
  const closed = () => closeLater(tree, fid)
  if (before === undefined) return closed()
  tree.submitTrans2(Trans2Subcommand.TRANS2_SET_FILE_INFORMATION, {
    parameters: TreeRequests.encode(Trans2.SetFileInformationRequest, {
      fid,
      informationLevel: SetFileLevel[before.information.fileInformationClass]!
    }),
    data: before.data
  }, closed)
}

const closeFid = (tree: TreeRequests.Tree, fid: number, full: string): Effect.Effect<void, RequestError> =>
  Effect.flatMap(
    Connection.request(tree.connection, closeOutgoing(tree, fid)),
    (reply) => ConnectedShare.closed(reply.header.status, full)
  )

const makeFile = (
  tree: TreeRequests.Tree,
  open: Open.Open,
  path: string,
  name: TreeRequests.WireName,
  options: Share.OpenOptions
): Effect.Effect<Share.OpenFile, never, Scope.Scope> =>
  Effect.gen(function*() {
    const held = tree.breaks.hold(open.fid, open.opened.oplockLevel, tree)
    const full = tree.full(path)
    const isDirectory = (open.opened.fileAttributes & FILE_ATTRIBUTE_DIRECTORY) !== 0
    const commands = new Commands.Commands(tree, { fid: open.fid, path, name, isDirectory }, {
      close: (fid) => {
        held.release()
        return closeFid(tree, fid, full)
      },
      open: (path, name) => {
        const { desiredAccess, shareAccess } = options
        // With the same options, except that it neither creates nor empties the file, and without the values for a new
        // file.
        const again = { desiredAccess, shareAccess, createDisposition: 1, createOptions: options.createOptions }
        return Effect.map(Open.open(tree, name, path, again, closeLate(tree, again)), ({ fid }) => fid)
      },
      openAttributes: (path, name) =>
        Effect.map(
          Open.open(
            tree,
            name,
            path,
            { ...toAttributes, createOptions: options.createOptions },
            ({ fid }) => closeLater(tree, fid)
          ),
          ({ fid, opened: { fileAttributes } }) => ({ fid, fileAttributes })
        ),
      closeAttributes: (fid) => closeFid(tree, fid, full)
    })
    const life = yield* OpenLife.make({
      options,
      isPipe: tree.type === "pipe",
      close: Effect.suspend(() => {
        held.release()
        return Effect.andThen(
          commands.endSearches,
          Effect.suspend(() => {
            if (commands.gone) return Effect.void
            commands.leave()
            return closeFid(tree, commands.fid, full)
          })
        )
      }),
      closeLater: () => {
        held.release()
        commands.endSearchesLater()
        if (commands.gone) return
        commands.leave()
        closeLater(tree, commands.fid)
      }
    })
    const running = (through: OpenLife.Open["run"]): Share.OpenFile["run"] => (operation) =>
      // FIDs are used again: a request after the close could reach another file.
      Effect.suspend(() =>
        life.isClosed() || commands.gone
          ? Effect.fail(fromStatus(NtStatus.STATUS_FILE_CLOSED, operation._tag.toUpperCase(), full))
          : through(operation, commands.run(operation))
      )
    return {
      path,
      opened: open.opened,
      caching: () => held.caching,
      run: running(life.run),
      attempt: running(life.attempt),
      close: life.close
    }
  })

const openFile = (
  tree: TreeRequests.Tree,
  dfs: ConnectedShare.DfsName | undefined,
  path: string,
  options: Share.OpenOptions
): Effect.Effect<Share.OpenFile, RequestError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) => {
    const name = TreeRequests.wireName(dfs, path, options.timewarp)
    return Effect.flatMap(
      restore(Open.open(tree, name, path, options, closeLate(tree, options))),
      (open) => makeFile(tree, open, path, name, options)
    )
  })

const disconnectOutgoing = (tid: number, uid: number): Connection.Outgoing => ({
  command: Command.SMB_COM_TREE_DISCONNECT,
  body: new Uint8Array(3),
  tid,
  uid,
  atEnd: true
})

const connect = Effect.fnUntraced(function*(session: Session, share: string, breaks: Breaks.Breaks) {
  const { connection, negotiated } = session
  const uncPath = UncName.format(connection.options, share)
  const reply = yield* Connection.request(connection, {
    command: Command.SMB_COM_TREE_CONNECT_ANDX,
    body: Codec.encode(TreeConnect.Request(negotiated.unicode))({
      flags: TreeConnectFlags.TREE_CONNECT_ANDX_EXTENDED_RESPONSE,
      path: ConnectedShare.requestPath(connection.options, share),
      service: "?????"
    }),
    uid: session.uid,
    orphan: ({ header }) => {
      connection.submit(disconnectOutgoing(header.tid, session.uid), () => {})
    }
  })
  if (reply.header.status !== 0) return yield* fromStatus(reply.header.status, "TREE_CONNECT", uncPath)
  const response = yield* Effect.fromResult(
    Codec.decode(
      "SMB1 TREE_CONNECT_ANDX Response",
      Codec.at(Header.size, TreeConnect.Response(negotiated.unicode))
    )(reply.packet)
  )
  const type = types[response.service] ?? "disk"
  return { tree: new TreeRequests.Tree(session, reply.header.tid, uncPath, type, breaks), response }
})

/**
 * Ends a connection as if it had been lost, if nothing is lost by that: an open does not survive it.
 *
 * @since 0.2.0
 */
export const breakOff = (
  connection: Connection.Connection,
  breaks: Breaks.Breaks,
  error: TransportError
): void => {
  if (connection.failed === undefined && breaks.opens === 0 && !connection.isChanging) connection.fail(error)
}

const disconnect = (tree: TreeRequests.Tree): Effect.Effect<void> =>
  Multiplexer.requestAtEnd(Connection.request(tree.connection, disconnectOutgoing(tree.tid, tree.session.uid)))

const makeShare = (
  tree: TreeRequests.Tree,
  name: string,
  response: TreeConnect.Response
): ConnectedShare.ConnectedShare => {
  const { connection, negotiated, uid } = tree.session
  const isDfs = (negotiated.capabilities & Capabilities.CAP_DFS) !== 0 &&
    (response.optionalSupport & OptionalSupport.SMB_SHARE_IS_IN_DFS) !== 0
  return ConnectedShare.make(connection.options, tree, {
    name,
    isDfs,
    limits: tree.limits,
    session: `NT1/${uid}`,
    ended: () => connection.ended,
    doubt: () => connection.doubt((error) => breakOff(connection, tree.breaks, error)),
    dialect: "NT1",
    open: (dfs, path, options) => openFile(tree, dfs, path, options),
    batch: (dfs, path, options, operations) =>
      ConnectedShare.batch(openFile(tree, dfs, path, options), options, operations),
    compounds: () => false,
    control: (operation) => Commands.control(tree, operation)
  })
}

/**
 * Connects to a share. It is disconnected when the scope closes.
 *
 * Errors: `SmbError` (`BadNetworkName` if the share does not exist, `AccessDenied`).
 *
 * @since 0.1.0
 */
export const make = (
  session: Session,
  share: string,
  breaks: Breaks.Breaks
): Effect.Effect<ConnectedShare.ConnectedShare, RequestError, Scope.Scope> =>
  Effect.acquireRelease(connect(session, share, breaks), ({ tree }) => disconnect(tree), { interruptible: true }).pipe(
    Effect.map(({ response, tree }) => makeShare(tree, share, response))
  )

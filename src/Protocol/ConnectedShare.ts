/**
 * A connected share, the same in each version of the protocol: the tree of a TREE_CONNECT (TreeConnect of MS-SMB2
 * 3.2.1.4, Client.TreeConnect of MS-CIFS 3.2.1.4), and the `Share` over it, with and without DFS names on the wire.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Changes from "./Changes.ts"
import type { Peer } from "./ConnectionErrors.ts"
import { fromStatus, type RequestError } from "./Errors.ts"
import * as OpenLife from "./OpenLife.ts"
import type * as Operation from "./Operation.ts"
import * as RequestArguments from "./RequestArguments.ts"
import type * as Share from "./Share.ts"

/**
 * The names of the share's files on the wire with DFS: the namespace's names before the path.
 *
 * @since 0.2.0
 */
export interface DfsName {
  readonly server: string
  readonly share: string
}

/**
 * What a server can end: a share, or the whole session.
 *
 * @since 0.2.0
 */
export type Lost = "share" | "session"

/**
 * A connected share, and its form with DFS names on the wire.
 *
 * @since 0.2.0
 */
export interface ConnectedShare extends Share.Share {
  /** The same share with DFS names. */
  readonly withDfsName: (name: DfsName) => Share.Share
  /** What the server has ended, the share or the whole session: connect again. */
  readonly lost: () => Lost | undefined
}

/**
 * The tree of a connected share: its name, and whether the server has ended it.
 *
 * @category models
 * @since 0.2.0
 */
export class Tree {
  readonly uncPath: string
  readonly type: Share.Share["type"]
  /** What the server has ended. */
  lost: Lost | undefined

  constructor(uncPath: string, type: Share.Share["type"]) {
    this.uncPath = uncPath
    this.type = type
  }

  /** The server says that the share or the session is gone. A lost session stays lost. */
  onLost(what: Lost): void {
    if (this.lost !== "session") this.lost = what
  }

  /** The UNC path of a path below the share. */
  full(path: string): string {
    return path === "" ? this.uncPath : `${this.uncPath}\\${path}`
  }
}

/**
 * The path in a TREE_CONNECT request: without a port.
 *
 * @since 0.2.0
 */
export const requestPath = ({ server }: Peer, share: string): string => `\\\\${server}\\${share}`

/** CreateAction of a file that did not exist before (MS-SMB2 2.2.14, MS-CIFS 2.2.4.64.2). */
const FILE_CREATED = 2

/** Marks the file of an open for deletion at its last CLOSE (FileDispositionInformation, MS-FSCC 2.4.11). */
const deletion = {
  _tag: "SetInfo",
  information: { _tag: "File", fileInformationClass: 13 },
  data: Uint8Array.of(1)
} as const satisfies Operation.SetInfo

/**
 * What to do, before the CLOSE, with an open whose response came after its caller had stopped waiting: a file that no
 * one knows of is deleted if the caller asked for that.
 *
 * @since 0.2.0
 */
export const beforeLateClose = (
  { deleteIfAbandoned }: Share.OpenOptions,
  { createAction }: Share.Opened
): typeof deletion | undefined => deleteIfAbandoned === true && createAction === FILE_CREATED ? deletion : undefined

/**
 * The result of a CLOSE by its status. `path` is the UNC path of the open.
 *
 * @since 0.2.0
 */
export const closed = (status: number, path: string): Effect.Effect<void, RequestError> =>
  status === 0 ? Effect.void : Effect.fail(fromStatus(status, "CLOSE", path))

/**
 * A batch by several requests: opens a file, runs one operation after the other, and closes. It is one operation for the
 * caller: if the first request had its effect and the second fails, the whole may have had it.
 *
 * @since 0.2.0
 */
export const batch = (
  open: Effect.Effect<Share.OpenFile, RequestError, Scope.Scope>,
  options: Share.OpenOptions,
  operations: ReadonlyArray<Operation.Any>
): Effect.Effect<OpenLife.Batched, RequestError> =>
  Changes.whole(Effect.scoped(Effect.flatMap(open, (file) => OpenLife.batch(file, options, operations))))

/**
 * The functions of a share as a version of the protocol has them: with the names that go before a path on the wire.
 *
 * @since 0.2.0
 */
export interface Functions extends
  Pick<
    Share.Share,
    "name" | "isDfs" | "limits" | "dialect" | "continuouslyAvailable" | "breakOff" | "doubt" | "compounds" | "control"
  >
{
  /** The session on its connection, as text. */
  readonly session: string
  /** Whether the connection has ended. */
  readonly ended: () => Share.Ended | undefined
  readonly open: (
    dfs: DfsName | undefined,
    path: string,
    options: Share.OpenOptions
  ) => Effect.Effect<Share.OpenFile, RequestError, Scope.Scope>
  readonly batch: (
    dfs: DfsName | undefined,
    path: string,
    options: Share.OpenOptions,
    operations: ReadonlyArray<Operation.Any>
  ) => Effect.Effect<OpenLife.Batched, RequestError>
}

/**
 * The share over a tree.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (peer: Peer, tree: Tree, functions: Functions): ConnectedShare => {
  const {
    batch,
    breakOff,
    compounds,
    continuouslyAvailable,
    control,
    dialect,
    doubt,
    ended,
    isDfs,
    limits,
    name,
    open,
    session
  } = functions
  const share = (dfs: DfsName | undefined): Share.Share => ({
    server: peer.server,
    port: peer.port,
    name,
    type: tree.type,
    isDfs,
    limits,
    sessionKey: `${peer.server}:${peer.port}/${session}`,
    dialect,
    continuouslyAvailable,
    breakOff,
    doubt,
    ended: () => tree.lost === undefined ? ended() : "there",
    compounds,
    ...RequestArguments.guard(
      {
        open: (path, options) => open(dfs, path, options),
        batch: (path, options, operations) => batch(dfs, path, options, operations),
        control
      },
      (path) => tree.full(path),
      (path) => dfs === undefined ? path : `${dfs.server}\\${dfs.share}\\${path}`
    )
  })
  return { ...share(undefined), withDfsName: share, lost: () => tree.lost }
}

/**
 * The lists of the server service for administrators (MS-SRVS 3.1.4.1, 3.1.4.2, 3.1.4.5): connections to shares, open
 * files, sessions. A response has a limited number of bytes; the client asks for the rest with its resume handle.
 */
import * as Effect from "effect/Effect"
import * as Srvsvc from "../../../Codec/Rpc/Srvsvc.ts"
import * as Lists from "../../../Codec/Rpc/SrvsvcLists.ts"
import { fold } from "../../../Codec/UpCase.ts"
import { AccessMask as A } from "../../../Smb2/Message/Constants.ts"
import type { FileOpen, Server, Session, Tree } from "../State/Model.ts"
import { type Caller, type Operation, operation } from "./Interface.ts"

const accessDenied = 5
const invalidParameter = 87
const levelUnknown = 124

/** The most bytes of a list: the response has to fit into a pipe. */
const largest = 256 * 1024

const seconds = (since: number): number => Math.max(0, Math.floor((performance.now() - since) / 1000))

const clientOf = ({ channels }: Session): string => [...channels.keys()][0]?.address ?? ""

const same = (text: string | undefined, wanted: string | undefined): boolean =>
  wanted === undefined || wanted === "" || text !== undefined && fold(text) === fold(wanted)

/** A name of a client, without the two backslashes before it. */
const plain = (name: string | undefined): string | undefined => name?.replace(/^\\\\/, "")

/** The bytes of an entry in NDR, at most: each text has a pointer, three counts, a NUL and up to two bytes of padding. */
const sizeOf = (entry: object): number =>
  Object.values(entry).reduce<number>((sum, value) => sum + (typeof value === "string" ? 20 + value.length * 2 : 4), 0)

interface Asked {
  readonly info: { readonly level: number }
  readonly preferredMaximumLength: number
  readonly resumeHandle: number | undefined
}

/**
 * A response with the entries of the asked level, from the resume handle on. `entriesOf` gives the list of a level;
 * `undefined` if there is no such level.
 */
const listing = <Info extends { readonly level: number }>(
  { info: { level }, preferredMaximumLength, resumeHandle }: Asked,
  { user }: Caller,
  entriesOf: (level: number) => ReadonlyArray<object> | number
) => {
  const refuse = (returnValue: number) => ({
    info: { level, value: undefined } as unknown as Info,
    totalEntries: 0,
    resumeHandle,
    returnValue
  })
  if (!user.administrator) return refuse(accessDenied)
  const all = entriesOf(level)
  if (typeof all === "number") return refuse(all)
  const from = Math.min(resumeHandle ?? 0, all.length)
  const limit = Math.min(preferredMaximumLength, largest)
  let to = from
  for (let size = 0; to < all.length; to++) {
    size += sizeOf(all[to]!)
    // One entry at least, or the client would ask again and again.
    if (size > limit && to > from) break
  }
  return {
    info: { level, value: all.slice(from, to) } as unknown as Info,
    totalEntries: all.length - from,
    resumeHandle: resumeHandle === undefined ? undefined : to < all.length ? to : 0,
    returnValue: to < all.length ? Srvsvc.ERROR_MORE_DATA : Srvsvc.NERR_Success
  }
}

/** Sessions with a user, in the order of their logon. */
const sessionsOf = (server: Server): ReadonlyArray<Session> =>
  [...server.sessions.values()].filter((session) => session.valid)

const shareNameOf = ({ share }: Tree): string => share === undefined ? "IPC$" : share.name

const connections = (server: Server, qualifier: string, level: number) => {
  if (qualifier === "") return invalidParameter
  if (level !== 0 && level !== 1) return levelUnknown
  const client = qualifier.startsWith("\\\\") ? plain(qualifier) : undefined
  return sessionsOf(server).flatMap((session) =>
    [...session.trees.values()]
      .filter((tree) => client === undefined ? same(shareNameOf(tree), qualifier) : same(clientOf(session), client))
      .map((tree) =>
        level === 0 ? { id: tree.id } : {
          id: tree.id,
          type: tree.share === undefined
            ? (Srvsvc.ShareType.STYPE_IPC | Srvsvc.ShareType.STYPE_SPECIAL) >>> 0
            : Srvsvc.ShareType.STYPE_DISKTREE,
          opens: [...session.opens.values()].filter((open) => open.tree === tree).length,
          users: 1,
          time: seconds(session.began),
          userName: session.user!.name,
          // The other name of the connection: a client for a share, a share for a client.
          netName: client === undefined ? clientOf(session) : shareNameOf(tree)
        }
      )
  )
}

const P = Lists.Permissions
const reads = A.FILE_READ_DATA | A.FILE_EXECUTE
const writes = A.FILE_WRITE_DATA | A.FILE_APPEND_DATA

/** The share and the path in it: where the files of a share are is kept secret from clients. */
const pathOf = ({ path, share, stream }: FileOpen): string =>
  [share.name, ...path].join("\\") + (stream.name === "" ? "" : `:${stream.name}`)

const files = (server: Server, basePath: string | undefined, userName: string | undefined, level: number) => {
  if (level !== 2 && level !== 3) return levelUnknown
  const found: Array<object> = []
  for (const open of server.opens.values()) {
    const user = open.session?.user?.name
    if (!same(user, userName)) continue
    const pathName = pathOf(open)
    if (basePath !== undefined && !fold(pathName).startsWith(fold(basePath))) continue
    const id = Number(open.id & 0xffff_ffffn)
    found.push(
      level === 2 ? { id } : {
        id,
        permissions: (open.may(reads) ? P.PERM_FILE_READ : 0) | (open.may(writes) ? P.PERM_FILE_WRITE : 0),
        locks: open.lockCount,
        pathName,
        userName: user ?? ""
      }
    )
  }
  return found
}

/** A session as each level shows it. */
const sessionOf = (session: Session, level: number): object => {
  const clientName = clientOf(session)
  if (level === 0) return { clientName }
  const userName = session.user!.name
  const last = Math.max(session.began, ...[...session.channels.keys()].map(({ lastReceived }) => lastReceived))
  const [time, idleTime] = [seconds(session.began), seconds(last)]
  if (level === 10) return { clientName, userName, time, idleTime }
  const { SESS_GUEST, SESS_NOENCRYPTION } = Lists.UserFlags
  const userFlags = (session.user!.guest ? SESS_GUEST : 0) | (session.encrypt === undefined ? SESS_NOENCRYPTION : 0)
  const one = { clientName, userName, opens: session.opens.size, time, idleTime, userFlags }
  return level === 1 ? one : level === 2 ? { ...one, clientType: "" } : { ...one, clientType: "", transport: "" }
}

const sessions = (server: Server, clientName: string | undefined, userName: string | undefined, level: number) => {
  if (![0, 1, 2, 10, 502].includes(level)) return levelUnknown
  return sessionsOf(server)
    .filter((session) => same(clientOf(session), plain(clientName)) && same(session.user!.name, userName))
    .map((session) => sessionOf(session, level))
}

/** The operations of these lists. */
export const operations: Readonly<Record<number, Operation>> = {
  [Srvsvc.Operation.NetrConnectionEnum]: operation(
    "NetrConnectionEnum",
    Lists.ConnectionEnumRequest,
    Lists.ConnectionEnumResponse,
    (request, caller) =>
      Effect.sync(() =>
        listing<Lists.Connections>(
          request,
          caller,
          (level) => connections(caller.server, request.qualifier ?? "", level)
        )
      )
  ),
  [Srvsvc.Operation.NetrFileEnum]: operation(
    "NetrFileEnum",
    Lists.FileEnumRequest,
    Lists.FileEnumResponse,
    (request, caller) =>
      Effect.sync(() =>
        listing<Lists.Files>(
          request,
          caller,
          (level) => files(caller.server, request.basePath, request.userName, level)
        )
      )
  ),
  [Srvsvc.Operation.NetrSessionEnum]: operation(
    "NetrSessionEnum",
    Lists.SessionEnumRequest,
    Lists.SessionEnumResponse,
    (request, caller) =>
      Effect.sync(() =>
        listing<Lists.Sessions>(
          request,
          caller,
          (level) => sessions(caller.server, request.clientName, request.userName, level)
        )
      )
  )
}

/**
 * Durable opens (MS-SMB2 3.3.5.9.6, 3.3.5.9.7, 3.3.5.9.10, 3.3.5.9.12): opens that wait for their client when its
 * connection is lost.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { NtStatus } from "../Codec/NtStatus.ts"
import type * as Message from "../Smb2/Message/Create.ts"
import { HANDLE } from "./Caching.ts"
import type * as CreateContexts from "./CreateContexts.ts"
import type { Incoming } from "./Incoming.ts"
import type { FileOpen } from "./Open.ts"
import { type Refusal, refuse, type Reply } from "./Reply.ts"
import type { ServerState } from "./ServerState.ts"

/** Makes an open durable where it asks for it and may be: it must be able to keep others from changing the file. */
export const make = (incoming: Incoming, open: FileOpen, contexts: CreateContexts.Asked): void => {
  const { durable } = contexts
  if (durable === undefined || open.directory || open.holder === undefined) return
  if ((open.holder.state & HANDLE) === 0) return
  const most = Duration.toMillis(Duration.fromInputUnsafe(incoming.server.limits.durableTime))
  const asked = durable.version === 2 && durable.timeout > 0 ? durable.timeout : 60_000
  open.durable = {
    version: durable.version,
    createGuid: durable.version === 2 ? durable.createGuid : undefined,
    timeout: Math.min(asked, most),
    clientGuid: incoming.connection.negotiated.clientGuid,
    owner: incoming.session!.user!.sid
  }
}

/** Whether an open outlives its connection. */
export const mayStay = (open: FileOpen): boolean =>
  open.durable !== undefined && open.holder !== undefined && (open.holder.state & HANDLE) !== 0 &&
  open.holder.breaking === undefined && !open.deleteOnClose && !open.stream.deletePending

/** Takes an open out of its session, to wait. */
export const disconnect = (_server: ServerState, _open: FileOpen): void => {}

/** A client comes back for its open. */
export const reconnect = (
  _incoming: Incoming,
  _body: Message.Request,
  _contexts: CreateContexts.Asked
): Effect.Effect<Reply, Refusal> => refuse(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)

/**
 * Runs the requests of a packet: one, or the messages of a compound one after the other, where a related one takes the
 * session, the tree and the file of the one before it (MS-SMB2 3.3.5.2.7.2). A client that does not read its responses
 * gets no more requests run.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { has } from "../../../Codec/Flags.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { anyFileId, type FileId } from "../../../Smb2/Message/Common.ts"
import { Command, HeaderFlags } from "../../../Smb2/Message/Constants.ts"
import * as Message from "../../../Smb2/Message/Message.ts"
import * as Events from "../../Events.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { Connection } from "../State/Model.ts"
import { errorBody, type Reply } from "../Wire/Reply.ts"
import { dispatch } from "./Dispatch.ts"
import * as Faults from "./Faults.ts"
import type { Outgoing } from "./Outgoing.ts"
import * as RequestSpans from "./RequestSpans.ts"
import type { Batch, Responses } from "./Responses.ts"

/** The most bytes of a compound's responses that wait to be sent as one frame. */
const largestBatch = 1024 * 1024

/** The values that a message of a compound takes from the one before it. */
interface Related {
  readonly sessionId: bigint
  readonly treeId: number
  readonly fileId: FileId
  readonly status: number
  /** The message before had no session: no message can be related to it. */
  readonly broken: boolean
}

/** Runs the requests of one packet in their order, and sends their responses. */
export const run = (
  connection: Connection,
  all: ReadonlyArray<Incoming>,
  batch: Batch,
  responses: Responses,
  out: Outgoing
): Effect.Effect<void> => {
  const only = all[0]!
  if (all.length === 1) {
    if (has(only.header.flags, HeaderFlags.SMB2_FLAGS_RELATED_OPERATIONS)) {
      return Effect.sync(() => {
        responses.respond(batch, only, { status: NtStatus.STATUS_INVALID_PARAMETER, body: errorBody() })
        responses.flush(batch)
      })
    }
    const one = Effect.map(handle(only), (reply) => {
      if (reply !== undefined) responses.respond(batch, only, reply)
      responses.flush(batch)
      if (reply?.consumed === true) connection.server.buffers.give(only.packet)
    })
    return out.isCrowded
      ? Effect.andThen(out.fetched, Effect.suspend(() => connection.closed ? Effect.void : one))
      : one
  }
  return Effect.gen(function*() {
    let related: Related | undefined
    for (const incoming of all) {
      // A request of a few bytes can have a large response.
      if (batch.size > largestBatch) responses.flush(batch)
      yield* out.fetched
      if (connection.closed) return
      const { flags, sessionId, treeId } = incoming.header
      const isRelated = has(flags, HeaderFlags.SMB2_FLAGS_RELATED_OPERATIONS)
      if (isRelated && (related === undefined || related.broken)) {
        responses.respond(batch, incoming, { status: NtStatus.STATUS_INVALID_PARAMETER, body: errorBody() })
        continue
      }
      const from: Omit<Related, "broken"> = isRelated ? related! : { sessionId, treeId, fileId: anyFileId, status: 0 }
      if (isRelated) incoming.relatedFileId = from.fileId
      const header = isRelated ? { ...incoming.header, sessionId: from.sessionId, treeId: from.treeId } : undefined
      const actual = header === undefined ? incoming : incoming.as(header)
      const failed = isRelated && from.status !== 0 && from.fileId.volatile === anyFileId.volatile
      const reply = yield* handle(actual, failed ? from.status : 0)
      if (reply === undefined) continue
      responses.respond(batch, actual, reply)
      const fileId = reply.fileId ?? from.fileId
      const creates = actual.header.command === Command.CREATE
      related = {
        sessionId: reply.sessionId ?? actual.header.sessionId,
        treeId: reply.treeId ?? actual.header.treeId,
        fileId: creates && reply.fileId === undefined ? anyFileId : fileId,
        broken: actual.session === undefined && reply.sessionId === undefined && reply.status !== 0,
        status: creates
          ? reply.status
          : from.status !== 0
          ? from.status
          : reply.status >>> 30 === 3
          ? reply.status
          : 0
      }
    }
    responses.flush(batch)
  })
}

/** Runs one request, and counts it; `undefined` if it has no response. */
const handle = (incoming: Incoming, failedBefore = 0): Effect.Effect<Reply | undefined> =>
  Effect.suspend(() => {
    const { meter } = incoming.server
    const began = meter.begin()
    return Effect.onExit(RequestSpans.spanned(incoming, answer(incoming, failedBefore)), (exit) => {
      meter.end(incoming.header.command, began, exit)
      return Effect.void
    })
  })

const answer = (incoming: Incoming, failedBefore: number): Effect.Effect<Reply | undefined> =>
  dispatch(incoming, failedBefore).pipe(
    Effect.catch((refusal) => {
      const reply = Effect.succeed<Reply>({
        status: refusal.status,
        body: errorBody(refusal.data, refusal.contexts),
        ...refusal.sessionId === undefined ? {} : { sessionId: refusal.sessionId }
      })
      return refusal.fault === undefined ? reply : Effect.andThen(Faults.tell(incoming, refusal.fault), reply)
    }),
    Effect.catchDefect((defect) =>
      Effect.as(
        Events.broken(`the handler of ${Message.commandName(incoming.header.command)}`, Cause.die(defect)),
        { status: NtStatus.STATUS_INTERNAL_ERROR, body: errorBody() } as Reply
      )
    )
  )

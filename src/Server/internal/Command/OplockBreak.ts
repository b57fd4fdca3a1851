/**
 * Acknowledgments of broken oplocks and leases (MS-SMB2 3.3.5.22).
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { OplockLevel } from "../../../Smb2/Message/Constants.ts"
import type * as Message from "../../../Smb2/Message/OplockBreak.ts"
import type { Incoming } from "../State/Incoming.ts"
import * as OplocksAndLeases from "../State/OplocksAndLeases.ts"
import { type Refusal, refuse, type Reply, reply } from "../Wire/Reply.ts"

/** Handles OPLOCK_BREAK. */
export const acknowledge = (incoming: Incoming, body: Message.Request): Effect.Effect<Reply, Refusal> =>
  Effect.suspend(() => (body._tag === "LeaseBreakAcknowledgment" ? lease(incoming, body) : oplock(incoming, body)))

type Of<T extends Message.Request["_tag"]> = Extract<Message.Request, { readonly _tag: T }>

const lease = (incoming: Incoming, body: Of<"LeaseBreakAcknowledgment">): Effect.Effect<Reply, Refusal> => {
  const lease = incoming.server.leases.find(incoming.connection.negotiated.clientGuid, body.leaseKey)
  if (lease === undefined) return refuse(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
  // A client that acknowledges a break has the responses to its CREATEs.
  for (const open of lease.opens) open.mayBeReplayed = false
  if (lease.breaking === undefined) return refuse(NtStatus.STATUS_UNSUCCESSFUL)
  if ((body.leaseState & ~lease.breaking) !== 0) return refuse(NtStatus.STATUS_REQUEST_NOT_ACCEPTED)
  const { leaseKey, leaseState } = body
  return Effect.succeed({
    ...reply({
      _tag: "OPLOCK_BREAK",
      body: { _tag: "LeaseBreakResponse", leaseKey: Uint8Array.from(leaseKey), leaseState }
    }),
    sent: () => OplocksAndLeases.settle(incoming.server, lease, leaseState)
  })
}

/**
 * The status that refuses an acknowledgment for its level (3.3.5.22.1). `held` is the level of the open's oplock. An
 * open without one is refused as on Windows, also after the break of a LEVEL_II, which needs no acknowledgment.
 */
const faultOf = (level: number, held: number, breaking: boolean): number | undefined => {
  if (level === OplockLevel.SMB2_OPLOCK_LEVEL_LEASE) return NtStatus.STATUS_INVALID_PARAMETER
  if (level > OplockLevel.SMB2_OPLOCK_LEVEL_II || held === OplockLevel.SMB2_OPLOCK_LEVEL_NONE) {
    return NtStatus.STATUS_INVALID_OPLOCK_PROTOCOL
  }
  if (breaking) return undefined
  return held === OplockLevel.SMB2_OPLOCK_LEVEL_II && level === OplockLevel.SMB2_OPLOCK_LEVEL_II
    ? NtStatus.STATUS_INVALID_OPLOCK_PROTOCOL
    : NtStatus.STATUS_INVALID_DEVICE_STATE
}

const oplock = (incoming: Incoming, body: Of<"OplockBreakAcknowledgment">): Effect.Effect<Reply, Refusal> => {
  const open = incoming.session!.opens.get(body.fileId.volatile)
  if (open === undefined || open._tag !== "File" || open.id !== body.fileId.persistent) {
    return refuse(NtStatus.STATUS_FILE_CLOSED)
  }
  // A client that acknowledges a break has the response to its CREATE.
  open.mayBeReplayed = false
  const { lease } = open
  const { oplockLevel } = body
  // A lease has its own acknowledgment.
  if (lease?.kind === "lease") return refuse(NtStatus.STATUS_INVALID_PARAMETER)
  const state = OplocksAndLeases.stateOf(oplockLevel)
  const fault = faultOf(oplockLevel, OplocksAndLeases.levelOf(lease?.state ?? 0), lease?.breaking !== undefined)
  if (lease?.breaking === undefined) return refuse(fault ?? NtStatus.STATUS_INVALID_DEVICE_STATE)
  // A wrong level ends the break too: otherwise the clients that wait for it would wait until its timeout.
  if (fault !== undefined || (state & ~lease.breaking) !== 0) {
    OplocksAndLeases.settle(incoming.server, lease, 0)
    return refuse(fault ?? NtStatus.STATUS_INVALID_OPLOCK_PROTOCOL)
  }
  return Effect.succeed({
    ...reply({
      _tag: "OPLOCK_BREAK",
      body: { _tag: "OplockBreak", oplockLevel: body.oplockLevel, fileId: body.fileId }
    }),
    sent: () => OplocksAndLeases.settle(incoming.server, lease, state)
  })
}

/** CREATE on IPC$ (MS-SMB2 3.3.5.9): opens a named pipe. */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { CreateAction, OplockLevel } from "../../../Smb2/Message/Constants.ts"
import type * as CreateMessage from "../../../Smb2/Message/Create.ts"
import * as Pipe from "../Rpc/Pipe.ts"
import type { Incoming } from "../State/Incoming.ts"
import { PipeOpen } from "../State/Model.ts"
import type { OpenReservation } from "../State/OpenReservation.ts"
import { type Refusal, refuse, type Reply, reply } from "../Wire/Reply.ts"

/** Opens a pipe. */
export const create = (
  incoming: Incoming,
  body: CreateMessage.Request,
  reservation: OpenReservation
): Effect.Effect<Reply, Refusal> =>
  Effect.suspend(() => {
    const name = body.name.replace(/^\\+/, "").replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    const { server } = incoming
    const session = incoming.session!
    const pipe = Pipe.make(name, { server, user: session.user! })
    if (pipe === undefined) {
      reservation.release()
      return refuse(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
    }
    const open = new PipeOpen(server, server.newOpenId(), pipe, reservation.use(), session, incoming.tree!)
    server.pipes++
    session.opens.set(open.id, open)
    const fileId = { persistent: open.id, volatile: open.id }
    return Effect.succeed<Reply>({
      ...reply({
        _tag: "CREATE",
        body: {
          oplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_NONE,
          flags: 0,
          createAction: CreateAction.FILE_OPENED,
          creationTime: 0n,
          lastAccessTime: 0n,
          lastWriteTime: 0n,
          changeTime: 0n,
          allocationSize: 4096n,
          endOfFile: 0n,
          fileAttributes: 0x80,
          fileId,
          createContexts: []
        }
      }),
      fileId
    })
  })

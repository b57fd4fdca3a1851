/** A tree connect of a session: the fields that every request on it has, and its requests (MS-SMB2 3.2.1.4). */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../Codec/NtStatus.ts"
import * as ConnectedShare from "../../Protocol/ConnectedShare.ts"
import { fromStatus, type RequestError, type SmbError } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import type * as Breaks from "../Breaks.ts"
import * as Commands from "../Commands.ts"
import * as Connection from "../Connection.ts"
import type * as LockSequences from "../LockSequences.ts"
import type { FileId } from "../Message/Common.ts"
import { Command } from "../Message/Constants.ts"
import * as Open from "../Open.ts"
import * as Reauthentication from "../Reauthentication.ts"
import type { Session } from "../Session.ts"

/** Fills in the common fields of every request on this tree. */
export class Tree extends ConnectedShare.Tree implements Connection.Owner {
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

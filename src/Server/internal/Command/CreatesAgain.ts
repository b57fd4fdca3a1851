/**
 * A CREATE that makes a file for a persistent open, and that a server ends in the middle of (MS-SMB2 3.3.5.9.10). The
 * server notes it before it makes the file. If it ends before the `OpenStore` has the open, the client sends the CREATE
 * again to the next server, and gets the file that is already there as a new one.
 *
 * The next server gives the file only if it is without doubt that of this CREATE: made since then, and empty; and only
 * one such CREATE has that name.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileTime from "../../../Codec/FileTime.ts"
import { fold } from "../../../Codec/UpCase.ts"
import { HeaderFlags } from "../../../Smb2/Message/Constants.ts"
import { keyOf } from "../State/FileTable.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { Interrupted } from "../State/InterruptedCreates.ts"
import type { Server, Share } from "../State/Model.ts"
import type * as OpenRecord from "../State/OpenRecord.ts"
import type * as CreateContexts from "./CreateContexts.ts"
import * as Durable from "./Durable.ts"
import type { Name } from "./Pathname.ts"

/** A CREATE that is under way, as far as it matters here. */
interface Creation {
  readonly incoming: Incoming
  readonly contexts: CreateContexts.Asked
  readonly name: Name
  readonly share: Share
  /** The number under which the `OpenStore` has it. */
  creating: bigint | undefined
}

/** Notes that a CREATE is about to make a file. */
export const begin = (request: Creation): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { contexts: { durable }, incoming, name, share } = request
    const { kept } = incoming.server
    if (
      kept === undefined || request.creating !== undefined || name.stream !== undefined ||
      durable?.version !== 2 || !durable.persistent || !Durable.mayPersist(incoming)
    ) return Effect.void
    const id = incoming.server.newOpenId()
    request.creating = id
    return Effect.flatMap(Clock.currentTimeMillis, (millis) =>
      // If it cannot be noted, the open will not be persistent either.
      Effect.ignore(kept.creating(id, {
        share: share.name,
        path: name.path,
        owner: incoming.session!.user!.sid,
        clientGuid: incoming.connection.negotiated.clientGuid,
        createGuid: durable.createGuid,
        began: String(FileTime.fromMillis(millis))
      })))
  })

/** Another client or program has made the file first. */
export const notMade = (request: Creation): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { creating, incoming: { server: { kept } } } = request
    if (creating === undefined) return Effect.void
    request.creating = undefined
    return Effect.ignore(kept!.creating(creating, undefined))
  })

/** The CREATE is over. If it has made a persistent open, the same commit has that open. */
export const end = (request: Creation): void => {
  if (request.creating !== undefined) request.incoming.server.kept!.remove(request.creating)
  request.creating = undefined
}

/** The CREATE of the server before that this request repeats. It is used up. */
export const find = (
  incoming: Incoming,
  contexts: CreateContexts.Asked,
  name: Name
): Interrupted | undefined => {
  const { durable, extendedAttributes } = contexts
  const { kept } = incoming.server
  if (
    kept === undefined || durable?.version !== 2 || !durable.persistent || name.stream !== undefined ||
    // They are written after the file is made.
    extendedAttributes !== undefined || (incoming.header.flags & HeaderFlags.SMB2_FLAGS_REPLAY_OPERATION) === 0
  ) return undefined
  const found = kept.interrupted.find(incoming.connection.negotiated.clientGuid, durable.createGuid)
  if (found === undefined) return undefined
  const { owner, path, share } = found.creating
  if (
    owner !== incoming.session!.user!.sid || fold(share) !== fold(incoming.tree!.share!.name) ||
    keyOf(path) !== keyOf(name.path)
  ) return undefined
  kept.interrupted.remove(found)
  return found
}

/**
 * The time of a file system can be behind the clock of the server, in ticks of 100 ns: by some milliseconds on a local
 * disk. A file that was there before the CREATE is not taken for a new one by that: the CREATE would have found it.
 */
const tolerance = 10_000_000n

/** The identity of the file that a CREATE has made without doubt. */
const identityOf = (
  server: Server,
  { creating }: OpenRecord.Interrupted
): Effect.Effect<string | undefined> => {
  const share = server.shares.get(fold(creating.share))
  if (share?.options.continuousAvailability !== true) return Effect.succeed(undefined)
  return Effect.match(share.store.stat(creating.path), {
    onSuccess: ({ creationTime, identity, size, type }) =>
      type === "file" && size === 0n && creationTime + tolerance >= BigInt(creating.began) ? identity : undefined,
    onFailure: () => undefined
  })
}

/** Restores the CREATEs of the server before, for as long as their clients may return. */
export const restore = (server: Server, records: ReadonlyArray<OpenRecord.Interrupted>): Effect.Effect<void> => {
  const placeOf = ({ creating: { path, share } }: OpenRecord.Interrupted) => `${fold(share)}\\${keyOf(path)}`
  return Effect.forEach(records, (record) =>
    Effect.map(identityOf(server, record), (identity) => {
      const kept = server.kept!
      const isOnly = records.every((other) => other === record || placeOf(other) !== placeOf(record))
      if (identity === undefined || !isOnly) return kept.remove(record.id)
      const interrupted = { ...record, identity }
      kept.interrupted.add(interrupted)
      server.after(
        server.limits.persistentTime,
        Effect.sync(() => {
          kept.interrupted.remove(interrupted)
          kept.remove(record.id)
        })
      )
    }), { discard: true })
}

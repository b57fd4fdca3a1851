/**
 * A session (MS-SMB2 3.3.1.8): a user who has logged on, their keys, trees and opens. A session may have several
 * connections, its channels; only signing keys are a channel's own.
 */
import type { AcceptorSession } from "../../../Auth/Acceptor.ts"
import type * as Encryption from "../../../Smb2/Encryption.ts"
import type * as Signing from "../../../Smb2/Signing.ts"
import type { Connection } from "../Connection/Connection.ts"
import type { AnyOpen } from "./Open.ts"
import type { Tree } from "./Tree.ts"
import type { Usage } from "./Usage.ts"

/** The user that a session acts as. */
export interface Identity {
  readonly name: string
  readonly sid: string
  readonly groups: ReadonlySet<string>
  readonly administrator: boolean
  readonly guest: boolean
  readonly anonymous: boolean
}

/** Whether two identities are the same person. Guests share a SID, but the server does not know who any of them is. */
export const isSamePerson = (one: Identity | undefined, other: Identity | undefined): boolean =>
  one !== undefined && other !== undefined && !one.guest && !other.guest && one.sid === other.sid

/** One connection's part in a session. */
export interface Channel {
  readonly sign: Signing.Sign | undefined
}

/** A logon under way: a first one, a reauthentication, or one that binds a further channel. */
export interface Logon {
  readonly acceptor: AcceptorSession
  readonly kind: "new" | "again" | "binding"
  preauthHash: Uint8Array
}

/**
 * @category models
 */
export class Session {
  readonly id: bigint
  readonly channels = new Map<Connection, Channel>()
  readonly logons = new Map<Connection, Logon>()
  readonly trees = new Map<number, Tree>()
  readonly opens = new Map<bigint, AnyOpen>()
  user: Identity | undefined
  /** The usage of its user, in which this session counts; undefined once it has ended. */
  usage: Usage | undefined
  dialect = 0
  cipher: Encryption.Algorithm | undefined
  signing: Signing.Algorithm | undefined
  clientGuid = ""
  sessionKey: Uint8Array | undefined
  /** Signs with the key of its first channel, by which further channels are bound. */
  sign: Signing.Sign | undefined
  signRequired = false
  encryptRequired = false
  encrypt: Encryption.Encrypt | undefined
  decrypt: Encryption.Decrypt | undefined
  ended = false
  /** Opens that are about to be made. */
  opening = 0
  /** Watches of its directories. */
  watches = 0
  private nextTree = 1

  constructor(id: bigint) {
    this.id = id
  }

  /** Whether the user has logged on, and has not logged off. */
  get valid(): boolean {
    return this.user !== undefined && !this.ended
  }

  /** From now on the session belongs to this user, and counts in the user's usage. */
  act(user: Identity, usage: Usage): void {
    usage.sessions++
    this.leaveUser()
    this.user = user
    this.usage = usage
  }

  /** The session no longer counts for its user. */
  leaveUser(): void {
    const { usage } = this
    this.usage = undefined
    if (usage === undefined) return
    usage.sessions--
    usage.release()
  }

  newTreeId(): number {
    while (this.trees.has(this.nextTree)) this.nextTree++
    return this.nextTree++
  }
}

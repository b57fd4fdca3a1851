/** The user that a session acts as (MS-SMB2 3.3.1.8, Session.SecurityContext). */

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

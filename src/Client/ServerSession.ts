/** What a client knows after a logon: of the server, of the session, and of the logon itself. */
import type * as NtlmClient from "../Auth/NtlmClient.ts"
import type { SessionInformation } from "../Protocol/ServerInformation.ts"

/**
 * A user's session at a server.
 *
 * @category models
 * @since 0.2.0
 */
export interface ServerSession extends SessionInformation {
  /** How the user proved the identity: `NTLM` or `Kerberos`. Absent if the authenticator does not say. */
  readonly mechanism?: string | undefined
  /** What the server said about itself. Only a logon by NTLM has it. */
  readonly announced?: NtlmClient.Announced | undefined
}

/**
 * NTLM (MS-NLMP), both sides under one name: `NtlmClient` has the client's side, `NtlmServer` the server's, and
 * `NtlmContext` what both have at the end.
 */
export { authenticate, type ClientOptions, negotiate, type NtlmIdentity } from "./NtlmClient.ts"
export type { NtlmContext } from "./NtlmContext.ts"
export { type AcceptorOptions, challenge, type Challenged, type Claim, claim, verify } from "./NtlmServer.ts"

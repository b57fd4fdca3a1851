/**
 * Credentials that a server has refused. Each logon with a wrong password counts against the account, and some of them lock it:
 * so the same one is not tried again, until it changes or somebody says so.
 *
 * What is remembered is a keyed hash, whose key is made for this client and never leaves it: no password and no hash of one
 * that could be tried out.
 */
import * as Redacted from "effect/Redacted"
import { createHmac, randomBytes } from "node:crypto"
import { statSync } from "node:fs"
import { AuthenticationError } from "../../Auth/AuthenticationError.ts"
import type { Credential } from "../../Auth/Credentials.ts"
import type { Reason } from "../../Codec/NtStatus.ts"
import { type RequestError, SmbError } from "../../Protocol/Errors.ts"

/** What a server says of an account and its password that the same password will not change. */
const ofAccount: ReadonlySet<string> = new Set<Reason>([
  "LogonFailure",
  "WrongPassword",
  "NoSuchUser",
  "AccountRestriction",
  "InvalidLogonHours",
  "InvalidWorkstation",
  "PasswordExpired",
  "PasswordMustChange",
  "AccountDisabled",
  "AccountExpired",
  "AccountLockedOut",
  "LogonTypeNotGranted",
  "LogonNotGranted"
])

type Refusal = RequestError | AuthenticationError

/** Whether a failure is a word on the account. That no controller is there, or no network, says nothing about it. */
const isRefusal = (error: Refusal, credential: Credential): boolean => {
  // With a ticket the server looks at no password. The controller does, where a keytab or a password gets the ticket.
  if (error._tag === "AuthenticationError") {
    return error.mechanism === "Kerberos" && error.reason === "InvalidCredential"
  }
  return error._tag === "SmbError" && error.command === "SESSION_SETUP" && ofAccount.has(error.reason) &&
    (credential._tag !== "Kerberos" || credential.fallback !== undefined)
}

/** A keytab is another one when its file has changed. */
const fileState = (path: string): ReadonlyArray<unknown> => {
  const found = statSync(path.replace(/^FILE:/, ""), { throwIfNoEntry: false })
  return [path, found?.mtimeMs, found?.size]
}

/** What a credential proves itself by, as text; `undefined` where that comes from elsewhere, and may be new each time. */
const proofOf = (credential: Credential): ReadonlyArray<unknown> | undefined => {
  switch (credential._tag) {
    case "Anonymous":
      return undefined
    case "Password":
      return ["Password", Redacted.value(credential.password)]
    case "NtHash":
      return ["NtHash", ...Redacted.value(credential.ntHash)]
    case "Kerberos": {
      const fallback = credential.fallback === undefined ? undefined : proofOf(credential.fallback)
      return credential.keytab === undefined
        ? undefined
        : ["Kerberos", credential.principal, ...fileState(credential.keytab), fallback]
    }
  }
}

/** The same failure, which says that it was not got again. */
const marked = (error: Refusal): Refusal => {
  const { detail, mechanism, reason, server } = error as AuthenticationError
  return error._tag === "SmbError"
    ? new SmbError({
      reason: error.reason,
      status: error.status,
      command: error.command,
      notTriedAgain: true,
      ...(error.path === undefined ? {} : { path: error.path })
    })
    : new AuthenticationError({
      reason,
      detail: `not tried again: ${detail}`,
      ...(mechanism === undefined ? {} : { mechanism }),
      ...(server === undefined ? {} : { server })
    })
}

/** How many accounts are kept in mind; the oldest is forgotten first. */
const most = 1000

/** How many refused credentials of one account are kept in mind, for a provider that goes from one to the next and back. */
const mostOfOne = 8

/** What servers have refused. */
export class Refusals {
  private readonly key = randomBytes(32)
  private readonly refused = new Map<string, ReadonlyMap<string, Refusal>>()

  private hash(proof: ReadonlyArray<unknown>): string {
    return createHmac("sha256", this.key).update(JSON.stringify(proof)).digest("base64")
  }

  /** What the server has said of this very credential. `account` names server and user. */
  find(account: string, credential: Credential): Refusal | undefined {
    const known = this.refused.get(account)
    if (known === undefined) return undefined
    const proof = proofOf(credential)
    return proof === undefined ? undefined : known.get(this.hash(proof))
  }

  /** Keeps it in mind, if it is a word on the account. */
  note(account: string, credential: Credential, error: Refusal): void {
    const proof = proofOf(credential)
    if (proof === undefined || !isRefusal(error, credential)) return
    const hash = this.hash(proof)
    const others = [...this.refused.get(account) ?? []].filter(([known]) => known !== hash)
    this.refused.delete(account)
    this.refused.set(account, new Map([...others.slice(1 - mostOfOne), [hash, marked(error)]]))
    if (this.refused.size > most) this.refused.delete(this.refused.keys().next().value!)
  }

  /** The account is let in again. */
  forget(account: string): void {
    this.refused.delete(account)
  }

  clear(): void {
    this.refused.clear()
  }
}

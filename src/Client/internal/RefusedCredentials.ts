/**
 * Credentials that a server has refused. Each logon with a wrong password counts against the account, and some wrong
 * logons lock it. So the same credential is not tried again until it changes or the caller asks for it.
 *
 * The client keeps only a keyed hash. Its key is created for this client and never leaves it: the memory has no
 * password, and no hash that an attacker could use to guess one.
 */
import * as Redacted from "effect/Redacted"
import { createHmac, randomBytes } from "node:crypto"
import { statSync } from "node:fs"
import { AuthenticationError } from "../../Auth/AuthenticationError.ts"
import type { Credential } from "../../Auth/Credentials.ts"
import type { Reason } from "../../Codec/NtStatus.ts"
import { refusesAccount, type RequestError, SmbError } from "../../Protocol/Errors.ts"

/** The statuses of a server that does not let an account in, though its password is right. */
const notGranted: ReadonlySet<string> = new Set<Reason>(["LogonTypeNotGranted", "LogonNotGranted"])

type Refusal = RequestError | AuthenticationError

/** Whether a failure is about the account. A missing domain controller or network says nothing about it. */
const isRefusal = (error: Refusal, credential: Credential): boolean => {
  // With a ticket the server checks no password. The domain controller does, if a keytab or a password gets the ticket.
  if (error._tag === "AuthenticationError") {
    return error.mechanism === "Kerberos" && error.reason._tag === "InvalidCredential"
  }
  return error._tag === "SmbError" && error.command === "SESSION_SETUP" &&
    (refusesAccount(error) || notGranted.has(error.reason._tag)) &&
    (credential._tag !== "Kerberos" || credential.fallback !== undefined)
}

/** A keytab counts as a new one if its file has changed. */
const fileState = (path: string): ReadonlyArray<unknown> => {
  const found = statSync(path.replace(/^FILE:/, ""), { throwIfNoEntry: false })
  return [path, found?.mtimeMs, found?.size]
}

/** The proof of a credential, as text; `undefined` if the proof comes from elsewhere and can be new each time. */
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

/** The same failure, marked to say that the logon was not tried again. */
const notTriedAgain = (error: Refusal): Refusal => {
  const { detail, mechanism, reason, server } = error as AuthenticationError
  return error._tag === "SmbError"
    ? new SmbError({
      reason: error.reason,
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

/** How many accounts are remembered; the oldest is forgotten first. */
const maximumAccounts = 1000

/** How many refused credentials of one account are remembered, for a provider that alternates between several. */
const maximumPerAccount = 8

/** The refused credentials of one client. */
export class Refusals {
  private readonly key = randomBytes(32)
  private readonly refused = new Map<string, ReadonlyMap<string, Refusal>>()

  private hash(proof: ReadonlyArray<unknown>): string {
    return createHmac("sha256", this.key).update(JSON.stringify(proof)).digest("base64")
  }

  /** The failure that the server gave for exactly this credential. `account` names server and user. */
  find(account: string, credential: Credential): Refusal | undefined {
    const known = this.refused.get(account)
    if (known === undefined) return undefined
    const proof = proofOf(credential)
    return proof === undefined ? undefined : known.get(this.hash(proof))
  }

  /** Remembers the failure, if it is about the account. */
  note(account: string, credential: Credential, error: Refusal): void {
    const proof = proofOf(credential)
    if (proof === undefined || !isRefusal(error, credential)) return
    const hash = this.hash(proof)
    const others = [...this.refused.get(account) ?? []].filter(([known]) => known !== hash)
    this.refused.delete(account)
    this.refused.set(account, new Map([...others.slice(1 - maximumPerAccount), [hash, notTriedAgain(error)]]))
    if (this.refused.size > maximumAccounts) this.refused.delete(this.refused.keys().next().value!)
  }

  /** Forgets the refusals of an account, after a logon succeeds. */
  forget(account: string): void {
    this.refused.delete(account)
  }

  clear(): void {
    this.refused.clear()
  }
}

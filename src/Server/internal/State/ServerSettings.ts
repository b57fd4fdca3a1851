/** The settings of a server. */
import type { KerberosKeys } from "../../../Auth/KerberosKeys.ts"

/** Settings that were fixed when the server was made. */
export interface ServerSettings {
  /** The address that it listens on. */
  readonly host: string
  readonly computerName: string
  readonly signing: "required" | "enabled"
  readonly encryption: "required" | "enabled" | "disabled"
  /** Callers without an account that may log on: none, anonymous callers, or also callers with an unknown name. */
  readonly guest: "never" | "anonymous" | "unknown"
  readonly dialects: ReadonlyArray<number>
  /** If given, users can log on by Kerberos. */
  readonly kerberos: KerberosKeys | undefined
}

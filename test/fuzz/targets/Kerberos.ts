/** Tickets, by the system's Kerberos library: tokens that are changed, and true tickets with any authorization data. */
import { Cause, Effect, Exit, Result } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Acceptor from "../../../src/Auth/Acceptor.ts"
import * as Gssapi from "../../../src/Auth/internal/Gssapi.ts"
import * as KerberosKeys from "../../../src/Auth/KerberosKeys.ts"
import * as Spnego from "../../../src/Auth/Spnego.ts"
import * as Tickets from "../../Auth/tickets.ts"
import type { Target } from "../Engine.ts"
import { Broken } from "../Promises.ts"

/** Whether this machine has the library. */
export const hasKerberos = Result.isSuccess(await Effect.runPromise(Effect.result(Gssapi.load)))

const key = new Uint8Array(32).fill(1)
const session = new Uint8Array(32).fill(2)

const spnego = (mechToken: Uint8Array): Uint8Array =>
  Spnego.encode({ _tag: "NegTokenInit", mechTypes: [Spnego.Mechanism.kerberos, Spnego.Mechanism.ntlmssp], mechToken })

const kinds = { token: 0, authorization: 1 } as const

const input = (kind: keyof typeof kinds, bytes: Uint8Array): Uint8Array =>
  new Uint8Array(Buffer.concat([Uint8Array.of(kinds[kind]), bytes]))

/** What the library reads, without the configuration of this machine. */
const environment = (folder: string): void => {
  const config = join(folder, "krb5.conf")
  writeFileSync(
    config,
    `[libdefaults]\ndefault_realm = ${Tickets.realm}\ndns_canonicalize_hostname = false\nrdns = false\n` +
      `dns_lookup_kdc = false\n[domain_realm]\n.corp.test = ${Tickets.realm}\n`
  )
  Object.assign(process.env, { KRB5_CONFIG: config, KRB5RCACHENAME: "none:" })
}

export const kerberos: Target = {
  name: "kerberos",
  most: 2048,
  seeds: () => {
    const token = Tickets.token(Tickets.ticket(key, session), session, { mutual: true })
    return [
      input("token", token),
      input("token", spnego(token)),
      input("authorization", Tickets.authorization([[128, Uint8Array.of(1, 2)], [1, Uint8Array.of(5)]])),
      input(
        "authorization",
        Tickets.authorization([[5, Tickets.andOr(1, [[1, Uint8Array.of(1)], [99, Uint8Array.of(2)]])]])
      ),
      input("authorization", Tickets.authorization([[4, Tickets.kdcIssued([[128, Uint8Array.of(1)]])]]))
    ]
  },
  open: async () => {
    const folder = mkdtempSync(join(tmpdir(), "effect-smb-fuzz-"))
    const before = { KRB5_CONFIG: process.env.KRB5_CONFIG, KRB5RCACHENAME: process.env.KRB5RCACHENAME }
    environment(folder)
    const path = join(folder, "keytab")
    writeFileSync(path, Tickets.keytab(key), { mode: 0o600 })
    const keys = await Effect.runPromise(KerberosKeys.fromKeytab(path))
    return {
      run: async (bytes) => {
        const rest = bytes.slice(1)
        const first = bytes[0] === kinds.authorization
          ? spnego(Tickets.token(Tickets.ticket(key, session, { authorization: rest }), session))
          : rest
        const acceptor = Acceptor.make({
          computerName: "FS1",
          kerberos: keys,
          lookup: () => Effect.succeed({ _tag: "User", ntHash: undefined })
        })
        for (const token of [first, rest]) {
          const exit = await Effect.runPromiseExit(acceptor.step(token))
          if (Exit.isSuccess(exit)) continue
          if (Cause.hasDies(exit.cause)) throw new Broken(`a defect: ${Cause.pretty(exit.cause)}`)
          break
        }
        acceptor.release()
      },
      close: async () => {
        for (const [name, value] of Object.entries(before)) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
        rmSync(folder, { recursive: true, force: true })
      }
    }
  }
}

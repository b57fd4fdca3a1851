/** Who may do what with a folder: shown with names, and changed for one account. */
import { Effect } from "effect"
import { Permissions, Sddl, SmbClient } from "effect-smb"

/** Each entry of a folder as a line: `allow CORP\ann change`. */
export const entries = Effect.fn("entries")(function*(path: string) {
  const smb = yield* SmbClient.SmbClient
  const { entries } = yield* smb.security.permissions(path)
  return entries?.map(({ account, rights, type }) => `${type} ${account?.domain}\\${account?.name} ${rights}`)
})

/** Lets an account change everything that is made in a folder from now on. */
export const letChange = Effect.fn("letChange")(function*(path: string, name: string) {
  const smb = yield* SmbClient.SmbClient
  const [account] = yield* smb.lookupNames(path, [name])
  if (account === undefined) return yield* Effect.fail(`the server knows no account ${name}`)
  const before = yield* smb.security.get(path)
  const after = Permissions.grant(before, {
    sid: account.sid,
    mask: Permissions.Rights.change,
    aceFlags: Permissions.inheritToAll
  })
  const difference = Permissions.difference(before, after) // only the parts that change
  if (difference !== undefined) yield* smb.security.set(path, difference)
})

/** Sets what an SDDL text has, with letters such as `DA` that stand for an account of the server's domain. */
export const setSddl = Effect.fn("setSddl")(function*(path: string, sddl: string) {
  const smb = yield* SmbClient.SmbClient
  const domains = yield* smb.lookupDomains(path) // SIDs of the machine, its domain, the root of the forest
  const descriptor = yield* Effect.fromResult(Sddl.fromSddl(sddl, domains))
  yield* smb.security.set(path, descriptor)
})

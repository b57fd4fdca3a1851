/**
 * Translates SIDs to names and names to SIDs, as clients show and enter them (MS-LSAT 3.1.1): those that every Windows
 * has, and those of the server's own domain, which has the server's name and holds its users.
 */
import * as Effect from "effect/Effect"
import * as Lsat from "../../../Codec/Rpc/Lsat.ts"
import { fold } from "../../../Codec/UpCase.ts"
import * as WellKnownSids from "../../../Codec/WellKnownSids.ts"
import type { Account, Domain } from "../../../Codec/WellKnownSids.ts"
import type { User } from "../../UserStore.ts"
import * as AppStores from "../State/AppStores.ts"
import type { Server } from "../State/Model.ts"

export type { Account, Domain }

const { SidTypeDomain, SidTypeGroup, SidTypeUser } = Lsat.SidNameUse

const guestRid = 501
const noneRid = 513

/** The server's own domain. */
export const ownDomain = (server: Server): Domain => ({
  name: server.settings.computerName,
  sid: server.domainSid
})

/**
 * Accounts of the server's own domain that are not in its user store: the domain itself, guests, and the group of all
 * users.
 */
const ownAccounts = (domain: Domain): ReadonlyArray<Account> => [
  { name: domain.name, sid: domain.sid, use: SidTypeDomain, domain },
  { name: "Guest", sid: `${domain.sid}-${guestRid}`, use: SidTypeUser, domain },
  { name: "None", sid: `${domain.sid}-${noneRid}`, use: SidTypeGroup, domain }
]

/** A user who cannot be looked up counts as unknown: the client then shows the SID. */
const find = (server: Server, name: string, domain: Domain): Effect.Effect<User | undefined> =>
  Effect.orElseSucceed(AppStores.findUser(server, name, domain.name), () => undefined)

/** The account of a SID; undefined if the server does not know the SID. */
export const ofSid = Effect.fnUntraced(function*(
  server: Server,
  sid: string
): Effect.fn.Return<Account | undefined> {
  const domain = ownDomain(server)
  const known = WellKnownSids.bySid(sid) ?? ownAccounts(domain).find((account) => account.sid === sid)
  if (known !== undefined) return known
  const name = yield* nameOf(server, sid)
  if (name === undefined) return undefined
  const user = yield* find(server, name, domain)
  return user === undefined ? undefined : { name: user.name, sid, use: SidTypeUser, domain }
})

/**
 * The user name of a SID: of a user in the server's own domain, or of a logged-on user who was given the SID. If the
 * identity store does not answer, only the latter are known.
 */
const nameOf = (server: Server, sid: string): Effect.Effect<string | undefined> =>
  Effect.map(Effect.orElseSucceed(AppStores.nameOf(server, sid), () => undefined), (name) => {
    if (name !== undefined) return name
    for (const { user } of server.sessions.values()) if (user?.sid === sid && !user.guest) return user.name
    return undefined
  })

/**
 * The account of a name: `name`, or `domain\name`. `domain\` is the domain itself, and an empty name is BUILTIN, as on
 * Windows since Server 2003.
 */
export const ofName = Effect.fnUntraced(function*(
  server: Server,
  text: string
): Effect.fn.Return<Account | undefined> {
  const own = ownDomain(server)
  const cut = text.indexOf("\\")
  const [domain, name] = [text.slice(0, Math.max(cut, 0)), text.slice(cut + 1)]
  if (name === "") {
    const wanted = cut < 0 ? "BUILTIN" : domain
    const found = WellKnownSids.byName("", wanted) ??
      ownAccounts(own).find((account) => fold(account.name) === fold(wanted))
    return found?.use === SidTypeDomain ? found : undefined
  }
  const known = WellKnownSids.byName(domain, name)
  if (known !== undefined) return known
  if (domain !== "" && fold(domain) !== fold(own.name)) return undefined
  const user = yield* find(server, name, own)
  if (user === undefined) {
    return ownAccounts(own).find((account) => fold(account.name) === fold(name))
  }
  if (user.sid !== undefined) return { name: user.name, sid: user.sid, use: SidTypeUser, domain: own }
  return yield* Effect.match(AppStores.sidOf(server, user.name), {
    onSuccess: (sid): Account => ({ name: user.name, sid, use: SidTypeUser, domain: own }),
    // A name whose SID cannot be kept counts as unknown.
    onFailure: () => undefined
  })
})

/** Runs suites that `build.ts` has built, and the server that they test in this process. */
import { Effect } from "effect"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { missingDomain } from "../../../scripts/lab.mjs"
import * as AuthDomain from "./AuthDomain.ts"
import type * as Ptfconfig from "./Ptfconfig.ts"
import type { Setting, Store } from "./Results.ts"
import * as Suites from "./Suites.ts"
import * as TestServer from "./TestServer.ts"

/** What to run. */
export interface Choice {
  /** `BVT` are the build verification tests of all suites. */
  readonly suite: Suites.Suite | "BVT"
  readonly filter: string | undefined
  readonly store: Store
  /** Whether folders map the names that SMB cannot carry. */
  readonly mapNames: boolean
  readonly setting: Setting
  readonly host: string | undefined
  /** For Auth: `Negotiate`, `Kerberos` or `Ntlm`. */
  readonly securityPackage: string
  /** The folder that keeps the TRX and the logs. */
  readonly logs: string | undefined
}

/** The server's place. As a domain's controller it is at a name that every system can look up. */
export const placeOf = ({ host, setting }: Pick<Choice, "host" | "setting">): Ptfconfig.Place => {
  const controller = setting.dfs === "controller"
  return {
    host: controller ? "127.0.0.1" : host ?? "127.0.28.40",
    clients: ["127.0.0.1", "127.0.0.2"],
    name: "EFFECTSMB",
    administrator: "Administrator",
    user: "nonadmin",
    guest: "Guest",
    password: "Password01!",
    features: setting.features,
    domain: controller
      ? { dns: "effectsmb.test", controller: "localhost", server: "localhost", namespace: "DomainBased" }
      : undefined
  }
}

/** FSA's tests of what this server does not announce; `MarkHandle` and the snapshots of streams are ReFS' alone. */
const notClaimed = ["MarkHandle", "RefsStreamSnapshot", "NamedPipe", "QuotaInfo"]
  .map((part) => `Name!~${part}`).join("&")

/** The suites to run, each with its filter. */
export const passes = (
  { filter, setting, suite }: Pick<Choice, "suite" | "filter" | "setting">
): ReadonlyArray<readonly [Suites.Suite, string | undefined]> => {
  const names: ReadonlyArray<Suites.Suite> = suite === "BVT" ? ["SMB2", "FSA", "DFSC", "Auth"] : [suite]
  return names.map((name) => {
    const filters = [
      suite === "BVT" ? "TestCategory=BVT" : undefined,
      name === "FSA" && setting.features === "claimed" ? notClaimed : undefined,
      filter
    ].filter((part) => part !== undefined)
    return [name, filters.length === 0 ? undefined : filters.map((part) => `(${part})`).join("&")] as const
  })
}

/** Auth runs in a domain, with its own copy of the suites. */
const inDomain = (built: string, folder: string, choice: Choice, filter: string | undefined) =>
  Effect.gen(function*() {
    const { additions, place, surroundings } = yield* AuthDomain.make(choice.setting, choice.securityPackage)
    Suites.prepare(built, folder, place)
    yield* TestServer.make(place, choice.store, { ...additions, mapNames: choice.mapNames })
    return yield* Effect.promise(() => Suites.run(folder, "Auth", filter, surroundings))
  })

/** Runs the chosen tests against a server. Returns the TRX of each suite. */
export const run = async (built: string, choice: Choice): Promise<ReadonlyArray<string>> => {
  const place = placeOf(choice)
  const scratch = mkdtempSync(join(tmpdir(), "windows-suites-"))
  const files: Array<string> = []
  const domainless = missingDomain()
  try {
    const unknown = Suites.prepare(built, scratch, place)
    if (unknown.length > 0) console.error(`settings that these suites do not have: ${unknown.join(", ")}`)
    // A new server for each suite: no suite meets the files of another one.
    for (const [suite, filter] of passes(choice)) {
      if (suite === "Auth" && domainless !== undefined) {
        if (choice.suite === "Auth") throw new Error(`Auth needs a Samba domain: ${domainless}`)
        console.error(`Auth is left out, since it needs a Samba domain: ${domainless}`)
        continue
      }
      const trx = await Effect.runPromise(Effect.scoped(
        suite === "Auth" ? inDomain(built, join(scratch, "domain"), choice, filter) : Effect.andThen(
          TestServer.make(place, choice.store, { mapNames: choice.mapNames }),
          Effect.promise(() => Suites.run(scratch, suite, filter))
        )
      ))
      files.push(trx)
      if (choice.logs !== undefined) {
        keep(choice.logs, suite, trx, Suites.log(suite === "Auth" ? join(scratch, "domain") : scratch))
      }
    }
    return files
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

const keep = (folder: string, suite: string, trx: string, log: string | undefined): void => {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${suite}.trx`), trx)
  if (log !== undefined) copyFileSync(log, join(folder, `${suite}.log`))
}

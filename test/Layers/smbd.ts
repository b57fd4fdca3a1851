/**
 * One run of a client through a namespace of real smbd servers: recorded by `test/lab/Recorded.test.ts`, played back and
 * simulated by `test/Layers/RecordedTransport.test.ts`.
 *
 * `UPDATE_FIXTURES=1 npx vitest run test/lab/Recorded.test.ts` records `fixtures/smbd-dfs.json` anew.
 */
import { Effect, Layer, Redacted, Stream } from "effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import * as DfsAdapter from "../../src/Dfs/DfsAdapter.ts"
import type * as TestNamespace from "../../src/Layers/TestNamespace.ts"

/** The lab's user (`test/lab/Server.ts`). */
export const account = { user: "smbtest", password: "Lab-9f3!kqZ2w" }

export const addresses = {
  root: "127.0.33.1",
  one: "127.0.33.2",
  two: "127.0.33.3",
  secret: "127.0.33.4",
  /** Nobody is there. */
  dead: "127.0.33.9"
} as const

const { dead, one, root, secret, two } = addresses

/** The links of the root, as `msdfs` has them. */
export const links = {
  either: [`${one}\\data`, `${two}\\data`],
  "dead-first": [`${dead}\\data`, `${two}\\data`],
  "folder/nested": [`${two}\\data\\sub`],
  secret: [`${secret}\\data`]
}

/** What lies in the shares, by server, share and path. */
export const files: ReadonlyArray<
  readonly [server: keyof typeof addresses, share: string, path: string, text: string]
> = [
  ["root", "dfs", "in-root.txt", "root"],
  ["one", "data", "who.txt", "one"],
  ["two", "data", "who.txt", "two"],
  ["two", "data", "sub/deep.txt", "deep"],
  ["secret", "data", "who.txt", "secret"]
]

/** The same world for the simulator. */
export const description: TestNamespace.Description = {
  [`\\\\${root}\\dfs`]: { targets: [`\\\\${root}\\dfs`], maxReferralLevel: 3, ttl: "10 minutes" },
  ...Object.fromEntries(
    Object.entries(links).map(([link, targets]) => [
      `\\\\${root}\\dfs\\${link.replaceAll("/", "\\")}`,
      { targets: targets.map((target) => `\\\\${target}`), ttl: "10 minutes" }
    ])
  ),
  files: Object.fromEntries(
    files.map(([server, share, path, text]) => [
      `\\\\${addresses[server]}\\${share}\\${path.replaceAll("/", "\\")}`,
      text
    ])
  ),
  // smbd answers referral requests wherever it runs, and gives addresses as names.
  servers: {
    [root]: { dfs: true },
    [one]: { dfs: true, signing: "required" },
    [two]: { dfs: true },
    [secret]: { dfs: true, encryption: "required" },
    [dead]: {}
  },
  faults: [{ server: dead, is: "down" }],
  account
}

/** Reads, writes and lists all over the namespace; `stop` takes the server `one` away in the middle. */
export const program = (stop: Effect.Effect<void, unknown>) =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const at = (path: string) => `\\\\${root}\\dfs\\${path}`
    const seen: Array<unknown> = []
    seen.push(yield* smb.readFileString(at("in-root.txt")))
    seen.push(yield* smb.readFileString(at("either\\who.txt")))
    seen.push(yield* smb.readFileString(at("dead-first\\who.txt")))
    seen.push(yield* smb.readFileString(at("folder\\nested\\deep.txt")))
    seen.push(yield* smb.readFileString(at("secret\\who.txt")))
    yield* Effect.orDie(stop)
    seen.push(yield* smb.readFileString(at("either\\who.txt")))
    yield* smb.writeFile(at("either\\new.txt"), "new")
    const names = yield* Stream.runCollect(Stream.map(smb.list(at("either")), ({ name }) => name))
    seen.push([...names].toSorted())
    yield* smb.remove(at("either\\new.txt"))
    seen.push((yield* Effect.flip(smb.readFileString(at("either\\none.txt"))))._tag)
    return seen
  })

/** What `program` sees. */
export const seen = ["root", "one", "two", "deep", "secret", "two", ["new.txt", "sub", "who.txt"], "SmbError"]

/** The client that runs it, on a transport. */
export const client = DfsAdapter.layer().pipe(
  Layer.provide(SmbClient.layer()),
  Layer.provide(Credentials.layer(Credentials.password(account.user, Redacted.make(account.password))))
)

export const fixture = fileURLToPath(new URL("./fixtures/smbd-dfs.json", import.meta.url))
export const readFixture = () => readFileSync(fixture, "utf8")

/**
 * Runs of a client through namespaces of real Samba servers: recorded by `test/lab/Recorded.test.ts` and
 * `test/lab/Domain.test.ts`, replayed and simulated by `test/Testing/RecordedTransport.test.ts`.
 *
 * `UPDATE_FIXTURES=1 npx vitest run test/lab/Recorded.test.ts test/lab/Domain.test.ts` records `fixtures/*.json` again.
 */
import { assert } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import * as DfsAdapter from "../../src/Dfs/DfsAdapter.ts"
import type { ReferralResponse } from "../../src/Dfs/ReferralResponse.ts"
import type * as Transport from "../../src/Protocol/Transport.ts"
import * as RecordedTransport from "../../src/Testing/RecordedTransport.ts"
import type * as TestNamespace from "../../src/Testing/TestNamespace.ts"

/** The lab's user (`test/lab/Server.ts`). */
export const account = { user: "smbtest", password: "Lab-9f3!kqZ2w" }

export const addresses = {
  root: "127.0.33.1",
  one: "127.0.33.2",
  two: "127.0.33.3",
  secret: "127.0.33.4",
  /** No server listens there. */
  dead: "127.0.33.9"
} as const

const { dead, one, root, secret, two } = addresses

/** The links of the root, as `msdfs` writes them. */
export const links = {
  either: [`${one}\\data`, `${two}\\data`],
  "dead-first": [`${dead}\\data`, `${two}\\data`],
  "folder/nested": [`${two}\\data\\sub`],
  secret: [`${secret}\\data`],
  // Into another namespace; smbd does not mark it as an interlink.
  inter: [`${one}\\dfs\\far`]
}
/** The links of the namespace on `one`. */
export const further = { far: [`${two}\\data`] }

/** The files of the shares, by server, share and path. */
export const files: ReadonlyArray<
  readonly [server: keyof typeof addresses, share: string, path: string, text: string]
> = [
  ["root", "dfs", "in-root.txt", "root"],
  ["one", "data", "who.txt", "one"],
  ["two", "data", "who.txt", "two"],
  ["two", "data", "sub/deep.txt", "deep"],
  ["secret", "data", "who.txt", "secret"]
]

const folders = (host: string, targets: Readonly<Record<string, ReadonlyArray<string>>>) => ({
  // smbd has no version 4, and its referrals live for ten minutes.
  [`\\\\${host}\\dfs`]: { targets: [`\\\\${host}\\dfs`], maxReferralLevel: 3, timeToLive: "10 minutes" } as const,
  ...Object.fromEntries(
    Object.entries(targets).map(([link, places]) => [
      `\\\\${host}\\dfs\\${link.replaceAll("/", "\\")}`,
      { targets: places.map((place) => `\\\\${place}`), timeToLive: "10 minutes" }
    ])
  )
})

/** smbd responds to referral requests on all servers, and does not support the EX control code. */
const smbd = { dfs: true, ex: false }

/**
 * The only difference of the simulator. For a link that does not exist, it responds with the referral of the longest
 * known prefix, the root's; smbd says that the path does not exist. The client continues in the same way.
 */
export const otherwise = {
  simulated: "<- REFERRAL \\127.0.33.1\\dfs\\none\\who.txt STATUS_SUCCESS",
  smbd: "<- REFERRAL \\127.0.33.1\\dfs\\none\\who.txt STATUS_OBJECT_PATH_NOT_FOUND"
}

/** The same world for the simulator. */
export const description: TestNamespace.Description = {
  ...folders(root, links),
  ...folders(one, further),
  files: Object.fromEntries(
    files.map(([server, share, path, text]) => [
      `\\\\${addresses[server]}\\${share}\\${path.replaceAll("/", "\\")}`,
      text
    ])
  ),
  servers: {
    [root]: smbd,
    [one]: { ...smbd, signing: "required" },
    [two]: smbd,
    [secret]: { ...smbd, encryption: "required" },
    [dead]: {}
  },
  faults: [{ server: dead, is: "down" }],
  account
}

type Program = (
  stop: Effect.Effect<void, unknown>
) => Effect.Effect<ReadonlyArray<unknown>, unknown, SmbClient.SmbClient>

/** A client's program, how it follows DFS, and its results. */
export interface Run {
  /** Name of the fixture. */
  readonly name: string
  readonly dfs: DfsAdapter.DfsAdapterOptions
  readonly credential: Credentials.Credential
  /** The same world for the simulator. */
  readonly world: TestNamespace.Description
  /** The server that `stop` stops. */
  readonly stops: string
  readonly program: Program
  /** The part of a referral that must be the same in the simulator. Default: all of it. */
  readonly essence?: (referral: ReferralResponse) => unknown
  readonly seen: ReadonlyArray<unknown>
}

const at = (path: string) => `\\\\${root}\\dfs\\${path}`
const read = (path: string) => Effect.flatMap(SmbClient.SmbClient, (smb) => smb.readFileString(at(path)))
const tagOf = (effect: Effect.Effect<unknown, { readonly _tag: string }, SmbClient.SmbClient>) =>
  Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

/** Reads, writes and lists in the whole namespace, and continues when a server has stopped. */
const everything: Program = (stop) =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const first = yield* Effect.forEach([
      "in-root.txt",
      "either\\who.txt",
      "dead-first\\who.txt",
      "folder\\nested\\deep.txt",
      "secret\\who.txt"
    ], read)
    yield* stop
    const other = yield* read("either\\who.txt")
    yield* smb.writeFile(at("either\\new.txt"), "new")
    const names = yield* Stream.runCollect(Stream.map(smb.list(at("either")), ({ name }) => name))
    yield* smb.remove(at("either\\new.txt"))
    return [...first, other, [...names].toSorted(), yield* tagOf(read("either\\none.txt"))]
  })

/** A root, a link, a link into another namespace, a dead target, and a missing path. */
const visit: Program = () =>
  Effect.gen(function*() {
    const some = yield* Effect.forEach(
      ["in-root.txt", "either\\who.txt", "inter\\who.txt", "dead-first\\who.txt"],
      read
    )
    return [...some, yield* tagOf(read("none\\who.txt"))]
  })
const visited = ["root", "one", "two", "two", "SmbError"]

const usual = {
  credential: Credentials.password(account.user, Redacted.make(account.password)),
  world: description,
  stops: one
}

/** On standalone servers. The last run stops one of them. */
export const runs: ReadonlyArray<Run> = [
  { ...usual, name: "smbd-referral-first", dfs: { mode: "strict" }, program: visit, seen: visited },
  { ...usual, name: "smbd-lazily", dfs: { probe: "lazily" }, program: visit, seen: visited },
  { ...usual, name: "smbd-race", dfs: { connect: "race" }, program: visit, seen: visited },
  { ...usual, name: "smbd-site", dfs: { siteName: "Rome" }, program: visit, seen: visited },
  {
    ...usual,
    name: "smbd-everything",
    dfs: {},
    program: everything,
    seen: ["root", "one", "two", "deep", "secret", "two", ["new.txt", "sub", "who.txt"], "SmbError"]
  }
]

/** In a domain (`test/lab/Domain.ts`), by both its names: SYSVOL, a namespace, its links, and a member that dies. */
export const domainRun: Run = {
  name: "samba-domain",
  dfs: { domainControllers: { "corp.test": ["dc1.corp.test"] } },
  credential: Credentials.password("CORP\\alice", Redacted.make(account.password)),
  stops: "fs1.corp.test",
  world: {
    // smbd serves the root on the server that is asked.
    "\\\\corp.test\\dfs": { maxReferralLevel: 3, timeToLive: "10 minutes" },
    "\\\\corp.test\\dfs\\link": { targets: ["\\\\fs1.corp.test\\far"], timeToLive: "10 minutes" },
    "\\\\corp.test\\dfs\\both": {
      targets: ["\\\\fs1.corp.test\\far", "\\\\dc1.corp.test\\data"],
      timeToLive: "10 minutes"
    },
    files: {
      "\\\\dc1.corp.test\\dfs\\in-root.txt": "root",
      "\\\\dc1.corp.test\\data\\who.txt": "controller",
      "\\\\fs1.corp.test\\far\\who.txt": "member"
    },
    servers: { "dc1.corp.test": { ...smbd, signing: "required" }, "fs1.corp.test": smbd },
    domains: {
      "corp.test": {
        netbiosName: "CORP",
        controllers: ["dc1.corp.test"],
        timeToLive: "15 minutes",
        sysvol: { "corp.test": { Policies: {} } }
      }
    },
    account: { user: "alice", password: account.password }
  },
  program: (stop) =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const seen: Array<unknown> = []
      for (const name of ["corp.test", "CORP"]) {
        seen.push((yield* smb.stat(`\\\\${name}\\sysvol\\corp.test\\Policies`)).type)
        for (const path of ["in-root.txt", "link\\who.txt", "both\\who.txt"]) {
          seen.push(yield* smb.readFileString(`\\\\${name}\\dfs\\${path}`))
        }
      }
      yield* stop
      return [...seen, yield* smb.readFileString("\\\\corp.test\\dfs\\both\\who.txt")]
    }),
  // A Samba controller names the domain itself as the target of a root, gives name lists the size of other entries
  // and a DC referral its name without a backslash, and its referrals for the domain live for ten minutes.
  essence: ({ pathConsumed, referralEntries, referralHeaderFlags }) => ({
    pathConsumed,
    referralHeaderFlags,
    entries: referralEntries.map((entry) => {
      const { referralEntryFlags, serverType, versionNumber } = entry
      const common = { referralEntryFlags, serverType, versionNumber }
      if ("expandedNames" in entry) {
        const { expandedNames, specialName = "" } = entry
        return { ...common, expandedNames, specialName: specialName.replace(/^\\/, "") }
      }
      if ("shareName" in entry) return { ...common, target: entry.shareName }
      const { dfsPath, networkAddress, timeToLive } = entry
      return { ...common, dfsPath, timeToLive, target: serverType === 1 ? "the root" : networkAddress }
    })
  }),
  seen: ["directory", "root", "member", "member", "directory", "root", "member", "member", "controller"]
}

/**
 * Runs a client's program on the given transport. The client is closed at the end. If no server is stopped, as in a
 * replay, the client at least yields, so that it gets the next events of the recording.
 */
export const go = ({ credential, dfs, program }: Run, stop: Effect.Effect<void, unknown> = Effect.yieldNow) =>
  Effect.provide(
    Effect.orDie(program(stop)),
    DfsAdapter.layerWithoutDiscovery(dfs).pipe(
      Layer.provide(SmbClient.layer()),
      Layer.provide(Credentials.layer(credential))
    )
  )

/** The file of a run's recording. */
export const fixture = ({ name }: Run) => fileURLToPath(new URL(`./fixtures/${name}.json`, import.meta.url))
export const readFixture = (run: Run) => readFileSync(fixture(run), "utf8")

/** Whether recordings become fixtures. */
export const updates = process.env.UPDATE_FIXTURES === "1"

/**
 * Records a run over a transport, and writes a fixture of it if `updates`. `stop` runs once, and the program must have
 * its expected results.
 */
export const record = (run: Run, transport: Layer.Layer<Transport.Transport>, stop: Effect.Effect<void, unknown>) =>
  Effect.gen(function*() {
    assert.deepStrictEqual(yield* go(run, stop), run.seen)
    const recording = yield* Effect.flatMap(RecordedTransport.Recorder, (recorder) => recorder.recording)
    if (updates) writeFileSync(fixture(run), `${RecordedTransport.toJson(recording)}\n`)
    return recording
  }).pipe(Effect.provide(RecordedTransport.layerRecord(transport, updates ? { seed: run.name } : {})))

/** Replays a recording to its end. */
export const replay = (run: Run, recording: RecordedTransport.Recording) =>
  Effect.gen(function*() {
    assert.deepStrictEqual(yield* go(run), run.seen)
    yield* Effect.flatMap(RecordedTransport.Replay, (it) => it.checkComplete)
  }).pipe(Effect.provide(RecordedTransport.layerReplay(recording)))

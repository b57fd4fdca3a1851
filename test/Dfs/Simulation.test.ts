/**
 * The whole client with DFS in random worlds: links that lead in circles, links without targets, unusual times to
 * live, servers that die, hang, lie and return. Each operation must end in bounded virtual time with a value or a
 * typed error.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Stream } from "effect"
import * as OpenMode from "../../src/Client/OpenMode.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import type * as DfsAdapter from "../../src/Dfs/DfsAdapter.ts"
import type * as Namespace from "../../src/Dfs/Namespace.ts"
import * as TestNamespace from "../../src/Testing/TestNamespace.ts"
import * as VirtualTime from "../../src/Testing/VirtualTime.ts"
import { random } from "../random.ts"
import { bare } from "./namespace.ts"

/** All errors in the client's types. */
const named = new Set([
  "SmbError",
  "TransportError",
  "ProtocolError",
  "Malformed",
  "AuthenticationError",
  "PathError",
  "NotDfsCapable",
  "DfsError",
  "Overflow",
  "Unsupported"
])

const servers = ["a", "b", "c", "n", "m", "dc1.corp.test", "dc2.corp.test"]
const roots = ["\\\\n\\pub", "\\\\m\\top", "\\\\corp.test\\dfs"] as const
const links = ["one", "two", "deep\\three"]

const world = (
  seed: number
): { readonly description: TestNamespace.Description; readonly paths: ReadonlyArray<string> } => {
  const next = random(seed * 7919 + 1)
  const pick = <A>(list: ReadonlyArray<A>): A => list[next(list.length)]!
  const chance = (percent: number): boolean => next(100) < percent
  const ttl = (): Duration.Input => Duration.seconds(pick([0, 0, 1, 60, 300, 0xffffffff]))
  const folders = roots.flatMap((root) => [root, ...links.map((link) => `${root}\\${link}` as const)])
  const target = (): string | Namespace.Target => {
    const path = chance(70)
      ? `\\\\${pick(["a", "b", "c"])}\\data${pick(["", "", "\\sub"])}`
      // Into another namespace, or into this one.
      : chance(50)
      ? pick(folders)
      : `${pick(folders)}\\sub`
    return chance(60)
      ? path
      : { path, set: next(3), site: pick(["Rome", "Berlin"]), state: chance(10) ? "offline" : "online" }
  }
  const folder = (): TestNamespace.Folder => ({
    targets: Array.from({ length: pick([0, 1, 1, 2, 3, 3]) }, target),
    timeToLive: ttl(),
    targetFailback: chance(50),
    interlink: chance(20)
  })
  const known: { [path: `\\\\${string}`]: TestNamespace.Folder } = {}
  for (const root of roots) {
    // A root's own targets would put one share into two namespaces: only its levels are random.
    if (chance(50)) {
      const [, , host, share] = root.split("\\") as [string, string, string, string]
      const at = host === "corp.test" ? pick(["n", "dc1.corp.test", "c"]) : host
      known[root] = {
        targets: chance(10) ? [] : [`\\\\${at}\\${share}`],
        timeToLive: ttl(),
        maxReferralLevel: pick([1, 2, 3, 4])
      }
    }
    for (const link of links) if (chance(70)) known[`${root}\\${link}`] = folder()
  }
  const when = () => (chance(50) ? { at: `${next(200)} seconds` as const } : { after: next(12) })
  const serverFault = (): TestNamespace.ServerFault => {
    const server = pick(servers)
    switch (next(9)) {
      case 0:
        return { server, is: "slow", by: `${next(40)} seconds` }
      case 1:
        return {
          server,
          is: "refuses",
          status: pick(["STATUS_ACCESS_DENIED", "STATUS_BUFFER_OVERFLOW", "STATUS_NOT_FOUND", "STATUS_INTERNAL_ERROR"]),
          ...(chance(50) ? { command: pick(["IOCTL", "CREATE", "TREE_CONNECT", "SESSION_SETUP"] as const) } : {}),
          times: next(5)
        }
      case 2:
        return {
          server,
          is: "answers",
          with: pick([{ cutAfter: 30 }, { signature: "wrong" }, "drop", "garbage"] as const),
          times: next(3)
        }
      default:
        return { server, is: pick(["down", "unreachable", "hangs", "garbage", "drops", "up", "up"] as const) }
    }
  }
  const folderFault = (): TestNamespace.FolderFault => {
    const path = pick(Object.keys(known))
    switch (next(4)) {
      case 0:
        return path.split("\\").length > 4 ? { path, is: "changed", to: folder() } : { path, is: "restored" }
      case 1:
        return {
          path,
          is: "malformed",
          ...(chance(50) ? { hex: pick(["", "00", "ffff0100000000000400", "0400000002000000"]) } : {})
        }
      default:
        return { path, is: pick(["withdrawn", "restored"] as const) }
    }
  }
  const faults = Array.from(
    { length: next(8) },
    (): TestNamespace.Fault =>
      Object.keys(known).length > 0 && chance(40) ? { ...when(), ...folderFault() } : { ...when(), ...serverFault() }
  )
  return {
    description: {
      ...known,
      files: Object.fromEntries(
        ["a", "b", "c"].map((host) => [`\\\\${host}\\data`, { "f.txt": host, sub: { "f.txt": `${host} below` } }])
      ),
      servers: { n: {}, m: {} },
      domains: {
        "corp.test": {
          controllers: ["dc1.corp.test", "dc2.corp.test"],
          timeToLive: ttl(),
          sysvol: { "f.txt": "policy" }
        }
      },
      faults
    },
    paths: [...folders, "\\\\corp.test\\sysvol", "\\\\a\\data", "\\\\nobody\\data"].map((path) => `${path}\\f.txt`)
  }
}

const operations: ReadonlyArray<
  (smb: SmbClient.Client, path: string, other: string) => Effect.Effect<unknown, { readonly _tag: string }>
> = [
  (smb, path) => smb.readFileString(path),
  (smb, path) => smb.stat(path),
  (smb, path) => smb.exists(path),
  (smb, path) => Stream.runCollect(smb.list(path.slice(0, path.lastIndexOf("\\")))),
  (smb, path) => Stream.runCollect(smb.walk(path.slice(0, path.lastIndexOf("\\")))),
  (smb, path) => smb.writeFile(`${path}.new`, "new"),
  (smb, path) => smb.remove(`${path}.new`),
  (smb, path, other) => smb.rename(`${path}.new`, `${other}.moved`),
  (smb, path, other) => smb.copy(path, `${other}.copy`),
  (smb, path) =>
    Effect.scoped(Effect.flatMap(smb.open(path, OpenMode.read), (file) => file.readInto(0, new Uint8Array(4))))
]

/** One world from beginning to end: the result of each operation, and all events. */
const live = (seed: number) => {
  const { description, paths } = world(seed)
  const next = random(seed * 104_729 + 3)
  const pick = <A>(list: ReadonlyArray<A>): A => list[next(list.length)]!
  const dfs: DfsAdapter.DfsAdapterOptions = {
    mode: pick(["strict", "fallback"]),
    probe: pick(["referral-first", "lazily"]),
    connect: pick(["ordered", "race"]),
    maxReferralLevel: pick([2, 3, 4, 4]),
    ...(next(3) === 0 ? { siteName: "Berlin" } : {})
  }
  const program = Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const ended: Array<Exit.Exit<unknown, { readonly _tag: string }>> = []
    for (let i = 0; i < 6; i++) {
      const some = Array.from({ length: 1 + next(3) }, () => pick(operations)(smb, pick(paths), pick(paths)))
      ended.push(...yield* Effect.all(some.map(Effect.exit), { concurrency: "unbounded" }))
      yield* Effect.sleep(`${next(90)} seconds`)
    }
    return ended
  })
  return Effect.gen(function*() {
    const { exit, took } = yield* VirtualTime.run(program, { limit: "12 hours" })
    return { exit, took, events: yield* Effect.flatMap(TestNamespace.TestNamespace, (it) => it.events) }
  }).pipe(Effect.provide(TestNamespace.layerClient(description, { dfs })))
}

describe("the client with DFS in random worlds", () => {
  it.effect(
    "ends each operation in bounded virtual time, with a value or a typed error",
    () =>
      Effect.gen(function*() {
        const tags = new Map<string, number>()
        for (let seed = 1; seed <= 25; seed++) {
          const { events, exit, took } = yield* live(seed)
          assert(
            Exit.isSuccess(exit),
            `world ${seed} did not end in ${took} ms:\n${TestNamespace.format(events.slice(-40))}`
          )
          for (const one of exit.value) {
            const error: any = Exit.isFailure(one) ? Cause.squash(one.cause) : { _tag: "value" }
            const detail = Exit.isFailure(one) ? Cause.pretty(one.cause) : ""
            assert(Exit.isSuccess(one) || named.has(error._tag), `world ${seed}: ${detail}`)
            const tag = bare(error)._tag
            tags.set(tag, (tags.get(tag) ?? 0) + 1)
          }
          // Each operation can try many slow targets, but not forever.
          assert.isBelow(took, Duration.toMillis("3 hours"), `world ${seed}`)
          assert.isBelow(events.length, 20_000, `world ${seed}`)
        }
        // The worlds differ.
        for (
          const tag of ["value", "SmbError", "TransportError", "ProtocolError", "NoTargetLeft", "DfsLoop", "Malformed"]
        ) {
          assert.isAbove(tags.get(tag) ?? 0, 0, `no ${tag} in ${JSON.stringify([...tags])}`)
        }
      }),
    30_000
  )
  it.effect("has the same events in two runs of the same world", () =>
    Effect.gen(function*() {
      for (let seed = 200; seed < 203; seed++) {
        const first = yield* live(seed)
        assert.deepStrictEqual((yield* live(seed)).events, first.events)
      }
    }), 30_000)
})

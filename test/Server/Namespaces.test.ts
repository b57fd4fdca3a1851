/**
 * Proves a server's DFS namespaces with this project's client and resolver over TCP: links, roots, interlinks, target
 * sets and domains (MS-DFSC), changes of a namespace, and referral requests of arbitrary bytes.
 */
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Stream, SubscriptionRef } from "effect"
import { Credentials, DfsAdapter, DfsResolver, SmbClient, TcpTransport } from "effect-smb"
import { name, NtStatus } from "../../src/Codec/NtStatus.ts"
import type * as Namespace from "../../src/Dfs/Namespace.ts"
import { encodeReferralRequest, encodeReferralRequestEx } from "../../src/Dfs/ReferralRequest.ts"
import { decodeReferralResponse } from "../../src/Dfs/ReferralResponse.ts"
import * as DfsHost from "../../src/Server/internal/State/DfsHost.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { anyFileId, type FileId } from "../../src/Smb2/Message/Common.ts"
import { FileAttributes, IoctlFlags } from "../../src/Smb2/Message/Constants.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import { random } from "../Dfs/vectors.ts"
import { RawClient } from "./RawClient.ts"

const users = UserStore.inMemory({ joe: Redacted.make("secret") })
const root = "127.0.29.11"
const one = "127.0.29.12"
const two = "127.0.29.13"
const dead = "127.0.29.19"

const namespace: Namespace.Namespace = {
  roots: {
    public: {
      links: {
        plans: [`\\\\${one}\\data`],
        "media\\films": [`\\\\${dead}\\data`, `\\\\${two}\\data`],
        inter: { targets: [`\\\\${one}\\more\\deep`], interlink: true },
        sets: {
          targets: [{ path: `\\\\${dead}\\data` }, { path: `\\\\${one}\\data`, set: 1 }],
          targetFailback: true,
          timeToLive: 77
        }
      }
    }
  },
  domains: { "corp.test": { netbiosName: "CORP", controllers: [root] } }
}

/** Three servers on one port: one with the root, and two that links lead to. */
const world = (given: SmbServer.Options["namespaces"] = namespace) =>
  Effect.gen(function*() {
    const first = yield* SmbServer.make({
      host: root,
      port: 0,
      users,
      shares: { plain: MemoryStore.make() },
      namespaces: given!
    })
    const { port } = first
    const servers = {
      root: first,
      one: yield* SmbServer.make({
        host: one,
        port,
        users,
        shares: { data: MemoryStore.make() },
        namespaces: { roots: { more: { links: { deep: [`\\\\${two}\\data`] } } } }
      }),
      two: yield* SmbServer.make({ host: two, port, users, shares: { data: MemoryStore.make() } })
    }
    return { port, servers, ...yield* client(port) }
  })

const client = (port: number, dfs: DfsAdapter.DfsAdapterOptions = {}) => {
  const plain = SmbClient.layer({}).pipe(
    Layer.provide([TcpTransport.layer(), Credentials.layer(Credentials.password("joe", Redacted.make("secret")))])
  )
  return Effect.map(
    Layer.build(DfsAdapter.layerWithoutDiscovery({ mode: "fallback", port, ...dfs }).pipe(Layer.provide(plain))),
    (context) => ({
      smb: Context.get(context, SmbClient.SmbClient),
      resolver: Context.get(context, DfsResolver.DfsResolver)
    })
  )
}

const names = (smb: SmbClient.Client, path: string) =>
  Effect.map(
    Stream.runCollect(smb.list(path)),
    (entries) => entries.map(({ name, type }) => `${name} ${type}`).sort()
  )

const at = (server: string, port: number, path: string) => `\\\\${server}:${port}\\${path}`

it.live("the client follows links, past a target that does not answer, and into another namespace", () =>
  Effect.scoped(Effect.gen(function*() {
    const { port, smb } = yield* world()
    const base = at(root, port, "public")
    yield* smb.writeFile(`${base}\\plans\\plan.txt`, "plan")
    assert.strictEqual(yield* smb.readFileString(at(one, port, "data\\plan.txt")), "plan")
    yield* smb.writeFile(`${base}\\media\\films\\film.txt`, "film")
    assert.strictEqual(yield* smb.readFileString(at(two, port, "data\\film.txt")), "film")
    assert.strictEqual(yield* smb.readFileString(`${base}\\inter\\film.txt`), "film")
    yield* smb.makeDirectory(`${base}\\plans\\2027`)
    yield* smb.rename(`${base}\\plans\\plan.txt`, `${base}\\plans\\2027\\plan.txt`)
    assert.deepStrictEqual(yield* names(smb, `${base}\\plans`), ["2027 directory"])
    const other = yield* Effect.flip(smb.rename(`${base}\\plans\\2027\\plan.txt`, `${base}\\media\\films\\p.txt`))
    assert(other._tag === "PathError" && other.reason._tag === "AcrossShares")
  })))

it.live("a root keeps files next to its links and in the folders that lead to them", () =>
  Effect.scoped(Effect.gen(function*() {
    const { port, smb } = yield* world()
    const base = at(root, port, "public")
    yield* smb.writeFile(`${base}\\own.txt`, "own")
    const listed = yield* Stream.runCollect(smb.list(base))
    assert.deepStrictEqual(listed.map((entry) => entry.name).sort(), ["inter", "media", "own.txt", "plans", "sets"])
    const attributes = (name: string) => listed.find((entry) => entry.name === name)!.fileAttributes
    const linked = FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT | FileAttributes.FILE_ATTRIBUTE_DIRECTORY
    assert.strictEqual(attributes("plans") & linked, linked)
    assert.strictEqual(attributes("media") & linked, FileAttributes.FILE_ATTRIBUTE_DIRECTORY)
    yield* smb.writeFile(`${base}\\media\\beside.txt`, "beside")
    yield* smb.rename(`${base}\\own.txt`, `${base}\\media\\own.txt`)
    assert.strictEqual(yield* smb.readFileString(`${base}\\media\\own.txt`), "own")
    assert.deepStrictEqual(
      (yield* Stream.runCollect(smb.list(`${base}\\media`))).map((entry) => entry.name).sort(),
      ["beside.txt", "films", "own.txt"]
    )
    const kept = yield* Effect.flip(smb.remove(`${base}\\media`))
    assert.strictEqual(kept._tag === "SmbError" ? kept.reason._tag : kept._tag, "DirectoryNotEmpty")
  })))

it.live("a client without DFS gets PathNotCovered for a path below a link", () =>
  Effect.scoped(Effect.gen(function*() {
    const { port } = yield* world()
    const { smb } = yield* client(port, { enabled: false })
    const error = yield* Effect.flip(smb.readFile(at(root, port, "public\\plans\\x")))
    assert.strictEqual(error._tag === "SmbError" ? error.reason._tag : error._tag, "PathNotCovered")
    yield* smb.writeFile(at(root, port, "public\\y"), "y")
    const into = yield* Effect.flip(smb.rename(at(root, port, "public\\y"), at(root, port, "public\\plans\\y")))
    assert.strictEqual(into._tag === "SmbError" ? into.reason._tag : into._tag, "PathNotCovered")
  })))

it.live("the resolver reads target sets, failback and times to live, and resolves a domain by REFERRAL_EX requests", () =>
  Effect.scoped(Effect.gen(function*() {
    const { port, resolver } = yield* world()
    const found = yield* resolver.resolve(`\\\\${root}\\public\\sets\\x`)
    assert.strictEqual(found.status, "link")
    assert.strictEqual(found.resolvedPath, `\\\\${one}\\data\\x`)
    const { entries } = yield* resolver.cache
    const kept = [...entries.values()].find((entry) => entry.kind === "link")!
    assert.isTrue(kept.targetFailback)
    assert.deepStrictEqual(kept.targets.map((target) => target.setBoundary), [true, true])
    assert.isBelow(Math.abs(kept.expiresAt - Date.now() - 77_000), 5_000)
    const ex = yield* client(port, { siteName: "Oslo", domainControllers: { "corp.test": [root] } })
    assert.strictEqual(
      (yield* ex.resolver.resolve("\\\\corp.test\\public\\plans\\y")).resolvedPath,
      `\\\\${one}\\data\\y`
    )
  })))

it.live("a changed namespace is served to existing sessions", () =>
  Effect.scoped(Effect.gen(function*() {
    const changing = yield* SubscriptionRef.make<Namespace.Namespace>({ roots: { public: { links: {} } } })
    const { port, servers, smb } = yield* world(changing)
    const base = at(root, port, "public")
    const ttl = { timeToLive: 0 }
    yield* smb.writeFile(`${base}\\own.txt`, "own")
    const sessions = (yield* servers.root.statistics).sessions
    yield* SubscriptionRef.set(changing, {
      roots: {
        public: { ...ttl, links: { plans: { ...ttl, targets: [`\\\\${one}\\data`] } } },
        second: { links: { plans: [`\\\\${two}\\data`] } }
      }
    })
    yield* smb.writeFile(`${base}\\plans\\a.txt`, "a")
    assert.strictEqual(yield* smb.readFileString(at(one, port, "data\\a.txt")), "a")
    yield* smb.writeFile(`${at(root, port, "second")}\\plans\\b.txt`, "b")
    assert.strictEqual(yield* smb.readFileString(at(two, port, "data\\b.txt")), "b")
    assert.strictEqual((yield* servers.root.statistics).sessions, sessions)
    assert.strictEqual(yield* smb.readFileString(`${base}\\own.txt`), "own")
  })))

it.live("a server refers on any tree, and refuses a referral request with a FileId (MS-SMB2 3.3.5.15.2)", () =>
  Effect.gen(function*() {
    const namespaces = { roots: { public: { links: { plans: [`\\\\${one}\\data`] } } } }
    const { port } = yield* SmbServer.make({
      host: root,
      port: 0,
      users,
      shares: { plain: MemoryStore.make() },
      namespaces,
      signing: "enabled",
      guest: "anonymous"
    })
    const input = yield* Effect.fromResult(
      encodeReferralRequest({ requestFileName: `\\${root}\\public\\plans`, maxReferralLevel: 4 })
    )
    for (const share of ["IPC$", "plain", "public"]) {
      const raw = new RawClient(root, port)
      assert.isTrue(yield* Effect.promise(() => raw.logOn(share)))
      const ask = (fileId: FileId) =>
        Effect.promise(() =>
          raw.ask({
            _tag: "IOCTL",
            body: {
              ctlCode: Fsctl.FSCTL_DFS_GET_REFERRALS,
              fileId,
              maxInputResponse: 0,
              maxOutputResponse: 4096,
              flags: IoctlFlags.SMB2_0_IOCTL_IS_FSCTL,
              input,
              output: new Uint8Array(0)
            }
          })
        )
      const referred = yield* ask(anyFileId)
      assert.strictEqual(referred?.readUInt32LE(8), 0)
      assert.include(referred!.toString("utf16le"), `\\${one}\\data`)
      const named = yield* ask({ persistent: 1n, volatile: 1n })
      assert.strictEqual(named?.readUInt32LE(8), NtStatus.STATUS_INVALID_PARAMETER)
      raw.close()
    }
  }).pipe(Effect.scoped))

it("DfsHost.refer answers arbitrary bytes with a referral that decodes and fits the client's room, or with a status", () => {
  const { below } = random(29)
  const host = { current: () => namespace }
  const names = [root, "corp.test", "other"].flatMap((server) =>
    ["public\\plans\\below", "public\\sets", "public", "sysvol", ""].map((path) => `\\${server}\\${path}`)
  )
  const requests = names.map((requestFileName) =>
    [false, true].map((ex) => {
      const encoded = ex
        ? encodeReferralRequestEx({ requestFileName, maxReferralLevel: 4, siteName: "Berlin" })
        : encodeReferralRequest({ requestFileName, maxReferralLevel: 4 })
      assert(encoded._tag === "Success")
      return encoded.success
    })
  )
  const statuses = new Set<number>()
  let referrals = 0
  for (let round = 0; round < 3000; round++) {
    // Every second request is a valid one with one changed byte.
    const valid = requests[below(requests.length)]!
    const random = Uint8Array.from({ length: below(60) }, () => below(4) === 0 ? below(256) : below(3) * 46)
    const index = below(1000)
    const value = below(256)
    const room = below(400)
    for (const ex of [false, true]) {
      const bytes = round % 2 === 0 ? random : valid[ex ? 1 : 0]!.slice()
      if (round % 4 === 1 && index < bytes.length) bytes[index] = value
      const answer = DfsHost.refer(host, bytes, ex, room)
      if (answer._tag === "Status") {
        statuses.add(answer.status)
        continue
      }
      referrals++
      assert.isAtMost(answer.bytes.length, room)
      const decoded = decodeReferralResponse(answer.bytes)
      assert(decoded._tag === "Success", `${decoded}`)
      assert.isAtLeast(decoded.success.referralEntries.length, 1)
      // PathConsumed counts bytes of the name that the client asked for.
      assert.isAtMost(decoded.success.pathConsumed, bytes.length)
    }
  }
  assert.isAbove(referrals, 500)
  assert.deepStrictEqual(Array.from(statuses, name).sort(), [
    "STATUS_BUFFER_OVERFLOW",
    "STATUS_INVALID_PARAMETER",
    "STATUS_NOT_FOUND",
    // A root that the domain does not have (MS-DFSC 3.3.5.5).
    "STATUS_NO_SUCH_FILE",
    "STATUS_UNSUCCESSFUL"
  ])
})

/**
 * The server, by whole sessions that are signed or encrypted: each input is a program of requests on its own connection.
 * The requests are changed before they are signed, so that they pass.
 *
 * What the server promises: no defect, which it writes to its log as an error; an answer to each ECHO; nothing left of a
 * connection that has ended; and service for another client.
 */
import { Cause, Effect, Exit, Layer, Logger, Redacted, Result, Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Codec from "../../../src/Codec/Codec.ts"
import * as Namespace from "../../../src/Dfs/Namespace.ts"
import * as SmbServer from "../../../src/Server/SmbServer.ts"
import * as LocalStore from "../../../src/Server/Store/LocalStore.ts"
import * as MemoryStore from "../../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../../src/Server/UserStore.ts"
import * as Header from "../../../src/Smb2/Header.ts"
import type { FileId } from "../../../src/Smb2/Message/Common.ts"
import { Command, HeaderFlags } from "../../../src/Smb2/Message/Constants.ts"
import * as Create from "../../../src/Smb2/Message/Create.ts"
import * as Message from "../../../src/Smb2/Message/Message.ts"
import type { Target } from "../Engine.ts"
import { Broken, holds } from "../Promises.ts"
import { packets } from "../targets/Smb2.ts"
import { Client, settings } from "./Client.ts"
import { change, Decisions } from "./Decisions.ts"
import * as Requests from "./Requests.ts"

const secret = Redacted.make("secret")

const witnessed = Buffer.from("what the witness wrote")

/** The most requests of one program: more than a server grants credits for at once. */
const longestProgram = 48

const namespace = Result.getOrThrow(Namespace.fromJson(JSON.stringify({
  roots: { public: { links: { docs: ["\\\\server\\data"] } } }
})))

interface World {
  readonly server: SmbServer.SmbServer["Service"]
  readonly faults: Array<string>
  readonly close: () => Promise<void>
}

/** A server with shares of each kind, whose waits are short. */
export const makeServer = async (): Promise<World> => {
  const faults: Array<string> = []
  const logger = Logger.make<unknown, void>(({ cause, logLevel, message }) => {
    if (logLevel === "Error" || logLevel === "Fatal") faults.push(`${String(message)} ${Cause.pretty(cause)}`)
  })
  const folder = mkdtempSync(join(tmpdir(), "effect-smb-fuzz-"))
  const scope = Scope.makeUnsafe()
  const memory = MemoryStore.make({ capacity: 4 * 1024 * 1024 })
  const server = await Effect.runPromise(
    SmbServer.make({
      host: "127.0.0.1",
      port: 0,
      users: UserStore.inMemory({ joe: secret, root: { password: secret, administrator: true }, witness: secret }),
      shares: {
        data: memory,
        disk: LocalStore.make(folder),
        sealed: { store: memory, encrypt: true },
        fixed: { store: memory, readOnly: true },
        kept: { store: memory, security: "D:(A;;FA;;;WD)" }
      },
      namespaces: namespace,
      guest: "anonymous",
      limits: {
        durableTime: "50 millis",
        resilientTime: "50 millis",
        breakTime: "50 millis",
        refusedLogons: 1_000_000_000,
        addressRefusedLogons: 1_000_000_000,
        opens: 64,
        locks: 64,
        pending: 16
      }
    }).pipe(Scope.provide(scope), Effect.provide(Layer.fresh(Logger.layer([logger]))))
  )
  return {
    server,
    faults,
    close: async () => {
      await Effect.runPromise(Scope.close(scope, Exit.void))
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

const created = Codec.decode("CREATE response", Codec.at(Header.size, Create.Response))

const fileOf = (packet: Uint8Array): FileId => Result.getOrThrow(created(packet)).fileId

/** Opens the file of the witness, and gives a function that reads it. */
const bearWitness = async (
  port: number
): Promise<{ readonly look: () => Promise<void>; readonly close: () => void }> => {
  const witness = new Client(port, settings[0]!)
  await witness.logOn("witness", secret)
  await witness.connect("kept")
  const opened = await witness.ask({
    _tag: "CREATE",
    body: {
      name: "witness",
      createDisposition: 3,
      createOptions: 0,
      desiredAccess: 0x0012_0089 | 2,
      shareAccess: 1,
      fileAttributes: 0,
      impersonationLevel: 2,
      requestedOplockLevel: 0,
      createContexts: []
    }
  })
  const fileId = fileOf(opened!.packet)
  const nothing = new Uint8Array(0)
  const at = { fileId, offset: 0n, channel: 0, remainingBytes: 0, flags: 0 }
  await witness.ask({ _tag: "WRITE", body: { ...at, writeChannelInfo: nothing, buffer: witnessed } })
  return {
    look: async () => {
      const reply = await witness.ask({
        _tag: "READ",
        body: { ...at, padding: 0, length: 100, minimumCount: 0, readChannelInfo: nothing }
      })
      holds(
        reply !== undefined && Buffer.from(reply.packet.subarray(Header.size + 16)).equals(witnessed),
        `another client is no longer served: ${
          reply === undefined ? "its connection ended" : reply.header.status.toString(16)
        }`
      )
    },
    close: () => witness.close()
  }
}

/** Waits until nothing is left of the connections that have ended. */
export const settle = async (world: World, empty: object): Promise<void> => {
  const wanted = JSON.stringify(empty)
  const until = performance.now() + 20_000
  for (let i = 0;; i++) {
    const now = JSON.stringify(await numbers(world))
    if (now === wanted) return
    if (performance.now() > until) throw new Broken(`after the connection ended the server has ${now}, not ${wanted}`)
    await (i < 20 ? new Promise(setImmediate) : new Promise((resolve) => setTimeout(resolve, 5)))
  }
}

/** Tasks that may stay: they listen to folders of the disk for other programs' changes, and end later. */
const listening = 24

const numbers = async ({ server }: World): Promise<object> => {
  const { connections, opens, sessions, tasks, waitingLogons } = await Effect.runPromise(server.statistics)
  return { connections, opens, sessions, waitingLogons, ...tasks > listening ? { tasks } : {} }
}

/** A stranger's packets: those before a logon, changed, without a signature. */
const beforeLogon = async (client: Client, decisions: Decisions): Promise<void> => {
  const first = packets.filter(({ packet, way }) => way === "request" && packet[12]! <= 1)
  if (decisions.next(2) === 1) await client.ask(client.negotiation)
  for (let i = decisions.next(6); i >= 0 && !decisions.isOver && !client.closed; i--) {
    const packet = decisions.pick(first).packet.slice()
    Header.view(packet).setUint32(24, client.messageId++, true)
    change(decisions, packet, decisions.pick([Header.size, 0]), 4)
    client.send([packet], true)
  }
  await client.ask({ _tag: "ECHO", body: {} })
}

/** Runs a program of requests, and ends its connection. */
const run = async (client: Client, decisions: Decisions): Promise<void> => {
  const share = decisions.pick(Requests.shares)
  await client.logOn(decisions.pick(["joe", "root"]), secret)
  if (await client.connect(share) !== 0) await client.connect("data")
  const files: Array<FileId> = []
  client.onReply = ({ header, packet }) => {
    if (header.command === Command.CREATE && header.status === 0) files.push(fileOf(packet))
    if (header.command === Command.TREE_CONNECT && header.status === 0) client.treeId = header.treeId
  }
  for (let count = 0; count < longestProgram && !decisions.isOver && !client.closed;) {
    const length = Math.min(decisions.pick([1, 1, 1, 2, 3, 5]), Math.max(client.credits - 1, 1))
    const isRelated = decisions.next(3) !== 0
    const outgoing = Array.from({ length }, (_, i) => ({
      ...Requests.request(decisions, files, Message.encodeRequest),
      flags: i > 0 && isRelated ? HeaderFlags.SMB2_FLAGS_RELATED_OPERATIONS : 0
    }))
    count += length
    const messages = client.compound(outgoing)
    for (const message of messages) {
      // Mostly the body: a header that says something else often ends the connection.
      change(decisions, message, decisions.next(24) === 23 ? 0 : Header.size, decisions.pick([0, 0, 1, 1, 2, 4]))
    }
    client.send(messages, decisions.next(32) === 31)
    // The file of a CREATE is known when its response has come.
    const waits = outgoing.some(({ command }) => command === Command.CREATE) || decisions.next(4) === 0
    if (waits || client.credits < 8) await client.ask({ _tag: "ECHO", body: {} })
  }
  await client.ask({ _tag: "ECHO", body: {} })
}

/** Programs to begin with: each command after an open, by each setting. */
const seeds = (): ReadonlyArray<Uint8Array> =>
  Array.from(
    { length: 48 },
    (_, i) =>
      Uint8Array.from({ length: 600 }, (_, at) => at === 0 ? i : (Math.imul(i * 241 + at, 0x9e3779b1) >>> 13) & 0xff)
  )

export const server: Target = {
  name: "server",
  seeds,
  most: 1600,
  open: async () => {
    const world = await makeServer()
    const witness = await bearWitness(world.server.port)
    const empty = await numbers(world)
    let packetsSent = 0
    let count = 0
    return {
      run: async (input) => {
        const decisions = new Decisions(input)
        const choice = decisions.next(settings.length + 1)
        const client = new Client(world.server.port, settings[choice % settings.length]!)
        try {
          await (choice === settings.length ? beforeLogon(client, decisions) : run(client, decisions))
        } finally {
          packetsSent += client.sent
          client.close()
        }
        if (client.failure !== undefined) throw client.failure
        await settle(world, empty)
        if (count++ % 8 === 0) await witness.look()
        holds(world.faults.length === 0, `the server's log has ${world.faults[0]}`)
      },
      packets: () => packetsSent,
      close: async () => {
        witness.close()
        await world.close()
      }
    }
  }
}

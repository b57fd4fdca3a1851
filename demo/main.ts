/**
 * Shows the main features in a few seconds: two servers and a DFS namespace in this process, and a client that follows
 * a link to the second server, and to the first server when the second one stops. It uses the library first, and then
 * the command.
 *
 * It needs no installation and no rights, and leaves nothing behind. With `--samba` the servers are smbd's.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Exit, Layer, Redacted, Scope } from "effect"
import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import { fileURLToPath } from "node:url"
import { styleText } from "node:util"
import { Credentials, DfsAdapter, SmbClient, TcpTransport, Transport } from "../src/index.ts"
import * as SmbServer from "../src/Server/SmbServer.ts"
import * as MemoryStore from "../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../src/Server/UserStore.ts"

/** A place to listen: its address, and its name in paths. macOS has only these two loopback addresses. */
interface Place {
  readonly address: string
  readonly name: string
}
const at: { readonly one: Place; readonly two: Place } = process.platform === "darwin"
  ? { one: { address: "127.0.0.1", name: "127.0.0.1" }, two: { address: "::1", name: "--1.ipv6-literal.net" } }
  : { one: { address: "127.0.29.31", name: "127.0.29.31" }, two: { address: "127.0.29.32", name: "127.0.29.32" } }

const user = { name: "demo", password: randomBytes(12).toString("base64url") }

const print = (text = "") =>
  Effect.sync(() => {
    process.stdout.write(`${text}\n`)
  })
// No colours if the output is not a terminal: styleText checks the stream and NO_COLOR.
const title = (text: string) => print(`\n${styleText("bold", text)}`)
const good = (text: string) => print(`  ${styleText("green", "✓")} ${text}`)
const quiet = (text: string) => print(styleText("dim", text))

const indent = (text: string) => text.trimEnd().split("\n").map((line) => `    ${line}`).join("\n")

/** Starts both servers on one port, because a referral names no port; the second stops when its own scope closes. */
const startServers = Effect.gen(function*() {
  const users = UserStore.inMemory({ [user.name]: Redacted.make(user.password) })
  const namespaces = {
    roots: {
      public: { links: { media: [`\\\\${at.two.name}\\media`, `\\\\${at.one.name}\\mirror`] } }
    }
  }
  const shares = { mirror: MemoryStore.make() }
  const { port } = yield* SmbServer.make({ host: at.one.address, port: 0, users, shares, namespaces })
  const scope = yield* Effect.acquireRelease(Scope.make(), (own) => Scope.close(own, Exit.void))
  yield* SmbServer.make({ host: at.two.address, port, users, shares: { media: MemoryStore.make() } }).pipe(
    Scope.provide(scope)
  )
  return { port, stopSecond: Scope.close(scope, Exit.void) }
})

/** TCP that prints each address that it connects to, and the result. */
const SayingTransport = Layer.effect(
  Transport.Transport,
  Effect.map(Transport.Transport, ({ connect }) => ({
    connect: (endpoint: Transport.Endpoint, handlers: Transport.Handlers) =>
      connect(endpoint, handlers).pipe(
        Effect.tap(() => quiet(`    -> ${endpoint.host} connected`)),
        Effect.tapError((error) => quiet(`    -> ${endpoint.host} ${error.reason._tag}`))
      )
  }))
).pipe(Layer.provide(TcpTransport.layer()))

const withLibrary = (port: number, stopSecond: Effect.Effect<void>) =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const server = (path: string) =>
      Effect.scoped(smb.withShare(path, (share) => Effect.succeed(`${share.server}, SMB ${share.dialect}`)))
    const expect = (path: string, text: string) =>
      Effect.map(smb.readFileString(path), (found) => {
        if (found !== text) throw new Error(`${path} holds ${JSON.stringify(found)}`)
      })

    const film = `\\\\${at.one.name}:${port}\\public\\media\\film.txt`
    const text = "Follow the links.\n"
    yield* title("A file through a link")
    yield* smb.writeFile(film, text)
    yield* expect(film, text)
    yield* good(`wrote and read ${film}`)
    yield* expect(`\\\\${at.two.name}:${port}\\media\\film.txt`, text)
    yield* good(`it is on ${yield* server(film)}, signed`)

    yield* title("Its server stops")
    // Replication between the targets would have done this before.
    yield* smb.writeFile(`\\\\${at.one.name}:${port}\\mirror\\film.txt`, text)
    yield* stopSecond
    yield* expect(film, text)
    yield* good(`read ${film} again`)
    yield* good(`now from ${yield* server(film)}; the dead target is remembered`)

    yield* title("A name that is not there")
    const error = yield* Effect.flip(smb.readFile(`${film}.bak`))
    yield* good(`${error._tag}: ${error.message}`)
  }).pipe(Effect.provide(
    DfsAdapter.layerWithoutDiscovery({ mode: "fallback", port }).pipe(
      Layer.provide(SmbClient.layer({ signing: "required" })),
      Layer.provide([
        SayingTransport,
        Credentials.layer(Credentials.password(user.name, Redacted.make(user.password)))
      ])
    )
  ))

const checkout = fileURLToPath(new URL("../", import.meta.url))

const withCommand = (port: number) =>
  Effect.gen(function*() {
    yield* title("The same with the command")
    const run = (args: ReadonlyArray<string>) =>
      Effect.gen(function*() {
        yield* print(`  $ npx effect-smb ${args.join(" ")}`)
        const output = yield* Effect.promise(() =>
          new Promise<string>((resolve, reject) => {
            const env = { ...process.env, SMB_USER: user.name, SMB_PASSWORD: user.password }
            execFile(
              process.execPath,
              ["bin/effect-smb.js", ...args],
              { cwd: checkout, env, timeout: 60_000 },
              (error, stdout, stderr) => error === null ? resolve(stdout) : reject(new Error(stderr || error.message))
            )
          })
        )
        if (output.trim() !== "") yield* quiet(indent(output))
      })
    const base = `//${at.one.name}:${port}/public`
    yield* run(["ls", base])
    yield* run(["cat", `${base}/media/film.txt`])
    yield* run(["put", "LICENSE", `${base}/media/LICENSE`])
    yield* run(["ls", "-l", `${base}/media`])
    yield* run(["dfs", "resolve", `${base}/media/LICENSE`])
  })

const demo = Effect.gen(function*() {
  yield* quiet("Starting two servers on loopback addresses ...")
  const { port, stopSecond } = yield* startServers
  yield* print(`  ${at.one.address}  DFS root \\\\${at.one.name}\\public with the link media, and the share mirror`)
  yield* print(`  ${at.two.address}  \\media, first target of the link; the second is mirror`)
  yield* print(`  port ${port}`)
  yield* withLibrary(port, stopSecond)
  yield* withCommand(port)
  yield* quiet("\nStopping the servers; nothing of this stays.")
})

if (process.argv.includes("--samba")) {
  await import("./samba.ts")
} else {
  NodeRuntime.runMain(Effect.scoped(demo))
}

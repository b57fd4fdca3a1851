/**
 * The demo on Samba's servers (`npm run demo -- --samba`): three servers, a DFS namespace over them, and a client that
 * follows its links, also if the first target of a link does not respond. It uses the library first, and then the
 * command.
 *
 * The servers are smbd's, on loopback addresses, with their own folders and user. The demo leaves nothing behind, also
 * after Ctrl-C.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Redacted } from "effect"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { styleText } from "node:util"
import { which } from "../scripts/lab.mjs"
import { Credentials, DfsAdapter, SmbClient, TcpTransport, Transport } from "../src/index.ts"
import * as Lab from "../test/lab/Lab.ts"

/** The addresses of the servers. No server listens at `dead`. */
const at = { root: "127.0.19.1", plans: "127.0.19.2", media: "127.0.19.3", dead: "127.0.19.9" } as const

const print = (text = "") =>
  Effect.sync(() => {
    process.stdout.write(`${text}\n`)
  })
// No colours if the output is not a terminal: styleText checks the stream and NO_COLOR.
const title = (text: string) => print(`\n${styleText("bold", text)}`)
const good = (text: string) => print(`  ${styleText("green", "✓")} ${text}`)
const quiet = (text: string) => print(styleText("dim", text))

const indent = (text: string) => text.trimEnd().split("\n").map((line) => `    ${line}`).join("\n")

/** What the demo needs and does not find, in one line; undefined if it finds everything. */
const missing = (): string | undefined => {
  if (process.platform !== "linux") return "Linux, for Samba's smbd as the servers."
  const programs = ["smbd", "smbpasswd", "ip", "useradd"].filter((name) => which(name) === undefined)
  if (programs.length > 0) {
    return `${programs.join(", ")}. On Debian or Ubuntu: apt-get install samba iproute2 passwd`
  }
  if (process.getuid?.() !== 0) {
    return "root, because DFS referrals name no port: the servers have to listen on 445. Run it again with sudo."
  }
  return undefined
}

/** The user that the lab's servers know is removed again, if it did not exist before. */
const temporaryUser = Effect.acquireRelease(
  Effect.promise(() => Lab.execute("id", ["-u", Lab.user.name])),
  (known) => known.code === 0 ? Effect.void : Effect.promise(() => Lab.execute("userdel", [Lab.user.name]))
)

const startServers = Lab.servers({
  root: {
    address: at.root,
    shares: [{
      name: "public",
      dfs: { plans: `${at.plans}\\plans`, media: [`${at.dead}\\media`, `${at.media}\\media`] }
    }]
  },
  plans: { address: at.plans, shares: [{ name: "plans" }] },
  media: { address: at.media, shares: [{ name: "media" }] }
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

const withLibrary = (onDisk: (name: "plans" | "media", file: string) => string) =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const server = (path: string) =>
      Effect.scoped(smb.withShare(path, (share) => Effect.succeed(`${share.server}, SMB ${share.dialect}`)))
    const check = (name: "plans" | "media", file: string, text: string) =>
      Effect.promise(async () => {
        const found = await readFile(onDisk(name, file), "utf8")
        if (found !== text) throw new Error(`${file} on ${at[name]} holds ${JSON.stringify(found)}`)
      })

    const plan = `\\\\${at.root}\\public\\plans\\2027\\plan.txt`
    const text = "Follow the links.\n"
    yield* title("A file through a link")
    yield* smb.makeDirectory(`\\\\${at.root}\\public\\plans\\2027`)
    yield* smb.writeFile(plan, text)
    const read = yield* smb.readFileString(plan)
    yield* check("plans", "2027/plan.txt", read)
    yield* good(`wrote and read ${plan}`)
    yield* good(`it is on ${yield* server(plan)}, signed; the file is in that server's folder`)

    const film = `\\\\${at.root}\\public\\media\\film.txt`
    yield* title("A link whose first target is dead")
    yield* smb.writeFile(film, text)
    yield* check("media", "film.txt", yield* smb.readFileString(film))
    yield* good(`wrote and read ${film}`)
    yield* good(`it is on ${yield* server(film)}; the dead target was asked once, then remembered`)

    yield* title("A name that is not there")
    const error = yield* Effect.flip(smb.readFile(`${film}.bak`))
    yield* good(`${error._tag}: ${error.message}`)
  }).pipe(Effect.provide(
    DfsAdapter.layerWithoutDiscovery({ mode: "strict" }).pipe(
      Layer.provide(SmbClient.layer({ signing: "required" })),
      Layer.provide([
        SayingTransport,
        Credentials.layer(Credentials.password(Lab.user.name, Redacted.make(Lab.user.password)))
      ])
    )
  ))

const checkout = fileURLToPath(new URL("../", import.meta.url))

const withCommand = Effect.gen(function*() {
  yield* title("The same with the command")
  const run = (args: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      yield* print(`  $ npx effect-smb ${args.join(" ")}`)
      const output = yield* Effect.promise(() =>
        Lab.mustExecute(process.execPath, ["bin/effect-smb.js", ...args], {
          cwd: checkout,
          env: { SMB_USER: Lab.user.name, SMB_PASSWORD: Lab.user.password }
        })
      )
      if (output.stdout.trim() !== "") yield* quiet(indent(output.stdout))
    })
  yield* run(["ls", `//${at.root}/public/plans`])
  yield* run(["cat", `//${at.root}/public/plans/2027/plan.txt`])
  yield* run(["put", "LICENSE", `//${at.root}/public/media/LICENSE`])
  yield* run(["dfs", "resolve", `//${at.root}/public/media/LICENSE`])
})

const demo = Effect.gen(function*() {
  yield* quiet("Starting three Samba servers on loopback addresses ...")
  yield* temporaryUser
  const servers = yield* startServers
  yield* print(`  ${at.root}  DFS root \\\\${at.root}\\public with the links plans and media`)
  yield* print(`  ${at.plans}  \\plans, where the link plans leads`)
  yield* print(`  ${at.media}  \\media, second target of media; the first, ${at.dead}, is dead`)
  yield* withLibrary((name, file) => servers[name].path(name, file))
  yield* withCommand
  yield* quiet("\nStopping the servers; nothing of this stays.")
})

const reason = missing()
if (reason === undefined) {
  NodeRuntime.runMain(
    Effect.scoped(demo).pipe(Effect.catchTag("LabError", (error) =>
      Effect.sync(() => {
        process.stderr.write(`The servers did not start: ${error.message}\n`)
        process.exitCode = 1
      })))
  )
} else {
  process.stderr.write(`The demo starts three servers, and cannot here. It needs ${reason}\n`)
  process.exitCode = 1
}

/**
 * What the workloads share: a folder in memory, servers of both kinds that start when the first workload needs them, and
 * the content of files. Everything ends with the scope, and nothing stays if the process is killed.
 */
import { Context, Effect, Layer, Redacted, Scope } from "effect"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { chmod, mkdir, mkdtemp, open, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as Credentials from "../src/Auth/Credentials.ts"
import * as SmbClient from "../src/Client/SmbClient.ts"
import * as TcpTransport from "../src/Layers/TcpTransport.ts"
import * as Lab from "../test/lab/Lab.ts"
import { guard } from "../test/lab/Process.ts"
import * as Peer from "./Peer.ts"
import * as Processor from "./Processor.ts"

export const mebibyte: number = 1024 ** 2
export const gibibyte: number = 1024 ** 3

/** How the client protects what it sends: its own options, and smbclient's arguments for the same. */
export const modes = {
  plain: { options: { signing: "if-required", ciphers: [] }, args: ["--client-protection=off"] },
  signed: { options: { signing: "required" }, args: ["--client-protection=sign"] },
  encrypted: { options: { encryption: "required" }, args: ["--client-protection=encrypt"] }
} as const satisfies Record<string, { options: SmbClient.Options; args: ReadonlyArray<string> }>

const nt1 = ["--option=client min protocol=NT1", "--option=client max protocol=NT1"]

/** The same for SMB 1. */
export const smb1Modes = {
  plain: { options: { dialects: ["NT1"], signing: "if-required" }, args: [...nt1, "--client-protection=off"] },
  signed: { options: { dialects: ["NT1"], signing: "required" }, args: [...nt1, "--client-protection=sign"] }
} as const satisfies Record<string, { options: SmbClient.Options; args: ReadonlyArray<string> }>

/** A client as the lab's user. */
export const client = (options: SmbClient.Options): Layer.Layer<SmbClient.SmbClient> =>
  SmbClient.layer(options).pipe(
    Layer.provide([
      TcpTransport.layer(),
      Credentials.layer(Credentials.password(Lab.user.name, Redacted.make(Lab.user.password)))
    ])
  )

/** A server with one share, whose files are in `folder` on this machine. */
export interface Served {
  readonly host: string
  readonly share: string
  readonly folder: string
  /** Processor seconds of the server so far. */
  readonly processor: () => number
  /** Bytes of memory of the server's first process. */
  readonly memory: (which: "VmRSS" | "VmHWM") => number
}

/** See the head of the module. */
export interface Setting {
  readonly rounds: number
  /** A folder for the local side of transfers, in memory if this machine has /dev/shm. */
  readonly local: string
  /** smbd with SMB 2 and 3. */
  readonly smbd: Effect.Effect<Served>
  /** smbd with SMB 1 alone. */
  readonly smb1: Effect.Effect<Served>
  /** This project's server as its built command runs it. */
  readonly ours: Effect.Effect<Served>
  /** A local file of 1 GiB. */
  readonly large: Effect.Effect<string>
}

const smbdServed = (options: { readonly address: string; readonly smb1?: true }) =>
  Effect.gen(function*() {
    const server = yield* Lab.server({
      address: options.address,
      shares: [{ name: "data" }],
      ...(options.smb1 === true ? { minimumDialect: "NT1", maximumDialect: "NT1", signing: "auto" } : {})
    })
    const folder = server.path("data")
    const configuration = join(dirname(dirname(folder)), "smb.conf")
    const [pid] = Lab.processesWith(configuration).toSorted((a, b) => a - b)
    return {
      host: options.address,
      share: `\\\\${options.address}\\data`,
      folder,
      processor: () => Processor.ofTree(pid!),
      memory: (which) => Processor.memory(pid!, which)
    } satisfies Served
  }).pipe(Effect.orDie)

/** All clients of a measurement are one user at one address, which by default can have only a part of the server. */
const limits = { addressConnections: 1024, userConnections: 1024 }

/** Starts this project's command as a server of `folder`, on port 445 of a loopback address. */
export const serve = (
  host: string,
  folder: string,
  options?: { readonly args?: ReadonlyArray<string>; readonly configuration?: object }
): Effect.Effect<Served, never, Scope.Scope> =>
  Effect.gen(function*() {
    const configuration = yield* temporary(tmpdir())
    const child = yield* Effect.acquireRelease(
      Effect.promise(async () => {
        const file = join(configuration, "config.json")
        await writeFile(file, JSON.stringify({ limits, ...options?.configuration }), { mode: 0o600 })
        return started([
          ...["serve", "--share", `data=${folder}`, "--config", file, "--host", host, "--port", "445"],
          ...["--user", Lab.user.name, "--json", ...(options?.args ?? [])]
        ], configuration)
      }),
      ended
    )
    return {
      host,
      share: `\\\\${host}\\data`,
      folder,
      processor: () => Processor.ofTree(child.pid!),
      memory: (which) => Processor.memory(child.pid!, which)
    } satisfies Served
  })

/** Starts the command, and waits for its first line, which says that it listens. */
const started = (args: ReadonlyArray<string>, state: string) =>
  new Promise<ChildProcess>((resolve, reject) => {
    const child = spawn(process.execPath, [Peer.command, ...args], {
      env: { ...process.env, SMB_PASSWORD: Lab.user.password, XDG_STATE_HOME: state, XDG_CONFIG_HOME: state },
      stdio: ["ignore", "pipe", "inherit"]
    })
    child.on("error", reject)
    child.on("exit", (code) => reject(new Error(`the server ended with exit code ${code}`)))
    child.stdout.once("data", () => {
      child.stdout.resume()
      resolve(child)
    })
  })

const ended = (child: ChildProcess) =>
  Effect.promise(() =>
    new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve()
      child.on("close", () => resolve())
      child.kill("SIGINT")
      return undefined
    })
  )

/** A new folder below `parent` for the length of the scope, which everybody can enter. */
export const temporary = (parent: string): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = await mkdtemp(join(parent, "effect-smb-bench-"))
      await chmod(folder, 0o755)
      return folder
    }),
    (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
  )

/** Builds the package: the command then runs as it is published, and not from its sources. */
export const build: Effect.Effect<void> = Effect.sync(() => {
  const { status, stderr } = spawnSync(process.execPath, ["scripts/build.mjs"], {
    cwd: Peer.checkout,
    encoding: "utf8"
  })
  if (status !== 0) throw new Error(`the package cannot be built:\n${stderr}`)
})

const makeLarge = async (path: string) => {
  const content = Buffer.alloc(mebibyte, "effect-smb ")
  const file = await open(path, "w")
  for (let i = 0; i < gibibyte / mebibyte; i++) await file.write(content)
  await file.close()
  return path
}

/** The sizes of small files: 1 to 64 KiB, in an order that mixes them. */
export const smallSize = (index: number): number => (1 + (index * 37) % 64) * 1024

/** The bytes of the small files with numbers below `count`. */
export const smallBytes = (count: number): number =>
  Array.from({ length: count }, (_, i) => smallSize(i)).reduce((sum, size) => sum + size, 0)

/** The most small files in one folder. smbd looks through the whole folder for each new name. */
const mostInFolder = 1000

/** The folders that `count` small files are in, below the folder of all; none if one folder holds them. */
export const smallFolders = (count: number): ReadonlyArray<string> =>
  count <= mostInFolder ? [] : Array.from({ length: Math.ceil(count / mostInFolder) }, (_, i) => `part-${i}`)

/** The names from the folder of all down to a small file. */
export const smallNames = (index: number, count: number): ReadonlyArray<string> => {
  const name = `file-${index}.txt`
  return count <= mostInFolder ? [name] : [`part-${Math.floor(index / mostInFolder)}`, name]
}

/** Writes small files into a folder on this machine, which every user can read and change. */
export const makeSmall = async (folder: string, count: number): Promise<void> => {
  for (const path of [folder, ...smallFolders(count).map((name) => join(folder, name))]) {
    await mkdir(path, { recursive: true })
    await chmod(path, 0o777)
  }
  for (let i = 0; i < count; i++) {
    await writeFile(join(folder, ...smallNames(i, count)), Buffer.alloc(smallSize(i), "small "), { mode: 0o666 })
  }
}

/** Makes the setting. Its servers start when a workload asks for them first, and stay to the end of the scope. */
export const make = Effect.fn("Setting.make")(function*(rounds: number) {
  const scope = yield* Scope.Scope
  const once = <A>(make: Effect.Effect<A, never, Scope.Scope>) =>
    Effect.cached(Effect.provideContext(make, Context.make(Scope.Scope, scope)))
  const root = yield* temporary(existsSync("/dev/shm") ? "/dev/shm" : tmpdir())
  yield* Effect.acquireRelease(Effect.sync(() => guard(root)), (cancel) => Effect.sync(cancel))
  process.env["TMPDIR"] = root
  const local = join(root, "local")
  yield* Effect.promise(() => mkdir(local))
  return {
    rounds,
    local,
    smbd: yield* once(smbdServed({ address: "127.0.20.1" })),
    smb1: yield* once(smbdServed({ address: "127.0.20.2", smb1: true })),
    ours: yield* once(Effect.gen(function*() {
      const folder = join(root, "served")
      yield* Effect.promise(() => mkdir(folder))
      return yield* serve("127.0.20.3", folder)
    })),
    large: yield* once(Effect.promise(() => makeLarge(join(local, "large.bin"))))
  } satisfies Setting
})

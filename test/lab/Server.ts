/**
 * A real smbd for the length of a scope, with its own address, folders and users. Only the system user outlives the
 * scope: it is the same for every run.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { closeSync, openSync } from "node:fs"
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { attempt, endAllWith, execute, guard, type LabError, mustExecute, pause, serves, start } from "./Process.ts"
import * as SmbConf from "./SmbConf.ts"

/** The user that every lab server knows. The password is no secret: the servers listen on loopback, for seconds. */
export const user = { name: "smbtest", password: "Lab-9f3!kqZ2w" } as const

/** A running server. */
export interface Server {
  readonly address: string
  readonly port: number
  /** The path of its smb.conf. */
  readonly configuration: string
  /** The path of a share's files on this machine, or of a file in it. */
  readonly path: (share: string, ...names: ReadonlyArray<string>) => string
  /** Writes a file and its folders into a share, on this machine. The lab's users can change and remove it. */
  readonly write: (share: string, file: string, content: string | Uint8Array) => Effect.Effect<void, LabError>
  /** Its log so far. */
  readonly log: Effect.Effect<string, LabError>
  /** Stops it before its scope closes, as if the machine had gone down; its address stays. */
  readonly stop: Effect.Effect<void, LabError>
  /** Ends it at once by SIGKILL, with all its children; `start` brings it back. */
  readonly kill: Effect.Effect<void, LabError>
  /** Starts it again on the same files after `stop`. */
  readonly start: Effect.Effect<void, LabError>
}

/** A loopback address for the length of the scope. An address that an earlier run has left is reused. */
const acquireAddress = (address: string, port: number) =>
  Effect.acquireRelease(
    attempt(async () => {
      if (!/^127\.\d+\.\d+\.\d+$/.test(address) || address === "127.0.0.1") {
        throw new Error(`${address} is not a loopback address for one server`)
      }
      const added = await execute("ip", ["addr", "add", `${address}/8`, "dev", "lo"])
      if (added.code !== 0 && !/File exists|already assigned/.test(added.stderr)) {
        throw new Error(`ip addr add ${address}: ${added.stderr}`)
      }
      if (added.code !== 0 && (await serves(address, port))) {
        throw new Error(`${address} port ${port} is in use by another server`)
      }
    }),
    () => Effect.promise(() => execute("ip", ["addr", "del", `${address}/8`, "dev", "lo"]))
  )

const acquireFolder = Effect.acquireRelease(
  attempt(async () => {
    const folder = await mkdtemp(join(tmpdir(), "smb-lab-"))
    // The server reads and writes as the user who has logged on.
    await chmod(folder, 0o755)
    return folder
  }),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

const acquireGuard = (folder: string, address: string) =>
  Effect.acquireRelease(Effect.sync(() => guard(folder, address)), (callOff) => Effect.sync(callOff))

/** Two test files can create the same user at the same moment: the lock of useradd lets one of them fail. */
const ensureUser = async (name: string): Promise<void> => {
  for (let attempts = 0; attempts < 100; attempts++) {
    const known = await execute("id", ["-u", name])
    if (known.code === 0) return
    await execute("useradd", ["-M", "-N", "-s", "/usr/sbin/nologin", name])
    await pause(50)
  }
  throw new Error(`user ${name} cannot be made`)
}

const makeFolders = async (options: SmbConf.ServerOptions, folder: string, path: Server["path"]): Promise<void> => {
  for (const name of ["private", "state", "lock", "cache", "pid", "ncalrpc", "log"]) {
    await mkdir(join(folder, name), { mode: 0o755 })
  }
  for (const share of options.shares) {
    await mkdir(path(share.name), { recursive: true })
    await chmod(path(share.name), 0o777)
    for (const [link, targets] of Object.entries(share.dfs ?? {})) {
      const place = path(share.name, link)
      await mkdir(dirname(place), { recursive: true })
      await symlink(`msdfs:${[targets].flat().join(",")}`, place)
    }
  }
  await writeFile(join(folder, "smb.conf"), SmbConf.make(options, folder, path))
}

const makeUsers = async (options: SmbConf.ServerOptions, folder: string): Promise<void> => {
  for (const one of [user, ...(options.users ?? [])]) {
    await ensureUser(one.name)
    await mustExecute("smbpasswd", ["-c", join(folder, "smb.conf"), "-a", "-s", one.name], {
      input: `${one.password}\n${one.password}\n`
    })
  }
}

const writeShared = async (path: Server["path"], share: string, file: string, content: string | Uint8Array) => {
  let place = path(share)
  for (const name of file.split("/").slice(0, -1)) {
    place = join(place, name)
    await mkdir(place, { recursive: true })
    await chmod(place, 0o777)
  }
  await writeFile(path(share, file), content)
  await chmod(path(share, file), 0o666)
}

const readLogs = async (folder: string): Promise<string> => {
  const entries = await readdir(join(folder, "log"), { withFileTypes: true })
  const names = entries.filter((entry) => entry.isFile()).map((entry) => entry.name).toSorted()
  const texts = await Promise.all(names.map((name) => readFile(join(folder, "log", name), "utf8")))
  return texts.join("")
}

const startServer = async (address: string, port: number, folder: string): Promise<void> => {
  const output = openSync(join(folder, "log", "log.stdout"), "a")
  const child = start("smbd", ["-s", join(folder, "smb.conf"), "-F", "--no-process-group"], output)
  closeSync(output)
  let ended: string | undefined
  child.on("error", (error) => {
    ended = error.message
  })
  child.on("exit", (code, signal) => {
    ended = `ended with ${signal ?? `exit code ${code}`}`
  })
  child.unref()
  for (let round = 0; round < 1_000; round++) {
    if (ended !== undefined) break
    if (await serves(address, port)) return
    await pause(20)
  }
  throw new Error(`smbd on ${address} does not answer (${ended ?? "still starting"}):\n${await readLogs(folder)}`)
}

/** Starts a server, which is ready afterwards. Several start concurrently in about the time of one. */
export const server = (options: SmbConf.ServerOptions): Effect.Effect<Server, LabError, Scope.Scope> =>
  Effect.gen(function*() {
    const port = options.ports?.[0] ?? 445
    const folder = yield* acquireFolder
    yield* acquireAddress(options.address, port)
    // Not before: the guard must not remove an address that another server uses.
    yield* acquireGuard(folder, options.address)
    const path: Server["path"] = (share, ...names) => join(folder, "shares", share, ...names)
    // Uninterruptible: no file may be created after the folder was removed.
    yield* Effect.uninterruptible(attempt(async () => {
      await makeFolders(options, folder, path)
      await makeUsers(options, folder)
    }))
    // The folder's name is in the command line of smbd, of its children, and of the helpers that it starts.
    const stop = attempt(() => endAllWith(`${folder}/`))
    const begin = attempt(() => startServer(options.address, port, folder))
    yield* Effect.addFinalizer(() => Effect.orDie(stop))
    yield* begin
    const write: Server["write"] = (share, file, content) => attempt(() => writeShared(path, share, file, content))
    return {
      address: options.address,
      port,
      configuration: join(folder, "smb.conf"),
      path,
      write,
      log: attempt(() => readLogs(folder)),
      stop,
      kill: attempt(() => endAllWith(`${folder}/`, "SIGKILL")),
      start: begin
    }
  })

/** Starts several servers at once. */
export const servers = <const Options extends Readonly<Record<string, SmbConf.ServerOptions>>>(
  options: Options
): Effect.Effect<{ readonly [Name in keyof Options]: Server }, LabError, Scope.Scope> =>
  Effect.all(
    Object.fromEntries(Object.entries(options).map(([name, one]) => [name, server(one)])),
    { concurrency: "unbounded" }
  ) as Effect.Effect<{ readonly [Name in keyof Options]: Server }, LabError, Scope.Scope>

/** Runs commands of smbclient, by default as the lab's user. Any exit code succeeds. */
export const smbclient = (
  share: string,
  commands: string,
  options?: {
    readonly user?: { readonly name: string; readonly password: string }
    readonly args?: ReadonlyArray<string>
  }
): Effect.Effect<{ readonly code: number; readonly stdout: string; readonly stderr: string }, LabError> => {
  const who = options?.user ?? user
  return attempt(() =>
    execute(
      "smbclient",
      [share, "-U", `${who.name}%${who.password}`, "-s", "/dev/null", ...(options?.args ?? []), "-c", commands]
    )
  )
}

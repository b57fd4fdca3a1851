/** Runs the Windows Protocol Test Suites in their container, and the server that they test in this process. */
import { Effect } from "effect"
import { spawn, spawnSync } from "node:child_process"
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { placeOf } from "./Built.ts"
import * as Ptfconfig from "./Ptfconfig.ts"
import * as TestServer from "./TestServer.ts"

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** The suites' own settings, of the release that their documentation names for the image. */
const release =
  "https://github.com/microsoft/WindowsProtocolTestSuites/releases/download/4.20.9.0/fileserver-docker-ptfconfig.tar.gz"

/** Writes the suites' settings for this server to a folder. */
const configure = async (folder: string, place: Ptfconfig.Place): Promise<void> => {
  const response = await fetch(release).catch((cause: unknown) => {
    throw new Error(`${release} cannot be fetched: ${String(cause)}`)
  })
  if (!response.ok) throw new Error(`${release}: ${response.status}`)
  const archive = join(folder, "..", "ptfconfig.tar.gz")
  writeFileSync(archive, new Uint8Array(await response.arrayBuffer()))
  const { error, status } = spawnSync("tar", ["-xzf", archive, "-C", folder], { stdio: "inherit" })
  if (error !== undefined || status !== 0) throw new Error(`tar does not unpack it: ${error?.message ?? status}`)
  for (const [name, values] of Object.entries(Ptfconfig.settings(place))) {
    const [path] = globSync(join(folder, "**", name))
    if (path === undefined) throw new Error(`${release} has no ${name}`)
    const { text, unknown } = Ptfconfig.apply(readFileSync(path, "utf8"), values)
    if (unknown.length > 0) console.error(`${name} knows no ${unknown.join(", ")}`)
    // The container takes the files directly in the folder.
    writeFileSync(join(folder, basename(path)), text)
  }
}

/** Runs the tests that a filter chooses against a server at this address. Returns the result files. */
export const run = async (host: string, filter: string): Promise<ReadonlyArray<string>> => {
  const place = placeOf({ host, setting: { features: "ntfs", dfs: "standalone" } })
  const scratch = mkdtempSync(join(tmpdir(), "windows-suites-"))
  try {
    const folder = join(scratch, "ptfconfig")
    mkdirSync(folder)
    await configure(folder, place)
    await Effect.runPromise(Effect.scoped(Effect.andThen(
      TestServer.make(place, "memory"),
      Effect.promise(() => compose(folder, place, filter))
    )))
    return globSync(join(folder, "**", "*.trx")).map((path) => readFileSync(path, "utf8"))
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** Asynchronous: the server in this process has to respond while the suites run. */
const compose = async (folder: string, place: Ptfconfig.Place, filter: string): Promise<void> => {
  const child = spawn("docker", ["compose", "-f", here("compose.yaml"), "run", "--rm", "tests"], {
    stdio: "inherit",
    env: {
      ...process.env,
      FILTER: filter,
      PTFCONFIG: folder,
      SUT_HOST: place.host,
      SUT_NAME: place.name,
      SUT_ADMINISTRATOR: place.administrator,
      SUT_PASSWORD: place.password
    }
  })
  const error = await new Promise<Error | undefined>((resolve) => {
    child.once("error", resolve)
    child.once("close", () => resolve(undefined))
  })
  if (error !== undefined) console.error(`docker cannot be started: ${error.message}`)
}

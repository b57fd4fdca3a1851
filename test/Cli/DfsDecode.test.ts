/**
 * `effect-smb dfs decode`: it prints recorded DFS messages of Windows and smbd (MS-DFSC 2.2), and refuses bad input with
 * the exit codes of the command.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { guess, kinds } from "../../src/Cli/DfsDecode.ts"
import { samba, vectors } from "../Dfs/vectors.ts"
import * as CommandLine from "./commandLine.ts"

/** Runs the command without a user: reading a message needs no logon. */
const decode = (args: ReadonlyArray<string>, input?: string | Uint8Array): Promise<CommandLine.Run> =>
  Effect.runPromise(CommandLine.run(["dfs", "decode", ...args], input === undefined ? {} : { input }))

const hex = (name: string): string => Buffer.from(vectors[name]!).toString("hex")

describe("dfs decode", () => {
  it("prints a version 4 response of Windows as JSON with the names of MS-DFSC", async () => {
    const { code, stderr, stdout } = await decode(["--json", "response", hex("response-v4-link-two-targets")])
    assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
    const common = { versionNumber: 4, size: 34, serverType: 0, timeToLive: 300 }
    const paths = {
      dfsPath: "\\LAB-DC1.LAB.LOCAL\\Files\\Sales",
      dfsAlternatePath: "\\LAB-DC1.LAB.LOCAL\\Files\\Sales"
    }
    assert.deepStrictEqual(JSON.parse(stdout), {
      pathConsumed: 60,
      numberOfReferrals: 2,
      referralHeaderFlags: 2,
      referralEntries: [
        { ...common, referralEntryFlags: 4, ...paths, networkAddress: "\\LAB-FS2\\Sales" },
        { ...common, referralEntryFlags: 0, ...paths, networkAddress: "\\LAB-FS1\\Sales" }
      ]
    })
  })

  it("prints name lists, version 1 and version 2 referrals as JSON", async () => {
    const entries = async (name: string) =>
      JSON.parse((await decode(["--json", "response", hex(name)])).stdout).referralEntries
    assert.deepStrictEqual((await entries("response-dc-namelist"))[0], {
      versionNumber: 3,
      size: 18,
      serverType: 0,
      referralEntryFlags: 2,
      timeToLive: 600,
      specialName: "\\domain.test",
      expandedNames: ["\\DC01.domain.test", "\\DC01.domain.test2"]
    })
    assert.strictEqual((await entries("response-v1"))[1].shareName, "\\DOMAIN")
    const [second] = await entries("response-v2-null-offsets")
    assert.deepStrictEqual([second.proximity, second.dfsPath, second.networkAddress], [0, "\\DOMAIN", undefined])
  })

  it("reads bytes or hexadecimal digits from standard input, and guesses the structure", async () => {
    const bytes = vectors["request-ex-root"]!
    for (const input of [bytes, `${hex("request-ex-root").replace(/../g, "$& ")}\n`]) {
      assert.deepStrictEqual(JSON.parse((await decode(["--json"], input)).stdout), {
        structure: "REQ_GET_DFS_REFERRAL_EX",
        maxReferralLevel: 4,
        requestFlags: 1,
        requestDataLength: 86,
        requestFileNameLength: 34,
        requestFileName: "\\LAB.LOCAL\\Files",
        siteNameLength: 48,
        siteName: "Default-First-Site-Name"
      })
    }
    const { stdout } = await decode([hex("request-v4").slice(0, 20), hex("request-v4").slice(20)])
    assert.match(stdout, /^REQ_GET_DFS_REFERRAL, 52 bytes: it looks like a request\n/)
    assert.match(stdout, / 2 {2}RequestFileName: +\\ADC\.aviv\.local\\dfs\\Docs\n/)
  })

  it("prints a response as text with the meanings of flags and types", async () => {
    const { stdout } = await decode(["response", hex("response-v4-root")])
    assert.match(stdout, /^RESP_GET_DFS_REFERRAL, 160 bytes\n/)
    assert.match(stdout, /ReferralHeaderFlags: +0x3 \(ReferralServers, StorageServers\)/)
    assert.match(stdout, /ServerType: +1 \(a root's target\)/)
    assert.match(stdout, /TimeToLive: +300 s/)
    assert.match(stdout, /NetworkAddress: +\\LAB-DC1\.LAB\.LOCAL\\Files/)
  })

  it("exits with 1 and the error's name for a bad message, and with 2 for wrong arguments", async () => {
    const cut = hex("response-v4-root").slice(0, 60)
    const bad = await decode(["response", cut])
    assert.strictEqual(bad.code, 1)
    assert.match(bad.stderr, /^effect-smb: Malformed: RESP_GET_DFS_REFERRAL .* at byte \d+: .*\n$/)
    const json = await decode(["--json", "response", cut])
    assert.strictEqual(json.code, 1)
    assert.strictEqual(JSON.parse(json.stderr).error, "Malformed")
    const unknown = await decode(["--json", "response", "00000100000000000900220000000000" + "00".repeat(32)])
    assert.deepStrictEqual([unknown.code, JSON.parse(unknown.stderr).error], [1, "Unsupported"])
    assert.strictEqual((await decode(["request"], "")).code, 1)
    for (const args of [["respons", "00"], ["response", "abc"], ["response", "zz"]]) {
      const { code, stderr, stdout } = await decode(args)
      assert.deepStrictEqual({ code, stdout }, { code: 2, stdout: "" })
      assert.match(stderr, /request-ex/)
    }
  })

  it("guesses the kind of each recorded message of Windows and smbd, and of truncated ones without a failure", () => {
    for (const [name, bytes] of Object.entries(vectors)) {
      const kind = name.startsWith("response") ? "response" : name.startsWith("request-ex") ? "request-ex" : "request"
      assert.strictEqual(guess(bytes), kind, name)
    }
    for (const { request, response } of samba) {
      assert.strictEqual(guess(new Uint8Array(Buffer.from(request, "hex"))), "request")
      assert.strictEqual(guess(new Uint8Array(Buffer.from(response, "hex"))), "response")
    }
    assert.strictEqual(guess(new Uint8Array([4, 0, 0, 0])), "request")
    for (const bytes of Object.values(vectors)) {
      for (let length = 0; length < bytes.length; length++) assert.include(kinds, guess(bytes.subarray(0, length)))
    }
  })
})

/**
 * Proves, with a fixed seed and few programs, what the fuzzers of whole sessions promise: requests that are changed before
 * they are signed or encrypted leave nothing at the server and cause no defect, and a server's lies cause no defect of the
 * client. Also that these fuzzers would notice it: the changed packets reach the handlers.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Corpus from "./Corpus.ts"
import { fuzz, type Target } from "./Engine.ts"
import { client } from "./sessions/HostileServer.ts"
import { server } from "./sessions/Server.ts"
import { smb1Client } from "./sessions/Smb1Server.ts"

/** A part of the kept programs is enough for an ordinary run of the tests. */
const oneOf = 8

const run = async (target: Target, executions: number) => {
  const corpus = Corpus.read(target).filter((_, i) => i % oneOf === 0)
  const report = await fuzz(target, { seed: 20_261_130, executions, coverage: false, corpus })
  const [first] = report.findings
  if (first !== undefined) assert.fail(`${first.error}\n${Corpus.format(target, first.input)}`)
  return report
}

/** Clients wait for answers that never come, and the machine may be busy. */
const patience = 120_000

describe("a program of changed packets", () => {
  it("leaves nothing at the server, which serves other clients", async () => {
    const { packets } = await run(server, 160)
    assert.isAbove(packets, 1200)
  }, patience)

  it("of a hostile server ends every operation of the client with a value or a typed error", async () => {
    const { packets } = await run(client, 80)
    assert.isAbove(packets, 300)
  }, patience)

  it("of a hostile server of SMB 1 does so too", async () => {
    const { packets } = await run(smb1Client, 64)
    assert.isAbove(packets, 500)
  }, patience)
})

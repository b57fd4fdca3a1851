/** `-v` and `-vv`: what a listener of requests gets from the client, and the lines that a person sees. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import * as Verbose from "../../src/Cli/Verbose.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { CurrentRequestListener } from "../../src/Protocol/RequestListener.ts"
import type * as Transport from "../../src/Protocol/Transport.ts"
import { Command } from "../../src/Smb1/Message/Constants.ts"
import * as Peer from "../Smb1/peer.ts"

const password = "hush-hush"

/** The lines of a client's work. */
const said = (
  level: number,
  transport: Layer.Layer<Transport.Transport>,
  use: (smb: SmbClient.Client) => Effect.Effect<unknown, unknown>,
  options: SmbClient.Options = {}
) =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    let time = 0
    const listen = (endpoint: { readonly host: string; readonly port: number }) =>
      Verbose.listener(endpoint, level, (line) => lines.push(line), () => time += 2)
    yield* Effect.flatMap(SmbClient.SmbClient, (smb) => Effect.ignore(use(smb))).pipe(
      Effect.provide(
        SmbClient.layer({ reconnect: "never", ...options }).pipe(
          Layer.provide([transport, Credentials.layer(Credentials.password("user", Redacted.make(password)))]),
          Layer.provide(Layer.succeed(CurrentRequestListener, listen)),
          Layer.provideMerge(Layer.fresh(Logger.layer([])))
        )
      )
    )
    return lines
  })

const files = (faults: ReadonlyArray<TestTransport.Fault> = []) =>
  TestTransport.layerFiles({ data: { "a.txt": "the content" } }, { password, faults })

const read = (smb: SmbClient.Client) => smb.readFileString("//nas/data/a.txt")

/** Without the end of the session. */
const work = (lines: ReadonlyArray<string>) => lines.filter((line) => !/LOGOFF|TREE_DISCONNECT/.test(line))

describe("a listener", () => {
  it.effect("gets each request and its response, and no password, token or data of a file", () =>
    Effect.gen(function*() {
      const lines = work(yield* said(1, files(), read))
      assert.deepStrictEqual(lines.map((line) => line.replace(/, \d+(\.\d)? ms$/, "")), [
        "< nas NEGOTIATE: STATUS_SUCCESS",
        "< nas SESSION_SETUP: STATUS_MORE_PROCESSING_REQUIRED",
        "< nas SESSION_SETUP: STATUS_SUCCESS",
        "< nas TREE_CONNECT \\\\nas\\data: STATUS_SUCCESS",
        "< nas CREATE a.txt: STATUS_SUCCESS",
        "< nas READ: STATUS_SUCCESS",
        "< nas CLOSE: STATUS_SUCCESS"
      ])
      const all = yield* said(2, files(), read)
      assert.include(all, "> nas #0 NEGOTIATE")
      assert.isTrue(all.some((line) => /^> nas #\d+ CREATE a\.txt$/.test(line)))
      for (const line of all) assert.notMatch(line, /hush|the content|NTLMSSP/)
    }))

  it.effect("gets the same of an encrypted session, and the end of a connection as requests without a response", () =>
    Effect.gen(function*() {
      const encrypted = yield* said(1, files(), read, { encryption: "required" })
      assert.isTrue(encrypted.some((line) => line.startsWith("< nas CREATE a.txt: STATUS_SUCCESS")))
      const dropped = yield* said(1, files([TestTransport.fault("READ", "drop")]), read)
      assert.isTrue(dropped.some((line) => /^! nas READ: no response after .*closed the connection/.test(line)))
      const refused = yield* said(1, files([TestTransport.fault("CREATE", { status: "STATUS_ACCESS_DENIED" })]), read)
      assert.isTrue(refused.some((line) => line.startsWith("< nas CREATE a.txt: STATUS_ACCESS_DENIED")))
    }))

  it.effect("gets the commands of SMB 1", () =>
    Effect.gen(function*() {
      const peer = Peer.make(({ header }) =>
        header.command === Command.SMB_COM_TREE_CONNECT_ANDX
          ? { status: NtStatus.STATUS_ACCESS_DENIED }
          : undefined
      )
      const lines = yield* said(1, peer.layer, read, { dialects: ["NT1"], signing: "if-required" })
      assert.deepStrictEqual(lines.slice(0, 3).map((line) => line.replace(/, \d+(\.\d)? ms$/, "")), [
        "< nas NEGOTIATE: STATUS_SUCCESS",
        "< nas SESSION_SETUP_ANDX: STATUS_SUCCESS",
        "< nas TREE_CONNECT_ANDX: STATUS_ACCESS_DENIED"
      ])
    }))

  it("has one line for each, also if a name has other lines in it", () => {
    const lines: Array<string> = []
    const { answered, sent } = Verbose.listener({ host: "h", port: 4455 }, 1, (line) => lines.push(line), () => 0)
    sent({ id: 1, command: "CREATE", about: "a" })
    answered({ id: 1, command: "CREATE", about: "a\nb\u001b[2J" }, 0)
    assert.deepStrictEqual(lines, ["< h:4455 CREATE a b?[2J: STATUS_SUCCESS, 0.0 ms"])
  })
})

/**
 * Proves what the server answers to NEGOTIATE of SMB 2 and of SMB 1 (MS-SMB2 3.3.5.3, 3.3.5.4): the dialect, the
 * capabilities and limits of that dialect, one algorithm of each kind, or a refusal.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Codec } from "effect-smb/Codec"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import * as Header from "../../src/Smb2/Header.ts"
import { Capabilities, Dialect, SecurityMode } from "../../src/Smb2/Message/Constants.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import type * as Negotiate from "../../src/Smb2/Message/Negotiate.ts"
import { RawClient, statusOf } from "./RawClient.ts"

const host = "127.0.28.15"

const both = Capabilities.SMB2_GLOBAL_CAP_DIRECTORY_LEASING | Capabilities.SMB2_GLOBAL_CAP_MULTI_CHANNEL

// impacket 0.10 fails for every file of a share's root if the server announces directory leases unasked.
it.live("a server announces directory leases and channels only to clients of 3.0 that announce them", () =>
  Effect.gen(function*() {
    const { port } = yield* SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({}),
      shares: { data: MemoryStore.make() }
    })
    const allCapabilities = Object.values(Capabilities).reduce((all, one) => all | one, 0)
    const capabilities = (dialect: number, asked: number) =>
      Effect.promise(async () => {
        const raw = new RawClient(host, port)
        const answer = await raw.ask({
          _tag: "NEGOTIATE",
          body: {
            securityMode: SecurityMode.SMB2_NEGOTIATE_SIGNING_ENABLED,
            capabilities: asked,
            clientGuid: new Uint8Array(16).fill(7),
            dialects: [dialect],
            negotiateContexts: []
          }
        })
        raw.close()
        const decoded = Codec.decode("NEGOTIATE", Codec.at(Header.size, Message.messages.NEGOTIATE.response))(answer!)
        assert(decoded._tag === "Success")
        return decoded.success.capabilities & both
      })
    for (const dialect of [Dialect.SMB_3_0, Dialect.SMB_3_0_2]) {
      assert.strictEqual(yield* capabilities(dialect, Capabilities.SMB2_GLOBAL_CAP_ENCRYPTION), 0)
      assert.strictEqual(
        yield* capabilities(dialect, Capabilities.SMB2_GLOBAL_CAP_DIRECTORY_LEASING),
        Capabilities.SMB2_GLOBAL_CAP_DIRECTORY_LEASING
      )
      assert.strictEqual(yield* capabilities(dialect, allCapabilities), both)
    }
    assert.strictEqual(yield* capabilities(Dialect.SMB_2_1, allCapabilities), 0)
  }).pipe(Effect.scoped))

const served = (
  use: (client: () => RawClient) => Promise<void>,
  options: Partial<SmbServer.Options> = {}
) =>
  Effect.scoped(Effect.gen(function*() {
    const { port } = yield* SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({}),
      shares: { data: MemoryStore.make() },
      ...options
    })
    const clients: Array<RawClient> = []
    yield* Effect.addFinalizer(() => Effect.sync(() => clients.forEach((one) => one.close())))
    yield* Effect.promise(() =>
      use(() => {
        const client = new RawClient(host, port)
        clients.push(client)
        return client
      })
    )
  }))

const decode = (answer: Buffer): Negotiate.Response => {
  const decoded = Codec.decode("NEGOTIATE", Codec.at(Header.size, Message.messages.NEGOTIATE.response))(answer)
  assert(decoded._tag === "Success")
  return decoded.success
}

const ask = (client: RawClient, how: Partial<Negotiate.Request>) =>
  client.ask({
    _tag: "NEGOTIATE",
    body: {
      securityMode: 1,
      capabilities: 0,
      clientGuid: new Uint8Array(16).fill(7),
      dialects: [Dialect.SMB_3_1_1],
      negotiateContexts: [],
      ...how
    }
  })

const { SMB_2_0_2, SMB_2_1, SMB_2_WILDCARD, SMB_3_0, SMB_3_0_2, SMB_3_1_1 } = Dialect
const preauth: Negotiate.NegotiateContext = {
  _tag: "PreauthIntegrityCapabilities",
  hashAlgorithms: [1],
  salt: new Uint8Array(32).fill(3)
}
const ciphers = (...ciphers: ReadonlyArray<number>) => ({ _tag: "EncryptionCapabilities", ciphers }) as const
const signing = (...signingAlgorithms: ReadonlyArray<number>) =>
  ({ _tag: "SigningCapabilities", signingAlgorithms }) as const

describe("the response to a NEGOTIATE of SMB 2", () => {
  const [LEASING, LARGE_MTU, MULTI_CHANNEL, DIRECTORY_LEASING, ENCRYPTION] = [2, 4, 8, 0x20, 0x40]
  const always = LEASING | LARGE_MTU
  // 3.3.5.4: the greatest common dialect, and what that dialect has. `all` is what the client announces: all or nothing.
  const offers: ReadonlyArray<readonly [ReadonlyArray<number>, boolean, number, number, number]> = [
    [[SMB_2_0_2], true, SMB_2_0_2, 0, 65_536],
    [[SMB_2_1], true, SMB_2_1, always, 1_048_576],
    [[SMB_2_1, SMB_2_0_2], false, SMB_2_1, always, 1_048_576],
    [[SMB_3_0], true, SMB_3_0, always | MULTI_CHANNEL | DIRECTORY_LEASING | ENCRYPTION, 1_048_576],
    [[SMB_3_0], false, SMB_3_0, always, 1_048_576],
    [
      [SMB_2_0_2, SMB_3_0_2, 0x9999],
      true,
      SMB_3_0_2,
      always | MULTI_CHANNEL | DIRECTORY_LEASING | ENCRYPTION,
      1_048_576
    ],
    [[SMB_3_0, SMB_3_1_1], true, SMB_3_1_1, always | MULTI_CHANNEL | DIRECTORY_LEASING, 1_048_576],
    [[SMB_3_1_1], false, SMB_3_1_1, always, 1_048_576]
  ]
  for (const [name, securityMode] of [["enabled", 1], ["required", 3]] as const) {
    it.live(`has the dialect, the capabilities and the limits of its dialect, and says that signing is ${name}`, () =>
      served(async (client) => {
        for (const [dialects, all, dialectRevision, capabilities, most] of offers) {
          const answer = await ask(client(), {
            dialects,
            capabilities: all ? 0x7f : 0,
            negotiateContexts: dialects.includes(SMB_3_1_1) ? [preauth, ciphers(2)] : []
          })
          assert.deepInclude(decode(answer!), {
            securityMode,
            dialectRevision,
            capabilities,
            maxTransactSize: most,
            maxReadSize: most,
            maxWriteSize: most
          })
        }
      }, { signing: name, limits: { transfer: 1_048_576 } }))
  }

  it.live("announces no encryption when the server has none", () =>
    served(async (client) => {
      const old = await ask(client(), { dialects: [SMB_3_0], capabilities: ENCRYPTION })
      assert.strictEqual(decode(old!).capabilities, always)
      const answer = await ask(client(), { negotiateContexts: [preauth, ciphers(2)] })
      assert.notInclude(decode(answer!).negotiateContexts.map(({ _tag }) => _tag), "EncryptionCapabilities")
    }, { encryption: "disabled" }))

  it.live("of 3.1.1 has the client's first known algorithm of each kind", () =>
    served(async (client) => {
      const chosen = async (...contexts: ReadonlyArray<Negotiate.NegotiateContext>) => {
        const { negotiateContexts } = decode((await ask(client(), { negotiateContexts: [preauth, ...contexts] }))!)
        const [first, ...others] = negotiateContexts
        assert(first?._tag === "PreauthIntegrityCapabilities")
        assert.deepStrictEqual(first.hashAlgorithms, [1])
        assert.lengthOf(first.salt, 32)
        return others
      }
      assert.deepStrictEqual(await chosen(), [])
      for (const cipher of [1, 2, 3, 4]) assert.deepStrictEqual(await chosen(ciphers(cipher)), [ciphers(cipher)])
      assert.deepStrictEqual(await chosen(ciphers(77, 4, 1)), [ciphers(4)])
      // 0: none of them (2.2.4.1.2).
      assert.deepStrictEqual(await chosen(ciphers(77)), [ciphers(0)])
      for (const algorithm of [0, 1, 2]) {
        assert.deepStrictEqual(await chosen(signing(99, algorithm, 1)), [signing(algorithm)])
      }
      assert.deepStrictEqual(await chosen(signing(99)), [])
      assert.deepStrictEqual(await chosen(signing(2), ciphers(3)), [signing(2), ciphers(3)])
    }))

  it.live("refuses what the document refuses", () =>
    served(async (client) => {
      const refused: ReadonlyArray<readonly [Partial<Negotiate.Request>, number]> = [
        [{ dialects: [] }, 0xc000_000d],
        [{ dialects: [0x9999] }, 0xc000_00bb],
        [{ dialects: [SMB_2_0_2] }, 0xc000_00bb],
        [{}, 0xc000_000d],
        [{ negotiateContexts: [preauth, preauth] }, 0xc000_000d],
        [{ negotiateContexts: [{ ...preauth, hashAlgorithms: [2] }] }, 0xc05d_0000]
      ]
      for (const [how, status] of refused) {
        assert.strictEqual(statusOf(await ask(client(), how)), status, JSON.stringify(how))
      }
      // A second NEGOTIATE ends the connection.
      const twice = client()
      assert.isDefined(await ask(twice, { dialects: [SMB_2_1] }))
      await ask(twice, { dialects: [SMB_2_1] })
      while (!twice.closed) await twice.next()
    }, { dialects: ["2.1", "3.0", "3.1.1"] }))
})

describe("a NEGOTIATE of SMB 1", () => {
  /** MS-CIFS 2.2.4.52: the header, no words, and the dialects as text. */
  const packet = (...dialects: ReadonlyArray<string>) => {
    const text = Buffer.from(dialects.map((name) => `\x02${name}\0`).join(""), "latin1")
    const bytes = Buffer.alloc(35 + text.length)
    bytes.write("\xffSMB\x72", 0, "latin1")
    bytes.writeUInt16LE(text.length, 33)
    text.copy(bytes, 35)
    return bytes
  }
  // 3.3.5.3.1 and 3.3.5.3.2.
  const cases: ReadonlyArray<
    readonly [NonNullable<SmbServer.Options["dialects"]>, ReadonlyArray<string>, number | undefined]
  > = [
    [["2.0.2", "2.1", "3.1.1"], ["NT LM 0.12", "SMB 2.002", "SMB 2.???"], SMB_2_WILDCARD],
    [["2.0.2", "2.1", "3.1.1"], ["SMB 2.???"], SMB_2_WILDCARD],
    [["2.0.2", "2.1", "3.1.1"], ["NT LM 0.12", "SMB 2.002"], SMB_2_0_2],
    [["2.0.2", "2.1", "3.1.1"], ["NT LM 0.12"], undefined],
    [["2.0.2"], ["SMB 2.002", "SMB 2.???"], SMB_2_0_2],
    [["2.0.2"], ["SMB 2.???"], undefined],
    [["2.1"], ["SMB 2.???"], SMB_2_WILDCARD],
    [["2.1"], ["SMB 2.002"], undefined]
  ]
  it.live.each(cases)(
    "to a server of %j with the dialects %j gets %i",
    ([dialects, names, dialectRevision]) =>
      served(async (client) => {
        const one = client()
        one.frame(packet(...names))
        const answer = await one.next()
        if (dialectRevision === undefined) {
          assert.isUndefined(answer)
          assert.isTrue(one.closed)
          return
        }
        assert.deepInclude(decode(answer!), {
          dialectRevision,
          capabilities: 0,
          maxTransactSize: 65_536,
          maxReadSize: 65_536,
          maxWriteSize: 65_536,
          systemTime: 0n
        })
        // After the wildcard, SMB 2 negotiates the dialect, and MessageId 0 is used.
        if (dialectRevision === SMB_2_WILDCARD) {
          one.messageId = 1
          const next = await ask(one, { dialects: [SMB_2_1], capabilities: 0x7f })
          assert.strictEqual(decode(next!).dialectRevision, SMB_2_1)
        }
        // A second NEGOTIATE of SMB 1 ends the connection.
        const again = client()
        again.frame(packet(...names))
        assert.isDefined(await again.next())
        again.frame(packet(...names))
        while (!again.closed) await again.next()
      }, { dialects })
  )

  it.live("of another command, or too short for its fields, ends the connection", () =>
    served(async (client) => {
      const whole = packet("SMB 2.???")
      const other = Buffer.from(whole)
      other[4] = 0x73
      for (const bytes of [other, whole.subarray(0, 34), whole.subarray(0, 35), whole.subarray(0, -1)]) {
        const one = client()
        one.frame(bytes)
        assert.isUndefined(await one.next())
        assert.isTrue(one.closed)
      }
    }))
})

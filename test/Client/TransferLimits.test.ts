/**
 * A server's MaxReadSize and MaxWriteSize hold for every READ and WRITE (MS-SMB2 3.2.4.6, 3.2.4.7), also for the first one,
 * which the client sends in a compound before it knows the size of the file. Against a server in memory that records
 * the requests.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import * as TestTransport from "../../src/Testing/TestTransport.ts"

const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8))

describe("a client of a server with small transfer limits", () => {
  for (const limit of [4096, 8192, 65536]) {
    for (const length of [0, 1, limit - 1, limit, limit + 1, 65535, 65536, 100_000]) {
      it.effect(`reads and writes ${length} bytes by requests of at most ${limit} bytes`, () =>
        Effect.gen(function*() {
          const smb = yield* SmbClient.SmbClient
          yield* smb.writeFile("//nas/data/new", bytes(length), { create: true, flush: true })
          assert.deepStrictEqual(yield* smb.readFile("//nas/data/new"), bytes(length))
          const { requests } = yield* TestTransport.TestServers
          for (const { request } of yield* requests) {
            if (request._tag === "READ") assert.isAtMost(request.body.length, limit)
            if (request._tag === "WRITE") assert.isAtMost(request.body.buffer.length, limit)
          }
        }).pipe(Effect.provide(
          SmbClient.layer().pipe(
            Layer.provideMerge(TestTransport.layerFiles({ data: {} }, {
              user: "user",
              password: "password",
              maximumTransfer: limit
            })),
            Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
          )
        )))
    }
  }
})

/**
 * Proves which opens a server that is told to stop leaves to the next one, with what they have, and which it closes
 * (`handOver`): with raw clients of dialect 3.0, over a store in memory.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { HANDLE, lease, type LeaseClient, READ, WRITE } from "./LeaseClient.ts"
import * as Requests from "./requests.ts"
import { failed, reconnect, request, withRestarts } from "./Restarts.ts"

const host = "127.0.38.21"
const ALL = READ | HANDLE | WRITE
const BATCH = 9
const { STATUS_LOCK_NOT_GRANTED, STATUS_OBJECT_NAME_NOT_FOUND } = NtStatus

/** Opens of each kind: persistent, durable by a lease, durable by an oplock of version 1, and plain. */
const openAll = async (client: LeaseClient) => ({
  persistent: await client.create("persistent", [request(1)]),
  leased: await client.create("leased", [request(2, 0, 0), lease(2, ALL)]),
  first: await client.create("first", [{ _tag: "DurableHandleRequest" }], { requestedOplockLevel: BATCH }),
  plain: await client.create("plain")
})

type All = Awaited<ReturnType<typeof openAll>>

/** The status that the next server gives to a client that returns, for each of them. */
const returned = async (client: LeaseClient, { first, leased, persistent }: All) => ({
  persistent: (await client.create("persistent", [reconnect(persistent, 1)])).status,
  leased: (await client.create("leased", [reconnect(leased, 2, 0), lease(2, ALL)])).status,
  first: (await client.create("first", [{ _tag: "DurableHandleReconnect", fileId: first.fileId }])).status
})

const lost = STATUS_OBJECT_NAME_NOT_FOUND

describe("a server that stops", () => {
  const kinds = [
    [undefined, { persistent: 0, leased: lost, first: lost }],
    ["persistent", { persistent: 0, leased: lost, first: lost }],
    ["durable", { persistent: 0, leased: 0, first: 0 }],
    ["none", { persistent: lost, leased: lost, first: lost }]
  ] as const
  it.each(kinds)(
    "with handOver %s leaves these opens to the next one, and closes the others",
    (handOver, expected) =>
      withRestarts(host, async ({ connect, opens, restart, statistics }) => {
        const all = await openAll(await connect(1))
        await restart()
        assert.strictEqual((await statistics()).opens, Object.values(expected).filter((status) => status === 0).length)
        // A durable open is in the store only on the way from one server to the next.
        assert.strictEqual(opens().entries.size, expected.persistent === 0 ? 1 : 0)
        const again = await connect(1)
        assert.deepStrictEqual<unknown>(await returned(again, all), expected)
      }, { handOver })
  )

  it("hands over locks and pending deletions, and deletes no file that the next server has open", () =>
    withRestarts(host, async ({ connect, files, restart }) => {
      const one = await connect(1)
      const persistent = await one.create("p", [request(1)], { createOptions: 0x1000 })
      const durable = await one.create("d", [request(2, 0, 0), lease(2, ALL)])
      const gone = await one.create("gone", [], { createOptions: 0x1000 })
      for (const { fileId } of [persistent, durable]) assert.strictEqual(await one.status(Requests.lock(fileId, 3)), 0)
      assert.strictEqual(gone.status, 0)
      await restart()
      const nameOf = (name: string) => Effect.runPromise(Effect.exit(files.stat([name])))
      assert.strictEqual((await nameOf("gone"))._tag, "Failure")
      assert.strictEqual((await nameOf("p"))._tag, "Success")
      const again = await connect(1)
      assert.strictEqual((await again.create("p", [reconnect(persistent, 1)])).status, 0)
      assert.strictEqual((await again.create("d", [reconnect(durable, 2, 0), lease(2, ALL)])).status, 0)
      for (const { fileId } of [persistent, durable]) {
        assert.strictEqual(await again.status(Requests.lock(fileId, 3)), STATUS_LOCK_NOT_GRANTED)
        assert.strictEqual(await again.shut(fileId), 0)
      }
      assert.strictEqual((await nameOf("p"))._tag, "Failure")
      assert.strictEqual((await nameOf("d"))._tag, "Success")
    }, { handOver: "durable" }))

  it("hands over the durable opens of a share that is not continuously available, which give way as before", () =>
    withRestarts(host, async ({ connect, restart }) => {
      const one = await connect(1, { share: "other" })
      const [stays, contested] = [
        await one.create("a", [request(1, 0, 0), lease(1, ALL)]),
        await one.create("b", [request(2, 0, 0), lease(2, ALL)])
      ]
      await restart()
      const stranger = await connect(2, { share: "other" })
      assert.strictEqual((await stranger.create("b")).status, 0)
      const again = await connect(1, { share: "other" })
      assert.strictEqual((await again.create("b", [reconnect(contested, 2, 0), lease(2, ALL)])).status, lost)
      assert.strictEqual((await again.create("a", [reconnect(stays, 1, 0), lease(1, ALL)])).status, 0)
    }, { handOver: "durable" }))

  it("closes durable opens that its OpenStore cannot take, and hands over the persistent ones that it has", () =>
    withRestarts(host, async ({ connect, opens, restart, statistics }) => {
      const all = await openAll(await connect(1))
      const present = opens()
      present.before = () => Effect.fail(failed())
      await restart(() => {
        present.before = () => Effect.void
      })
      assert.strictEqual((await statistics()).opens, 1)
      const again = await connect(1)
      assert.deepStrictEqual<unknown>(await returned(again, all), { persistent: 0, leased: lost, first: lost })
    }, { handOver: "durable" }))
})

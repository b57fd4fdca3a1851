/**
 * How requests in flight end (MS-SMB2 3.2.5.1, MS-CIFS 3.2.5.1): each once, also when the caller no longer waits or the
 * connection ends, and where the data of a READ goes.
 */
import { assert, describe, it } from "@effect/vitest"
import { ProtocolError, TransportError } from "../../src/Protocol/Errors.ts"
import * as OutstandingRequests from "../../src/Protocol/OutstandingRequests.ts"
import type { RequestMeter } from "../../src/Protocol/RequestMeter.ts"

type Reply = OutstandingRequests.Reply
type Request = OutstandingRequests.OutstandingRequest<Reply>

const closed = new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "nas", port: 445 })
const reply = (status: number): Reply => ({ header: { status }, packet: new Uint8Array(64) })

/** A request whose ends are noted; without `waits`, its caller does not wait. */
const make = (more: Partial<OutstandingRequests.Outgoing<Reply>> = {}, waits = true) => {
  const ends: Array<readonly [unknown, unknown]> = []
  const orphans: Array<Reply> = []
  const request: Request = {
    outgoing: { command: 8, body: new Uint8Array(0), orphan: (reply) => void orphans.push(reply), ...more },
    complete: waits ? (...end) => void ends.push(end) : undefined
  }
  return { ends, orphans, request }
}

describe("requests in flight", () => {
  it("are found by the number of their responses until they end", () => {
    const all = new OutstandingRequests.OutstandingRequests<Reply, Request>()
    const [one, two] = [make(), make()]
    all.add(1, one.request)
    all.add(2, two.request)
    assert.deepStrictEqual([all.size, all.has(1), all.has(3)], [2, true, false])
    assert.strictEqual(all.get(2), two.request)
    assert.isUndefined(all.get(3))
    assert.deepStrictEqual([...all.values()], [one.request, two.request])
    all.finish(1, one.request, reply(0))
    assert.deepStrictEqual([all.size, all.has(1), all.has(2)], [1, false, true])
  })

  it.each([[0, true, true, false], [0, false, false, true], [0xc000_0022, true, true, false], [
    0xc000_0022,
    false,
    false,
    false
  ]])(
    "with the status %i: a caller that waits (%s) gets the reply, else only a success closes the new open",
    (status, waits, ended, orphaned) => {
      const all = new OutstandingRequests.OutstandingRequests<Reply, Request>()
      const { ends, orphans, request } = make({}, waits)
      all.add(1, request)
      const answer = reply(status)
      all.finish(1, request, answer)
      assert.deepStrictEqual([ends, orphans], [ended ? [[undefined, answer]] : [], orphaned ? [answer] : []])
      assert.isUndefined(request.complete)
    }
  )

  it("whose caller is gone can end without a function for the open", () => {
    const all = new OutstandingRequests.OutstandingRequests<Reply, Request>()
    const { request } = make({ orphan: undefined }, false)
    all.add(1, request)
    all.finish(1, request, reply(0))
    assert.strictEqual(all.size, 0)
  })

  it("all fail with the connection, once; those that change something say that they were sent", () => {
    const all = new OutstandingRequests.OutstandingRequests<Reply, Request>()
    const made = [make(), make({ mutates: true }), make({ mutates: false }), make({ mutates: true }, false)]
    made.forEach(({ request }, id) => all.add(id, request))
    let within: number | undefined
    const first = made[0]!.request.complete!
    // The callers see a connection without requests.
    made[0]!.request.complete = (...end) => {
      within = all.size
      first(...end)
    }
    all.failAll(closed)
    all.failAll(closed)
    assert.deepStrictEqual([all.size, within], [0, 0])
    assert.deepStrictEqual(made.map(({ ends }) => ends.map(([error]) => (error as TransportError).sent)), [
      [undefined],
      [true],
      [undefined],
      []
    ])
    assert.deepStrictEqual(made.flatMap(({ orphans }) => orphans), [])
    for (const { request } of made) assert.isUndefined(request.complete)
  })

  it("fail once; a response that comes later has no caller, and its open is closed", () => {
    const all = new OutstandingRequests.OutstandingRequests<Reply, Request>()
    const { ends, orphans, request } = make({ mutates: true })
    all.add(1, request)
    const broken = new ProtocolError({ reason: { _tag: "BadSignature" }, server: "nas", detail: "why" })
    OutstandingRequests.fail(request, broken)
    OutstandingRequests.fail(request, broken)
    all.finish(1, request, reply(0))
    assert.deepStrictEqual(ends, [[broken, undefined]])
    assert.lengthOf(orphans, 1)
  })
})

describe("who listens to requests", () => {
  const listening = () => {
    const told: Array<ReadonlyArray<unknown>> = []
    const names: Array<string> = []
    const all = new OutstandingRequests.OutstandingRequests<Reply, Request>({
      sent: (id) => void told.push(["sent", id]),
      answered: (id, _, status) => void told.push(["answered", id, status]),
      unanswered: (id, _, message) => void told.push(["unanswered", id, message])
    }, {
      meter: {
        ended: (name, status, took, read, written) => {
          names.push(name)
          assert.isAtLeast(took, 0)
          told.push(["measured", status, read, written])
        }
      } as RequestMeter,
      commandName: (command) => `command ${command}`,
      dataLength: () => 77
    })
    return { all, told, names }
  }

  it("is told of each request and of its end, with the bytes that it has moved if it has succeeded", () => {
    const { all, names, told } = listening()
    const requests = [
      make({ readLength: 100 }),
      make({ readLength: 100 }),
      make({ payload: new Uint8Array(9) }),
      make()
    ]
    requests.forEach(({ request }, id) => all.add(id, request))
    assert.deepStrictEqual(told.splice(0), [["sent", 0], ["sent", 1], ["sent", 2], ["sent", 3]])
    all.finish(0, requests[0]!.request, reply(0))
    all.finish(1, requests[1]!.request, reply(0xc000_0022))
    all.finish(2, requests[2]!.request, reply(0))
    assert.deepStrictEqual(told.splice(0), [
      ["answered", 0, 0],
      ["measured", 0, 77, 0],
      ["answered", 1, 0xc000_0022],
      ["measured", 0xc000_0022, 0, 0],
      ["answered", 2, 0],
      ["measured", 0, 0, 9]
    ])
    all.failAll(closed)
    assert.deepStrictEqual(told, [["unanswered", 3, closed.message], ["measured", undefined, 0, 0]])
    assert.deepStrictEqual(names, ["command 8", "command 8", "command 8", "command 8"])
  })

  it("is not told of the last request of a session that the end of the connection answers", () => {
    const { all, told } = listening()
    const { ends, request } = make({ atEnd: true })
    all.add(1, request)
    all.failAll(closed)
    assert.deepStrictEqual(told, [["sent", 1]])
    assert.lengthOf(ends, 1)
  })

  it("costs nothing without a listener: no time is taken of a request", () => {
    const all = new OutstandingRequests.OutstandingRequests<Reply, Request>()
    const { request } = make()
    all.add(1, request)
    assert.isUndefined(request.sentAt)
    assert.isUndefined(OutstandingRequests.observer(undefined, () => assert.fail("there is no listener")))
  })
})

describe("the data of a READ", () => {
  const memory = new Uint8Array(100)

  it.each([
    ["the caller's memory", { readLength: 100, destination: memory }, true, 100, "caller's"],
    ["the start of the caller's memory", { readLength: 100, destination: memory }, true, 99, "caller's"],
    ["no memory if there are no bytes", { readLength: 100, destination: memory }, true, 0, "caller's"],
    ["new memory if the caller has none", { readLength: 100 }, true, 100, "new"],
    ["new memory if the caller no longer waits", { readLength: 100, destination: memory }, false, 100, "new"],
    ["no place if it has more bytes than the READ", { readLength: 100, destination: memory }, true, 101, undefined],
    ["no place if it has more bytes and no caller", { readLength: 100 }, false, 101, undefined],
    ["no place if the request was no READ", {}, true, 1, undefined]
  ])("goes to %s", (_, outgoing, waits, length, place) => {
    const found = OutstandingRequests.destination(make(outgoing, waits).request, length)
    if (place === undefined) return assert.isUndefined(found)
    assert.strictEqual(found!.length, length)
    assert.strictEqual(found!.buffer === memory.buffer, place === "caller's")
    if (place === "caller's") assert.strictEqual(found!.byteOffset, memory.byteOffset)
  })
})

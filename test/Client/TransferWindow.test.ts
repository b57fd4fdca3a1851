/**
 * How many requests of one transfer, and of one listing, are under way: more where the network is far away, and the
 * next page of a listing while the page before it is in use.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Directory from "../../src/Client/Directory.ts"
import * as TransferWindow from "../../src/Client/internal/TransferWindow.ts"
import * as SmbFile from "../../src/Client/SmbFile.ts"
import type * as Share from "../../src/Protocol/Share.ts"
import * as Scripted from "./scripted.ts"

const chunk = 1024 * 1024
const usual = TransferWindow.requestsInFlight
const most = 3 * usual

const after = (times: number, millis: number, window = new TransferWindow.Window(chunk)) => {
  for (let i = 0; i < times; i++) window.answered(millis)
  return window
}

describe("the window of a transfer", () => {
  it("grows by one for each response of a far server, up to three times its size", () => {
    assert.strictEqual(after(0, 50).size, usual)
    assert.strictEqual(after(4, 50).size, usual + 4)
    assert.strictEqual(after(1000, 50).size, most)
  })

  it("stays as it is if responses come fast", () => {
    assert.strictEqual(after(1000, 4).size, usual)
  })

  it("stays as it is if responses take twice the least time: they wait behind each other", () => {
    const window = after(1, 4)
    assert.strictEqual(after(1000, 8, window).size, usual)
    assert.strictEqual(after(1000, 100, window).size, usual)
  })
})

/** A file whose server responds after so many milliseconds, and the most requests that were in flight. */
const slow = (millis: number, size: number) => {
  let inFlight = 0
  let seen = 0
  const { open } = Scripted.file({ content: new Uint8Array(size) })
  const run = (operation: Parameters<Share.OpenFile["run"]>[0]) =>
    Effect.suspend(() => {
      seen = Math.max(seen, ++inFlight)
      return Effect.ensuring(
        Effect.delay(open.run(operation), millis),
        Effect.sync(() => {
          inFlight--
        })
      )
    })
  const share = Scripted.share({ limits: { read: 1000, write: 1000, transact: 1 } })
  // Requests of 1,000 bytes: 64 of them are the usual number.
  return { file: SmbFile.make(share, { ...open, run: run as Share.OpenFile["run"] }), most: () => seen }
}

const requests = 600

const ways: ReadonlyArray<readonly [string, (file: SmbFile.SmbFile) => Effect.Effect<unknown, unknown>]> = [
  ["readTo", (file) => file.readTo(() => Effect.void)],
  ["stream", (file) => Stream.runDrain(file.stream())],
  ["writeFrom", (file) => {
    let left = requests * 1000
    return file.writeFrom((buffer) =>
      Effect.sync(() => {
        const count = Math.min(left, buffer.length)
        left -= count
        return count
      })
    )
  }]
]

describe.each(ways)("%s", (_, transfer) => {
  for (const [millis, expected] of [[50, 3 * 64], [1, 64]] as const) {
    it.effect(`has ${expected} requests in flight if a response takes ${millis} ms`, () =>
      Effect.gen(function*() {
        const { file, most } = slow(millis, requests * 1000)
        const fiber = yield* Effect.forkChild(transfer(file))
        for (let i = 0; i < requests && fiber.pollUnsafe() === undefined; i++) yield* TestClock.adjust(millis)
        yield* Fiber.join(fiber)
        assert.strictEqual(most(), expected)
      }))
  }
})

describe("a listing", () => {
  const entry = (fileName: string) => ({
    fileName,
    fileIndex: 0,
    fileId: 0n,
    creationTime: 0n,
    lastAccessTime: 0n,
    lastWriteTime: 0n,
    changeTime: 0n,
    endOfFile: 0n,
    allocationSize: 0n,
    fileAttributes: 0x80,
    eaSize: 0
  })
  const pages = [[entry("a"), entry("b")], [entry("c")], []]
  const directory = { server: "nas", port: 445, share: "data", path: "d" }

  it.effect("asks for the next page while a page is in use, and for no page after the last", () =>
    Effect.gen(function*() {
      const { open, requests } = Scripted.file({ answer: (_, i) => Effect.succeed(pages[i]) })
      const seen: Array<readonly [string, number]> = []
      yield* Stream.runForEach(
        Directory.listed(Scripted.share(), open, directory, "*"),
        ({ entry }) => Effect.sync(() => seen.push([entry.path, requests.length]))
      )
      assert.deepStrictEqual(seen, [
        ["\\\\nas\\data\\d\\a", 2],
        ["\\\\nas\\data\\d\\b", 2],
        ["\\\\nas\\data\\d\\c", 3]
      ])
      assert.strictEqual(requests.length, 3)
    }))

  it.effect("interrupts the request for the next page if its reader takes no more", () =>
    Effect.gen(function*() {
      let interrupted = false
      const { open } = Scripted.file({
        answer: (_, i) =>
          i === 0
            ? Effect.succeed(pages[0])
            : Effect.onInterrupt(Effect.never, () =>
              Effect.sync(() => {
                interrupted = true
              }))
      })
      const first = yield* Stream.runHead(Directory.listed(Scripted.share(), open, directory, "*"))
      assert.strictEqual(Option.getOrThrow(first).name, "a")
      assert.isTrue(interrupted)
    }))
})

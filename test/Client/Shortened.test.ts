/**
 * Files whose end is not where the open said, over scripted servers: shortened by another program, grown, or with a
 * size of 0. Also READ, WRITE and COPYCHUNK responses with fewer bytes than requested, and what a failed copy leaves
 * behind.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, Stream } from "effect"
import { Credentials, FileShortened, OpenMode, SmbClient, TestTransport, type Transport } from "effect-smb"
import * as Codec from "../../src/Codec/Codec.ts"
import { CreateAction, FileAttributes } from "../../src/Smb2/Message/Constants.ts"
import * as Fsctl from "../../src/Smb2/Message/Fsctl.ts"

const base = "\\\\nas\\data"
const big = `${base}\\big.bin`
const size = 600_000
const content = Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8) + (i >> 16) * 11) & 0xff)

const provide = (
  servers: Layer.Layer<Transport.Transport | TestTransport.TestServers>,
  options: SmbClient.Options = {}
) =>
  Effect.provide(
    SmbClient.layer(options).pipe(
      Layer.provideMerge(servers),
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
    )
  )

const served = (faults: ReadonlyArray<TestTransport.Fault>, files: TestTransport.Files = { "big.bin": content }) =>
  provide(TestTransport.layerFiles({ data: files }, { faults, maximumTransfer: 65536 }))

/** Responses to READs when the file has only `end` bytes. */
const endsAt = (end: number): TestTransport.Fault => ({
  on: "READ",
  is: ({ request }) => {
    if (request._tag !== "READ") return {}
    const { length, offset } = request.body
    const buffer = content.slice(Math.min(Number(offset), end), Math.min(Number(offset) + length, end))
    return buffer.length === 0
      ? { status: "STATUS_END_OF_FILE" }
      : { response: { _tag: "READ", body: { dataRemaining: 0, flags: 0, buffer } } }
  }
})

/** A response to every CREATE with another size. */
const createSays = (endOfFile: bigint): TestTransport.Fault => ({
  on: "CREATE",
  when: ({ request }) => request._tag === "CREATE" && request.body.name === "big.bin",
  is: {
    response: {
      _tag: "CREATE",
      body: {
        oplockLevel: 0,
        flags: 0,
        createAction: CreateAction.FILE_OPENED,
        creationTime: 0n,
        lastAccessTime: 0n,
        lastWriteTime: 0n,
        changeTime: 0n,
        allocationSize: endOfFile,
        endOfFile,
        fileAttributes: FileAttributes.FILE_ATTRIBUTE_NORMAL,
        fileId: { persistent: 77n, volatile: 77n },
        createContexts: []
      }
    }
  }
})

const shortened = (error: unknown, expected: number, found: number) => {
  assert.instanceOf(error, FileShortened)
  assert.deepInclude(error as object, { path: big, expected: BigInt(expected), found: BigInt(found) })
}

/** Runs a stream to its end or error: the bytes, and the error. */
const collected = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) =>
  Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    return Stream.runForEach(stream, (chunk) => Effect.sync(() => void chunks.push(chunk.slice()))).pipe(
      Effect.as(undefined),
      Effect.catch((error) => Effect.succeed(error)),
      Effect.map((error) => ({ bytes: new Uint8Array(Buffer.concat(chunks)), error }))
    )
  })

const into = (chunks: Array<Uint8Array>) => (chunk: Uint8Array) => Effect.sync(() => void chunks.push(chunk.slice()))

describe("a file that became shorter since it was opened", () => {
  // In the middle of a READ, at the end of one, and at its start.
  it.effect.each([250_000, 65536 * 3, 0].map((end) => ({ end })))(
    "gives its $end bytes, and then fails with FileShortened",
    ({ end }) =>
      Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        for (const stream of [smb.stream(big), Stream.unwrap(Effect.map(smb.open(big), (file) => file.stream()))]) {
          const { bytes, error } = yield* collected(stream)
          shortened(error, size, end)
          assert.isTrue(Buffer.from(bytes).equals(content.subarray(0, end)))
        }
        const chunks: Array<Uint8Array> = []
        shortened(yield* Effect.flip(smb.readTo(big, into(chunks))), size, end)
        assert.isTrue(Buffer.concat(chunks).equals(content.subarray(0, end)))
        shortened(yield* Effect.flip(Effect.flatMap(smb.openToRead(big), (file) => file.readTo(into([])))), size, end)
        shortened(
          yield* Effect.flip(Effect.flatMap(smb.openToRead(big), (file) => Stream.runDrain(file.stream()))),
          size,
          end
        )
        shortened(yield* Effect.flip(Effect.flatMap(smb.open(big), (file) => file.readTo(into([])))), size, end)
        shortened(yield* Effect.flip(smb.readFile(big)), size, end)
        shortened(yield* Effect.flip(smb.copy(big, `${base}\\copy`)), size, end)
        assert.isFalse(yield* smb.exists(`${base}\\copy`))
      }).pipe(Effect.scoped, served([endsAt(end)]))
  )

  it.effect("fails only when its new end is within the requested range", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.isUndefined((yield* collected(smb.stream(big, { offset: 10, length: 200_000 }))).error)
      shortened((yield* collected(smb.stream(big, { offset: 10, length: 300_000 }))).error, 300_010, 250_000)
      shortened(yield* Effect.flip(smb.readTo(big, into([]), { offset: 400_000, length: 5 })), 400_005, 400_000)
      assert.strictEqual(yield* smb.readTo(big, into([]), { offset: 700_000 }), 0n)
    }).pipe(served([endsAt(250_000)])))

  it.effect("is read to its new end without an error by the open that truncated it", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const file = yield* smb.open(big, OpenMode.update)
      yield* file.truncate(100_000)
      assert.strictEqual(yield* file.readTo(into([])), 100_000n)
      yield* Stream.run(Stream.make(new Uint8Array(10)), file.sink({ offset: 20, truncate: true }))
      assert.strictEqual((yield* collected(file.stream())).bytes.length, 30)
      yield* file.truncate(500)
      assert.strictEqual(yield* file.readTo(into([])), 500n)
    }).pipe(Effect.scoped, served([])))

  it.effect("gives read and readInto the bytes up to the first gap", () => {
    // The file is truncated and grows again between two READs.
    const gap: TestTransport.Fault = {
      on: "READ",
      when: ({ request }) => request._tag === "READ" && request.body.offset === 65536n,
      is: { status: "STATUS_END_OF_FILE" }
    }
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const file = yield* smb.open(big)
      assert.strictEqual(yield* file.readInto(0, new Uint8Array(300_000)), 65536)
      assert.strictEqual((yield* file.read(0, 300_000)).length, 65536)
      shortened(yield* Effect.flip(smb.readFile(big)), size, 65536)
    }).pipe(Effect.scoped, served([gap]))
  })
})

describe("a file with a wrong size in the CREATE response", () => {
  it.effect.each([1000, 65535, 65536, 65537, 300_000].map((length) => ({ length })))(
    "is read to its end when the size is 0: $length bytes",
    ({ length }) =>
      Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        const due = content.subarray(0, length)
        assert.isTrue(Buffer.from(yield* smb.readFile(big)).equals(due))
        assert.isTrue(Buffer.from((yield* collected(smb.stream(big))).bytes).equals(due))
        yield* smb.copy(big, `${base}\\copy`)
        const servers = yield* TestTransport.TestServers
        assert.isTrue(Buffer.from((yield* servers.read("nas", "data", "copy"))!).equals(due))
        assert.deepInclude(yield* Effect.flip(smb.readFile(big, { maximum: 900 })), {
          _tag: "FileTooLarge",
          path: big,
          maximum: 900
        })
      }).pipe(served([createSays(0n), endsAt(length)]))
  )

  it.effect("is read to its new end when it has grown since it was opened", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.strictEqual((yield* collected(smb.stream(big))).bytes.length, 300_000)
      assert.strictEqual(yield* smb.readTo(big, into([])), 300_000n)
    }).pipe(served([createSays(100_000n), endsAt(300_000)])))
})

describe("the client that gets short responses", () => {
  /** At most `most` bytes for each READ. */
  const atMost = (most: number): TestTransport.Fault => ({
    on: "READ",
    is: ({ request }) => {
      if (request._tag !== "READ") return {}
      const { length, offset } = request.body
      const buffer = content.slice(Number(offset), Number(offset) + Math.min(length, most))
      return buffer.length === 0
        ? { status: "STATUS_END_OF_FILE" }
        : { response: { _tag: "READ", body: { dataRemaining: 0, flags: 0, buffer } } }
    }
  })

  it.effect.each([1000, 30_000, 65_535].map((most) => ({ most })))(
    "completes READs of every reading operation ($most bytes at a time)",
    ({ most }) =>
      Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        assert.isTrue(Buffer.from(yield* smb.readFile(big)).equals(content))
        assert.isTrue(Buffer.from((yield* collected(smb.stream(big))).bytes).equals(content))
        const chunks: Array<Uint8Array> = []
        yield* smb.readTo(big, into(chunks))
        assert.isTrue(Buffer.concat(chunks).equals(content))
        const file = yield* smb.open(big)
        assert.isTrue(Buffer.from(yield* file.read(5, 400_000)).equals(content.subarray(5, 400_005)))
      }).pipe(Effect.scoped, served([atMost(most)]))
  )

  it.effect("completes the first READ of a small file", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.isTrue(Buffer.from(yield* smb.readFile(`${base}\\small`)).equals(content.subarray(0, 5000)))
    }).pipe(served([{
      on: "READ",
      is: ({ request }) =>
        request._tag !== "READ" || Number(request.body.offset) >= 5000 ? {} : {
          response: {
            _tag: "READ",
            body: {
              dataRemaining: 0,
              flags: 0,
              buffer: content.slice(Number(request.body.offset), Math.min(5000, Number(request.body.offset) + 700))
            }
          }
        }
    }], { small: content.subarray(0, 5000) })))

  const written = (count: (length: number) => number): TestTransport.Fault => ({
    on: "WRITE",
    is: ({ request }) =>
      request._tag === "WRITE"
        ? { response: { _tag: "WRITE", body: { count: count(request.body.buffer.length) } } }
        : {}
  })

  const places = (log: ReadonlyArray<TestTransport.Logged>) =>
    log.flatMap(({ request }) =>
      request._tag === "WRITE" ? [{ offset: Number(request.body.offset), data: request.body.buffer }] : []
    )

  const writers: ReadonlyArray<readonly [string, number, (smb: SmbClient.Client) => Effect.Effect<unknown, unknown>]> =
    [
      ["writeFile of a small file", 5000, (smb) => smb.writeFile(`${base}\\n`, content.subarray(0, 5000))],
      ["writeFile of a large one", 200_000, (smb) => smb.writeFile(`${base}\\n`, content.subarray(0, 200_000))],
      ["sink", 200_000, (smb) => Stream.run(Stream.make(content.subarray(0, 200_000)), smb.sink(`${base}\\n`))],
      ["writeFrom", 200_000, (smb) => {
        let at = 0
        return smb.writeFrom(`${base}\\n`, (buffer) =>
          Effect.sync(() => {
            const part = content.subarray(at, Math.min(at + buffer.length, 200_000))
            buffer.set(part)
            at += part.length
            return part.length
          }))
      }]
    ]

  it.effect.each(writers.map(([name, length, run]) => ({ name, length, run })))(
    "writes each byte once at its place: $name",
    ({ length, run }) =>
      Effect.gen(function*() {
        yield* run(yield* SmbClient.SmbClient)
        const whole = new Uint8Array(length)
        const times = new Uint8Array(length)
        for (const { data, offset } of places(yield* (yield* TestTransport.TestServers).requests)) {
          // The bytes that the server says it has written.
          const taken = data.subarray(0, Math.ceil(data.length / 3))
          whole.set(taken, offset)
          for (let i = 0; i < taken.length; i++) times[offset + i]!++
        }
        assert.isTrue(Buffer.from(whole).equals(content.subarray(0, length)))
        assert.isTrue(times.every((count) => count === 1))
      }).pipe(served([written((length) => Math.ceil(length / 3))]))
  )

  it.effect.each(writers.map(([name, , run]) => ({ name, run })))(
    "fails with DiskFull when a WRITE writes no byte: $name",
    ({ run }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(run(yield* SmbClient.SmbClient))
        assert.deepInclude(error as object, { _tag: "SmbError", statusName: "STATUS_DISK_FULL", command: "WRITE" })
      }).pipe(served([written(() => 0)]))
  )

  it.effect.each(writers.map(([name, , run]) => ({ name, run })))(
    "fails with Malformed when a WRITE writes more bytes than were sent: $name",
    ({ run }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(run(yield* SmbClient.SmbClient))
        assert.deepInclude(error as object, { _tag: "Malformed", structure: "SMB2 WRITE Response" })
      }).pipe(served([written((length) => length + 1)]))
  )

  it.effect("fails operations with the errors of their FLUSH and SET_INFO", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const full = { _tag: "SmbError", statusName: "STATUS_DISK_FULL" } as const
      assert.deepInclude(yield* Effect.flip(smb.writeFile(`${base}\\n`, "x", { flush: true })), full)
      assert.deepInclude(yield* Effect.flip(smb.writeFile(`${base}\\n`, content, { flush: true })), full)
      assert.deepInclude(yield* Effect.flip(smb.truncate(big, 1)), full)
      assert.deepInclude(
        yield* Effect.flip(smb.setAttributes(big, { fileAttributes: FileAttributes.FILE_ATTRIBUTE_NORMAL })),
        full
      )
      const sink = smb.sink(big, { offset: 0, truncate: true })
      assert.deepInclude(yield* Effect.flip(Stream.run(Stream.make(new Uint8Array(1)), sink)), full)
    }).pipe(served([
      TestTransport.fault("FLUSH", { status: "STATUS_DISK_FULL" }),
      TestTransport.fault("SET_INFO", { status: "STATUS_DISK_FULL" })
    ])))

  it.effect("fails with an ArgumentError when `fill` returns an impossible count", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      for (const count of [-1, 0.5, 1e9]) {
        const error = yield* Effect.flip(smb.writeFrom(`${base}\\n`, () => Effect.succeed(count)))
        assert.strictEqual(error._tag, "ArgumentError")
      }
    }).pipe(served([])))
})

describe("a copy by COPYCHUNK", () => {
  const chunksOf = (input: Uint8Array) => {
    const asked = Codec.decode("SRV_COPYCHUNK_COPY", Fsctl.SrvCopychunkCopy)(input)
    return asked._tag === "Success" ? asked.success.chunks : []
  }
  /** Responds to COPYCHUNK with the count that `count` computes from the request, or with a status. */
  const copies = (count: (asked: number, at: bigint) => number | TestTransport.Answer): TestTransport.Fault => ({
    on: "IOCTL",
    is: ({ request }) => {
      if (request._tag !== "IOCTL") return {}
      const { ctlCode, fileId, input } = request.body
      const answer = (output: Uint8Array): TestTransport.Answer => ({
        response: { _tag: "IOCTL", body: { ctlCode, fileId, flags: 0, input: new Uint8Array(0), output } }
      })
      if (ctlCode === Fsctl.Fsctl.FSCTL_SRV_REQUEST_RESUME_KEY) return answer(new Uint8Array(32))
      if (ctlCode !== Fsctl.Fsctl.FSCTL_SRV_COPYCHUNK_WRITE) return {}
      const chunks = chunksOf(input)
      const said = count(chunks.reduce((sum, { length }) => sum + length, 0), chunks[0]!.targetOffset)
      return typeof said !== "number" ? said : answer(
        Codec.encode(Fsctl.SrvCopychunkResponse)({
          chunksWritten: chunks.length,
          chunkBytesWritten: 0,
          totalBytesWritten: said
        })
      )
    }
  })
  const large = { "big.bin": new Uint8Array(20_000_000) }
  const ranges = (log: ReadonlyArray<TestTransport.Logged>) =>
    log.flatMap(({ request }) =>
      request._tag === "IOCTL" && request.body.ctlCode === Fsctl.Fsctl.FSCTL_SRV_COPYCHUNK_WRITE
        ? chunksOf(request.body.input).map(({ length, targetOffset }) => [Number(targetOffset), length] as const)
        : []
    )

  it.effect("continues where the server stopped", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      yield* smb.copy(big, `${base}\\copy`)
      const asked = ranges(yield* (yield* TestTransport.TestServers).requests)
      const first = asked.filter(([offset]) => offset % 1000 === 0).map(([offset]) => offset)
      assert.includeMembers(first, [0, 7_000_000, 14_000_000])
      assert.isTrue(asked.every(([offset, length]) => offset + length <= 20_000_000))
    }).pipe(served([copies((asked) => Math.min(asked, 7_000_000))], large)))

  it.effect.each([0, 30_000_000].map((count) => ({ count })))(
    "fails with Unexpected for an impossible count, and leaves no copy: $count bytes",
    ({ count }) =>
      Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        const error = yield* Effect.flip(smb.copy(big, `${base}\\copy`))
        assert.deepInclude(error as object, { _tag: "ProtocolError", reason: { _tag: "UnexpectedResponse" } })
        assert.isFalse(yield* smb.exists(`${base}\\copy`))
      }).pipe(served([copies(() => count)], large))
  )

  it.effect("fails with FileShortened when the source became shorter", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.copy(big, `${base}\\copy`))
      assert.instanceOf(error, FileShortened)
      assert.deepInclude(error as object, { expected: 20_000_000n, found: 10_000_000n })
    }).pipe(served([
      copies((asked, at) => Math.min(asked, 10_000_000 - Number(at))),
      {
        on: "QUERY_INFO",
        is: {
          response: {
            _tag: "QUERY_INFO",
            // FileStandardInformation: AllocationSize, EndOfFile, links, no deletion, no directory.
            body: { buffer: new Uint8Array(new BigUint64Array([10_000_000n, 10_000_000n, 1n]).buffer) }
          }
        }
      }
    ], large)))

  const refusing = [
    "STATUS_END_OF_FILE",
    "STATUS_INVALID_VIEW_SIZE",
    "STATUS_UNSUCCESSFUL",
    // A status without a name in this project.
    0xc000_0fff
  ] as const

  for (const status of refusing) {
    for (const end of [10_000_000n, 20_000_000n]) {
      it.effect(`that is refused with ${status} is FileShortened only if the source is shorter: ${end} bytes`, () =>
        Effect.gen(function*() {
          const smb = yield* SmbClient.SmbClient
          const error = yield* Effect.flip(smb.copy(big, `${base}\\copy`))
          if (end < 20_000_000n) {
            assert.instanceOf(error, FileShortened)
            assert.deepInclude(error as object, { path: big, expected: 20_000_000n, found: end })
          } else {
            assert(error._tag === "SmbError", error.message)
            assert.match(error.message, typeof status === "number" ? /C0000FFF/i : new RegExp(status))
          }
          assert.isFalse(yield* smb.exists(`${base}\\copy`))
        }).pipe(served([
          copies(() => ({ status: status as "STATUS_END_OF_FILE" })),
          {
            on: "QUERY_INFO",
            is: {
              response: {
                _tag: "QUERY_INFO",
                body: { buffer: new Uint8Array(new BigUint64Array([end, end, 1n]).buffer) }
              }
            }
          }
        ], large)))
    }
  }

  const full = copies((asked, at) => at === 0n ? asked : { status: "STATUS_DISK_FULL" })

  it.effect("removes its new file when it fails, also with `create: true`", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      for (const options of [{}, { create: true }]) {
        const error = yield* Effect.flip(smb.copy(big, `${base}\\copy`, options))
        assert.deepInclude(error as object, { statusName: "STATUS_DISK_FULL", command: "IOCTL" })
        assert.isFalse(yield* smb.exists(`${base}\\copy`))
      }
    }).pipe(served([full], large)))

  it.effect("keeps a file that existed before when it fails", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.deepInclude(yield* Effect.flip(smb.copy(big, `${base}\\old`)), { statusName: "STATUS_DISK_FULL" })
      assert.isTrue(yield* smb.exists(`${base}\\old`))
    }).pipe(served([full], { ...large, old: "old" })))
})

describe("a copy through the client", () => {
  it.effect("removes its new file when it fails, and keeps a file that existed before", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.deepInclude(yield* Effect.flip(smb.copy(big, `${base}\\copy`)), { statusName: "STATUS_DISK_FULL" })
      assert.isFalse(yield* smb.exists(`${base}\\copy`))
      assert.deepInclude(yield* Effect.flip(smb.copy(big, `${base}\\old`)), { statusName: "STATUS_DISK_FULL" })
      assert.isTrue(yield* smb.exists(`${base}\\old`))
    }).pipe(served([TestTransport.fault("WRITE", { status: "STATUS_DISK_FULL" }, { skip: 2 })], {
      "big.bin": content,
      old: "old"
    })))

  it.effect("removes its new file when it is interrupted", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      const fiber = yield* Effect.forkChild(smb.copy(big, `${base}\\copy`))
      while (!(yield* servers.commands).includes("WRITE")) yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      assert.isFalse(yield* smb.exists(`${base}\\copy`))
    }).pipe(served([TestTransport.fault("WRITE", "silence")])))
})

describe("a write at an offset", () => {
  const old = { old: "0123456789" }
  const at = (options: { readonly offset?: number; readonly truncate?: boolean }) =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      const results: Array<string> = []
      const reset = smb.writeFile(`${base}\\old`, "0123456789")
      const text = Effect.map(servers.read("nas", "data", "old"), (bytes) => new TextDecoder().decode(bytes))
      const data = new TextEncoder().encode("abc")
      let left = true
      const fill = (buffer: Uint8Array) =>
        Effect.sync(() => {
          if (!left) return 0
          left = false
          buffer.set(data)
          return 3
        })
      const count = yield* Stream.run(Stream.make(data), smb.sink(`${base}\\old`, options))
      assert.strictEqual(count, 3n)
      results.push(yield* text)
      yield* reset
      assert.strictEqual(yield* smb.writeFrom(`${base}\\old`, fill, options), 3n)
      results.push(yield* text)
      yield* reset
      const file = yield* smb.open(`${base}\\old`, OpenMode.update)
      yield* Stream.run(Stream.make(data), file.sink(options))
      yield* file.close
      results.push(yield* text)
      yield* reset
      const other = yield* smb.open(`${base}\\old`, OpenMode.update)
      left = true
      yield* other.writeFrom(fill, options)
      yield* other.close
      results.push(yield* text)
      return results
    }).pipe(Effect.scoped, served([], old))

  it.effect("keeps the bytes before it, and those behind it without `truncate`", () =>
    Effect.gen(function*() {
      const open = (text: string) => [text, text, text, text]
      assert.deepStrictEqual(yield* at({ offset: 0 }), open("abc3456789"))
      assert.deepStrictEqual(yield* at({ offset: 2 }), open("01abc56789"))
      assert.deepStrictEqual(yield* at({ offset: 0, truncate: true }), open("abc"))
      assert.deepStrictEqual(yield* at({ offset: 2, truncate: true }), open("01abc"))
      // Without an offset a path is emptied first; an open file is not.
      assert.deepStrictEqual(yield* at({}), ["abc", "abc", "abc3456789", "abc3456789"])
      assert.deepStrictEqual(yield* at({ truncate: true }), open("abc"))
    }))
})

describe("a list of previous versions", () => {
  const token = "@GMT-2026.01.02-03.04.05"
  const list = (known: number, fits: (maximum: number) => boolean): TestTransport.Fault => ({
    on: "IOCTL",
    is: ({ request }) => {
      if (request._tag !== "IOCTL" || request.body.ctlCode !== Fsctl.Fsctl.FSCTL_SRV_ENUMERATE_SNAPSHOTS) return {}
      const { ctlCode, fileId, maxOutputResponse } = request.body
      const snapShots = fits(maxOutputResponse) ? Array.from({ length: known }, () => token) : []
      const output = Codec.encode(Fsctl.SrvSnapshotArray)({
        numberOfSnapShots: known,
        numberOfSnapShotsReturned: snapShots.length,
        snapShotArraySize: known * 50 + 2,
        snapShots
      })
      return { response: { _tag: "IOCTL", body: { ctlCode, fileId, flags: 0, input: new Uint8Array(0), output } } }
    }
  })

  it.effect("that does not fit is requested again with a larger buffer", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.strictEqual((yield* smb.previousVersions(big)).length, 2000)
    }).pipe(served([list(2000, (maximum) => maximum >= 2000 * 50 + 14)])))

  it.effect("that never fits fails with BufferTooSmall", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.deepInclude((yield* Effect.flip(smb.previousVersions(big))) as object, {
        statusName: "STATUS_BUFFER_TOO_SMALL"
      })
    }).pipe(served([list(2000, () => false)])))
})

/**
 * Recording and replaying a client over servers in memory, and recordings of real smbd servers by
 * `test/lab/Recorded.test.ts`: the client replays them, and the simulator gives the same events and referrals as smbd.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, Redacted, Result } from "effect"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import * as DfsAdapter from "../../src/Dfs/DfsAdapter.ts"
import { decodeReferralResponse } from "../../src/Dfs/ReferralResponse.ts"
import * as Transport from "../../src/Protocol/Transport.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import * as Frames from "../../src/Testing/internal/Frames.ts"
import * as RecordedTransport from "../../src/Testing/RecordedTransport.ts"
import * as TestNamespace from "../../src/Testing/TestNamespace.ts"
import * as TestTransport from "../../src/Testing/TestTransport.ts"
import * as VirtualTime from "../../src/Testing/VirtualTime.ts"
import * as Run from "./smbd.ts"

type Program<A, E> = Effect.Effect<A, E, SmbClient.SmbClient>

const joe = Credentials.layer(Credentials.password("user", Redacted.make("password")))
const files = TestTransport.layerFiles({ data: { "a.txt": "aaaa", "b.txt": "bbbb" } })
const read = (name: string) =>
  Effect.flatMap(SmbClient.SmbClient, (smb) => smb.readFileString(`\\\\nas\\data\\${name}`))
const both = Effect.all([read("a.txt"), read("b.txt")])
const client = (settings: SmbClient.Options) => Layer.provide(SmbClient.layer({ reconnect: "never", ...settings }), joe)

/** Records a program, with the requests that close its connections. */
const record = <A, E>(program: Program<A, E>, settings: SmbClient.Options = {}, servers = files) =>
  Effect.gen(function*() {
    const exit = yield* Effect.exit(Effect.provide(program, client(settings)))
    return { exit, recording: yield* Effect.flatMap(RecordedTransport.Recorder, (it) => it.recording) }
  }).pipe(Effect.provide(RecordedTransport.layerRecord(servers)))

const failureOf = <A, E>(exit: Exit.Exit<A, E>): any => Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined

/** Replays a program. */
const replay = <A, E>(
  recording: RecordedTransport.Recording,
  program: Program<A, E>,
  { settings = {}, ...options }: RecordedTransport.ReplayOptions & { readonly settings?: SmbClient.Options } = {}
) =>
  Effect.gen(function*() {
    const exit = yield* Effect.exit(Effect.provide(program, client(settings)))
    const { check, checkComplete } = yield* RecordedTransport.Replay
    return { exit, first: failureOf(yield* Effect.exit(check)), complete: failureOf(yield* Effect.exit(checkComplete)) }
  }).pipe(Effect.provide(RecordedTransport.layerReplay(recording, options)))

describe("a recording", () => {
  it.effect("replays the same program with the same result, signed and encrypted, in all dialect families", () =>
    Effect.gen(function*() {
      const all: ReadonlyArray<SmbClient.Options> = [
        {},
        { encryption: "required" },
        { encryption: "required", dialects: ["3.0"] },
        { dialects: ["2.0.2"] },
        { dialects: ["2.1"] }
      ]
      for (const settings of all) {
        const { exit, recording } = yield* record(both, settings)
        assert.deepStrictEqual(exit, Exit.succeed(["aaaa", "bbbb"]))
        const json = RecordedTransport.toJson(recording)
        const again = yield* replay(Result.getOrThrow(RecordedTransport.fromJson(json)), both, { settings })
        assert.deepStrictEqual(again, { exit, first: undefined, complete: undefined })
      }
    }))
  it.effect("has another seed each time", () =>
    Effect.gen(function*() {
      const one = yield* record(both)
      assert.notStrictEqual((yield* record(both)).recording.seed, one.recording.seed)
    }))
  it.effect("replays a refused connect, and a connection that was closed in the middle of a frame", () =>
    Effect.gen(function*() {
      const refused = yield* record(both, {}, TestTransport.layer({ nas: "down" }))
      assert.deepInclude(failureOf((yield* replay(refused.recording, both)).exit), {
        reason: { _tag: "ConnectionRefused" },
        server: "nas"
      })
      const cut = yield* record(
        both,
        {},
        TestTransport.layerFiles({ data: { "a.txt": "aaaa" } }, {
          faults: [TestTransport.fault("CREATE", { cutAfter: 40 })]
        })
      )
      const again = yield* replay(cut.recording, both)
      assert.deepInclude(failureOf(again.exit), { reason: { _tag: "ConnectionClosed" }, server: "nas" })
      assert.deepStrictEqual(failureOf(again.exit), failureOf(cut.exit))
      assert.isUndefined(again.complete)
      assert.strictEqual(cut.recording.entries.findLast(({ what }) => what === "server")?.what, "server")
    }))
  it.effect("replays a race with the connect that was interrupted", () =>
    Effect.gen(function*() {
      const raced = <R>(world: Layer.Layer<Transport.Transport | R>) =>
        Effect.gen(function*() {
          const smb = yield* SmbClient.SmbClient
          return yield* smb.readFileString("\\\\n\\pub\\l\\who.txt")
        }).pipe(
          Effect.provide(DfsAdapter.layerWithoutDiscovery({ connect: "race" }).pipe(Layer.provide(client({})))),
          (program) => VirtualTime.run(Effect.tap(program, () => Effect.sleep("1 minute"))),
          Effect.zip(Effect.context<R>()),
          Effect.provide(world)
        )
      const world = TestNamespace.layer({
        "\\\\n\\pub\\l": ["\\\\a\\data", "\\\\b\\data"],
        files: { "\\\\b\\data\\who.txt": "b" },
        faults: [{ server: "a", is: "unreachable" }]
      })
      const [first, context] = yield* raced(RecordedTransport.layerRecord(world))
      const recording = yield* Context.get(context, RecordedTransport.Recorder).recording
      assert.deepStrictEqual(first, { exit: Exit.succeed("b"), took: 60_250 })
      const [again, replay] = yield* raced(RecordedTransport.layerReplay(recording))
      assert.deepStrictEqual(again, first)
      yield* Context.get(replay, RecordedTransport.Replay).checkComplete
    }))
  it("of another version is refused with the name of the field", () => {
    const wrong = RecordedTransport.fromJson(
      "{\"version\":2,\"seed\":\"\",\"start\":0,\"workstation\":\"\",\"entries\":[]}"
    )
    assert(Result.isFailure(wrong))
    assert.include(String(wrong.failure), "version")
  })
})

describe("a replay of another program", () => {
  it.effect("fails with connection, frame, commands and the first byte that differs", () =>
    Effect.gen(function*() {
      const { recording } = yield* record(both)
      const { complete, exit, first } = yield* replay(recording, Effect.all([read("a.txt"), read("c.txt")]))
      assert.strictEqual(first._tag, "ReplayMismatch")
      assert.deepInclude(first, { connection: 1, server: "nas:445", frame: 6 })
      // 4 bytes of frame and 48 of header: the signature, which is before the name.
      assert.strictEqual(first.offset, 4 + 48)
      assert.match(
        first.message,
        /recording has CREATE \+ READ \+ CLOSE \(message 7\), and CREATE .* came; they differ from byte 52 on$/
      )
      assert.strictEqual(complete, first)
      const error = failureOf(exit)
      assert.deepInclude(error, { _tag: "TransportError", reason: { _tag: "ConnectionFailed" } })
      assert.include(error.message, first.message)
    }))
  it.effect("fails when the program sends more or fewer requests, or connects to another server", () =>
    Effect.gen(function*() {
      const { recording } = yield* record(both)
      const more = yield* replay(recording, Effect.all([both, read("a.txt")]))
      assert.match(more.first.message, /the recording has TREE_DISCONNECT \(message \d+\), and CREATE .* came/)
      const less = yield* replay(recording, read("a.txt"))
      assert.deepStrictEqual(less.exit, Exit.succeed("aaaa"))
      assert.match(less.complete.message, /the recording has CREATE .*, and TREE_DISCONNECT .* came/)
      const elsewhere = yield* replay(
        recording,
        Effect.flatMap(SmbClient.SmbClient, (smb) => smb.exists("\\\\other\\data\\a.txt"))
      )
      assert.match(elsewhere.first.message, /connection 0 to other:445: the recording has nothing more, and a further/)
    }))
  it.effect("fails after `patience` in real time when the frame before a recorded response does not come", () =>
    Effect.gen(function*() {
      const open = (name: string) =>
        Effect.flatMap(SmbClient.SmbClient, (smb) => Effect.scoped(smb.open(`\\\\nas\\data\\${name}`)))
      // Both are sent before the first one completes, also when its interim response came at once.
      for (const pending of [false, true]) {
        const slow = TestTransport.layerFiles({ data: { "a.txt": "aaaa", "b.txt": "bbbb" } }, {
          faults: [TestTransport.fault("CREATE", { pending, delay: 1 })]
        })
        const together = Effect.all([open("a.txt"), open("b.txt")], { concurrency: 2, discard: true })
        const { exit } = yield* VirtualTime.run(record(together, {}, slow))
        assert(Exit.isSuccess(exit) && Exit.isSuccess(exit.value.exit))
        const { recording } = exit.value
        assert.isUndefined((yield* replay(recording, together)).complete)
        const { first } = yield* replay(recording, open("a.txt"), { patience: 20 })
        assert.match(
          first.message,
          /frame 6 from the client: the recording has CREATE \(message \d\), and nothing came/
        )
      }
    }))
  it.effect("with match by-command accepts other details, and refuses other commands", () =>
    Effect.gen(function*() {
      const { recording } = yield* record(both, { encryption: "off" })
      // The name of another file of the same length; the responses are those of the recording.
      const other = Effect.all([read("a.txt"), read("c.txt")])
      const { exit, first } = yield* replay(recording, other, { match: "by-command" })
      assert.deepStrictEqual(exit, Exit.succeed(["aaaa", "bbbb"]))
      assert.isUndefined(first)
      const stat = Effect.flatMap(SmbClient.SmbClient, (smb) => smb.makeDirectory("\\\\nas\\data\\new"))
      const different = yield* replay(recording, stat, { match: "by-command" })
      assert.match(
        different.first.message,
        /the recording has CREATE \+ READ \+ CLOSE .*, and CREATE \+ CLOSE \(message \d+\) came/
      )
    }))
})

/** The responses to referral requests, decoded. */
const referrals = (recording: RecordedTransport.Recording) =>
  recording.entries.flatMap((entry) => {
    if (entry.what !== "server") return []
    const contents = Frames.read(entry.bytes)
    return contents._tag !== "Smb2" ? [] : contents.parts.flatMap(({ bytes, header }) => {
      const response = Message.decodeResponse(header.command, header.status, bytes, 64, bytes.length)
      if (response._tag === "Failure" || response.success._tag !== "IOCTL") return []
      return [Result.getOrThrow(decodeReferralResponse(response.success.body.output))]
    })
  })

describe("a recording of smbd", () => {
  for (const run of [...Run.runs, Run.domainRun]) {
    const recording = Result.getOrThrow(RecordedTransport.fromJson(Run.readFixture(run)))

    it.effect(`is replayed with the recorded results: ${run.name}`, () => Run.replay(run, recording))

    it.effect(`has the events and referrals of the simulator in the same order: ${run.name}`, () => {
      const simulated = Effect.gen(function*() {
        const world = yield* TestNamespace.TestNamespace
        const stop = world.fault({ server: run.stops, is: "down" })
        assert.deepStrictEqual(yield* Run.go(run, stop), run.seen)
        return yield* Effect.flatMap(RecordedTransport.Recorder, (it) => it.recording)
      }).pipe(
        Effect.provide(RecordedTransport.layerRecord(Layer.effect(Transport.Transport, Transport.Transport))),
        Effect.provide(TestNamespace.layer(run.world))
      )
      return Effect.gen(function*() {
        const timeless = (one: RecordedTransport.Recording) =>
          TestNamespace.format(RecordedTransport.events(one)).split("\n").map((line) => line.slice(10))
        const ours = yield* simulated
        const { simulated: mine, smbd } = Run.otherwise
        assert.deepStrictEqual(timeless(ours).map((line) => line.replace(mine, smbd)), timeless(recording))
        assert.isAbove(timeless(recording).length, 80)
        const { essence = (referral) => referral } = run
        const [theirs, all] = [referrals(recording).map(essence), referrals(ours).map(essence)]
        assert.deepStrictEqual(all.slice(0, theirs.length), theirs)
        assert.strictEqual(all.length, theirs.length + timeless(ours).filter((line) => line.endsWith(mine)).length)
        assert.isAbove(theirs.length, 3)
      })
    })
  }
})

/**
 * Proves which reason a client gets for an error of the platform, which file systems a LocalStore takes for prompt or
 * for network ones, and that its calls of the platform are complete and leave no descriptor open.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import * as Fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach } from "vitest"
import { storeError } from "../../src/Server/ShareStore.ts"
import * as Local from "../../src/Server/Store/internal/Local.ts"
import { never, PromptCalls } from "../../src/Server/Store/internal/PromptCalls.ts"

let folder = ""
const at = (...names: ReadonlyArray<string>) => join(folder, ...names)
beforeEach(() => {
  folder = Fs.mkdtempSync(join(tmpdir(), "effect-smb-local-"))
})
afterEach(() => Fs.rmSync(folder, { recursive: true }))

const platformError = (code: unknown) => Object.assign(new Error("platform"), { code })

/** Replaces calls of the platform until the end of `body`. */
const replaced = async (calls: Partial<Record<keyof typeof Fs, unknown>>, body: () => Promise<unknown>) => {
  const platform = process.getBuiltinModule("node:fs")
  const before = Object.fromEntries(Object.keys(calls).map((name) => [name, platform[name as keyof typeof Fs]]))
  Object.assign(platform, calls)
  syncBuiltinESMExports()
  try {
    await body()
  } finally {
    Object.assign(platform, before)
    syncBuiltinESMExports()
  }
}

const isLinux = process.platform === "linux"
const onLinux = isLinux ? "" : " (skipped: only Linux lists the descriptors of a process)"
const isOpen = (fd: number) => Fs.existsSync(`/proc/self/fd/${fd}`)

describe("an error of the platform", () => {
  it("has the reason that docs and clients know, and any other error is the cause of Failed", () => {
    for (
      const [reason, codes] of [
        ["NotFound", "ENOENT"],
        ["PathNotFound", "ENOTDIR"],
        ["Exists", "EEXIST"],
        ["NotEmpty", "ENOTEMPTY"],
        ["IsDirectory", "EISDIR"],
        ["AccessDenied", "EACCES EPERM ELOOP"],
        ["ReadOnly", "EROFS"],
        ["Full", "ENOSPC EDQUOT EFBIG"],
        ["InvalidName", "ENAMETOOLONG EILSEQ"],
        ["Busy", "EMFILE ENFILE EAGAIN EBUSY ETXTBSY"],
        ["NotSameDevice", "EXDEV"],
        ["Unsupported", "ENOSYS ENOTSUP EOPNOTSUPP"],
        ["Stale", "ESTALE"]
      ] as const
    ) {
      for (const code of codes.split(" ")) {
        const found = Local.toStoreError(platformError(code))
        assert.strictEqual(found.reason._tag, reason, code)
        assert.isUndefined(found.cause)
      }
    }
    for (const error of [platformError("EIO"), new Error("x"), platformError(5), "text", null, undefined, 7]) {
      const found = Local.toStoreError(error)
      assert.strictEqual(found.reason._tag, "Failed")
      assert.strictEqual(found.cause, error)
    }
    const own = storeError("Stale", new Error("why"))
    assert.strictEqual(Local.toStoreError(own), own)
  })

  it("is a refusal if the platform would refuse again", () => {
    for (const code of ["EACCES", "EPERM", "EROFS", "ETXTBSY"]) assert.isTrue(Local.isRefusal(platformError(code)))
    for (const code of ["ENOENT", "EIO", "ENOSPC", undefined]) assert.isFalse(Local.isRefusal(platformError(code)))
    assert.isTrue(Local.isReadOnly(platformError("EROFS")))
    assert.isFalse(Local.isReadOnly(platformError("EACCES")))
  })

  it("for a missing file is `undefined` where that is asked for", async () => {
    assert.isUndefined(await Local.orMissing(Local.lstat(at("no"))))
    assert.strictEqual(await Local.orMissing(Promise.resolve(5)), 5)
    Fs.writeFileSync(at("f"), "")
    for (const error of [platformError("ENOTDIR"), "text"]) {
      assert.strictEqual(await Local.orMissing(Promise.reject(error)).catch((found) => found), error)
    }
    assert.isUndefined(Local.lstatNowOrMissing(at("no")))
    assert.strictEqual(Local.lstatNowOrMissing(at("f"))?.size, 0n)
  })

  it.live("fails the call of the store, which an interruption does not stop", () =>
    Effect.gen(function*() {
      const failed = yield* Effect.flip(Local.run(() => Promise.reject(platformError("ENOSPC"))))
      assert.strictEqual(failed.reason._tag, "Full")
      const begun = Promise.withResolvers<void>()
      const end = Promise.withResolvers<void>()
      let done = false
      const fiber = yield* Effect.forkChild(Local.run(async () => {
        begun.resolve()
        await end.promise
        done = true
      }))
      yield* Effect.promise(() => begun.promise)
      setImmediate(end.resolve)
      fiber.interruptUnsafe()
      const exit = yield* Effect.exit(Effect.promise(() => new Promise((resolve) => fiber.addObserver(resolve))))
      assert.isTrue(Exit.isSuccess(exit))
      assert.isTrue(done)
    }))
})

describe("file systems by Linux's numbers (statfs(2))", () => {
  const prompt = [
    0xef53,
    0x58465342,
    0x9123683e,
    0x2fc12fc1,
    0xf2f52010,
    0xca451a4e,
    0x3153464a,
    0x01021994,
    0x858458f6
  ]
  const network = [
    0x6969,
    0x517b,
    0xff534d42,
    0xfe534d42,
    0x01021997,
    0x00c36400,
    0x5346414f,
    0x6b414653,
    0x73757245,
    0x01161970,
    0x7461636f,
    0x0bd00bd0,
    0x47504653,
    0x19830326,
    0x786f4256
  ]

  it("are prompt if they keep their files' information in memory, and network ones if others can change them", () => {
    for (const type of prompt) {
      assert.isTrue(Local.isPromptType(BigInt(type)))
      assert.isFalse(Local.isNetworkType(BigInt(type)))
    }
    for (const type of network) {
      assert.isTrue(Local.isNetworkType(BigInt(type)))
      assert.isFalse(Local.isPromptType(BigInt(type)))
    }
    // FUSE, overlay, FAT, and one that does not exist.
    for (const type of [0x65735546, 0x794c7630, 0x4d44, 0x1]) {
      assert.isFalse(Local.isPromptType(BigInt(type)) || Local.isNetworkType(BigInt(type)))
    }
  })
})

describe("calls of the platform", () => {
  const waysToCall = [["at once", new PromptCalls(true)], ["in the thread pool", never]] as const
  it.each(waysToCall)("%s read and write all bytes, although each call moves only a few", async (_, calls) => {
    const few = 3
    const platform = process.getBuiltinModule("node:fs")
    const { read, readSync, write, writeSync } = platform
    type Call = (fd: number, bytes: Uint8Array, at: number, length: number, position: number, done: unknown) => number
    const made: Array<string> = []
    const less = (name: string, call: Call): Call => (fd, bytes, at, length, position, done) => {
      made.push(name)
      return call(fd, bytes, at, Math.min(few, length), position, done)
    }
    await replaced({
      read: less("read", read as unknown as Call),
      write: less("write", write as unknown as Call),
      readSync: less("readSync", readSync as unknown as Call),
      writeSync: less("writeSync", writeSync as unknown as Call)
    }, async () => {
      const fd = await Local.open(at("f"), Fs.constants.O_RDWR | Fs.constants.O_CREAT, 0o600)
      const bytes = Buffer.from("0123456789")
      await Local.write(fd, bytes, 2, calls)
      assert.strictEqual(Fs.readFileSync(at("f"), "latin1"), "\0\x000123456789")
      made.length = 0
      const target = new Uint8Array(8).fill(0xee)
      assert.strictEqual(await Local.read(fd, target, 3, calls), 8)
      assert.strictEqual(Buffer.from(target).toString(), "12345678")
      target.fill(0xee)
      assert.strictEqual(await Local.read(fd, target, 8, calls), 4)
      assert.strictEqual(Buffer.from(target).toString("latin1"), "6789\xee\xee\xee\xee")
      assert.strictEqual(await Local.read(fd, target, 12, calls), 0)
      assert.strictEqual(await Local.read(fd, new Uint8Array(0), 0, calls), 0)
      await Local.write(fd, new Uint8Array(0), 100, calls)
      assert.strictEqual(Fs.statSync(at("f")).size, 12)
      assert.deepStrictEqual([...new Set(made)], [calls === never ? "read" : "readSync"])
      await Local.close(fd)
    })
  })

  it("read and write more than 64 KiB in the thread pool", async () => {
    const made: Array<string> = []
    const { read, write } = process.getBuiltinModule("node:fs")
    await replaced({
      read: (...args: Parameters<typeof read>) => (made.push("read"), read(...args)),
      write: (...args: Parameters<typeof write>) => (made.push("write"), write(...args))
    }, async () => {
      const calls = new PromptCalls(true)
      const fd = await Local.open(at("f"), Fs.constants.O_RDWR | Fs.constants.O_CREAT, 0o600)
      for (const size of [65_536, 65_537]) {
        await Local.write(fd, new Uint8Array(size), 0, calls)
        await Local.read(fd, new Uint8Array(size), 0, calls)
      }
      assert.deepStrictEqual(made, ["write", "read"])
      await Local.close(fd)
    })
  })

  it("take offsets up to 2^53 - 1, and refuse others with Full", () => {
    assert.strictEqual(Local.position(0n), 0)
    assert.strictEqual(Local.position((1n << 53n) - 1n), Number.MAX_SAFE_INTEGER)
    assert.throws(() => Local.position(1n << 53n), "Full")
  })

  it("make a folder for this user alone, and take an existing one", async () => {
    await Local.makeFolder(at("d"))
    await Local.makeFolder(at("d"))
    assert.isTrue(Fs.statSync(at("d")).isDirectory())
    if (process.platform !== "win32") assert.strictEqual(Fs.statSync(at("d")).mode & 0o777, 0o700)
    assert.strictEqual(await Local.makeFolder(at("no", "d")).catch(Local.codeOf), "ENOENT")
  })

  it("do not follow a symbolic link as the last component", async () => {
    if (process.platform === "win32") return
    Fs.writeFileSync(at("f"), "x")
    Fs.symlinkSync("f", at("link"))
    Fs.symlinkSync(".", at("here"))
    assert.strictEqual(await Local.openFile(never, at("link"), false).catch(Local.codeOf), "ELOOP")
    assert.isDefined(await Local.open(at("here"), Local.openFlags.directory).catch(Local.codeOf))
    assert.strictEqual(await Local.open(at("f"), Local.openFlags.directory).catch(Local.codeOf), "ENOTDIR")
    assert.isTrue((await Local.lstat(at("link"))).isSymbolicLink())
    assert.isTrue(Local.lstatNow(at("link")).isSymbolicLink())
  })
})

describe.skipIf(!isLinux)(`descriptors of local files${onLinux}`, () => {
  it("open for reading, and also for writing if that is asked for, at first or later", async () => {
    Fs.writeFileSync(at("f"), "x")
    const reading = await Local.openFile(never, at("f"), false)
    assert.throws(() => Fs.writeSync(reading, "y"), "EBADF")
    const writing = await Local.openFile(never, at("f"), true)
    Fs.writeSync(writing, "y", 0)
    Fs.renameSync(at("f"), at("g"))
    const again = await Local.openAgain(never, reading)
    Fs.writeSync(again, "z", 1)
    assert.strictEqual(Fs.readFileSync(at("g"), "utf8"), "yz")
    for (const fd of [reading, writing, again]) await Local.close(fd)
  })

  it("are closed at once if the file has a name, and in the thread pool if not", async () => {
    const { close, closeSync } = process.getBuiltinModule("node:fs")
    const calls: Array<string> = []
    await replaced({
      close: (fd: number, done: () => void) => (calls.push("close"), close(fd, done)),
      closeSync: (fd: number) => (calls.push("closeSync"), closeSync(fd))
    }, async () => {
      Fs.writeFileSync(at("f"), "x")
      calls.length = 0
      const named = Fs.openSync(at("f"), "r")
      Local.closeNow(named)
      assert.isFalse(isOpen(named))
      assert.deepStrictEqual(calls, ["closeSync"])
      const nameless = Fs.openSync(at("f"), "r")
      Fs.rmSync(at("f"))
      Local.closeNow(nameless)
      assert.deepStrictEqual(calls, ["closeSync", "close"])
      while (isOpen(nameless)) await new Promise((resolve) => setImmediate(resolve))
    })
  })

  for (const prompt of [true, false]) {
    it(`hold a file that may not be read, and show its names, ${prompt ? "at once" : "in the thread pool"}`, async () => {
      Fs.writeFileSync(at("f"), "x", { mode: 0 })
      Fs.symlinkSync("f", at("link"))
      const fd = await Local.hold(at("f"), prompt)
      assert.isDefined(fd)
      assert.strictEqual(Local.fstatNow(fd!).nlink, 1n)
      assert.throws(() => Fs.readSync(fd!, new Uint8Array(1)))
      Fs.rmSync(at("f"))
      assert.strictEqual((await Local.fstat(fd!)).nlink, 0n)
      await Local.close(fd!)
      const link = await Local.hold(at("link"), prompt)
      assert.isTrue(Local.fstatNow(link!).isSymbolicLink())
      await Local.close(link!)
      assert.isUndefined(await Local.hold(at("no"), prompt))
    })
  }

  it("are flushed, and report a failure", async () => {
    const fd = Fs.openSync(at("f"), "w")
    await Local.fsync(fd)
    await Local.close(fd)
    assert.strictEqual(await Local.fsync(fd).catch(Local.codeOf), "EBADF")
    assert.strictEqual(await Local.close(fd).catch(Local.codeOf), "EBADF")
  })
})

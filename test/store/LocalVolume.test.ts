/**
 * Proves how a file system below a local folder names files for clients and for records, what it says of its space, and
 * that it is closed a second after its last use.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, vi } from "vitest"
import * as FileTime from "../../src/Codec/FileTime.ts"
import type { StoreError } from "../../src/Server/ShareStore.ts"
import * as Local from "../../src/Server/Store/internal/Local.ts"
import { Volume, Volumes } from "../../src/Server/Store/internal/LocalVolume.ts"
import { never } from "../../src/Server/Store/internal/PromptCalls.ts"
import { sidecarName } from "../../src/Server/Store/internal/SidecarFolder.ts"

let folder = ""
beforeEach(() => {
  folder = Fs.realpathSync(Fs.mkdtempSync(join(tmpdir(), "effect-smb-volume-")))
})
afterEach(() => {
  vi.useRealTimers()
  Fs.rmSync(folder, { recursive: true })
})

const reason = (promise: Promise<unknown>) =>
  promise.then(() => assert.fail("it did not fail"), (error: StoreError) => error.reason._tag)

type Facts = ConstructorParameters<typeof Volume>[0]

const device = 7n
const volume = (facts: Partial<Facts> = {}) =>
  new Volume({
    device,
    root: folder,
    fd: undefined,
    salt: 0n,
    depth: 0,
    calls: never,
    isNetwork: false,
    copiesUp: false,
    lasts: true,
    birthIsSteady: true,
    ...facts
  }, undefined)

const stats = (other: Partial<Fs.BigIntStats> = {}, isDirectory = false): Fs.BigIntStats =>
  ({
    dev: device,
    ino: 0x2an,
    birthtimeNs: 0x99n,
    isDirectory: () => isDirectory,
    ...other
  }) as Fs.BigIntStats

describe("a file system's names of its files", () => {
  it("for records are inode and time of birth, without the device that changes with each mount", () => {
    for (
      const [facts, other, key] of [
        [{}, {}, "2a-99"],
        [{ birthIsSteady: false }, {}, "2a"],
        // The first change of a file gives it another time of birth.
        [{ copiesUp: true }, {}, "2a"],
        // A file on another device, or one whose number does not last, has a record while the process runs.
        [{}, { dev: 8n }, "8:2a"],
        [{ lasts: false }, {}, "7:2a"]
      ] as const
    ) {
      assert.strictEqual(volume(facts).keyOf(stats(other)), key)
      assert.strictEqual(volume(facts).isLasting(stats(other)), !key.includes(":"))
    }
  })

  it("for clients are numbers of 64 bits that differ between files and between file systems of one folder", () => {
    assert.strictEqual(volume().idOf(stats()), 0x2an)
    const salt = 0xabcdefn << 40n
    assert.strictEqual(volume({ salt }).idOf(stats()), salt ^ 0x2an)
    const others = [
      volume().idOf(stats()),
      volume({ salt }).idOf(stats()),
      volume().idOf(stats({ dev: 8n })),
      volume().idOf(stats({ dev: 9n })),
      volume().idOf(stats({ ino: 0x2bn }))
    ]
    assert.strictEqual(new Set(others).size, others.length)
    for (const ino of [0n, (1n << 64n) - 1n]) {
      for (const dev of [device, (1n << 64n) - 1n]) {
        const id = volume({ salt }).idOf(stats({ dev, ino }))
        assert.isTrue(id >= 0n && id < 1n << 64n)
      }
    }
  })

  it("while the process runs have the time of birth where it is steady: not for a directory that can be copied", () => {
    const born = (facts: Partial<Facts>, isDirectory: boolean) =>
      volume(facts).identityOf(stats({}, isDirectory)) !==
        volume(facts).identityOf(stats({ birthtimeNs: 0x98n }, isDirectory))
    assert.isTrue(born({}, false))
    assert.isTrue(born({}, true))
    assert.isFalse(born({ birthIsSteady: false }, false))
    assert.isTrue(born({ copiesUp: true }, false))
    assert.isFalse(born({ copiesUp: true }, true))
    const all = [stats(), stats({ dev: 8n }), stats({ ino: 0x2bn })].map((one) => volume().identityOf(one))
    assert.strictEqual(new Set(all).size, 3)
  })
})

describe("a file system's records", () => {
  it("are those of the file alone: a record of an earlier file with its inode has another time of birth", async () => {
    const one = volume({ copiesUp: true })
    for (const [born, own] of [[undefined, true], ["153", true], ["154", false]] as const) {
      const record = { attributes: 2, ...born === undefined ? {} : { born } }
      assert.deepStrictEqual(one.ofFile(record, stats({ birthtimeNs: 153n })), own ? record : {})
    }
    const passing = volume({ copiesUp: true, lasts: false })
    await (await passing.writing(false)).update("7:2a", () => ({ attributes: 2, born: "154" }))
    assert.deepStrictEqual(await passing.record(stats({ birthtimeNs: 154n })), { attributes: 2, born: "154" })
    assert.deepStrictEqual(await passing.record(stats({ birthtimeNs: 153n })), {})
  })

  it("of files whose numbers do not last are kept while the process runs, and no sidecar is made for them", async () => {
    const one = volume({ lasts: false })
    await (await one.writing(false)).update("7:2a", () => ({ attributes: 2 }))
    assert.deepStrictEqual(await one.record(stats()), { attributes: 2 })
    assert.strictEqual(await reason(one.begin(["f"], {})), "Unsupported")
    assert.isTrue(await one.canWrite())
    assert.deepStrictEqual(Fs.readdirSync(folder), [])
    await one.close()
  })

  it("are none before the first is written, which makes the sidecar, once", async () => {
    const one = volume()
    assert.isUndefined(one.reading(true))
    assert.deepStrictEqual(await one.record(stats()), {})
    const [records, again] = await Promise.all([one.writing(true), one.writing(true)])
    assert.strictEqual(records, again)
    assert.strictEqual(one.reading(true), records)
    assert.isTrue(Fs.existsSync(join(folder, sidecarName, "records")))
    await one.close()
    await one.close()
    assert.throws(() => one.reading(true), "Stale")
    assert.throws(() => one.reading(false), "Stale")
    assert.strictEqual(await reason(one.folder()), "Stale")
    assert.strictEqual(await reason(one.writing(true)), "Stale")
  })

  it("of files that are being made have the place below the topmost directory of their file system", async () => {
    const one = volume({ depth: 1 })
    await one.begin(["mounted", "d", "f"], { attributes: 2 })
    const fresh = join(folder, sidecarName, "new")
    const [name] = Fs.readdirSync(fresh)
    const written = JSON.parse(Fs.readFileSync(join(fresh, name!), "utf8"))
    assert.deepStrictEqual(written, { attributes: 2, making: ["d", "f"] })
    await one.close()
  })

  it("cannot be kept after a failure to make the sidecar, until it can be made", async () => {
    const one = volume()
    const { mkdir } = Fs.promises
    for (const [code, canWrite] of [["EROFS", false], ["EACCES", false], ["EIO", undefined]] as const) {
      Object.assign(Fs.promises, { mkdir: () => Promise.reject(Object.assign(new Error(code), { code })) })
      try {
        assert.strictEqual(await one.writing(true).catch(Local.codeOf), code)
        assert.strictEqual(await one.canWrite().catch(Local.codeOf), canWrite ?? code)
      } finally {
        Object.assign(Fs.promises, { mkdir })
      }
    }
    assert.isTrue(await one.canWrite())
    await one.close()
  })
})

describe("a file system's measures", () => {
  /** Lets the platform say this of the space, and of the right to write, until the end of `body`. */
  const saying = async (access: string | undefined, body: () => Promise<void>) => {
    const before = { statfs: Fs.promises.statfs, access: Fs.promises.access }
    Object.assign(Fs.promises, {
      statfs: () => Promise.resolve({ type: 1n, bsize: 512n, blocks: 100n, bfree: 70n, bavail: 50n }),
      access: () =>
        access === undefined ? Promise.resolve() : Promise.reject(Object.assign(new Error(access), { code: access }))
    })
    try {
      await body()
    } finally {
      Object.assign(Fs.promises, before)
    }
  }

  it("are its space for this user in bytes, its time of birth, and whether it is mounted read-only", async () => {
    for (const [access, isReadOnly] of [[undefined, false], ["EROFS", true], ["EACCES", false]] as const) {
      await saying(access, async () => {
        const measures = await volume().measure()
        assert.strictEqual(measures.total, 51_200n)
        assert.strictEqual(measures.free, 25_600n)
        assert.strictEqual(measures.isReadOnly, isReadOnly)
        const { birthtimeNs } = Fs.statSync(folder, { bigint: true })
        assert.strictEqual(measures.creationTime, FileTime.fromNanos(birthtimeNs))
      })
    }
  })

  it("have one serial number for all devices on which it is mounted, and another at another place of the folder", async () => {
    const serial = async (facts: Partial<Facts>) => (await volume(facts).measure()).serialNumber
    const own = await serial({})
    assert.isTrue(Number.isInteger(own) && own >= 0 && own < 2 ** 32)
    assert.strictEqual(await serial({ device: 8n }), own)
    const salt = 5n << 40n
    assert.notStrictEqual(await serial({ salt }), own)
    assert.strictEqual(await serial({ device: 8n, salt }), await serial({ salt }))
    assert.notStrictEqual(await serial({ salt: 6n << 40n }), await serial({ salt }))
  })
})

describe("the file systems below a folder", () => {
  const enter = (volumes: Volumes) => {
    const place = folder
    const fd = Local.hasDescriptors ? Fs.openSync(place, Local.openFlags.directory) : undefined
    return volumes.enter(place, fd, Fs.lstatSync(place, { bigint: true }), []).finally(() => {
      if (fd !== undefined) Fs.closeSync(fd)
    })
  }
  /** Waits for what the end of a timer began. */
  const settled = async () => {
    for (let i = 0; i < 12; i++) await Local.lstat(folder)
  }
  const isClosed = (one: Volume) => {
    try {
      one.reading(true)
      return false
    } catch {
      return true
    }
  }

  it("are opened once, also for calls at the same time, and closed a second after their last use", async () => {
    const volumes = new Volumes()
    const [one, other] = await Promise.all([enter(volumes), enter(volumes)])
    assert.strictEqual(one, other)
    assert.strictEqual(one.users, 2)
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
    volumes.leave(one)
    vi.advanceTimersByTime(5000)
    await settled()
    assert.isFalse(isClosed(one))
    volumes.leave(one)
    vi.advanceTimersByTime(999)
    await settled()
    assert.isFalse(isClosed(one))
    // A use in between starts the second again.
    assert.strictEqual(await enter(volumes), one)
    vi.advanceTimersByTime(5000)
    await settled()
    assert.isFalse(isClosed(one))
    volumes.leave(one)
    vi.advanceTimersByTime(1000)
    await settled()
    assert.isTrue(isClosed(one))
    const next = await enter(volumes)
    assert.notStrictEqual(next, one)
    await volumes.close()
    assert.isTrue(isClosed(next))
  })

  it("stay if they are used between the end of the second and the close", async () => {
    const volumes = new Volumes()
    const one = await enter(volumes)
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
    volumes.leave(one)
    vi.advanceTimersByTime(1000)
    volumes.use(one)
    await settled()
    assert.isFalse(isClosed(one))
    assert.strictEqual(await enter(volumes), one)
    await volumes.close()
  })

  it("are opened again for a call during which all were closed", async () => {
    const volumes = new Volumes()
    const entering = enter(volumes)
    await Promise.resolve()
    const closing = volumes.close()
    const one = await entering
    await closing
    assert.isFalse(isClosed(one))
    assert.strictEqual(await enter(volumes), one)
    await volumes.close()
    assert.isTrue(isClosed(one))
  })

  it("are opened again after a failure, and the failure leaves no descriptor open", async () => {
    const volumes = new Volumes()
    Fs.writeFileSync(join(folder, sidecarName), "no folder")
    const open = () => Local.hasDescriptors ? Fs.readdirSync(Local.descriptors).length : 0
    const before = open()
    assert.strictEqual(await reason(enter(volumes)), "AccessDenied")
    assert.strictEqual(open(), before)
    Fs.rmSync(join(folder, sidecarName))
    const one = await enter(volumes)
    assert.strictEqual(one.users, 1)
    await volumes.close()
    assert.strictEqual(open(), before)
  })
})

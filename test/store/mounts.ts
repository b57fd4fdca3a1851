/**
 * What a LocalStore does with file systems that are really mounted. Each scenario runs in one process with its own
 * mount namespace, and all mounts end with the process. `Mounts.test.ts` runs it with
 * `unshare --mount node mounts.ts <scenario> <folder>`.
 */
import { Effect, Stream } from "effect"
import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import { join } from "node:path"
import type { ShareStore, StoreError, StorePath } from "../../src/Server/ShareStore.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import { FileAttributes } from "../../src/Smb2/Message/Constants.ts"

const text = (value: string) => new TextEncoder().encode(value)
const string = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes)

const run = (program: string, ...args: ReadonlyArray<string>) =>
  execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim()

const existing = { mode: "existing", type: "file" } as const
const fresh = { mode: "new", type: "file" } as const

const serve = <A>(
  folder: string,
  body: (store: ShareStore) => Effect.Effect<A, unknown, any>,
  options: LocalStore.LocalStoreOptions = {}
): Promise<A> =>
  Effect.runPromise(
    Effect.scoped(Effect.flatMap(LocalStore.make(folder, options), body)) as Effect.Effect<A, unknown>
  )

const reason = <A, R>(effect: Effect.Effect<A, StoreError, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

/** The metadata that the store keeps of a file. */
const kept = (store: ShareStore, path: StorePath) =>
  Effect.scoped(Effect.gen(function*() {
    const { file, node } = yield* store.open(path, existing)
    return {
      descriptor: string(yield* file.getBlob("SecurityDescriptor")),
      attributes: node.fileAttributes,
      streams: (yield* file.streams).map(({ name, size }) => `${name} ${size}`)
    }
  }))

const nothing = { descriptor: undefined, attributes: FileAttributes.FILE_ATTRIBUTE_ARCHIVE, streams: [] }
const protectedFile = {
  descriptor: "one alone",
  attributes: FileAttributes.FILE_ATTRIBUTE_HIDDEN | FileAttributes.FILE_ATTRIBUTE_SYSTEM,
  streams: ["s 6"]
}

/** Makes a hidden system file with a security descriptor and a stream. */
const protect = (store: ShareStore, path: StorePath) =>
  Effect.scoped(Effect.gen(function*() {
    const { file } = yield* store.open(path, {
      ...fresh,
      initial: {
        securityDescriptor: text("one alone"),
        fileAttributes: FileAttributes.FILE_ATTRIBUTE_HIDDEN | FileAttributes.FILE_ATTRIBUTE_SYSTEM
      }
    })
    yield* file.write(0n, text("content"))
    const { file: stream } = yield* store.open(path, { ...fresh, stream: "s" })
    yield* stream.write(0n, text("stream"))
  }))

const names = (store: ShareStore, path: StorePath) =>
  Effect.map(Stream.runCollect(store.list(path)), (nodes) => nodes.map(({ name }) => name).sort())

const read = (store: ShareStore, path: StorePath) =>
  Effect.scoped(Effect.flatMap(store.open(path, existing), ({ file }) => Effect.map(file.read(0n, 100), string)))

const image = (path: string, kind: "ext4" | "btrfs") => {
  run("truncate", "-s", kind === "ext4" ? "16M" : "128M", path)
  run(`mkfs.${kind}`, "-q", path)
}

/** Attaches an image to the next free loop device. */
const attach = (path: string) => {
  const device = run("losetup", "--find", "--show", path)
  attached.add(device)
  return device
}

const attached = new Set<string>()

const mount = (device: string, at: string, ...options: ReadonlyArray<string>) => {
  Fs.mkdirSync(at, { recursive: true })
  run("mount", ...options, device, at)
}

const detach = (at: string, device: string) => {
  run("umount", at)
  run("losetup", "--detach", device)
  attached.delete(device)
}

/** Makes the images of two disks, and a share in which the first disk is mounted. */
const twoDisks = (folder: string) => {
  const share = join(folder, "share")
  const disk = join(share, "disk")
  const [one, other] = [join(folder, "one"), join(folder, "other")]
  image(one, "ext4")
  image(other, "ext4")
  const first = attach(one)
  mount(first, disk)
  return { share, disk, one, other, first }
}

const sidecar = (folder: string) => join(folder, LocalStore.sidecarName)

const scenarios: Record<string, (folder: string) => Promise<void>> = {
  /** The metadata of files on a mounted disk is available again when another device mounts the disk. */
  remounted: async (folder) => {
    const { disk, first, one, other, share } = twoDisks(folder)
    let device = first
    const before = await serve(share, (store) =>
      Effect.gen(function*() {
        yield* store.stat(["disk"])
        assert.equal(Fs.existsSync(sidecar(disk)), false)
        yield* protect(store, ["disk", "f"])
        assert.deepEqual(yield* names(store, ["disk"]), ["f", "lost+found"])
        return { node: yield* store.stat(["disk", "f"]), serial: (yield* store.volume).serialNumber }
      }))
    assert.deepEqual(Fs.readdirSync(join(sidecar(share), "records")), [])
    detach(disk, device)
    // The other disk takes the number of the first device.
    const taken = attach(other)
    device = attach(one)
    assert.notEqual(device, taken)
    mount(device, disk)
    await serve(share, (store) =>
      Effect.gen(function*() {
        assert.deepEqual(yield* kept(store, ["disk", "f"]), protectedFile)
        assert.equal((yield* store.stat(["disk", "f"])).id, before.node.id)
        assert.equal((yield* store.volume).serialNumber, before.serial)
        assert.equal(yield* read(store, ["disk", "f"]), "content")
      }))
    detach(disk, device)
    // The file of the other disk has the same path, inode and device number as the first file had.
    mount(taken, disk)
    Fs.writeFileSync(join(disk, "f"), "another")
    assert.equal(Fs.lstatSync(join(disk, "f"), { bigint: true }).ino, 12n)
    await serve(share, (store) => Effect.map(kept(store, ["disk", "f"]), (what) => assert.deepEqual(what, nothing)))
    detach(disk, taken)
  },

  /** `volume` of an open file describes the volume that the file is on. */
  volumes: async (folder) => {
    const share = join(folder, "share")
    const [large, fixed] = [join(share, "large"), join(share, "fixed")]
    mount("none", share, "-t", "tmpfs", "-o", "size=1m")
    mount("none", large, "-t", "tmpfs", "-o", "size=64m")
    mount("none", fixed, "-t", "tmpfs", "-o", "size=4m")
    Fs.writeFileSync(join(fixed, "f"), "")
    run("mount", "-o", "remount,ro", fixed)
    await serve(share, (store) =>
      Effect.gen(function*() {
        const whole = yield* store.volume
        const of = (path: StorePath, how: Parameters<ShareStore["open"]>[1] = existing) =>
          Effect.scoped(Effect.flatMap(store.open(path, how), ({ file }) => file.volume!))
        const told = [
          yield* of([], { mode: "existing", type: "directory" }),
          yield* of(["large", "f"], fresh),
          yield* of(["fixed", "f"])
        ]
        assert.deepEqual(told.map(({ total }) => total / 1024n / 1024n), [1n, 64n, 4n])
        assert.ok(told[1]!.free > 60n * 1024n * 1024n && told[0]!.free < 1024n * 1024n)
        assert.deepEqual(told.map(({ readOnly }) => readOnly), [false, false, true])
        assert.equal(told[0]!.serialNumber, whole.serialNumber)
        assert.equal(new Set(told.map(({ serialNumber }) => serialNumber)).size, 3)
      }))
    for (const at of [large, fixed, share]) run("umount", at)
  },

  /** Another disk is mounted in the place of a disk while the folder is served. */
  exchanged: async (folder) => {
    const { disk, first: device, other, share } = twoDisks(folder)
    await serve(share, (store) =>
      Effect.gen(function*() {
        yield* protect(store, ["disk", "f"])
        run("umount", "--lazy", disk)
        const second = attach(other)
        mount(second, disk)
        Fs.writeFileSync(join(disk, "f"), "another")
        assert.deepEqual(yield* kept(store, ["disk", "f"]), nothing)
        run("umount", "--lazy", disk)
        mount(device, disk)
        assert.deepEqual(yield* kept(store, ["disk", "f"]), protectedFile)
      }))
    detach(disk, device)
  },

  /** The store refuses a folder that was copied with its sidecar, as the share itself and below the share. */
  copied: async (folder) => {
    const { disk, first, other, share } = twoDisks(folder)
    let device = first
    await serve(share, (store) => protect(store, ["disk", "f"]))
    const copy = join(folder, "copy")
    run("cp", "--archive", disk, copy)
    const refused = await Effect.runPromise(Effect.flip(Effect.scoped(LocalStore.make(copy))))
    assert.equal(refused.reason._tag, "Failed")
    assert.match(refused.message, /copied or restored.*remove \.effect-smb/s)
    assert.equal(
      (await Effect.runPromise(Effect.flip(Effect.scoped(LocalStore.make(copy, { readOnly: true }))))).reason._tag,
      "Failed"
    )
    detach(disk, device)
    device = attach(other)
    mount(device, disk)
    run("cp", "--archive", `${copy}/.`, disk)
    await serve(share, (store) =>
      Effect.gen(function*() {
        assert.equal(yield* reason(kept(store, ["disk", "f"])), "AccessDenied")
        assert.equal(yield* reason(store.stat(["disk", "f"])), "AccessDenied")
        assert.equal(yield* reason(store.stat(["disk"])), "AccessDenied")
        assert.equal(yield* reason(Effect.scoped(store.open(["disk", "g"], fresh))), "AccessDenied")
        assert.deepEqual(yield* names(store, []), [])
        // The store checks the sidecar again: no restart is needed after it is removed.
        Fs.rmSync(sidecar(disk), { recursive: true })
        assert.deepEqual(yield* kept(store, ["disk", "f"]), nothing)
      }))
    detach(disk, device)
  },

  /** On a read-only disk the store gives the kept metadata, and refuses changes with ReadOnly. */
  readOnly: async (folder) => {
    const { disk, first, other, share } = twoDisks(folder)
    let device = first
    await serve(share, (store) => protect(store, ["disk", "f"]))
    run("mount", "-o", "remount,ro", disk)
    const refuses = (store: ShareStore, path: StorePath) =>
      Effect.scoped(Effect.gen(function*() {
        const { file } = yield* store.open([...path, "f"], existing)
        assert.equal(yield* reason(file.setBlob("SecurityDescriptor", text("all"))), "ReadOnly")
        assert.equal(yield* reason(file.set({ fileAttributes: FileAttributes.FILE_ATTRIBUTE_ARCHIVE })), "ReadOnly")
        assert.equal(yield* reason(file.write(0n, text("x"))), "ReadOnly")
        const made = store.open([...path, "new"], { ...fresh, initial: { securityDescriptor: text("mine") } })
        assert.equal(yield* reason(Effect.scoped(made)), "ReadOnly")
      }))
    await serve(share, (store) =>
      Effect.gen(function*() {
        assert.deepEqual(yield* kept(store, ["disk", "f"]), protectedFile)
        yield* refuses(store, ["disk"])
        assert.equal((yield* store.volume).readOnly, false)
      }))
    // The disk as the share itself gives the same results, with and without `readOnly`.
    for (const options of [{}, { readOnly: true }]) {
      await serve(disk, (store) =>
        Effect.gen(function*() {
          assert.deepEqual(yield* kept(store, ["f"]), protectedFile)
          yield* refuses(store, [])
          assert.equal((yield* store.volume).readOnly, true)
        }), options)
    }
    run("mount", "-o", "remount,rw", disk)
    await serve(disk, (store) =>
      Effect.gen(function*() {
        assert.deepEqual(yield* kept(store, ["f"]), protectedFile)
        yield* refuses(store, [])
      }), { readOnly: true })
    detach(disk, device)
    // A disk on which no metadata was ever kept.
    device = attach(other)
    mount(device, disk)
    Fs.writeFileSync(join(disk, "f"), "plain")
    run("mount", "-o", "remount,ro", disk)
    await serve(share, (store) =>
      Effect.gen(function*() {
        assert.deepEqual(yield* kept(store, ["disk", "f"]), nothing)
        yield* refuses(store, ["disk"])
      }))
    detach(disk, device)
  },

  /** Each subvolume and each snapshot has its own sidecar, and a snapshot includes the sidecar of its source. */
  btrfs: async (folder) => {
    const disk = join(folder, "disk")
    const whole = join(folder, "image")
    image(whole, "btrfs")
    let device = attach(whole)
    mount(device, disk)
    run("btrfs", "subvolume", "create", join(disk, "sub"))
    await serve(disk, (store) =>
      Effect.gen(function*() {
        yield* protect(store, ["sub", "f"])
        run("btrfs", "subvolume", "snapshot", join(disk, "sub"), join(disk, "snap"))
        assert.deepEqual(yield* kept(store, ["snap", "f"]), protectedFile)
        yield* Effect.scoped(Effect.flatMap(
          store.open(["snap", "f"], existing),
          ({ file }) => file.setBlob("SecurityDescriptor", text("another"))
        ))
        assert.deepEqual(yield* kept(store, ["sub", "f"]), protectedFile)
        const [sub, snap] = [yield* store.stat(["sub", "f"]), yield* store.stat(["snap", "f"])]
        assert.notEqual(sub.id, snap.id)
        assert.notEqual(sub.identity, snap.identity)
        assert.equal(yield* reason(store.remove(["sub"])), "NotEmpty")
      }))
    detach(disk, device)
    device = attach(whole)
    mount(device, disk)
    await serve(disk, (store) =>
      Effect.gen(function*() {
        // Opens the snapshot first: Btrfs numbers the devices of subvolumes in the order of first use.
        assert.deepEqual(yield* kept(store, ["snap", "f"]), { ...protectedFile, descriptor: "another" })
        assert.deepEqual(yield* kept(store, ["sub", "f"]), protectedFile)
      }))
    // The snapshot is the share itself.
    await serve(
      join(disk, "snap"),
      (store) => Effect.map(kept(store, ["f"]), (what) => assert.equal(what.descriptor, "another"))
    )
    detach(disk, device)
  },

  /** Reading a lower file of an overlay does not copy it, and a file keeps its identity after a copy-up. */
  overlay: async (folder) => {
    const [base, share] = [join(folder, "base"), join(folder, "share")]
    mount("none", base, "-t", "tmpfs")
    for (const name of ["lower", "upper", "work"]) Fs.mkdirSync(join(base, name))
    const lower = (name: string) => join(base, "lower", name)
    for (const name of ["read", "written", "dated", "renamed", "others"]) Fs.writeFileSync(lower(name), name)
    // Metadata that was kept of a lower file is also valid through the overlay.
    await serve(join(base, "lower"), (store) => protect(store, ["before"]))
    Fs.mkdirSync(lower("d"))
    const options = ["lower", "upper", "work"].map((name) => `${name}dir=${join(base, name)}`).join()
    mount("overlay", share, "-t", "overlay", "-o", options)
    const upper = () => Fs.readdirSync(join(base, "upper")).filter((name) => name !== LocalStore.sidecarName)
    const readAll = (store: ShareStore) =>
      Effect.scoped(Effect.gen(function*() {
        const { file } = yield* store.open(["read"], { ...existing, forData: true })
        assert.equal(string(yield* file.read(0n, 100)), "read")
        yield* file.stat
        yield* file.flush
        yield* file.allocated({ offset: 0n, length: 4n })
        yield* names(store, ["d"])
      }))
    await serve(share, (store) => Effect.andThen(readAll(store), kept(store, ["before"])), { readOnly: true })
      .then((what) => assert.deepEqual(what, protectedFile))
    assert.deepEqual(upper(), [])
    await serve(share, (store) =>
      Effect.gen(function*() {
        assert.equal((yield* store.volume).supports.securityDescriptors, true)
        yield* readAll(store)
        assert.deepEqual(upper(), [])
        for (const name of ["read", "written", "dated", "renamed", "others"]) {
          const { file, node } = yield* store.open([name], existing)
          yield* file.setBlob("SecurityDescriptor", text(name))
          assert.deepEqual(upper().includes(name), false)
          if (name === "written") yield* file.write(0n, text("W"))
          if (name === "dated") yield* file.set({ lastWriteTime: 133_000_000_000_000_000n })
          if (name === "renamed") yield* store.rename([name], ["moved"], { replace: false, expected: node.identity })
          if (name === "written" || name === "dated") assert.ok(upper().includes(name))
          const now = name === "renamed" ? "moved" : name
          assert.equal((yield* file.stat).identity, node.identity)
          assert.equal((yield* store.stat([now])).identity, node.identity)
          assert.equal((yield* store.stat([now])).id, node.id)
          assert.equal(string(yield* file.getBlob("SecurityDescriptor")), name)
          yield* store.mayRemove!([now], { expected: node.identity })
        }
        // Making an entry in a directory copies the directory up.
        const { file: directory, node } = yield* store.open(["d"], { ...existing, type: "directory" })
        yield* Effect.scoped(store.open(["d", "new"], fresh))
        assert.equal((yield* directory.stat).identity, node.identity)
        // A file that is removed while it is open for reading stays readable, and cannot be written.
        const { file: removed } = yield* store.open(["read"], existing)
        assert.equal(string(yield* removed.read(0n, 100)), "read")
        yield* store.remove(["read"])
        assert.equal(string(yield* removed.read(0n, 100)), "read")
        assert.equal(yield* reason(removed.write(0n, text("x"))), "Stale")
        assert.equal(string(yield* removed.read(0n, 100)), "read")
      }))
    // Another program's writes copy these files up.
    Fs.appendFileSync(join(share, "before"), "!")
    Fs.appendFileSync(join(share, "others"), "!")
    run("umount", share)
    mount("overlay", share, "-t", "overlay", "-o", options)
    await serve(share, (store) =>
      Effect.gen(function*() {
        for (
          const [name, descriptor] of Object.entries({
            written: "written",
            dated: "dated",
            moved: "renamed",
            others: "others"
          })
        ) {
          assert.equal((yield* kept(store, [name])).descriptor, descriptor)
        }
        assert.equal(yield* read(store, ["written"]), "Written")
        assert.deepEqual(yield* kept(store, ["before"]), protectedFile)
        // A file with the inode of a file that another program removed has none of its metadata.
        for (let i = 0; i < 20; i++) {
          yield* Effect.scoped(store.open(["x"], { ...fresh, initial: { securityDescriptor: text("old") } }))
          Fs.unlinkSync(join(share, "x"))
          Fs.writeFileSync(join(share, "x"), "")
          assert.equal((yield* kept(store, ["x"])).descriptor, undefined)
          yield* store.remove(["x"])
        }
      }))
  },

  /** On an overlay without lasting inode numbers, Unsupported refuses metadata that must not be lost. */
  passing: async (folder) => {
    const [base, share, disk] = [join(folder, "base"), join(folder, "share"), join(folder, "disk")]
    const whole = join(folder, "image")
    image(whole, "ext4")
    const device = attach(whole)
    mount(device, disk)
    Fs.writeFileSync(join(disk, "f"), "there")
    mount("none", base, "-t", "tmpfs")
    for (const name of ["upper", "work"]) Fs.mkdirSync(join(base, name))
    const options = `lowerdir=${disk},upperdir=${join(base, "upper")},workdir=${join(base, "work")},xino=off`
    const check = (store: ShareStore, path: StorePath) =>
      Effect.scoped(Effect.gen(function*() {
        const { file, node } = yield* store.open([...path, "f"], existing)
        assert.equal(string(yield* file.read(0n, 9)), "there")
        assert.deepEqual(Fs.readdirSync(join(base, "upper")), [])
        assert.equal(yield* reason(file.setBlob("SecurityDescriptor", text("x"))), "Unsupported")
        assert.equal(yield* reason(store.open([...path, "f"], { ...fresh, stream: "s" })), "Unsupported")
        const made = store.open([...path, "g"], { ...fresh, initial: { securityDescriptor: text("x") } })
        assert.equal(yield* reason(Effect.scoped(made)), "Unsupported")
        assert.equal(yield* reason(store.stat([...path, "g"])), "NotFound")
        yield* file.set({ fileAttributes: FileAttributes.FILE_ATTRIBUTE_HIDDEN })
        assert.equal((yield* store.stat([...path, "f"])).fileAttributes, FileAttributes.FILE_ATTRIBUTE_HIDDEN)
        yield* file.write(0n, text("T"))
        assert.equal((yield* file.stat).fileAttributes, FileAttributes.FILE_ATTRIBUTE_HIDDEN)
        assert.equal((yield* store.stat([...path, "f"])).identity, node.identity)
        assert.equal(Fs.readFileSync(join(share, ...path, "f"), "utf8"), "There")
        yield* Effect.scoped(store.open([...path, "h"], fresh))
        yield* store.remove([...path, "h"])
      }))
    mount("overlay", share, "-t", "overlay", "-o", options)
    await serve(share, (store) =>
      Effect.gen(function*() {
        const { supports } = yield* store.volume
        assert.deepEqual(supports, {
          streams: false,
          securityDescriptors: false,
          extendedAttributes: false,
          reparsePoints: false,
          sparse: true,
          objectIds: false,
          lastingIdentities: false
        })
        yield* check(store, [])
      }))
    assert.equal(Fs.existsSync(sidecar(share)), false)
    await serve(
      share,
      (store) =>
        Effect.map(
          store.stat(["f"]),
          ({ fileAttributes }) => assert.equal(fileAttributes, FileAttributes.FILE_ATTRIBUTE_ARCHIVE)
        )
    )
    run("umount", share)
    Fs.rmSync(join(base, "upper", "f"))
    mount("overlay", join(share, "below"), "-t", "overlay", "-o", options)
    await serve(share, (store) =>
      Effect.gen(function*() {
        assert.equal((yield* store.volume).supports.securityDescriptors, true)
        yield* check(store, ["below"])
      }))
    run("umount", join(share, "below"))
    detach(disk, device)
  }
}

const [scenario, folder] = process.argv.slice(2)
try {
  await scenarios[scenario!]!(Fs.realpathSync(folder!))
} finally {
  // Mounts that are left end with this process, and their loop devices are detached then.
  for (const device of attached) run("losetup", "--detach", device)
}

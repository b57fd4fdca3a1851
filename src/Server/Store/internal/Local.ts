/**
 * Calls to the platform's file system as promises, and what its errors mean to a store.
 *
 * Below `LocalStore` there are plain promises: a call through the thread pool costs a few microseconds, a fibre around each
 * would double that. Each call of the seam is one uninterruptible Effect over them, because a read or write that is in the
 * thread pool cannot be called back, and the descriptor that it uses must not be closed, and given to another file, before
 * it is done.
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { StoreError } from "../../ShareStore.ts"

const reasons: Record<string, StoreError["reason"]> = {
  ENOENT: "NotFound",
  ENOTDIR: "PathNotFound",
  EEXIST: "Exists",
  ENOTEMPTY: "NotEmpty",
  EISDIR: "IsDirectory",
  EACCES: "AccessDenied",
  EPERM: "AccessDenied",
  ELOOP: "AccessDenied",
  EROFS: "ReadOnly",
  ENOSPC: "Full",
  EDQUOT: "Full",
  EFBIG: "Full",
  ENAMETOOLONG: "InvalidName",
  EILSEQ: "InvalidName",
  EMFILE: "Busy",
  ENFILE: "Busy",
  EAGAIN: "Busy",
  EBUSY: "Busy",
  ETXTBSY: "Busy",
  EXDEV: "NotSameDevice",
  ENOSYS: "Unsupported",
  ENOTSUP: "Unsupported",
  EOPNOTSUPP: "Unsupported",
  ESTALE: "Stale"
}

/** The platform's name of an error, such as `ENOENT`. */
export const codeOf = (error: unknown): string | undefined =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string"
    ? error.code
    : undefined

/** What went wrong, to a store. */
export const toStoreError = (error: unknown): StoreError => {
  if (error instanceof StoreError) return error
  const reason = reasons[codeOf(error) ?? ""]
  return reason === undefined ? new StoreError({ reason: "Failed", cause: error }) : new StoreError({ reason })
}

/** Stops what is being done within a `run`. */
export const refuse = (reason: StoreError["reason"]): never => {
  throw new StoreError({ reason })
}

/** One call of the seam. */
export const run = <A>(body: () => Promise<A>): Effect.Effect<A, StoreError> =>
  Effect.uninterruptible(Effect.tryPromise({ try: body, catch: toStoreError }))

/** One call back of `node:fs`. */
export const call = <A>(start: (done: (error: Error | null, value: A) => void) => void): Promise<A> =>
  new Promise((resolve, reject) => {
    start((error, value) => {
      if (error === null || error === undefined) resolve(value)
      else reject(error)
    })
  })

/** `undefined` where the platform answers `ENOENT`. */
export const orMissing = async <A>(promise: Promise<A>): Promise<A | undefined> => {
  try {
    return await promise
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined
    throw error
  }
}

/** @category calls */
export const open = (path: string, flags: number, mode?: number): Promise<number> =>
  call((done) => Fs.open(path, flags, mode, done))
/** @category calls */
export const close = (fd: number): Promise<void> => call((done) => Fs.close(fd, (error) => done(error ?? null)))
/**
 * Closes what was only read, at once where the platform has nothing to do for it: elsewhere, and where the file has lost its
 * last name and gives its room back, in the thread pool. Nobody hears of failures.
 *
 * @category calls
 */
export const closeUnchanged = (fd: number): void => {
  try {
    if (fstatNow(fd).nlink > 0n) return Fs.closeSync(fd)
  } catch {
    return
  }
  close(fd).catch(() => undefined)
}
/** @category calls */
export const fstat = (fd: number): Promise<Fs.BigIntStats> => call((done) => Fs.fstat(fd, { bigint: true }, done))
/** @category calls */
export const lstat = (path: string): Promise<Fs.BigIntStats> => call((done) => Fs.lstat(path, { bigint: true }, done))
/**
 * Of an open descriptor, at once: for file systems that keep what they tell in memory (`isPrompt`), where the way through
 * the thread pool costs ten times the call.
 *
 * @category calls
 */
export const fstatNow = (fd: number): Fs.BigIntStats => Fs.fstatSync(fd, { bigint: true })
/**
 * Of a name that was looked up a moment ago, so that it is in memory too: as `fstatNow`.
 *
 * @category calls
 */
export const lstatNow = (path: string): Fs.BigIntStats => Fs.lstatSync(path, { bigint: true })
/**
 * As `lstatNow`; `undefined` where there is nothing.
 *
 * @category calls
 */
export const lstatNowOrMissing = (path: string): Fs.BigIntStats | undefined =>
  Fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })
/** @category calls */
export const fsync = (fd: number): Promise<void> => call((done) => Fs.fsync(fd, (error) => done(error ?? null)))

/**
 * Makes a folder that this user alone may use, if it is not there. Not by `recursive`, with which Node never ends below the
 * descriptor of a directory that was removed.
 *
 * @category calls
 */
export const makeFolder = async (path: string): Promise<void> => {
  try {
    await Fs.promises.mkdir(path, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error
  }
}

/** Fills `target` from `position` as far as the file goes: bytes read. */
export const read = async (fd: number, target: Uint8Array, position: number): Promise<number> => {
  let at = 0
  while (at < target.length) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const count = await call<number>((done) => Fs.read(fd, target, at, target.length - at, position + at, done))
    if (count === 0) break
    at += count
  }
  return at
}

/** Writes all of `source`. */
export const write = async (fd: number, source: Uint8Array, position: number): Promise<void> => {
  let at = 0
  while (at < source.length) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    at += await call<number>((done) => Fs.write(fd, source, at, source.length - at, position + at, done))
  }
}

/** Offsets that Node can pass on. */
export const position = (offset: bigint): number => {
  if (offset > BigInt(Number.MAX_SAFE_INTEGER)) return refuse("Full")
  return Number(offset)
}

/** Linux's numbers of file systems on disks of the machine, or in its memory (`statfs(2)`). */
const promptTypes: ReadonlySet<bigint> = new Set([
  0xef53n, // ext2, ext3, ext4
  0x58465342n, // XFS
  0x9123683en, // Btrfs
  0x2fc12fc1n, // ZFS
  0xf2f52010n, // F2FS
  0xca451a4en, // bcachefs
  0x3153464an, // JFS
  0x01021994n, // tmpfs
  0x858458f6n // ramfs
])

/**
 * Whether a file system tells what it knows of an open file without asking anybody: no disk, no network, no other process.
 * Of those that are not known to, it is not believed. Their inodes last, and their times of birth are steady where they have
 * any.
 */
export const isPromptType = (type: bigint): boolean => promptTypes.has(type)

/** Of file systems that other machines change, whose changes the platform does not see. What is behind FUSE is not known. */
const networkTypes: ReadonlySet<bigint> = new Set([
  0x6969n, // NFS
  0x517bn, // SMB
  0xff534d42n, // CIFS
  0xfe534d42n, // SMB 2
  0x01021997n, // 9P
  0x00c36400n, // Ceph
  0x5346414fn, // AFS
  0x6b414653n, // AFS of the kernel
  0x73757245n, // Coda
  0x01161970n, // GFS2
  0x7461636fn, // OCFS2
  0x0bd00bd0n, // Lustre
  0x47504653n, // GPFS
  0x19830326n, // BeeGFS
  0x786f4256n // VirtualBox
])

/** Whether other machines change a file system unseen. */
export const isNetworkType = (type: bigint): boolean => networkTypes.has(type)

const { O_DIRECTORY = 0, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY, O_RDWR } = Fs.constants

/** Never through a symbolic link, and never waiting for a pipe's other end. */
export const openFlags = { directory: O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK, file: O_NOFOLLOW | O_NONBLOCK }

/** For reading, or for reading and writing. */
export const openFile = (path: string, writing: boolean): Promise<number> =>
  open(path, (writing ? O_RDWR : O_RDONLY) | openFlags.file)

/** Opens for writing what is open: the same file, whatever has become of its name. Where descriptors are paths. */
export const openAgain = (fd: number): Promise<number> => open(`${descriptors}/${fd}`, O_RDWR | O_NONBLOCK)

/** Linux's number; Node has no name for it: stands for the file without opening it, so that no right is asked for. */
const O_PATH = 0o10000000

/**
 * Holds a file by a descriptor that nothing is read by: it says how many names the file has, and keeps its room until it is
 * closed. `undefined` where the platform cannot do that. At once where the file system is prompt and the name was looked up a
 * moment ago.
 */
export const hold = async (path: string, prompt: boolean): Promise<number | undefined> => {
  if (process.platform === "win32") return undefined
  const flags = process.platform === "linux" ? O_PATH | O_NOFOLLOW : openFlags.file
  try {
    return prompt ? Fs.openSync(path, flags) : await open(path, flags)
  } catch {
    // What is wrong with the name, the change of the name says.
    return undefined
  }
}

/** Whether the platform refused because it may not, or cannot, be done: it would refuse again. */
export const isRefusal = (error: unknown): boolean =>
  ["EACCES", "EPERM", "EROFS", "ETXTBSY"].includes(codeOf(error) ?? "")

/** Whether the platform refused because a file system takes no changes. */
export const isReadOnly = (error: unknown): boolean => codeOf(error) === "EROFS"

/** Where the platform shows the process's descriptors as paths. */
export const descriptors = "/proc/self/fd"

/** Whether descriptors can be used for paths. */
export const hasDescriptors = process.platform === "linux" && Fs.existsSync(descriptors)

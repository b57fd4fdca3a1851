/**
 * Calls to the platform's file system as promises, and their errors as a store's errors.
 *
 * Below `LocalStore` there are plain promises: Effects around each call would cost a small file 25 to 60 microseconds
 * (docs/adr/0018). Each call of a `ShareStore` is one uninterruptible Effect over them. A read or write in the thread
 * pool cannot be cancelled, and its descriptor must not be closed and given to another file before it is done.
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { StoreError, storeError, type StoreReason } from "../../ShareStore.ts"
import { type PromptCalls, smallBytes } from "./PromptCalls.ts"

const reasons: Record<string, StoreReason["_tag"]> = {
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

/** A platform error as a store's error. */
export const toStoreError = (error: unknown): StoreError => {
  if (error instanceof StoreError) return error
  const reason = reasons[codeOf(error) ?? ""]
  return reason === undefined ? storeError("Failed", error) : storeError(reason)
}

/** Throws the failure of a `run`. */
export const refuse = (reason: StoreReason["_tag"]): never => {
  throw storeError(reason)
}

/** One call of a `ShareStore`. */
export const run = <A>(body: () => Promise<A>): Effect.Effect<A, StoreError> =>
  Effect.uninterruptible(Effect.tryPromise({ try: body, catch: toStoreError }))

/** One callback call of `node:fs`. */
export const call = <A>(start: (done: (error: Error | null, value: A) => void) => void): Promise<A> =>
  new Promise((resolve, reject) => {
    start((error, value) => {
      if (error === null || error === undefined) resolve(value)
      else reject(error)
    })
  })

/** `undefined` if the platform fails with `ENOENT`. */
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
 * Closes a descriptor, synchronously if the file still has a name. If it has lost its last name, the close frees its
 * space and runs in the thread pool. Failures are ignored.
 *
 * @category calls
 */
export const closeNow = (fd: number): void => {
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
 * `fstat`, synchronously: for file systems that keep this information in memory (`isPromptType`). There the thread pool
 * costs ten times as much as the call.
 *
 * @category calls
 */
export const fstatNow = (fd: number): Fs.BigIntStats => Fs.fstatSync(fd, { bigint: true })
/**
 * As `fstatNow`, for a name that was looked up a moment ago, so that it is in memory too.
 *
 * @category calls
 */
export const lstatNow = (path: string): Fs.BigIntStats => Fs.lstatSync(path, { bigint: true })
/**
 * As `lstatNow`; `undefined` if the name does not exist.
 *
 * @category calls
 */
export const lstatNowOrMissing = (path: string): Fs.BigIntStats | undefined =>
  Fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })
/** @category calls */
export const fsync = (fd: number): Promise<void> => call((done) => Fs.fsync(fd, (error) => done(error ?? null)))

/**
 * Makes a folder that only this user may use, if it does not exist. Not with `recursive`: below the descriptor of a
 * removed directory, Node would never end.
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

/** Fills `target` from `position`, up to the end of the file. Returns the number of bytes read. */
export const read = async (
  fd: number,
  target: Uint8Array,
  position: number,
  calls: PromptCalls
): Promise<number> => {
  let at = 0
  if (target.length <= smallBytes && calls.areShort) {
    return calls.run(() => {
      while (at < target.length) {
        const count = Fs.readSync(fd, target, at, target.length - at, position + at)
        if (count === 0) break
        at += count
      }
      return at
    })
  }
  while (at < target.length) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const count = await call<number>((done) => Fs.read(fd, target, at, target.length - at, position + at, done))
    if (count === 0) break
    at += count
  }
  return at
}

/** Writes all of `source`. */
export const write = async (
  fd: number,
  source: Uint8Array,
  position: number,
  calls: PromptCalls
): Promise<void> => {
  let at = 0
  if (source.length <= smallBytes && calls.areShort) {
    return calls.run(() => {
      while (at < source.length) at += Fs.writeSync(fd, source, at, source.length - at, position + at)
    })
  }
  while (at < source.length) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    at += await call<number>((done) => Fs.write(fd, source, at, source.length - at, position + at, done))
  }
}

/** An offset as a number that Node can pass on; others are refused with `Full`. */
export const position = (offset: bigint): number => {
  if (offset > BigInt(Number.MAX_SAFE_INTEGER)) return refuse("Full")
  return Number(offset)
}

/** Linux's numbers of file systems on local disks, or in memory (`statfs(2)`). */
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
 * Whether a file system describes an open file without a disk, a network or another process. An unknown file system is
 * taken for one that does not. Inodes of prompt file systems are lasting, and so are their times of birth, if any.
 */
export const isPromptType = (type: bigint): boolean => promptTypes.has(type)

/** Linux's numbers of file systems that other machines can change unseen. The file system behind FUSE is not known. */
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

/** Flags that never follow a symbolic link, and never wait for the other end of a pipe. */
export const openFlags = { directory: O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK, file: O_NOFOLLOW | O_NONBLOCK }

/** Opens, at once if the file system's calls are short. */
export const openBy = (calls: PromptCalls, path: string, flags: number, mode?: number): Promise<number> =>
  calls.either(() => Fs.openSync(path, flags, mode), () => open(path, flags, mode))

/** The state of an open file, at once if the file system's calls are short. */
export const fstatBy = (calls: PromptCalls, fd: number): Promise<Fs.BigIntStats> =>
  calls.either(() => fstatNow(fd), () => fstat(fd))

/** The state of a name that may be missing, at once if the file system's calls are short. */
export const lstatBy = (calls: PromptCalls, path: string): Promise<Fs.BigIntStats | undefined> =>
  calls.either(() => lstatNowOrMissing(path), () => orMissing(lstat(path)))

/** Opens for reading, or for reading and writing. */
export const openFile = (calls: PromptCalls, path: string, writing: boolean): Promise<number> =>
  openBy(calls, path, (writing ? O_RDWR : O_RDONLY) | openFlags.file)

/** Opens an open file for writing too: the same file, even if its name has changed. Only if descriptors are paths. */
export const openAgain = (calls: PromptCalls, fd: number): Promise<number> =>
  openBy(calls, `${descriptors}/${fd}`, O_RDWR | O_NONBLOCK)

/** Makes a file with a text that only this user may read, at once if the file system's calls are short. */
export const writeText = (calls: PromptCalls, path: string, text: string): Promise<void> => {
  const options = { mode: 0o600, flag: "wx" } as const
  return calls.either(() => Fs.writeFileSync(path, text, options), () => Fs.promises.writeFile(path, text, options))
}

/** Renames, at once if the file system's calls are short. */
export const rename = (calls: PromptCalls, from: string, to: string): Promise<void> =>
  calls.either(() => Fs.renameSync(from, to), () => Fs.promises.rename(from, to))

/**
 * Linux's number; Node has no name for it. The descriptor refers to the file without opening it, so it needs no rights.
 */
const O_PATH = 0o10000000

/**
 * Holds a file by a descriptor that is not read. It shows how many names the file has, and keeps the file's space until
 * it is closed. `undefined` if the platform cannot do that. Synchronous for a prompt file system, where the name was
 * looked up a moment ago.
 */
export const hold = async (path: string, prompt: boolean): Promise<number | undefined> => {
  if (process.platform === "win32") return undefined
  const flags = process.platform === "linux" ? O_PATH | O_NOFOLLOW : openFlags.file
  try {
    return prompt ? Fs.openSync(path, flags) : await open(path, flags)
  } catch {
    // If the name has a fault, the change of the name reports it.
    return undefined
  }
}

/** Whether the platform refused because the call is not allowed or not possible: it would refuse again. */
export const isRefusal = (error: unknown): boolean =>
  ["EACCES", "EPERM", "EROFS", "ETXTBSY"].includes(codeOf(error) ?? "")

/** Whether the platform refused because the file system is read-only. */
export const isReadOnly = (error: unknown): boolean => codeOf(error) === "EROFS"

/** The directory where the platform shows the process's descriptors as paths. */
export const descriptors = "/proc/self/fd"

/** Whether descriptors can be used as paths. */
export const hasDescriptors = process.platform === "linux" && Fs.existsSync(descriptors)

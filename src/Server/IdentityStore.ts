/**
 * The security identifiers of a server's users: the server's own domain (MS-DTYP 2.4.2), and a relative identifier for
 * each name. A name gets its identifier when the user first logs on, and no other name ever gets the same. The security
 * descriptors in a store name users by these identifiers, so they must be kept when the server stops.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { randomBytes } from "node:crypto"
import { fold } from "../Codec/UpCase.ts"
import * as PrivateFile from "./PrivateFile.ts"

const inFile = { path: Schema.String }

/**
 * Why the place that keeps the identifiers cannot be used.
 *
 * @category models
 * @since 0.2.0
 */
export const IdentityReason = Schema.TaggedUnion({
  FileNotReadable: inFile,
  FileNotWritable: inFile,
  FileReadableByOthers: inFile,
  FileOwnedByOthers: inFile,
  FileDamaged: inFile,
  LookupFailed: {
    /** For the server's log. Clients do not get it. */
    cause: Schema.Defect()
  }
})
export type IdentityReason = typeof IdentityReason.Type

/**
 * The place that keeps the identifiers cannot be used.
 *
 * - `FileNotReadable`: the server cannot read the file.
 * - `FileNotWritable`: the server cannot write the file, or make its folder.
 * - `FileReadableByOthers`: users other than its owner may read or change it.
 * - `FileOwnedByOthers`: it belongs neither to the user of this process nor to root.
 * - `FileDamaged`: its content is not valid, or belongs to another domain.
 * - `LookupFailed`: a store of an app cannot say it, such as when its database does not answer.
 *
 * @category errors
 * @since 0.1.0
 */
export class IdentityError extends Schema.TaggedError<IdentityError>()("IdentityError", { reason: IdentityReason }) {
  override get message(): string {
    const why = IdentityReason.match(this.reason, {
      FileNotReadable: () => "they cannot be read",
      FileNotWritable: () => "they cannot be written",
      FileOwnedByOthers: () => "the file belongs to another user of this machine: look at its content, then `chown` it",
      FileReadableByOthers: () => "other users can read or change them; `chmod 600` the file",
      FileDamaged: () =>
        "they are damaged; without them no user owns their files any more, so restore them from a copy",
      LookupFailed: () => "they cannot be looked up, so no user without a SID can log on; look at the cause"
    })
    return `the users' identifiers${"path" in this.reason ? ` in ${this.reason.path}` : ""}: ${why}`
  }
  /** The failure behind `LookupFailed`. */
  override get cause(): unknown {
    return this.reason._tag === "LookupFailed" ? this.reason.cause : undefined
  }
}

/**
 * Names and SIDs.
 *
 * @category services
 * @since 0.1.0
 */
export class IdentityStore extends Context.Service<IdentityStore, {
  /** `S-1-5-21-…` with three numbers: the server's own domain, to which all its users belong. */
  readonly domainSid: string
  /**
   * The SID of a user by name, without regard to case. A new SID is stored before it is returned. While it fails, users
   * without a SID of their own cannot log on: their clients get STATUS_INTERNAL_ERROR.
   */
  readonly sidOf: (name: string) => Effect.Effect<string, IdentityError>
  /**
   * The name of the user with that SID, in the case in which the server first saw it; `undefined` for another domain or
   * an unknown SID. While it fails, clients that ask for the name of a SID get STATUS_SOME_NOT_MAPPED or
   * STATUS_NONE_MAPPED, and show the SID. The names of users that are logged on are still known.
   */
  readonly nameOf: (sid: string) => Effect.Effect<string | undefined, IdentityError>
}>()("effect-smb/Server/IdentityStore") {}

/**
 * What an identity store does.
 *
 * @since 0.1.0
 */
export type Identities = IdentityStore["Service"]

/** The first identifier that is not reserved for the system (MS-DTYP 2.4.2.4), and the largest that Windows gives. */
const firstRid = 1000
const lastRid = 0x3fff_ffff

const isDomainSid = (text: string): boolean => {
  const match = /^S-1-5-21-(\d{1,10})-(\d{1,10})-(\d{1,10})$/.exec(text)
  return match !== null && match.slice(1).every((part) => Number(part) <= 0xffff_ffff)
}

const Rid = Schema.Int.check(Schema.isBetween({ minimum: firstRid, maximum: lastRid }))

/** The content of a file. */
const Kept = Schema.Struct({
  domainSid: Schema.String.check(Schema.makeFilter(isDomainSid)),
  /** The next identifier to give: those of users that were removed from the list are not given again. */
  nextRid: Rid,
  users: Schema.Array(Schema.Struct({ name: Schema.String, rid: Rid }))
})

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(Kept))

/** The known identifiers, and the next one. */
class Register {
  readonly domainSid: string
  private next: number
  private readonly rids = new Map<string, number>()
  private readonly names = new Map<number, string>()

  constructor(domainSid: string, next: number) {
    this.domainSid = domainSid
    this.next = next
  }

  static make(): Register {
    const part = () => randomBytes(4).readUInt32LE()
    return new Register(`S-1-5-21-${part()}-${part()}-${part()}`, firstRid)
  }

  /** `undefined` if the text is not valid, or has a name or a number twice. */
  static parse(text: string): Register | undefined {
    const decoded = decode(text)
    if (Result.isFailure(decoded)) return undefined
    const { domainSid, nextRid, users } = decoded.success
    const register = new Register(domainSid, nextRid)
    for (const { name, rid } of users) {
      if (register.rids.has(fold(name)) || register.names.has(rid) || rid >= nextRid) return undefined
      register.add(name, rid)
    }
    return register
  }

  format(): string {
    const users = [...this.names].map(([rid, name]) => ({ name, rid }))
    return `${JSON.stringify({ domainSid: this.domainSid, nextRid: this.next, users }, undefined, 2)}\n`
  }

  add(name: string, rid = this.next): number {
    this.rids.set(fold(name), rid)
    this.names.set(rid, name)
    if (rid >= this.next) this.next = rid + 1
    return rid
  }

  ridOf(name: string): number | undefined {
    return this.rids.get(fold(name))
  }

  nameOf(sid: string): string | undefined {
    const cut = sid.lastIndexOf("-")
    return sid.slice(0, cut) === this.domainSid ? this.names.get(Number(sid.slice(cut + 1))) : undefined
  }
}

/**
 * Identifiers in memory: new ones each time, unless they are given. For servers whose stores keep no security
 * descriptors, or lose them when the server stops, and for apps that keep the identifiers elsewhere.
 *
 * @category constructors
 * @since 0.1.0
 */
export const inMemory = (
  given: { readonly domainSid?: string | undefined; readonly rids?: Readonly<Record<string, number>> | undefined } = {}
): Identities => {
  if (given.domainSid !== undefined && !isDomainSid(given.domainSid)) {
    throw new RangeError(`${given.domainSid} is no SID of a domain: S-1-5-21-a-b-c`)
  }
  const register = given.domainSid === undefined ? Register.make() : new Register(given.domainSid, firstRid)
  for (const [name, rid] of Object.entries(given.rids ?? {})) register.add(name, rid)
  return {
    domainSid: register.domainSid,
    sidOf: (name) => Effect.sync(() => `${register.domainSid}-${register.ridOf(name) ?? register.add(name)}`),
    nameOf: (sid) => Effect.sync(() => register.nameOf(sid))
  }
}

/** Bytes of the largest file of identifiers: enough for some hundred thousand. */
const largestFile = 16 * 1024 * 1024

/**
 * Identifiers in a file (JSON), which is created with its folder if it does not exist. A file that users other than its
 * owner may read or change is refused. Each change replaces the whole file, and several servers can use it at one time.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromFile = Effect.fnUntraced(function*(path: string): Effect.fn.Return<Identities, IdentityError> {
  const error = (_tag: Exclude<IdentityReason["_tag"], "LookupFailed">) => new IdentityError({ reason: { _tag, path } })
  /** `undefined` if the file does not exist. */
  const read: Effect.Effect<Register | undefined, IdentityError> = PrivateFile.read(path, largestFile).pipe(
    Effect.catch((reason) => reason === "FileNotFound" ? Effect.succeed(undefined) : Effect.fail(error(reason))),
    Effect.flatMap((text) => {
      const register = text === undefined ? undefined : Register.parse(text)
      return register === undefined && text !== undefined
        ? Effect.fail(error("FileDamaged"))
        : Effect.succeed(register)
    })
  )
  /** Reads, changes and writes while no other server does. If the file is gone, writes its last known content again. */
  const change = (last: Register, body: (register: Register) => boolean): Effect.Effect<Register, IdentityError> =>
    PrivateFile.alone(
      path,
      Effect.gen(function*() {
        const before = yield* read
        const register = before ?? Register.parse(last.format())!
        if (body(register) || before === undefined) yield* PrivateFile.replace(path, register.format())
        return register
      })
    ).pipe(
      Effect.mapError((cause) => cause instanceof IdentityError ? cause : error("FileNotWritable")),
      Effect.uninterruptible
    )
  let register = (yield* read) ?? (yield* change(Register.make(), () => false))
  const { domainSid } = register
  const one = Semaphore.makeUnsafe(1)
  const give = (name: string): Effect.Effect<number, IdentityError> =>
    one.withPermits(1)(Effect.suspend(() => {
      const known = register.ridOf(name)
      if (known !== undefined) return Effect.succeed(known)
      return Effect.flatMap(
        change(register, (now) => {
          if (now.domainSid !== domainSid || now.ridOf(name) !== undefined) return false
          now.add(name)
          return true
        }),
        (now) => {
          // Another file has replaced it.
          if (now.domainSid !== domainSid) return Effect.fail(error("FileDamaged"))
          register = now
          return Effect.succeed(now.ridOf(name)!)
        }
      )
    }))
  return {
    domainSid,
    sidOf: (name) =>
      Effect.suspend(() => {
        const known = register.ridOf(name)
        return Effect.map(known === undefined ? give(name) : Effect.succeed(known), (rid) => `${domainSid}-${rid}`)
      }),
    nameOf: (sid) => Effect.sync(() => register.nameOf(sid))
  }
})

/**
 * `inMemory` as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerInMemory = (...given: Parameters<typeof inMemory>): Layer.Layer<IdentityStore> =>
  Layer.sync(IdentityStore, () => inMemory(...given))

/**
 * `fromFile` as a layer; it fails when the layer is built.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFromFile = (path: string): Layer.Layer<IdentityStore, IdentityError> =>
  Layer.effect(IdentityStore, fromFile(path))

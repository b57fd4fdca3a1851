/** `FileReplacement` over a server in memory, with faults: what it sends, what it reports, and which files exist afterwards. */
import { Effect, Layer, Redacted, Result, Stream } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import * as FileReplacement from "../../src/Client/FileReplacement.ts"
import * as UncPath from "../../src/Client/UncPath.ts"
import * as Codec from "../../src/Codec/Codec.ts"
import * as FileInformation from "../../src/Codec/FileInformation.ts"
import type { SmbError } from "../../src/Protocol/Errors.ts"
import { CreateDisposition, HeaderFlags } from "../../src/Smb2/Message/Constants.ts"
import type { Warning } from "../../src/Transfer/TransferEvent.ts"

/** A path on the server. */
export const at = (name: string): UncPath.UncPath => Result.getOrThrow(UncPath.parse(`\\\\nas\\data\\${name}`))

export const target = at("f.txt")
export const content = Buffer.from("new content")

export type Refusal = Extract<TestTransport.Fault["is"], { readonly status?: unknown }>["status"]

/** Refuses CREATE of new files with a matching name, and `rights`, if given, among those that it asks for. */
export const refuses = (pattern: RegExp, status: Refusal, rights?: number): TestTransport.Fault => ({
  on: "CREATE",
  when: ({ request }) =>
    request._tag === "CREATE" && pattern.test(request.body.name) &&
    request.body.createDisposition !== CreateDisposition.FILE_OPEN &&
    (rights === undefined || (request.body.desiredAccess & rights) !== 0),
  is: { status } as TestTransport.Fault["is"]
})

const { FileDispositionInformation, FileRenameInformation } = FileInformation.classes

/** Matches the request that marks a file for deletion. */
export const isDeletion = ({ request }: Pick<TestTransport.Received, "request">) =>
  request._tag === "SET_INFO" && request.body.fileInfoClass === FileDispositionInformation.number

/** Matches the request that renames a file. */
export const isRename = ({ request }: Pick<TestTransport.Received, "request">) =>
  request._tag === "SET_INFO" && request.body.fileInfoClass === FileRenameInformation.number

/** What a server says about the user's rights to new files, and its dialect: the server in memory says nothing. */
export interface Says {
  readonly maximalAccess?: number
  /** The user's rights in each folder. */
  readonly folderAccess?: number
  readonly dialect?: string
}

/** The client of a server that says so. */
const saying = (smb: SmbClient.Client, { dialect, folderAccess, maximalAccess }: Says): SmbClient.Client =>
  SmbClient.SmbClient.of({
    ...smb,
    withShare: (path, use) =>
      smb.withShare(path, (share, below) =>
        use({
          ...share,
          dialect: dialect ?? share.dialect,
          batch: (path, options, operations) =>
            Effect.map(share.batch(path, options, operations), (ran) =>
              folderAccess === undefined || options.queryMaximalAccess !== true
                ? ran
                : { ...ran, opened: { ...ran.opened, maximalAccess: folderAccess } }),
          open: (path, options) =>
            Effect.map(share.open(path, options), (file) =>
              maximalAccess === undefined ? file : {
                ...file,
                opened: { ...file.opened, maximalAccess }
              })
        }, below))
  })

/**
 * Requests that open or change something. PART is the ending of a part's name, and BARE the ending of its second name. A
 * plus says that a WRITE came in one round trip with its CREATE.
 */
const words = (all: ReadonlyArray<TestTransport.Logged>): ReadonlyArray<string> =>
  all.flatMap((each) => {
    const { request } = each
    const short = (name: string) => name.replace(/\.[0-9a-f]{12}\.part$/, ".PART").replace(/\.[0-9a-f]{12}$/, ".BARE")
    const isRelated = (each.header.flags & HeaderFlags.SMB2_FLAGS_RELATED_OPERATIONS) !== 0
    switch (request._tag) {
      case "CREATE": {
        const isNew = request.body.createDisposition !== CreateDisposition.FILE_OPEN
        return [`${isNew ? "CREATE" : "open"} ${short(request.body.name)}`]
      }
      case "SET_INFO": {
        if (isDeletion(each)) return ["delete"]
        if (!isRename(each)) return ["SET_INFO"]
        const { fileName, rootDirectory } = Result.getOrThrow(
          Codec.decode("FileRenameInformation", FileInformation.FileRenameInformation)(request.body.buffer)
        )
        // The name is relative to the share: RootDirectory is zero (MS-FSCC 2.4.42.2).
        return [rootDirectory === 0n ? `rename ${short(fileName)}` : `rename below a handle ${short(fileName)}`]
      }
      case "WRITE":
        return [isRelated ? "+WRITE" : "WRITE"]
      case "FLUSH":
      case "CLOSE":
        return [request._tag]
      default:
        return []
    }
  })

export interface World {
  readonly smb: SmbClient.Client
  readonly told: ReadonlyArray<Warning>
  readonly replace: FileReplacement.Replace
  /** The names and attributes of all CREATEs of new files. */
  readonly creates: Effect.Effect<ReadonlyArray<readonly [string, number]>>
  /** What the effect sends, see `words`. */
  readonly sent: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<ReadonlyArray<string>, E, R>
  readonly names: Effect.Effect<ReadonlyArray<string>>
  /** The content of `f.txt`. */
  readonly text: Effect.Effect<string>
}

export const run = <A, E>(
  faults: ReadonlyArray<TestTransport.Fault>,
  use: (
    put: (path?: UncPath.UncPath, isNew?: boolean) => Effect.Effect<bigint, SmbError, SmbClient.SmbClient>,
    world: World
  ) => Effect.Effect<A, E, SmbClient.SmbClient | TestTransport.TestServers>,
  files: TestTransport.Files = {},
  says: Says = {},
  options: SmbClient.Options = {}
) =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const servers = yield* TestTransport.TestServers
    const told: Array<Warning> = []
    const replace = FileReplacement.make(saying(smb, says), {
      tell: (warning) => Effect.sync(() => void told.push(warning)),
      hint: "--in-place writes into the file itself"
    })
    const put = (path = target, isNew?: boolean) =>
      replace(path, { _tag: "Bytes", bytes: content }, { isNew }) as Effect.Effect<
        bigint,
        SmbError,
        SmbClient.SmbClient
      >
    const creates = Effect.map(servers.requests, (all) =>
      all.flatMap(({ request }) =>
        request._tag === "CREATE" && request.body.createDisposition !== CreateDisposition.FILE_OPEN
          ? [[request.body.name, request.body.fileAttributes] as const]
          : []
      ))
    const sent = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.gen(function*() {
        const before = (yield* servers.requests).length
        yield* effect
        return words((yield* servers.requests).slice(before))
      })
    const names = Effect.map(
      Effect.orDie(Stream.runCollect(smb.list("\\\\nas\\data"))),
      (entries) =>
        entries.map(({ name }) =>
          name
        ).toSorted()
    )
    const text = Effect.orDie(smb.readFileString("\\\\nas\\data\\f.txt"))
    return yield* use(put, { smb, told, replace, creates, sent, names, text }).pipe(
      Effect.provideService(SmbClient.SmbClient, saying(smb, says))
    )
  }).pipe(
    Effect.provide(
      SmbClient.layer(options).pipe(
        Layer.provideMerge(TestTransport.layerFiles({ data: files }, { faults })),
        Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
      )
    )
  )

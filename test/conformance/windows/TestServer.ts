/** The server that the test suites want: their users, shares, files, links and DFS namespaces. */
import { Context, Effect, Layer, Redacted, type Scope } from "effect"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Credentials from "../../../src/Auth/Credentials.ts"
import * as SmbClient from "../../../src/Client/SmbClient.ts"
import * as SecurityDescriptor from "../../../src/Codec/SecurityDescriptor.ts"
import type { Namespace } from "../../../src/Dfs/Namespace.ts"
import * as TcpTransport from "../../../src/Layers/TcpTransport.ts"
import * as OpenStore from "../../../src/Server/OpenStore.ts"
import type { ShareStore } from "../../../src/Server/ShareStore.ts"
import * as SmbServer from "../../../src/Server/SmbServer.ts"
import * as LocalStore from "../../../src/Server/Store/LocalStore.ts"
import * as MemoryStore from "../../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../../src/Server/UserStore.ts"
import type { Place } from "./Ptfconfig.ts"
import type { Store } from "./Results.ts"

/** Gives stores of a kind, by the name of a folder. The folders go with the scope. */
const makeStores = (
  kind: Store,
  mapNames: boolean
): Effect.Effect<(name: string) => Effect.Effect<ShareStore, never, Scope.Scope>, never, Scope.Scope> =>
  kind === "memory" ? Effect.succeed(() => MemoryStore.make()) : Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "windows-suites-shares-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    ),
    (folder) => (name) => {
      const path = join(folder, name)
      mkdirSync(path)
      return Effect.orDie(LocalStore.make(path, { mapNames }))
    }
  )

/** The namespaces of the suites' set-up (Create-DFSCEnv.ps1). With a domain, the server is also in its controller's place. */
export const namespaces = ({ domain, host, name }: Place): Namespace => {
  const server = domain?.server ?? host
  const links = {
    DFSLink: [`\\\\${server}\\FileShare`],
    Interlink: { targets: [`\\\\${server}\\SMBDfs\\SMBDfsLink`], interlink: true }
  }
  const roots = { Standalone: { links }, SMBDfs: { links: { SMBDfsLink: [`\\\\${server}\\FileShare`] } } }
  if (domain?.namespace === undefined) return { roots }
  return {
    roots: { ...roots, [domain.namespace]: { links, targets: [`\\\\${server}\\${domain.namespace}`] } },
    domains: { [domain.dns]: { netbiosName: name, controllers: [`${domain.controller}.${domain.dns}`] } }
  }
}

/** Full access for SYSTEM and the administrators (MS-DTYP 2.4.2.4), and for all below. */
const administrators = ["S-1-5-18", "S-1-5-32-544"].map((sid) => ({
  _tag: "Basic" as const,
  aceType: SecurityDescriptor.AceType.ACCESS_ALLOWED_ACE_TYPE,
  aceFlags: SecurityDescriptor.AceFlags.OBJECT_INHERIT_ACE | SecurityDescriptor.AceFlags.CONTAINER_INHERIT_ACE,
  mask: 0x001f_01ff,
  sid
}))

/** Makes the files of the suites' set-up by a client: folders and files, and symbolic links as Windows' `mklink` makes. */
const fill = (place: Place, closed: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.gen(function*() {
    const credential = Credentials.password(place.administrator, Redacted.make(place.password))
    const context = yield* Layer.build(
      SmbClient.layer().pipe(Layer.provide([TcpTransport.layer(), Credentials.layer(credential)]))
    )
    const smb = Context.get(context, SmbClient.SmbClient)
    const at = (path: string) => `//${place.host}/${path}`
    yield* smb.makeDirectory(at("FileShare/ExistingFolder"))
    yield* smb.makeDirectory(at("FileShare/MountPoint"))
    yield* smb.writeFile(at("FileShare/ExistingFile.txt"), new TextEncoder().encode("existing"))
    yield* smb.makeLink(at("FileShare/link.txt"), "ExistingFile.txt")
    yield* smb.makeLink(at("SMBBasic/Symboliclink"), "C:\\FileShare", { directory: true })
    yield* smb.makeDirectory(at("SMBBasic/Sub"))
    yield* smb.makeLink(at("SMBBasic/Sub/Symboliclink2"), "C:\\FileShare", { directory: true })
    // Only administrators have access to these, until a test gives it to others (Create-AuthEnv.ps1).
    for (const share of closed) {
      yield* smb.security.set(at(share), {
        sbz1: 0,
        control: SecurityDescriptor.Control.SE_DACL_PRESENT | SecurityDescriptor.Control.SE_DACL_PROTECTED,
        owner: undefined,
        group: undefined,
        sacl: undefined,
        dacl: { aclRevision: 2, aces: administrators }
      })
    }
  }).pipe(Effect.scoped, Effect.orDie)

/** What a server has in addition, or instead. */
export interface Additions {
  readonly options?: Partial<Pick<SmbServer.Options, "users" | "kerberos">>
  /** Names of shares. */
  readonly shares?: ReadonlyArray<string>
  /** Whether folders map the names that SMB cannot carry (`LocalStore.make`). Default: true. */
  readonly mapNames?: boolean
}

/** Starts the server at the place's address, with its files, until the scope closes. */
export const make = (
  place: Place,
  kind: Store,
  { mapNames = true, options, shares = [] }: Additions = {}
): Effect.Effect<void, SmbServer.ListenError | OpenStore.OpenStoreError, Scope.Scope> =>
  Effect.gen(function*() {
    const store = yield* makeStores(kind, mapNames)
    const basic = yield* store("SMBBasic")
    const more = yield* Effect.forEach(shares, (name) => Effect.map(store(name), (made) => [name, made] as const))
    yield* SmbServer.make({
      host: place.host,
      port: 445,
      name: place.name,
      signing: "enabled",
      // No secrets: the server listens on loopback, while the tests run.
      users: UserStore.inMemory({
        [place.administrator]: { password: Redacted.make(place.password), administrator: true },
        [place.user]: Redacted.make(place.password),
        [place.guest]: Redacted.make(place.password)
      }),
      // Some tests only fail to log on, again and again.
      limits: { logonAttempts: 1_000_000, refusedLogons: 1_000_000, addressRefusedLogons: 1_000_000 },
      openStore: OpenStore.inMemory(),
      shares: {
        SMBBasic: basic,
        SameWithSMBBasic: basic,
        DifferentFromSMBBasic: yield* store("DifferentFromSMBBasic"),
        SMBEncrypted: { store: yield* store("SMBEncrypted"), encrypt: true },
        SMBAvailable: { store: yield* store("SMBAvailable"), continuousAvailability: true },
        FileShare: yield* store("FileShare"),
        ShareForceLevel2: yield* store("ShareForceLevel2"),
        ...Object.fromEntries(more)
      },
      namespaces: namespaces(place),
      ...options
    })
    yield* fill(place, shares)
  })

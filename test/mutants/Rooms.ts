/**
 * The modules that guard data and rights, and the tests that have to notice a wrong line in them.
 *
 * One row: the modules of a folder, and the folders or files of unit tests that mirror them. Stryker runs of these the
 * tests that import the module, and of these the tests that reach the changed line.
 */
export interface Room {
  /** Module names, without `.ts`, in `folder`. */
  readonly modules: ReadonlyArray<string>
  readonly folder: string
  readonly tests: ReadonlyArray<string>
}

const words = (text: string): ReadonlyArray<string> => text.trim().split(/\s+/)

export const rooms: ReadonlyArray<Room> = [
  {
    folder: "src/Smb2",
    modules: words(
      "Encryption Signing Session Negotiate ValidateNegotiate Connection Compound Credits ResponseVerification"
    ),
    tests: ["test/Smb2", "test/Client"]
  },
  {
    folder: "src/Auth",
    modules: words(
      `NtlmClient NtlmServer NtlmContext NtlmCrypto NtlmSessionSecurity NtlmV2Response Spnego Der Acceptor Authenticator
       internal/ClientToken internal/KerberosExchange internal/MechanismChoice internal/NtlmExchange`
    ),
    tests: ["test/Auth"]
  },
  {
    folder: "src/Protocol",
    modules: words(
      `FrameReader Multiplexer OutstandingRequests OpenLife Changes ConnectedShare ConnectionErrors Errors Staggered UncName`
    ),
    tests: ["test/Protocol", "test/Smb2/Connection.test.ts", "test/Client/UncPath.test.ts"]
  },
  {
    folder: "src/Client",
    modules: words(
      `internal/PipelinedReads internal/PipelinedWrites internal/TransferWindow internal/TargetAttempt internal/Opening internal/Reading internal/Writing internal/Copying
       internal/Attributes internal/Directories internal/PathOperations internal/PathNames internal/VersionedOpen
       internal/ShareNames internal/ServerLinks internal/TreeRemoval internal/Removing internal/Renaming
       internal/ReadFailover internal/ServerCopy internal/ChangeRecords internal/OverwriteAttributes
       internal/EndOfFile internal/RemoveUnfinished
       internal/SymlinkFiles internal/StoppedLink internal/Metadata internal/RefusedCredentials
       SmbFile OpenMode PreviousVersion internal/Connections internal/Symlink
       internal/PathComponents`
    ),
    tests: ["test/Client", "test/Dfs/Resume.test.ts"]
  },
  {
    folder: "src/Client",
    modules: words("Permissions internal/AccountLookups internal/RpcPipe"),
    tests: words("Permissions AccountLookups Accounts RpcPipe ShareList").map((name) => `test/Client/${name}.test.ts`)
  },
  {
    folder: "src/Dfs",
    modules: words(
      `ReferralCache ReferralResponse Namespace DfsResolver TargetHealth internal/ResolutionLoop internal/CachedResolution
       internal/ReferralRenewal internal/ServerRequests internal/RequestFailure internal/SharedKnowledge
       internal/RootRequest internal/TargetFailover internal/CacheLookup internal/Referrals
       internal/Transitions internal/TargetOrder internal/Race internal/Domains DfsAdapter DfsResolution DomainCache`
    ),
    tests: ["test/Dfs", "test/options.test.ts"]
  },
  {
    folder: "src/Server/internal",
    modules: words(
      `Command/Create Command/CreateCheck Command/CreateEnter Command/CreateNew Command/FileRights Command/DeletionCheck
       Command/Durable Command/SetInfo Command/Rename Command/Security Command/SessionSetup Command/SessionEnd
       Command/Negotiation Command/ReadWrite Command/CopyChunk Command/TreeConnect Command/Lock Command/ShareModes
       Command/OplockGrant Command/OplockGrantTable Command/ChannelSequence State/Access State/OplocksAndLeases State/FileTable State/Locks
       State/RangeSet State/Model State/OpenFiles State/Incoming Connection/Dispatch Connection/Requests Connection/Responses
       Connection/CommandSequenceWindow Connection/Connection Connection/Outgoing
       Command/Close Command/OplockBreak Command/OpenLimit Command/OpensByName Command/CreateContexts Command/Pathname
       Command/SymbolicLinks Command/ReparsePoints Command/ExtendedAttributes Command/Listing Command/ChangeNotify
       Command/Ioctl`
    ),
    tests: ["test/Server"]
  },
  {
    folder: "src/Server/Store",
    modules: words(
      `LocalStore internal/LocalOpening internal/LocalListing internal/LocalTree internal/LocalFiles internal/LocalOpenFile internal/LocalNode internal/LocalHandle internal/LocalNaming
       internal/OpenFileDescriptors internal/VerifiedNameChange internal/FilesBeingMade internal/UnfinishedRecords
       internal/Local internal/LocalFolders internal/LocalVolume internal/LocalWatch internal/Sidecar
       internal/SidecarFolder internal/SidecarLock internal/SidecarRecord internal/TemporaryRecords internal/KeyedLocks
       internal/Attributes internal/StoreNames internal/Pages internal/MemoryTree internal/MemoryHandle MemoryStore FileSystemStore NamespaceStore
       internal/FileSystemHandle internal/FileSystemTree`
    ),
    tests: ["test/store", "test/Server"]
  },
  {
    folder: "src/Transfer",
    modules: words(
      `internal/Choice internal/Filter internal/Extras internal/Comparison internal/Download internal/Upload
       internal/Relay internal/LocalFile internal/LocalName internal/CaseClash internal/Run
       internal/Options internal/Same internal/Side Incomplete`
    ),
    tests: [
      "test/Transfer",
      ...words("DryRuns Failure Get Put ReadOnly ReplacedLocalFiles SeveralCopies TreeCopies").map((name) =>
        `test/Cli/${name}.test.ts`
      )
    ]
  },
  {
    // What the command prints, and how it reads its options, is left out: docs/adr/0017-mutants.md says why.
    folder: "src/Cli",
    modules: words(
      `Copying Moving SeveralPaths Patterns Remote Secrets AuthenticationFile TrustedFile AclChange Http/HostNames Http/UrlPath`
    ),
    // The others start whole processes, and reach none of these modules in this one.
    tests: words(
      `Acl AclChange AuthenticationFile DryRuns Failure Get Moving PathsOfCopies Put ReadOnly SeveralCopies SeveralServers
       TreeCopies TrustedFile UrlPath`
    ).map((name) => `test/Cli/${name}.test.ts`)
  },
  { folder: "src/Codec", modules: words("Codec SecurityDescriptor DosWildcard Sddl"), tests: ["test/Codec"] },
  {
    folder: "src/Codec",
    modules: words("Inheritance"),
    tests: ["test/Server/Access.test.ts", "test/Client/Permissions.test.ts"]
  }
]

/**
 * The rows that `named` chooses, with the chosen modules alone: by module (`NtlmServer`), by path
 * (`src/Auth/NtlmServer.ts`) or by folder (`src/Auth`, `src/Server/internal/State`). Without names, all rows. Throws an
 * `Error` for a name that chooses nothing.
 */
export const choose = (named: ReadonlyArray<string>, from: ReadonlyArray<Room> = rooms): ReadonlyArray<Room> => {
  if (named.length === 0) return from
  const meant = (room: Room, module: string) => {
    const path = `${room.folder}/${module}`.split("/")
    // Each folder above the module, the module's path, and its name.
    return [...path.map((_, i) => path.slice(0, i + 1).join("/")).slice(1), path.at(-1)!]
  }
  const plain = named.map((name) => name.replace(/\.ts$/, "").replace(/\/$/, ""))
  for (const name of plain) {
    if (!from.some((room) => room.modules.some((module) => meant(room, module).includes(name)))) {
      throw new Error(`No module is called ${name}: test/mutants/Rooms.ts lists them.`)
    }
  }
  return from.flatMap((room) => {
    const modules = room.modules.filter((module) => meant(room, module).some((name) => plain.includes(name)))
    return modules.length === 0 ? [] : [{ ...room, modules }]
  })
}

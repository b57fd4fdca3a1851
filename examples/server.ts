import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Effect, FileSystem, Layer, Redacted } from "effect"
import {
  FileSystemStore,
  IdentityStore,
  KerberosKeys,
  LocalStore,
  MemoryStore,
  SmbServer,
  SqliteOpenStore,
  UserStore
} from "effect-smb"

/** Two shares for one user, until the program is stopped. */
export const main = () => {
  const Server = SmbServer.layer({
    port: 4455,
    shares: { data: LocalStore.make("/srv/data"), scratch: MemoryStore.make() }
  }).pipe(Layer.provide([
    UserStore.layerInMemory({ joe: Redacted.make("secret") }),
    IdentityStore.layerFromFile("/var/lib/effect-smb/identity.json")
  ]))
  Layer.launch(Server).pipe(NodeRuntime.runMain)
}

/** The same with more options, in a scope. */
export const careful = Effect.gen(function*() {
  const server = yield* SmbServer.make({
    host: "127.0.0.1",
    port: 0,
    users: yield* UserStore.fromFile("/etc/effect-smb/users"),
    identity: yield* IdentityStore.fromFile("/var/lib/effect-smb/identity.json"),
    encryption: "enabled",
    dialects: ["3.0", "3.0.2", "3.1.1"],
    limits: { connections: 200, transfer: 1024 * 1024 },
    shares: {
      projects: { store: LocalStore.make("/srv/projects"), comment: "for everybody", accessBasedEnumeration: true },
      payroll$: { store: LocalStore.make("/srv/payroll"), encrypt: true, guest: false },
      archive: { store: LocalStore.make("/srv/archive", { readOnly: true }) }
    }
  })
  yield* Effect.log(`listening on ${server.host}:${server.port}`)
  return yield* Effect.never
})

/** Open files outlive this server. */
export const Available = SmbServer.layer({
  shares: { data: { store: LocalStore.make("/srv/data"), continuousAvailability: true } }
}).pipe(Layer.provide([
  UserStore.layerFromFile("/etc/effect-smb/users"),
  IdentityStore.layerFromFile("/var/lib/effect-smb/identity.json"),
  SqliteOpenStore.layer("/var/lib/effect-smb/opens.sqlite")
]))

/** In a Kerberos realm, such as that of an Active Directory domain. */
export const inRealm = Effect.gen(function*() {
  const server = yield* SmbServer.make({
    kerberos: yield* KerberosKeys.fromKeytab("/etc/effect-smb/server.keytab"),
    users: {
      find: (name, realm) =>
        Effect.succeed(realm === "CORP.TEST" ? { name, administrator: name === "alice" } : undefined)
    },
    shares: { data: LocalStore.make("/srv/data") }
  })
  yield* Effect.log(`listening on ${server.host}:${server.port}`)
  return yield* Effect.never
})

/** Serves any Effect `FileSystem`. */
export const overFileSystem = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  return yield* SmbServer.make({
    port: 4455,
    users: UserStore.inMemory({ joe: { password: Redacted.make("secret"), administrator: true } }),
    shares: { files: FileSystemStore.make(fs, "/srv/files") }
  })
}).pipe(Effect.provide(NodeServices.layer))

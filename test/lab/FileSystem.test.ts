/** The suite of `FileSystem` on shares of smbd, by SMB 3 and by SMB 1. */
import { Effect, Layer, Redacted } from "effect"
import { Smb, SmbFileSystem } from "effect-smb"
import { fileSystemSuite } from "../FileSystem/suite.ts"
import * as Lab from "./Lab.ts"

const address = "127.0.49.21"

fileSystemSuite(
  "a share of smbd",
  Layer.unwrap(Effect.as(
    Lab.server({ address, shares: [{ name: "data" }] }),
    SmbFileSystem.layer(`//${address}/data`).pipe(
      Layer.provide(Smb.layer({ user: Lab.user.name, password: Redacted.make(Lab.user.password) }))
    )
  )),
  { ignoresCase: true, hasNoOwners: true, withoutSymbolicLinks: true }
)

const old = "127.0.49.22"

fileSystemSuite(
  "a share of smbd by SMB 1",
  Layer.unwrap(Effect.as(
    Lab.server({ address: old, minimumDialect: "NT1", signing: "mandatory", shares: [{ name: "data" }] }),
    SmbFileSystem.layer(`//${old}/data`).pipe(
      Layer.provide(Smb.layer({
        user: Lab.user.name,
        password: Redacted.make(Lab.user.password),
        dialects: ["NT1"]
      }))
    )
  )),
  { ignoresCase: true, hasNoOwners: true, withoutSymbolicLinks: true }
)

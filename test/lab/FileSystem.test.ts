/** The suite of `FileSystem` on a share of smbd. */
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

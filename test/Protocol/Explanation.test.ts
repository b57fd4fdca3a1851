/**
 * The message of an error depends on the refused command and the path, and not on the status alone. Also through the
 * whole client over a server in memory.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import * as NtStatus from "../../src/Codec/NtStatus.ts"
import { fromStatus } from "../../src/Protocol/Errors.ts"
import type { Fault } from "../../src/Testing/TestServer.ts"
import * as TestTransport from "../../src/Testing/TestTransport.ts"

const says = (name: NtStatus.Name, command: string, path = "\\\\nas\\data\\a\\b") =>
  fromStatus(NtStatus.NtStatus[name], command, path).message

describe("the message of an error", () => {
  it.each<readonly [NtStatus.Name, string, string, RegExp]>([
    ["STATUS_OBJECT_PATH_NOT_FOUND", "TREE_CONNECT", "\\\\nas\\data", /no share of this name/],
    ["STATUS_OBJECT_NAME_NOT_FOUND", "TREE_CONNECT", "\\\\nas\\data", /no share of this name/],
    ["STATUS_BAD_NETWORK_NAME", "TREE_CONNECT", "\\\\nas\\data", /no share of this name/],
    ["STATUS_OBJECT_NAME_INVALID", "TREE_CONNECT", "\\\\nas\\data", /does not accept this name for a share/],
    ["STATUS_ACCESS_DENIED", "TREE_CONNECT", "\\\\nas\\data", /may not use this share/],
    ["STATUS_OBJECT_PATH_NOT_FOUND", "CREATE", "\\\\nas\\data\\a\\b", /directory on the way/],
    ["STATUS_OBJECT_NAME_NOT_FOUND", "CREATE", "\\\\nas\\data\\a\\b", /no file of this name/],
    ["STATUS_NO_SUCH_FILE", "CREATE", "\\\\nas\\data\\a\\b", /no file of this name/],
    ["STATUS_NO_SUCH_FILE", "QUERY_DIRECTORY", "\\\\nas\\data\\*.zip", /No file matches/],
    ["STATUS_OBJECT_NAME_NOT_FOUND", "CREATE", "\\\\nas\\data", /share's own folder/],
    ["STATUS_OBJECT_PATH_NOT_FOUND", "CREATE", "\\\\[::1]:4455\\data", /share's own folder/],
    ["STATUS_ACCESS_DENIED", "CREATE", "\\\\nas\\data", /on the file and on the share/],
    ["STATUS_ACCESS_DENIED", "SESSION_SETUP", "\\\\nas", /refuses the logon/],
    ["STATUS_INVALID_PARAMETER", "SESSION_SETUP", "\\\\nas", /logon in this form/],
    ["STATUS_REQUEST_NOT_ACCEPTED", "SESSION_SETUP", "\\\\nas", /no more sessions/],
    ["STATUS_NOT_SUPPORTED", "NEGOTIATE", "\\\\nas", /none of the offered dialects\. Offer others/],
    [
      "STATUS_ACCESS_DENIED",
      "NEGOTIATE",
      "\\\\nas",
      /refuses connections from this machine\. Look into the server's log/
    ],
    ["STATUS_OBJECT_NAME_NOT_FOUND", "IOCTL", "\\\\nas\\data\\a", /gone since the file was opened/],
    ["STATUS_OBJECT_PATH_NOT_FOUND", "SET_INFO", "\\\\nas\\data\\a", /directory that the new name is in/]
  ])("explains %s to %s about %s", (name, command, path, words) => {
    assert.match(says(name, command, path), words)
    assert.include(says(name, command, path), `(${name} to ${command})`)
  })

  it("never speaks of files or directories when TREE_CONNECT is refused", () => {
    for (const name of Object.keys(NtStatus.NtStatus) as ReadonlyArray<NtStatus.Name>) {
      if (!/^STATUS_(?:OBJECT_|NO_SUCH_FILE|NO_SUCH_DEVICE|ACCESS_DENIED|DELETE_PENDING)/.test(name)) continue
      if (name === "STATUS_OBJECT_NAME_COLLISION") continue
      assert.notMatch(says(name, "TREE_CONNECT", "\\\\nas\\data"), /last part|on the way|the file|no file/i, name)
    }
  })

  it.effect("says through the client that the server has no such share when TREE_CONNECT is refused", () =>
    Effect.gen(function*() {
      for (const status of ["STATUS_OBJECT_PATH_NOT_FOUND", "STATUS_OBJECT_NAME_NOT_FOUND"] as const) {
        const faults: ReadonlyArray<Fault> = [{ on: "TREE_CONNECT", is: { status } }]
        const error: any = yield* Effect.flatMap(
          SmbClient.SmbClient,
          (smb) => Effect.flip(smb.readFile("\\\\nas\\data\\x"))
        ).pipe(Effect.provide(
          SmbClient.layer().pipe(
            Layer.provide([
              TestTransport.layer({ nas: { shares: { data: {} }, faults } }),
              Credentials.layer(Credentials.password("user", Redacted.make("password")))
            ])
          )
        ))
        assert.match(error.message, /^\\\\nas\\data: The server has no share of this name\. Check the share\./)
      }
    }))
})

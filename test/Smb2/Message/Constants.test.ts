/** The flags and control codes of SMB 2 against the constants of TShark's dissector. */
import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as C from "../../../src/Smb2/Message/Constants.ts"
import { Fsctl } from "../../../src/Smb2/Message/Fsctl.ts"

const tshark: { readonly masks: Record<string, number>; readonly fsctl: Record<string, ReadonlyArray<number>> } = JSON
  .parse(fs.readFileSync(new URL("../fixtures/tshark-constants.json", import.meta.url), "utf8"))

const differing: ReadonlySet<string> = new Set([
  "FSCTL_SET_OBJECT_ID",
  "FSCTL_DELETE_OBJECT_ID",
  "FSCTL_SET_OBJECT_ID_EXTENDED",
  "FSCTL_DELETE_REPARSE_POINT",
  "FSCTL_SET_ENCRYPTION",
  "FSCTL_READ_FILE_USN_DATA",
  "FSCTL_WRITE_USN_CLOSE_RECORD"
])

describe("the combinations of rights", () => {
  it("are those of Windows", () => {
    assert.deepStrictEqual(C.GenericAccess, {
      FILE_GENERIC_READ: 0x0012_0089,
      FILE_GENERIC_WRITE: 0x0012_0116,
      FILE_GENERIC_EXECUTE: 0x0012_00a0,
      FILE_ALL_ACCESS: 0x001f_01ff
    })
  })
})

describe("the constants of SMB 2", () => {
  // Our flag, and TShark's field for it if that is not the lower case of the name behind the prefix.
  const tables: ReadonlyArray<readonly [Record<string, number>, string, string, Record<string, string>]> = [
    [C.HeaderFlags, "SMB2_FLAGS_", "flags.", {
      SERVER_TO_REDIR: "response",
      ASYNC_COMMAND: "async",
      RELATED_OPERATIONS: "chained",
      SIGNED: "signature",
      DFS_OPERATIONS: "dfs",
      REPLAY_OPERATION: "replay"
    }],
    [C.Capabilities, "SMB2_GLOBAL_CAP_", "capabilities.", {}],
    [C.ShareFlags, "SMB2_SHAREFLAG_", "share_flags.", { ACCESS_BASED_DIRECTORY_ENUM: "access_based_dir_enum" }],
    [C.ShareCapabilities, "SMB2_SHARE_CAP_", "share_caps.", { ASYMMETRIC: "assymetric" }],
    [C.LockFlags, "SMB2_LOCKFLAG_", "lock_flags.", { SHARED_LOCK: "shared", EXCLUSIVE_LOCK: "exclusive" }],
    [C.ReadFlags, "SMB2_READFLAG_", "read_flags.", { READ_UNBUFFERED: "unbuffered", REQUEST_COMPRESSED: "compressed" }],
    [C.WriteFlags, "SMB2_WRITEFLAG_", "write.flags.", { WRITE_UNBUFFERED: "unbuffered" }],
    [C.QueryDirectoryFlags, "SMB2_", "find.", { RETURN_SINGLE_ENTRY: "single_entry" }],
    [C.FileAttributes, "FILE_ATTRIBUTE_", "file_attribute.", {
      READONLY: "read_only",
      SPARSE_FILE: "sparse",
      REPARSE_POINT: "reparse"
    }],
    [C.SessionFlags, "SMB2_SESSION_FLAG_", "ses_flags.", {
      IS_GUEST: "guest",
      IS_NULL: "null",
      ENCRYPT_DATA: "encrypt"
    }],
    [C.TreeConnectFlags, "SMB2_TREE_CONNECT_FLAG_", "tc.", {}],
    [C.LeaseState, "SMB2_LEASE_", "lease.lease_state.", {}],
    [C.LeaseFlags, "SMB2_LEASE_FLAG_", "lease.lease_state.", {}]
  ]

  it("for flags are TShark's", () => {
    let compared = 0
    for (const [ours, prefix, field, odd] of tables) {
      for (const [name, value] of Object.entries(ours)) {
        const short = name.slice(prefix.length)
        const mask = tshark.masks[field + (odd[short] ?? short.toLowerCase())]
        if (mask === undefined) continue
        assert.strictEqual(value, mask, name)
        compared++
      }
    }
    assert.isAtLeast(compared, 70)
  })

  it("for control codes are TShark's, except for access and method, which MS-FSCC 2.3 decides", () => {
    const withoutAccessAndMethod = (code: number) => code & ~0xc003
    for (const [name, code] of Object.entries(Fsctl)) {
      const known = tshark.fsctl[name]
      if (known === undefined) continue
      if (!differing.has(name)) assert(known.includes(code), name)
      assert(known.map(withoutAccessAndMethod).includes(withoutAccessAndMethod(code)), name)
    }
  })
})

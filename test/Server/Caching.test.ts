/**
 * Proves leases of directories, replayed CREATE requests, channel sequences, and the responses about features that the
 * server does not have (MS-SMB2 3.3.4.7, 3.3.5.9 and 3.3.5.2.10), with raw clients of dialect 3.0.
 */
import { assert, describe, it } from "@effect/vitest"
import { Codec } from "effect-smb/Codec"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import {
  CreateDisposition,
  CreateOptions,
  FileAttributes,
  GenericAccess,
  InfoType,
  LeaseFlags,
  OplockLevel
} from "../../src/Smb2/Message/Constants.ts"
import { Fsctl, SrvCopychunkCopy } from "../../src/Smb2/Message/Fsctl.ts"
import { type Break, createRequest, durable, HANDLE, key, lease, opened, READ, statusOf, WRITE } from "./LeaseClient.ts"
import * as LeaseServer from "./LeaseServer.ts"
import * as Requests from "./requests.ts"

const host = "127.0.38.1"

const { SMB2_NOTIFY_BREAK_LEASE_FLAG_ACK_REQUIRED: ackRequired } = LeaseFlags
const anyFileId = { persistent: 0xffff_ffff_ffff_ffffn, volatile: 0xffff_ffff_ffff_ffffn }

/** Runs a test with clients of a server that has no other clients. */
const withClients = (
  use: Parameters<typeof LeaseServer.withClients>[1],
  store?: Parameters<typeof LeaseServer.withClients>[2]
) => LeaseServer.withClients(host, use, store)

const basic = (fileAttributes: number): Uint8Array => {
  const buffer = new Uint8Array(40)
  buffer[32] = fileAttributes
  return buffer
}

const renameTo = (name: string): Uint8Array => {
  const buffer = Buffer.alloc(20 + name.length * 2)
  buffer.writeUInt32LE(name.length * 2, 16)
  buffer.write(name, 20, "utf16le")
  return buffer
}

const endOfFile = (size: number): Uint8Array => {
  const buffer = Buffer.alloc(8)
  buffer.writeUInt32LE(size)
  return buffer
}

describe("leases of directories", () => {
  it("grant READ and HANDLE caching only, and only to leases of version 2", () =>
    withClients(async (connect) => {
      const one = await connect(1)
      const { epoch, leaseState, oplockLevel } = await one.create(
        "d",
        [lease(1, READ | WRITE | HANDLE, { epoch: 7 })],
        Requests.directory
      )
      assert.deepStrictEqual([oplockLevel, leaseState, epoch], [OplockLevel.SMB2_OPLOCK_LEVEL_LEASE, READ | HANDLE, 8])
      assert.strictEqual((await one.create("d", [lease(2, READ | WRITE)], Requests.directory)).leaseState, READ)
      assert.strictEqual((await one.create("d", [lease(3, HANDLE)], Requests.directory)).leaseState, 0)
      const first = { _tag: "RequestLease", leaseKey: key(4), leaseState: READ, leaseFlags: 0 } as const
      assert.strictEqual((await one.create("d", [first], Requests.directory)).oplockLevel, 0)
      assert.strictEqual(
        (await one.create("d", [], {
          ...Requests.directory,
          requestedOplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH
        }))
          .oplockLevel,
        0
      )
    }))

  it("are broken by each change of another client, and by no change of their holder", () =>
    withClients(async (connect) => {
      const [one, two] = [await connect(1), await connect(2)]
      const { epoch: first } = await one.create("d", [lease(1, READ | HANDLE)], Requests.directory)
      await one.create("d\\below", [], Requests.directory)
      let epoch = first!
      /** The client asks for its lease again. */
      const rearm = async () => {
        const again = await one.create("d", [lease(1, READ | HANDLE)], Requests.directory)
        assert.strictEqual(again.leaseState, READ | HANDLE)
        assert.strictEqual(again.epoch, ++epoch)
        assert.strictEqual(await one.shut(again.fileId), 0)
      }
      const breaks = async (what: string, change: () => Promise<unknown>) => {
        await change()
        const told = await one.nextBreak()
        assert.deepInclude(
          told,
          { currentLeaseState: READ | HANDLE, newLeaseState: 0, flags: ackRequired, newEpoch: ++epoch },
          what
        )
        assert.strictEqual(await one.acknowledge(told!), 0)
        await rearm()
      }
      const leaves = async (what: string, change: () => Promise<unknown>) => {
        await change()
        // The server sends breaks at once: one would be here before the response to the next request.
        assert.strictEqual(await one.status({ _tag: "ECHO", body: {} }), 0)
        assert.isUndefined(await one.nextBreak(20), what)
      }
      // The break for the file that the client itself created above, without naming its lease.
      const made = await one.nextBreak()
      assert.strictEqual(made?.newEpoch, ++epoch)
      assert.strictEqual(await one.acknowledge(made!), 0)
      await rearm()

      let file = await two.create("elsewhere")
      await leaves("another directory", () => two.shut(file.fileId))
      await breaks("a new file", async () => (file = await two.create("d\\f")))
      await leaves("opening and reading", async () => {
        await two.shut(
          (await two.create("d\\f", [], {
            createDisposition: CreateDisposition.FILE_OPEN,
            desiredAccess: GenericAccess.FILE_GENERIC_READ
          }))
            .fileId
        )
      })
      await breaks(
        "attributes",
        () => two.set(file.fileId, "FileBasicInformation", basic(FileAttributes.FILE_ATTRIBUTE_HIDDEN))
      )
      await breaks("a size", () => two.set(file.fileId, "FileEndOfFileInformation", endOfFile(100)))
      await leaves("a write", () => two.write(file.fileId, "text"))
      await breaks("the close after a write", () => two.shut(file.fileId))
      await breaks("an overwrite", async () => {
        file = await two.create("d\\f", [], {
          createDisposition: CreateDisposition.FILE_OVERWRITE_IF,
          fileAttributes: FileAttributes.FILE_ATTRIBUTE_HIDDEN
        })
      })
      await breaks("another name", () => two.set(file.fileId, "FileRenameInformation", renameTo("d\\g")))
      await leaves("a name in a directory below", async () => {
        await two.shut((await two.create("d\\below\\f")).fileId)
      })
      await breaks("a deletion", async () => {
        const again = await two.create("d\\g", [], { createOptions: CreateOptions.FILE_DELETE_ON_CLOSE })
        await two.shut(file.fileId)
        await two.shut(again.fileId)
      })
      const own = await one.create("d\\own", [lease(9, READ | WRITE | HANDLE, { parent: 1 })])
      assert.strictEqual(own.leaseState, READ | WRITE | HANDLE)
      await leaves("its holder's own", async () => {
        await one.write(own.fileId, "text")
        await one.set(own.fileId, "FileBasicInformation", basic(FileAttributes.FILE_ATTRIBUTE_HIDDEN))
        await one.shut(own.fileId)
      })
    }))

  it("are broken when another program creates a file in the folder", async () => {
    const folder = mkdtempSync(join(tmpdir(), "leases-"))
    try {
      mkdirSync(join(folder, "d"))
      await withClients(async (connect) => {
        const one = await connect(1)
        assert.strictEqual(
          (await one.create("d", [lease(1, READ | HANDLE)], Requests.directory)).leaseState,
          READ | HANDLE
        )
        // The operating system may begin to watch the folder late.
        let told: Break | undefined
        for (let i = 0; told === undefined && i < 20; i++) {
          writeFileSync(join(folder, "d", `${i}.txt`), "text")
          told = await one.nextBreak(100)
        }
        assert.deepInclude(told, { currentLeaseState: READ | HANDLE, newLeaseState: 0 })
      }, LocalStore.make(folder))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it("lose HANDLE caching when another client opens the directory with no sharing", () =>
    withClients(async (connect) => {
      const [one, two] = [await connect(1), await connect(2)]
      const held = await one.create("d", [lease(1, READ | HANDLE)], Requests.directory)
      const alone = { ...Requests.directory, shareAccess: 0, createDisposition: CreateDisposition.FILE_OPEN }
      const asked = two.create("d", [], alone)
      const told = await one.nextBreak()
      assert.deepInclude(told, { currentLeaseState: READ | HANDLE, newLeaseState: READ, flags: ackRequired })
      assert.strictEqual(await one.shut(held.fileId), 0)
      assert.strictEqual((await asked).status, 0)
    }))
})

describe("a client with several connections", () => {
  it("gets a break again on another connection when the connection that got it is lost", () =>
    withClients(async (connect) => {
      const [first, second, other] = [await connect(1), await connect(1), await connect(2)]
      const held = await second.create("f", [lease(1, READ | WRITE | HANDLE)])
      assert.strictEqual(held.leaseState, READ | WRITE | HANDLE)
      const waits = other.create("f")
      const told = await first.nextBreak()
      assert.deepInclude(told, { currentLeaseState: 7, newLeaseState: READ | HANDLE })
      first.close()
      const again = await second.nextBreak()
      assert.deepStrictEqual(again, told)
      assert.strictEqual(await second.acknowledge(again!), 0)
      assert.strictEqual((await waits).status, 0)
    }))
})

describe("a server-side copy", () => {
  it("that ends early breaks the leases of readers, whose caches have the old bytes", () =>
    withClients(async (connect) => {
      const [one, two] = [await connect(1), await connect(2)]
      const [source, target] = [await two.create("source"), await two.create("target")]
      assert.strictEqual(await two.write(source.fileId, "0123456789"), 0)
      assert.strictEqual((await one.create("target", [lease(1, READ)])).leaseState, READ)
      const key = (await two.ioctl(source.fileId, Fsctl.FSCTL_SRV_REQUEST_RESUME_KEY))!.subarray(64 + 48, 64 + 48 + 24)
      const chunk = { targetOffset: 0n, length: 5 }
      const input = Codec.encode(SrvCopychunkCopy)({
        sourceKey: Uint8Array.from(key),
        chunks: [{ ...chunk, sourceOffset: 0n }, { ...chunk, sourceOffset: 8n }]
      })
      const copied = await two.status(Requests.fsctl(target.fileId, Fsctl.FSCTL_SRV_COPYCHUNK, input))
      assert.strictEqual(copied, NtStatus.STATUS_INVALID_VIEW_SIZE)
      assert.deepInclude(await one.nextBreak(), { currentLeaseState: READ, newLeaseState: 0 })
    }))
})

describe("a CREATE that is sent again", () => {
  // 3.3.5.9.10: the response shows no more than the replay asks for.
  it("gives the open with its oplock, or with the lower level that it asks for now", () =>
    withClients(async (connect) => {
      const one = await connect(1)
      const BATCH = 9
      const first = await one.create("f", [durable(5)], { requestedOplockLevel: BATCH })
      assert.strictEqual(first.oplockLevel, BATCH)
      one.replay = true
      for (const [requestedOplockLevel, contexts] of [[BATCH, 1], [8, 0], [0, 0]] as const) {
        const again = await one.create("f", [durable(5)], { requestedOplockLevel })
        assert.deepInclude(again, { status: 0, fileId: first.fileId, oplockLevel: requestedOplockLevel })
        assert.lengthOf(again.contexts, contexts)
      }
      assert.strictEqual((await one.create("f", [durable(5), lease(1, READ)])).status, 0xc000_0022)
    }))

  // 3.3.4.7: the client has nothing to write back and nothing to close.
  it("or overwrites a file waits for no acknowledgment of a lease that only caches reads", () =>
    withClients(async (connect) => {
      const [one, two] = [await connect(1), await connect(2)]
      const ACK_REQUIRED = 1
      for (const [name, number, state, flags] of [["f", 1, READ, 0], ["g", 2, READ | HANDLE, ACK_REQUIRED]] as const) {
        assert.strictEqual((await one.create(name, [lease(number, state)])).leaseState, state)
        const over = two.create(name, [], { createDisposition: CreateDisposition.FILE_OVERWRITE })
        const told = (await one.nextBreak())!
        assert.deepInclude(told, { flags, currentLeaseState: state, newLeaseState: 0 })
        assert.strictEqual((await over).status, 0)
        // STATUS_UNSUCCESSFUL: no break is under way (3.3.5.22.2).
        assert.strictEqual(await one.acknowledge(told), flags === 0 ? 0xc000_0001 : 0)
        assert.strictEqual(await one.acknowledge(told), 0xc000_0001)
      }
    }))

  // 3.3.5.9.8 and 3.3.5.9.11.
  it("or another CREATE has the key of a lease of the same file only", () =>
    withClients(async (connect) => {
      const one = await connect(1)
      const first = await one.create("f", [lease(1, READ)])
      const same = await one.create("f", [lease(1, READ)])
      assert.deepInclude(same, { status: 0, leaseState: READ })
      assert.strictEqual((await one.create("g", [lease(1, READ)])).status, NtStatus.STATUS_INVALID_PARAMETER)
      assert.strictEqual((await one.create("g", [lease(2, READ)])).status, 0)
      // Another client's keys are its own, and a key without an open is free.
      const two = await connect(2)
      assert.strictEqual((await two.create("g", [lease(1, READ)])).status, 0)
      for (const { fileId } of [first, same]) assert.strictEqual(await one.shut(fileId), 0)
      assert.strictEqual((await one.create("h", [lease(1, READ)])).status, 0)
    }))

  it("is refused as a duplicate while the first one waits, and gives the same open until that is used", () =>
    withClients(async (connect) => {
      const [one, two] = [await connect(1), await connect(2)]
      const held = await one.create("f", [lease(1, READ | WRITE | HANDLE)])
      const request = createRequest("f", [durable(5), lease(2, READ | WRITE | HANDLE)])
      assert.strictEqual(statusOf(await two.ask(request)), NtStatus.STATUS_PENDING)
      const told = await one.nextBreak()
      assert.strictEqual(await two.status(request), NtStatus.STATUS_DUPLICATE_OBJECTID)
      two.replay = true
      assert.strictEqual(await two.status(request), NtStatus.STATUS_FILE_NOT_AVAILABLE)
      assert.strictEqual(await one.acknowledge(told!), 0)
      const { fileId, leaseState } = opened(await two.next())
      assert.strictEqual(leaseState, READ | HANDLE)
      assert.deepStrictEqual(opened(await two.final(await two.ask(request))).fileId, fileId)
      // A use of the open, which is no replay, shows that its client has the response.
      two.replay = false
      assert.strictEqual(await two.write(fileId, "text"), 0)
      await one.nextBreak()
      two.replay = true
      const other = opened(await two.final(await two.ask(request)))
      assert.strictEqual(other.status, 0)
      assert.notDeepEqual(other.fileId, fileId)
      assert.strictEqual(await one.shut(held.fileId), 0)
    }))

  it("creates a new open after the first open was closed or the first CREATE failed", () =>
    withClients(async (connect) => {
      const one = await connect(1)
      const first = await one.create("f", [durable(5)])
      assert.strictEqual((await one.create("f", [durable(5)])).status, NtStatus.STATUS_DUPLICATE_OBJECTID)
      assert.strictEqual(await one.shut(first.fileId), 0)
      const second = await one.create("f", [durable(5)], { shareAccess: 0 })
      assert.notDeepEqual(second.fileId, first.fileId)
      assert.strictEqual((await one.create("f", [durable(6)])).status, NtStatus.STATUS_SHARING_VIOLATION)
      assert.strictEqual((await one.create("f", [durable(6)])).status, NtStatus.STATUS_SHARING_VIOLATION)
    }))
})

describe("ChannelSequence", () => {
  it("refuses a WRITE with an old number with STATUS_FILE_NOT_AVAILABLE, and lets a FLUSH through", () =>
    withClients(async (connect) => {
      const one = await connect(1)
      one.channelSequence = 0xfffe
      const { fileId } = await one.create("f")
      const at = async (sequence: number) => {
        one.channelSequence = sequence
        return one.write(fileId, String(sequence))
      }
      assert.strictEqual(await at(0xfffe), 0)
      assert.strictEqual(await at(1), 0)
      assert.strictEqual(await at(0xffff), NtStatus.STATUS_FILE_NOT_AVAILABLE)
      assert.strictEqual(await at(0x8001), NtStatus.STATUS_FILE_NOT_AVAILABLE)
      // A request that changes nothing may be late.
      one.channelSequence = 0
      assert.strictEqual(await one.status({ _tag: "FLUSH", body: { fileId } }), 0)
      assert.strictEqual(await at(0x8000), 0)
      assert.strictEqual(await at(1), NtStatus.STATUS_FILE_NOT_AVAILABLE)
    }))
})

describe("the server", () => {
  it("answers requests for snapshots and quotas, which it does not have, as Windows does", () =>
    withClients(async (connect) => {
      const one = await connect(1)
      const { fileId } = await one.create("f")
      const timewarp = { _tag: "TimewarpToken", timestamp: 133_000_000_000_000_000n } as const
      assert.strictEqual((await one.create("f", [timewarp])).status, NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
      const snapshots = await one.ioctl(fileId, Fsctl.FSCTL_SRV_ENUMERATE_SNAPSHOTS)
      // The output begins after the 48 bytes of the response's fields: counts, and a list of no bytes but its end.
      assert.deepStrictEqual([...snapshots!.subarray(64 + 48, 64 + 60)], [0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0])
      const quota = {
        infoType: InfoType.SMB2_0_INFO_QUOTA,
        fileInfoClass: 0,
        outputBufferLength: 4096,
        additionalInformation: 0,
        flags: 0
      }
      assert.strictEqual(
        await one.status({ _tag: "QUERY_INFO", body: { ...quota, fileId, inputBuffer: new Uint8Array(0) } }),
        NtStatus.STATUS_NOT_SUPPORTED
      )
    }))

  it("reserves the AllocationSize of a CREATE, and answers STATUS_DISK_FULL when it exceeds the free space", () =>
    withClients(async (connect) => {
      const one = await connect(1)
      const room = (allocationSize: bigint) => ({ _tag: "AllocationSize", allocationSize }) as const
      const { allocationSize, fileId } = await one.create("f", [room(10_000n)])
      assert.strictEqual(allocationSize, 12_288n)
      assert.strictEqual(await one.set(fileId, "FileEndOfFileInformation", endOfFile(1)), 0)
      // A new size replaces the reservation; this store needs no space for zeros.
      assert.strictEqual((await one.create("f")).allocationSize, 0n)
      assert.strictEqual((await one.create("g", [room(1n << 40n)])).status, NtStatus.STATUS_DISK_FULL)
      assert.strictEqual(
        (await one.create("g", [], { createDisposition: CreateDisposition.FILE_OPEN })).status,
        NtStatus.STATUS_OBJECT_NAME_NOT_FOUND
      )
    }))

  it("answers FSCTL_QUERY_NETWORK_INTERFACE_INFO with the one address that it listens on", () =>
    withClients(async (connect) => {
      const one = await connect(1)
      const answer = await one.ioctl(anyFileId, Fsctl.FSCTL_QUERY_NETWORK_INTERFACE_INFO)
      assert.strictEqual(statusOf(answer), 0)
      const output = answer!.subarray(64 + 48)
      // NETWORK_INTERFACE_INFO is 152 bytes, its address begins at 24: family, port, and four bytes.
      assert.strictEqual(output.length, 152)
      assert.strictEqual(output.readUInt32LE(0), 0)
      assert.deepStrictEqual([...output.subarray(24, 32)], [2, 0, 0, 0, ...host.split(".").map(Number)])
      const { fileId } = await one.create("f")
      const named = await one.ioctl(fileId, Fsctl.FSCTL_QUERY_NETWORK_INTERFACE_INFO)
      assert.strictEqual(statusOf(named), NtStatus.STATUS_INVALID_PARAMETER)
    }))
})

/**
 * Proves that a client that asks about a volume is told about the volume of its handle, and that each request for more
 * space than that volume has is refused alike. The store's folder `disk` is another volume, smaller and read only.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Credentials } from "effect-smb/Auth"
import { Codec, FileInformation, FileSystemInformation, NtStatus as Status } from "effect-smb/Codec"
import type { ShareStore, StoreFile } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { CreateDisposition } from "../../src/Smb2/Message/Constants.ts"
import * as Fsctl from "../../src/Smb2/Message/Fsctl.ts"
import { LeaseClient } from "./LeaseClient.ts"
import * as Requests from "./requests.ts"

const host = "127.0.43.36"
const { NtStatus } = Status
const joe = Credentials.password("joe", Redacted.make("secret"))
const free = 40n * 4096n

/** The values of the small volume that differ from those of the store. */
const part = { serialNumber: 77, creationTime: 133_000_000_000_000_000n, total: 60n * 4096n, free }

const mounted = (store: ShareStore, readOnly: boolean): ShareStore => ({
  ...store,
  open: (path, how) =>
    Effect.map(store.open(path, how), (opened) => {
      if (path[0] !== "disk") return opened
      const volume = Effect.map(store.volume, (whole) => ({ ...whole, ...part, readOnly }))
      const file: StoreFile = { ...opened.file, volume }
      return { ...opened, file }
    })
})

const world = Effect.fnUntraced(function*(readOnly: boolean) {
  const store = mounted(yield* MemoryStore.make(), readOnly)
  yield* Effect.scoped(store.open(["disk"], { mode: "new", type: "directory" }))
  const { serialNumber } = yield* store.volume
  const { port } = yield* SmbServer.make({
    host,
    port: 0,
    users: UserStore.inMemory({ joe: Redacted.make("secret") }),
    shares: { data: { store } },
    signing: "enabled"
  })
  const client = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const made = new LeaseClient(host, port, 1)
      assert.isTrue(await made.begin("data", joe))
      return made
    }),
    (made) => Effect.sync(() => made.close())
  )
  return { client, serialNumber }
})

const bufferOf = async (
  client: LeaseClient,
  file: FileId,
  type: "file" | "fileSystem",
  name: Requests.InformationClass
) => {
  const answer = (await client.ask(Requests.query(file, type, name)))!
  assert.strictEqual(answer.readUInt32LE(8), 0)
  return Uint8Array.from(answer.subarray(64 + 8, 64 + 8 + answer.readUInt32LE(64 + 4)))
}

const decode = <A>(codec: Codec.Codec<A>, bytes: Uint8Array): A => {
  const decoded = Codec.decode("buffer", codec)(bytes)
  if (decoded._tag === "Failure") throw decoded.failure
  return decoded.success
}

it.live("a server answers queries about the volume with the values of the handle's own volume", () =>
  Effect.scoped(Effect.flatMap(world(true), ({ client, serialNumber }) =>
    Effect.promise(async () => {
      const onDiskId = [{ _tag: "QueryOnDiskId" as const }]
      for (
        const [name, options, own] of [["", 1, false], ["f", 0, false], ["disk", 1, true], [
          "disk\\f",
          0,
          true
        ]] as const
      ) {
        const { contexts, fileId, status } = await client.create(name, onDiskId, { createOptions: options })
        assert.strictEqual(status, 0, name)
        const ask = <A>(name: FileSystemInformation.ClassName, codec: Codec.Codec<A>) =>
          bufferOf(client, fileId, "fileSystem", name).then((bytes) => decode(codec, bytes))
        const serial = own ? part.serialNumber : serialNumber
        const about = await ask("FileFsVolumeInformation", FileSystemInformation.FileFsVolumeInformation)
        assert.strictEqual(about.volumeSerialNumber, serial)
        assert.strictEqual(about.volumeCreationTime === part.creationTime, own)
        const size = await ask("FileFsSizeInformation", FileSystemInformation.FileFsSizeInformation)
        const full = await ask("FileFsFullSizeInformation", FileSystemInformation.FileFsFullSizeInformation)
        const units = size.availableAllocationUnits
        assert.deepStrictEqual(
          [units === free / 4096n, full.callerAvailableAllocationUnits === units, size.totalAllocationUnits === 60n],
          [own, true, own]
        )
        const attributes = await ask("FileFsAttributeInformation", FileSystemInformation.FileFsAttributeInformation)
        const device = await ask("FileFsDeviceInformation", FileSystemInformation.FileFsDeviceInformation)
        assert.deepStrictEqual(
          [(attributes.fileSystemAttributes & 0x8_0000) !== 0, (device.characteristics & 2) !== 0],
          [own, own]
        )
        // All responses name the same volume of a file.
        const id = decode(
          FileInformation.FileIdInformation,
          await bufferOf(client, fileId, "file", "FileIdInformation")
        )
        assert.strictEqual(id.volumeSerialNumber, BigInt(serial))
        const told = contexts.find((one) => one._tag === "QueryOnDiskIdResponse")
        assert.strictEqual(told?.volumeId, BigInt(serial))
        const data = (await client.ioctl(fileId, Fsctl.Fsctl.FSCTL_GET_NTFS_VOLUME_DATA))!
        assert.strictEqual(data.readUInt32LE(data.readUInt32LE(64 + 32)), serial)
      }
    }))))

it.live("a server answers each request for more space than the volume has with STATUS_DISK_FULL", () =>
  Effect.scoped(Effect.flatMap(world(false), ({ client }) =>
    Effect.promise(async () => {
      const wish = (allocationSize: bigint) => [{ _tag: "AllocationSize" as const, allocationSize }]
      const full = NtStatus.STATUS_DISK_FULL
      const size = (bytes: bigint) => {
        const buffer = Buffer.alloc(8)
        buffer.writeBigUInt64LE(bytes)
        return buffer
      }
      assert.strictEqual((await client.create("disk\\f", wish(free + 1n))).status, full)
      // The file was not created, and the rest of the store has more space.
      assert.strictEqual(
        (await client.create("disk\\f", [], { createDisposition: CreateDisposition.FILE_OPEN })).status,
        NtStatus.STATUS_OBJECT_NAME_NOT_FOUND
      )
      assert.strictEqual((await client.create("f", wish(free + 1n))).status, 0)
      const { fileId, status } = await client.create("disk\\f", wish(free))
      assert.strictEqual(status, 0)
      // Superseding and overwriting are refused like creating.
      for (const createDisposition of [0, 4, 5]) {
        assert.strictEqual((await client.create("disk\\f", wish(free + 1n), { createDisposition })).status, full)
      }
      assert.strictEqual(await client.set(fileId, "FileAllocationInformation", size(free + 1n)), full)
      assert.strictEqual(await client.set(fileId, "FileAllocationInformation", size(free)), 0)
      // The space that the file already has counts.
      assert.strictEqual(await client.write(fileId, "x".repeat(4096)), 0)
      assert.strictEqual(await client.set(fileId, "FileAllocationInformation", size(free + 4096n)), 0)
      assert.strictEqual(await client.set(fileId, "FileAllocationInformation", size(free + 4097n)), full)
    }))))

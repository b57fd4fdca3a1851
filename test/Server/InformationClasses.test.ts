/**
 * Proves what the server says of each information class and of the controls of files and volumes: which classes can be
 * queried and set, by the list of MS-FSCC 2.4 and 2.5, with which buffers, and the contents that must agree with each
 * other (MS-FSA 2.1.5.10, 2.1.5.12 to 2.1.5.16).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Codec, FileInformation, NtStatus as Status } from "effect-smb/Codec"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import {
  AccessMask as A,
  CreateOptions as O,
  FileAttributes as F,
  InfoType,
  ShareAccess
} from "../../src/Smb2/Message/Constants.ts"
import * as FileFsctl from "../../src/Smb2/Message/FileFsctl.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import type * as Message from "../../src/Smb2/Message/Message.ts"
import { type Client, type People, people } from "./people.ts"
import { statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.41"

const cases = (name: string, run: (among: People) => Promise<void>) =>
  it.live(name, () => Effect.scoped(Effect.flatMap(people(host), (among) => Effect.promise(() => run(among)))))

const folder = { createOptions: O.FILE_DIRECTORY_FILE }
const nothing = new Uint8Array(0)

const set = (fileId: FileId, infoType: number, fileInfoClass: number, buffer: Uint8Array): Message.Request => ({
  _tag: "SET_INFO",
  body: { infoType, fileInfoClass, additionalInformation: 0, fileId, buffer }
})

const query = (fileId: FileId, infoType: number, fileInfoClass: number, room: number): Message.Request => ({
  _tag: "QUERY_INFO",
  body: {
    infoType,
    fileInfoClass,
    outputBufferLength: room,
    additionalInformation: 0,
    flags: 0,
    fileId,
    inputBuffer: nothing
  }
})

/** The output buffer of a successful QUERY_INFO. */
const queried = async (client: Client, request: Message.Request): Promise<Buffer> => {
  const answer = (await client.ask(request))!
  assert.strictEqual(statusOf(answer), 0)
  return answer.subarray(72, 72 + answer.readUInt32LE(68))
}

/** The status and the output buffer of a control. */
const control = async (client: Client, file: FileId, code: number, input: Uint8Array = nothing, room = 4096) => {
  const request = Requests.fsctl(file, code, input)
  assert(request._tag === "IOCTL")
  const answer = (await client.ask({ ...request, body: { ...request.body, maxOutputResponse: room } }))!
  const status = statusOf(answer)
  return { status, output: status === 0 ? answer.subarray(answer.readUInt32LE(96)) : nothing }
}

/** The fewest bytes of each class that a file's handle can query (MS-FSCC 2.4). */
const queryable: ReadonlyMap<number, number> = new Map([
  [4, 40],
  [5, 24],
  [6, 8],
  [7, 4],
  [8, 4],
  [14, 8],
  [16, 4],
  [17, 4],
  [18, 104],
  [21, 8],
  [22, 32],
  [28, 16],
  [34, 56],
  [35, 8],
  [54, 16],
  [59, 24]
])

/** The fewest bytes of each class that a file's handle can set. */
const settable: ReadonlyMap<number, number> = new Map([
  [4, 40],
  [10, 20],
  [11, 20],
  [13, 1],
  [14, 8],
  [16, 4],
  [19, 8],
  [20, 8],
  [39, 8],
  [40, 4],
  [64, 4],
  [65, 20]
])

describe("an information class of files", () => {
  cases(
    "that cannot be queried is STATUS_INVALID_INFO_CLASS, and one without room STATUS_INFO_LENGTH_MISMATCH",
    async ({ ann }) => {
      const file = await ann.must("f.txt")
      // 15, extended attributes, and 48, the normalized name, have their own rules.
      for (let number = 0; number <= 100; number++) {
        if (number === 15 || number === 48) continue
        const fixed = queryable.get(number)
        const status = (room: number) => ann.status(query(file, InfoType.SMB2_0_INFO_FILE, number, room))
        if (fixed === undefined) {
          assert.strictEqual(await status(4096), NtStatus.STATUS_INVALID_INFO_CLASS, `class ${number}`)
          continue
        }
        assert.strictEqual(await status(fixed - 1), NtStatus.STATUS_INFO_LENGTH_MISMATCH, `class ${number}`)
        assert.strictEqual(await status(4096), 0, `class ${number}`)
      }
    }
  )

  cases(
    "that cannot be set is STATUS_INVALID_INFO_CLASS, and a short buffer STATUS_INFO_LENGTH_MISMATCH",
    async ({ ann }) => {
      const file = await ann.must("f.txt")
      for (let number = 0; number <= 100; number++) {
        if (number === 15) continue
        const fixed = settable.get(number)
        const status = (length: number) =>
          ann.status(set(file, InfoType.SMB2_0_INFO_FILE, number, new Uint8Array(length)))
        if (fixed === undefined) {
          assert.strictEqual(await status(4096), NtStatus.STATUS_INVALID_INFO_CLASS, `class ${number}`)
        } else {
          assert.strictEqual(await status(fixed - 1), NtStatus.STATUS_INFO_LENGTH_MISMATCH, `class ${number}`)
        }
      }
    }
  )

  cases("keeps FileModeInformation and FilePositionInformation for its open alone", async ({ ann }) => {
    const [one, other] = [await ann.must("f.txt"), await ann.must("f.txt")]
    const valueOf = (file: FileId, number: number) =>
      queried(ann, query(file, InfoType.SMB2_0_INFO_FILE, number, 8)).then((buffer) => buffer.readUInt32LE(0))
    for (const mode of [2, 0x20, 0]) {
      assert.strictEqual(
        await ann.status(set(one, InfoType.SMB2_0_INFO_FILE, 16, Uint8Array.of(mode, 0, 0, 0))),
        0
      )
      assert.deepStrictEqual([await valueOf(one, 16), await valueOf(other, 16)], [mode, 0])
    }
    assert.strictEqual(
      await ann.status(set(one, InfoType.SMB2_0_INFO_FILE, 16, Uint8Array.of(1, 0, 0, 0))),
      NtStatus.STATUS_INVALID_PARAMETER
    )
    assert.strictEqual(
      await ann.status(set(one, InfoType.SMB2_0_INFO_FILE, 14, Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0))),
      0
    )
    assert.deepStrictEqual([await valueOf(one, 14), await valueOf(other, 14)], [7, 0])
    assert.strictEqual(
      await ann.status(set(one, InfoType.SMB2_0_INFO_FILE, 14, new Uint8Array(8).fill(0xff))),
      NtStatus.STATUS_INVALID_PARAMETER
    )
  })

  cases("of streams shows each stream's own size, through an open of any of them", async ({ ann }) => {
    const [main, named] = [await ann.must("f.txt"), await ann.must("f.txt:s")]
    assert.strictEqual(await ann.status(Requests.write(main, new Uint8Array(10))), 0)
    assert.strictEqual(await ann.status(Requests.write(named, new Uint8Array(300))), 0)
    for (const file of [main, named]) {
      const bytes = await queried(ann, query(file, InfoType.SMB2_0_INFO_FILE, 22, 4096))
      const decoded = Codec.decode("FileStreamInformation", FileInformation.FileStreamInformation)(bytes)
      assert(decoded._tag === "Success")
      assert.deepStrictEqual(
        decoded.success.map(({ streamName, streamSize }) => [streamName, streamSize]),
        [["::$DATA", 10n], [":s:$DATA", 300n]]
      )
    }
  })
})

describe("FileValidDataLengthInformation", () => {
  const length = (bytes: number) => {
    const buffer = Buffer.alloc(8)
    buffer.writeBigInt64LE(BigInt(bytes))
    return buffer
  }
  cases("is set by administrators alone, to the length of the file alone", async ({ ann, root }) => {
    const own = await ann.must("f.txt")
    assert.strictEqual(await ann.status(Requests.write(own, new Uint8Array(100))), 0)
    const status = (client: Client, file: FileId, bytes: number) =>
      client.status(set(file, InfoType.SMB2_0_INFO_FILE, 39, length(bytes)))
    assert.strictEqual(await status(ann, own, 100), NtStatus.STATUS_PRIVILEGE_NOT_HELD)
    const file = await root.must("f.txt")
    for (
      const [bytes, expected] of [[99, NtStatus.STATUS_INVALID_PARAMETER], [101, NtStatus.STATUS_INVALID_PARAMETER], [
        100,
        0
      ]] as const
    ) {
      assert.strictEqual(await status(root, file, bytes), expected)
    }
    const directory = await root.must("d", folder)
    assert.strictEqual(await status(root, directory, 0), NtStatus.STATUS_INVALID_PARAMETER)
  })
})

describe("FileShortNameInformation", () => {
  const named = (name: string) => Codec.encode(FileInformation.FileShortNameInformation)({ fileName: name })
  cases("is checked as MS-FSA 2.1.5.15.13 says, and never kept", async ({ ann, root }) => {
    const backup = { createOptions: O.FILE_OPEN_FOR_BACKUP_INTENT }
    const rows = [
      [root, "f.txt", backup, "SHORT.TXT", NtStatus.STATUS_SHORT_NAMES_NOT_ENABLED_ON_VOLUME],
      [root, "f.txt", {}, "SHORT.TXT", NtStatus.STATUS_PRIVILEGE_NOT_HELD],
      [ann, "f.txt", backup, "SHORT.TXT", NtStatus.STATUS_PRIVILEGE_NOT_HELD],
      [root, "f.txt", backup, "longer than 8.3", NtStatus.STATUS_INVALID_PARAMETER],
      [root, "f.txt", backup, "\\SHORT.TXT", NtStatus.STATUS_INVALID_PARAMETER],
      [root, "f.txt:s", backup, "SHORT.TXT", NtStatus.STATUS_INVALID_PARAMETER],
      [
        root,
        "",
        { createOptions: O.FILE_DIRECTORY_FILE | O.FILE_OPEN_FOR_BACKUP_INTENT },
        "A",
        NtStatus.STATUS_INVALID_PARAMETER
      ],
      [root, "f.txt", { ...backup, desiredAccess: A.FILE_READ_ATTRIBUTES }, "SHORT.TXT", NtStatus.STATUS_ACCESS_DENIED]
    ] as const
    await ann.must("f.txt:s")
    for (const [client, name, how, shortName, status] of rows) {
      const file = await client.must(name, how)
      assert.strictEqual(
        await client.status(set(file, InfoType.SMB2_0_INFO_FILE, 40, named(shortName))),
        status,
        `${name} ${shortName}`
      )
    }
  })
})

describe("an information class of volumes", () => {
  cases("cannot be set: the status says whether the class could be (MS-FSCC 2.5)", async ({ ann }) => {
    const file = await ann.must("f.txt")
    const special = new Map<number, number>([
      [2, NtStatus.STATUS_NOT_SUPPORTED],
      [6, NtStatus.STATUS_NOT_SUPPORTED],
      [8, NtStatus.STATUS_ACCESS_DENIED]
    ])
    for (let number = 0; number <= 20; number++) {
      assert.strictEqual(
        await ann.status(set(file, InfoType.SMB2_0_INFO_FILESYSTEM, number, new Uint8Array(64))),
        special.get(number) ?? NtStatus.STATUS_INVALID_INFO_CLASS,
        `class ${number}`
      )
    }
  })

  cases(
    "of object ids and of sector sizes agree with each other and with the volume's data",
    async ({ ann }) => {
      const file = await ann.must("f.txt")
      const fs = InfoType.SMB2_0_INFO_FILESYSTEM
      assert.strictEqual(await ann.status(query(file, fs, 8, 63)), NtStatus.STATUS_INFO_LENGTH_MISMATCH)
      const volumeId = await queried(ann, query(file, fs, 8, 64))
      const objectIds = (await control(ann, file, Fsctl.FSCTL_CREATE_OR_GET_OBJECT_ID)).output as Buffer
      assert.isTrue(objectIds.subarray(16, 32).equals(volumeId.subarray(0, 16)))
      const sectors = await queried(ann, query(file, fs, 11, 28))
      const sizes = [0, 4, 8, 12].map((at) => sectors.readUInt32LE(at))
      const full = await queried(ann, query(file, fs, 7, 32))
      const data = (await control(ann, file, Fsctl.FSCTL_GET_NTFS_VOLUME_DATA)).output as Buffer
      assert.strictEqual(data.length, 96)
      assert.deepStrictEqual(sizes, sizes.map(() => full.readUInt32LE(28)))
      // Sectors, clusters and free clusters; bytes in a sector and in a cluster; the serial number.
      assert.strictEqual(data.readBigInt64LE(16), full.readBigInt64LE(0))
      assert.strictEqual(data.readBigInt64LE(24), full.readBigInt64LE(16))
      assert.strictEqual(data.readUInt32LE(40), full.readUInt32LE(28))
      assert.strictEqual(data.readUInt32LE(44), full.readUInt32LE(24) * full.readUInt32LE(28))
      assert.strictEqual(data.readBigInt64LE(8), data.readBigInt64LE(16) * BigInt(full.readUInt32LE(24)))
      const identity = await queried(ann, query(file, InfoType.SMB2_0_INFO_FILE, 59, 24))
      assert.strictEqual(data.readBigUInt64LE(0), identity.readBigUInt64LE(0))
      assert.strictEqual(
        (await control(ann, file, Fsctl.FSCTL_GET_NTFS_VOLUME_DATA, nothing, 95)).status,
        NtStatus.STATUS_BUFFER_TOO_SMALL
      )
    }
  )
})

describe("FSCTL_QUERY_FILE_REGIONS", () => {
  const input = (fileOffset: bigint, length: bigint, desiredUsage = 1) =>
    Codec.encode(FileFsctl.FileRegionInput)({ fileOffset, length, desiredUsage })
  const most = (1n << 63n) - 1n
  cases("tells of the valid data in a range (MS-FSA 2.1.5.10.24)", async ({ ann }) => {
    const file = await ann.must("f.txt")
    assert.strictEqual(await ann.status(Requests.write(file, new Uint8Array(1000))), 0)
    const rows: ReadonlyArray<readonly [Uint8Array, ReadonlyArray<readonly [bigint, bigint]>]> = [
      [nothing, [[0n, 1000n]]],
      [input(0n, most), [[0n, 1000n]]],
      [input(10n, 20n), [[10n, 20n]]],
      [input(999n, 100n, 3), [[999n, 1n]]],
      [input(1000n, 1n), []]
    ]
    for (const [buffer, regions] of rows) {
      const { output, status } = await control(ann, file, Fsctl.FSCTL_QUERY_FILE_REGIONS, buffer)
      assert.strictEqual(status, 0)
      const decoded = Codec.decode("FILE_REGION_OUTPUT", FileFsctl.FileRegionOutput)(output)
      assert(decoded._tag === "Success")
      assert.strictEqual(decoded.success.totalRegionEntryCount, regions.length)
      assert.deepStrictEqual(
        decoded.success.region.map((one) => [one.fileOffset, one.length, one.usage]),
        regions.map(([offset, length]) => [offset, length, 1])
      )
    }
  })

  cases("is refused for ranges and buffers that make no sense, and for directories", async ({ ann }) => {
    const [file, directory] = [await ann.must("f.txt"), await ann.must("d", folder)]
    const rows: ReadonlyArray<readonly [FileId, Uint8Array, number, number]> = [
      [file, new Uint8Array(23), 4096, NtStatus.STATUS_BUFFER_TOO_SMALL],
      [file, nothing, 39, NtStatus.STATUS_BUFFER_TOO_SMALL],
      [file, nothing, 40, 0],
      [file, input(0n, 0n), 4096, NtStatus.STATUS_INVALID_PARAMETER],
      [file, input(0n, -1n), 4096, NtStatus.STATUS_INVALID_PARAMETER],
      [file, input(-1n, 5n), 4096, NtStatus.STATUS_INVALID_PARAMETER],
      [file, input(1n, most), 4096, NtStatus.STATUS_INVALID_PARAMETER],
      [file, input(0n, 1n, 2), 4096, NtStatus.STATUS_INVALID_PARAMETER],
      [directory, nothing, 4096, NtStatus.STATUS_INVALID_PARAMETER]
    ]
    for (const [on, buffer, room, status] of rows) {
      assert.strictEqual((await control(ann, on, Fsctl.FSCTL_QUERY_FILE_REGIONS, buffer, room)).status, status)
    }
  })
})

describe("FSCTL_READ_FILE_USN_DATA", () => {
  const versions = (minMajorVersion: number, maxMajorVersion: number) =>
    Codec.encode(FileFsctl.ReadFileUsnData)({ minMajorVersion, maxMajorVersion })
  cases("gives the record of the newest version that the client understands (MS-FSA 2.1.5.10.27)", async ({ ann }) => {
    const directory = await ann.must("d", folder)
    const file = await ann.must("d\\name.txt", { fileAttributes: F.FILE_ATTRIBUTE_HIDDEN })
    const idOf = async (of: FileId) => (await queried(ann, query(of, InfoType.SMB2_0_INFO_FILE, 59, 24))).subarray(8)
    const [id, parent] = [await idOf(file), await idOf(directory)]
    for (
      const [buffer, version] of [[nothing, 2], [versions(2, 2), 2], [versions(1, 3), 3], [versions(3, 9), 3]] as const
    ) {
      const { output, status } = await control(ann, file, Fsctl.FSCTL_READ_FILE_USN_DATA, buffer)
      assert.strictEqual(status, 0)
      const record = output as Buffer
      assert.strictEqual(record.readUInt32LE(0), record.length)
      assert.strictEqual(record.length % 8, 0)
      const bytes = version === 3 ? 16 : 8
      assert.strictEqual(record.readUInt16LE(4), version)
      assert.isTrue(record.subarray(8, 8 + bytes).equals(id.subarray(0, bytes)))
      assert.isTrue(record.subarray(8 + bytes, 8 + 2 * bytes).equals(parent.subarray(0, bytes)))
      const rest = record.subarray(8 + 2 * bytes)
      assert.strictEqual(rest.readUInt32LE(28), F.FILE_ATTRIBUTE_HIDDEN | F.FILE_ATTRIBUTE_ARCHIVE)
      assert.strictEqual(rest.readUInt16LE(32), 16)
      const offset = rest.readUInt16LE(34)
      assert.strictEqual(offset, version === 3 ? 76 : 60)
      assert.strictEqual(record.toString("utf16le", offset, offset + 16), "name.txt")
    }
    // Of the share's root, which has no name.
    assert.strictEqual(
      (await control(ann, await ann.must("", folder), Fsctl.FSCTL_READ_FILE_USN_DATA)).status,
      0
    )
  })

  cases("is refused for versions that do not exist, and without room", async ({ ann }) => {
    const file = await ann.must("f")
    for (
      const [buffer, room, status] of [
        [versions(3, 2), 4096, NtStatus.STATUS_INVALID_PARAMETER],
        [versions(4, 9), 4096, NtStatus.STATUS_INVALID_PARAMETER],
        [versions(0, 1), 4096, NtStatus.STATUS_INVALID_PARAMETER],
        [nothing, 63, NtStatus.STATUS_BUFFER_TOO_SMALL],
        [nothing, 64, 0],
        [versions(3, 3), 79, NtStatus.STATUS_BUFFER_TOO_SMALL],
        [versions(3, 3), 80, 0]
      ] as const
    ) {
      assert.strictEqual((await control(ann, file, Fsctl.FSCTL_READ_FILE_USN_DATA, buffer, room)).status, status)
    }
  })
})

describe("FileCompressionInformation", () => {
  cases("says that no file is compressed, and how much each takes up (MS-FSA 2.1.5.12.8)", async ({ ann }) => {
    const file = await ann.must("f.txt")
    assert.strictEqual(await ann.status(Requests.write(file, new Uint8Array(10_000))), 0)
    const stream = await ann.must("f.txt:s")
    assert.strictEqual(await ann.status(Requests.write(stream, new Uint8Array(10))), 0)
    for (const one of [file, stream, await ann.must("d", folder)]) {
      const compression = await queried(ann, query(one, InfoType.SMB2_0_INFO_FILE, 28, 16))
      const standard = await queried(ann, query(one, InfoType.SMB2_0_INFO_FILE, 5, 24))
      assert.strictEqual(compression.readBigUInt64LE(0), standard.readBigUInt64LE(0))
      assert.strictEqual(compression.readBigUInt64LE(8), 0n)
      assert.strictEqual(compression.readBigUInt64LE(0) % 4096n, 0n)
    }
  })
})

describe("a control of what no store has", () => {
  cases("is STATUS_INVALID_DEVICE_REQUEST: places on a disk", async ({ ann }) => {
    const file = await ann.must("f")
    assert.strictEqual(
      (await control(ann, file, Fsctl.FSCTL_GET_RETRIEVAL_POINTERS)).status,
      NtStatus.STATUS_INVALID_DEVICE_REQUEST
    )
  })
})

describe("a CREATE", () => {
  cases(
    "with FILE_ATTRIBUTE_INTEGRITY_STREAM or NO_SCRUB_DATA makes a file without them (MS-FSCC 2.6)",
    async ({ ann }) => {
      for (const [name, how] of [["f", {}], ["d", folder]] as const) {
        const file = await ann.must(name, { ...how, fileAttributes: 0x0002_8000 | F.FILE_ATTRIBUTE_HIDDEN })
        const attributes = (await queried(ann, query(file, InfoType.SMB2_0_INFO_FILE, 4, 40))).readUInt32LE(32)
        assert.strictEqual(attributes & 0x0002_8000, 0)
        assert.strictEqual(attributes & F.FILE_ATTRIBUTE_HIDDEN, F.FILE_ATTRIBUTE_HIDDEN)
      }
      assert.strictEqual(
        await ann.status(Requests.create("g", { fileAttributes: 0x0001_0000 })),
        NtStatus.STATUS_INVALID_PARAMETER
      )
    }
  )

  cases(
    "of a stream consents to the deletion that another open of the file may do (MS-FSA 2.1.5.1.2)",
    async ({ ann, joe }) => {
      const everyone = ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE
      await ann.status(Requests.close(await ann.must("f:s")))
      for (
        const [access, shareAccess, status] of [
          [A.DELETE, everyone, NtStatus.STATUS_SHARING_VIOLATION],
          [A.DELETE, everyone | ShareAccess.FILE_SHARE_DELETE, 0],
          [A.FILE_READ_DATA, everyone, 0]
        ] as const
      ) {
        const file = await ann.must("f", { desiredAccess: access })
        const answer = await joe.ask(Requests.create("f:s", { desiredAccess: A.FILE_READ_DATA, shareAccess }))
        assert.strictEqual(statusOf(answer), status)
        await ann.status(Requests.close(file))
      }
    }
  )
})

/**
 * Create contexts (MS-SMB2 2.2.13.2, 2.2.14.2): what a CREATE request or response has beyond its fixed fields.
 *
 * A context has a name, and means one thing in a request and another in a response. Each is a plain object tagged with
 * the document's name of its data, without SMB2_CREATE_. Extended attributes and security descriptors stay bytes here:
 * MS-FSCC and MS-DTYP define them. The server decides which contexts can be combined.
 */
import * as Codec from "../../Codec/Codec.ts"
import { bytes16, FileId } from "./Common.ts"

/**
 * A context without a definition in this package, kept unchanged.
 *
 * @since 0.1.0
 */
export interface Unknown {
  readonly _tag: "Unknown"
  readonly name: Uint8Array
  readonly data: Uint8Array
}

/** SMB2_CREATE_CONTEXT without its Next. Without data its name is padded, as in Windows and Samba. */
const RawContext = Codec.struct({
  nameOffset: Codec.offsetOf("name", Codec.u16),
  nameLength: Codec.lengthOf("name", Codec.u16),
  reserved: Codec.reserved(Codec.u16),
  dataOffset: Codec.offsetOf("data", Codec.u16),
  dataLength: Codec.lengthOf("data"),
  name: Codec.buffer(Codec.bytes),
  data: Codec.buffer(Codec.bytes, { align: 8 })
}, { origin: -4, atLeast: 20 })

interface Entry {
  /** The name's bytes as Latin-1 text. */
  readonly name: string
  readonly data: Codec.Codec<any>
  /** If two contexts share a name, the shortest data of the second. */
  readonly from?: number
}

type ContextOf<T extends Record<string, Entry>> =
  | { readonly [K in keyof T]: { readonly _tag: K } & Codec.Type<T[K]["data"]> }[keyof T]
  | Unknown

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1")

const named = <const T extends Record<string, Entry>>(table: T): Codec.Codec<ContextOf<T>> => {
  const byName = new Map<string, Array<readonly [string, Entry]>>()
  for (const [tag, entry] of Object.entries(table)) {
    byName.set(entry.name, [[tag, entry], ...(byName.get(entry.name) ?? [])])
  }
  return Codec.make<ContextOf<T>>(
    12,
    (r) => {
      const at = r.offset
      const raw = RawContext.read(r)
      const known = byName.get(latin1(raw.name))?.find(([, entry]) => raw.data.length >= (entry.from ?? 0))
      if (known === undefined) return { _tag: "Unknown", ...raw }
      const start = raw.data.length === 0 ? at : raw.data.byteOffset - r.bytes.byteOffset
      return { _tag: known[0], ...known[1].data.read(r.window(start, raw.data.length)) }
    },
    (w, context) => {
      const value = context as Unknown | { readonly _tag: string }
      if ("name" in value) return RawContext.write(w, value)
      const entry = table[value._tag]!
      RawContext.write(w, {
        name: Buffer.from(entry.name, "latin1"),
        data: Codec.encode(entry.data)(value)
      })
    }
  )
}

const nothing: Codec.Codec<{}> = Codec.make(0, () => ({}), () => {})

const lease = {
  leaseKey: bytes16,
  /** SMB2_LEASE_*. */
  leaseState: Codec.u32,
  leaseFlags: Codec.u32,
  leaseDuration: Codec.reserved(Codec.u64)
}

const leaseV2 = {
  ...lease,
  /** Valid if `leaseFlags` has SMB2_LEASE_FLAG_PARENT_LEASE_KEY_SET. */
  parentLeaseKey: bytes16,
  epoch: Codec.u16,
  reserved: Codec.reserved(Codec.u16)
}

const appInstanceIdName = "\x45\xbc\xa6\x6a\xef\xa7\xf7\x4a\x90\x08\xfa\x46\x2e\x14\x4d\x74"
const appInstanceVersionName = "\xb9\x82\xd0\xb7\x3b\x56\x07\x4f\xa0\x7b\x52\x4a\x81\x16\xa0\x10"
const svhdxOpenDeviceContextName = "\x9c\xcb\xcf\x9e\x04\xc1\xe6\x43\x98\x0e\x15\x8d\xa1\xf6\xec\x83"

/**
 * A context of a request (2.2.13.2).
 *
 * @category models
 * @since 0.1.0
 */
export const Request = named({
  /** FILE_FULL_EA_INFORMATION entries. */
  EaBuffer: { name: "ExtA", data: Codec.struct({ eaBuffer: Codec.bytes }) },
  /** A self-relative SECURITY_DESCRIPTOR. */
  SdBuffer: { name: "SecD", data: Codec.struct({ sdBuffer: Codec.bytes }) },
  DurableHandleRequest: { name: "DHnQ", data: Codec.struct({ durableRequest: Codec.reservedBytes(16) }) },
  DurableHandleReconnect: { name: "DHnC", data: Codec.struct({ fileId: FileId }) },
  /** Bytes. */
  AllocationSize: { name: "AlSi", data: Codec.struct({ allocationSize: Codec.u64 }) },
  /** `timestamp` (100 ns ticks since 1601) is absent if the context has no data. */
  QueryMaximalAccessRequest: { name: "MxAc", data: Codec.struct({ timestamp: Codec.orEmpty(Codec.u64) }) },
  /** 100 ns ticks since 1601: a snapshot's time. */
  TimewarpToken: { name: "TWrp", data: Codec.struct({ timestamp: Codec.u64 }) },
  QueryOnDiskId: { name: "QFid", data: nothing },
  RequestLease: { name: "RqLs", data: Codec.struct(lease) },
  RequestLeaseV2: { name: "RqLs", from: 52, data: Codec.struct(leaseV2) },
  DurableHandleRequestV2: {
    name: "DH2Q",
    data: Codec.struct({
      /** Milliseconds; with 0 the server chooses. */
      timeout: Codec.u32,
      /** SMB2_DHANDLE_FLAG_PERSISTENT. */
      flags: Codec.u32,
      reserved: Codec.reserved(Codec.u64),
      createGuid: bytes16
    })
  },
  DurableHandleReconnectV2: {
    name: "DH2C",
    data: Codec.struct({ fileId: FileId, createGuid: bytes16, flags: Codec.u32 })
  },
  AppInstanceId: {
    name: appInstanceIdName,
    data: Codec.struct({
      structureSize: Codec.constant(Codec.u16, 20),
      reserved: Codec.reserved(Codec.u16),
      appInstanceId: bytes16
    })
  },
  AppInstanceVersion: {
    name: appInstanceVersionName,
    data: Codec.struct({
      structureSize: Codec.constant(Codec.u16, 24),
      reserved: Codec.reserved(Codec.u16),
      padding: Codec.reserved(Codec.u32),
      appInstanceVersionHigh: Codec.u64,
      appInstanceVersionLow: Codec.u64
    })
  },
  /** MS-RSVD 2.2.4.12 and 2.2.4.32. */
  SvhdxOpenDeviceContext: { name: svhdxOpenDeviceContextName, data: Codec.struct({ openDeviceContext: Codec.bytes }) }
})
export type Request = Codec.Type<typeof Request>

/**
 * A context of a response (2.2.14.2).
 *
 * @category models
 * @since 0.1.0
 */
export const Response = named({
  DurableHandleResponse: { name: "DHnQ", data: Codec.struct({ reserved: Codec.reserved(Codec.u64) }) },
  QueryMaximalAccessResponse: {
    name: "MxAc",
    /** `maximalAccess` is valid only if `queryStatus` is STATUS_SUCCESS. */
    data: Codec.struct({ queryStatus: Codec.u32, maximalAccess: Codec.u32 })
  },
  /** DiskIDBuffer: a 64-bit file identifier, a volume's, and 16 reserved bytes. */
  QueryOnDiskIdResponse: {
    name: "QFid",
    data: Codec.struct({ diskFileId: Codec.u64, volumeId: Codec.u64, reserved: Codec.reservedBytes(16) })
  },
  ResponseLease: { name: "RqLs", data: Codec.struct(lease) },
  ResponseLeaseV2: { name: "RqLs", from: 52, data: Codec.struct(leaseV2) },
  DurableHandleResponseV2: {
    name: "DH2Q",
    /** `timeout` in milliseconds. */
    data: Codec.struct({ timeout: Codec.u32, flags: Codec.u32 })
  },
  SvhdxOpenDeviceContextResponse: {
    name: svhdxOpenDeviceContextName,
    data: Codec.struct({ openDeviceContext: Codec.bytes })
  }
})
export type Response = Codec.Type<typeof Response>

/**
 * The contexts of a request, in order.
 *
 * @since 0.1.0
 */
export const Requests = Codec.chained(Request)

/**
 * The contexts of a response, in order.
 *
 * @since 0.1.0
 */
export const Responses = Codec.chained(Response)

/**
 * The system's GSSAPI library (RFC 2744, MIT's with its extensions) by foreign function calls, as far as a logon by
 * Kerberos needs it. This module has the part for both sides; `GssapiInitiator` is the client's side, `GssapiAcceptor`
 * the server's. docs/adr/0009-kerberos-by-ffi.md gives the reasons.
 *
 * Calls that may ask a domain controller run on another thread. All results of the library are copied and released
 * here, even if the fiber was interrupted during the call; a context lives until `release`. `Kerberos` decides which
 * users may log on where, and explains a status to a user.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as KoffiModule from "koffi"
import { AuthenticationError } from "../AuthenticationError.ts"
import * as Der from "../Der.ts"
import * as Spnego from "../Spnego.ts"
import * as Krb5 from "./Krb5.ts"

type Koffi = typeof KoffiModule
type TypeSpec = Parameters<Koffi["sizeof"]>[0]
type Type = ReturnType<Koffi["struct"]>
/** A pointer that only the library dereferences. */
export type Pointer = unknown
/** An out parameter. */
export type Cell<A = Pointer> = [A]

/** One of the library's functions. */
export interface Native {
  (...args: ReadonlyArray<unknown>): number
  readonly async: (...args: ReadonlyArray<unknown>) => void
}

/** gss_buffer_desc. */
export interface BufferDescription {
  length: number | bigint
  value: Pointer
}

/** Routine errors of RFC 2744 3.9.1, without the calling errors. */
export const Routine = { NO_CRED: 7, BAD_SIG: 6, DEFECTIVE_TOKEN: 9, CREDENTIALS_EXPIRED: 11 } as const

/** The failed call, its two statuses, and the library's text for them. */
export interface Failure {
  readonly call: string
  /** One of `Routine`, or another number of RFC 2744. */
  readonly routine: number
  /** The mechanism's own status: for Kerberos that of libkrb5, signed. */
  readonly minor: number
  readonly text: string
}

/** The library, ready to be called. */
export interface Library {
  readonly koffi: Koffi
  /** gss_buffer_desc and gss_buffer_set_desc. */
  readonly buffer: Type
  readonly bufferSet: Type
  readonly importName: Native
  readonly releaseName: Native
  readonly acquireFrom: Native | undefined
  readonly acquireWithPassword: Native | undefined
  readonly releaseCredential: Native
  readonly initialize: Native
  readonly accept: Native
  readonly inquireContext: Native
  readonly displayName: Native
  readonly deleteContext: Native
  readonly inquireByOid: Native
  readonly releaseBuffer: Native
  readonly releaseBufferSet: Native
  readonly getMic: Native
  readonly verifyMic: Native
  readonly displayStatus: Native
  /** Reads the part of a client's ticket that the GSSAPI does not show; only with MIT's library. */
  readonly readElements: Krb5.ReadElements | undefined
}

// -----------------------------------------------------------------------------
// loading
// -----------------------------------------------------------------------------

const paths: Partial<Record<NodeJS.Platform, ReadonlyArray<string>>> = {
  linux: ["libgssapi_krb5.so.2", "libgssapi_krb5.so"],
  freebsd: ["libgssapi_krb5.so.2", "libgssapi_krb5.so", "libgssapi.so"],
  // MIT's by Homebrew, then the system's own, which is Heimdal's.
  darwin: [
    "/opt/homebrew/opt/krb5/lib/libgssapi_krb5.dylib",
    "/usr/local/opt/krb5/lib/libgssapi_krb5.dylib",
    "/System/Library/Frameworks/GSS.framework/GSS"
  ]
}

const bind = (koffi: Koffi, path: string): Library => {
  const library = koffi.load(path)
  // Apple's gssapi.h packs its structures, in MIT's as in Heimdal's version; elsewhere they are laid out as usual.
  const struct = process.platform === "darwin" ? koffi.pack : koffi.struct
  const buffer = struct({ length: "size_t", value: "void *" })
  const oid = struct({ length: "uint32", elements: "void *" })
  const oidSet = struct({ count: "size_t", elements: koffi.pointer(oid) })
  const element = koffi.struct({ key: "str", value: "str" })
  const store = koffi.struct({ count: "uint32", elements: koffi.pointer(element) })
  const to = (type: TypeSpec) => koffi.pointer(type)
  const out = (type: TypeSpec) => koffi.out(koffi.pointer(type))
  const inout = (type: TypeSpec) => koffi.inout(koffi.pointer(type))
  const minor = out("uint32")
  const handle = "void *"
  const define = (name: string, ...types: ReadonlyArray<TypeSpec>): Native =>
    library.func(name, "uint32", [minor, ...types]) as unknown as Native
  const optional = (...args: Parameters<typeof define>): Native | undefined => {
    try {
      return define(...args)
    } catch {
      return undefined
    }
  }
  return {
    koffi,
    buffer,
    bufferSet: struct({ count: "size_t", elements: handle }),
    importName: define("gss_import_name", to(buffer), to(oid), out(handle)),
    releaseName: define("gss_release_name", inout(handle)),
    acquireFrom: optional(
      "gss_acquire_cred_from",
      handle,
      "uint32",
      to(oidSet),
      "int",
      to(store),
      out(handle),
      handle,
      handle
    ),
    acquireWithPassword: optional(
      "gss_acquire_cred_with_password",
      handle,
      to(buffer),
      "uint32",
      to(oidSet),
      "int",
      out(handle),
      handle,
      handle
    ),
    releaseCredential: define("gss_release_cred", inout(handle)),
    initialize: define(
      "gss_init_sec_context",
      handle,
      inout(handle),
      handle,
      to(oid),
      "uint32",
      "uint32",
      handle,
      to(buffer),
      handle,
      out(buffer),
      out("uint32"),
      handle
    ),
    accept: define(
      "gss_accept_sec_context",
      inout(handle),
      handle,
      to(buffer),
      handle,
      handle,
      handle,
      out(buffer),
      out("uint32"),
      out("uint32"),
      handle
    ),
    inquireContext: define(
      "gss_inquire_context",
      handle,
      out(handle),
      out(handle),
      handle,
      handle,
      handle,
      handle,
      handle
    ),
    displayName: define("gss_display_name", handle, out(buffer), handle),
    deleteContext: define("gss_delete_sec_context", inout(handle), handle),
    inquireByOid: define("gss_inquire_sec_context_by_oid", handle, to(oid), out(handle)),
    releaseBuffer: define("gss_release_buffer", inout(buffer)),
    releaseBufferSet: define("gss_release_buffer_set", inout(handle)),
    getMic: define("gss_get_mic", handle, "uint32", to(buffer), out(buffer)),
    verifyMic: define("gss_verify_mic", handle, to(buffer), to(buffer), handle),
    displayStatus: define("gss_display_status", "uint32", "int", to(oid), inout("uint32"), out(buffer)),
    readElements: Krb5.bind(koffi, library)
  }
}

export const unavailable = (detail: string) =>
  new AuthenticationError({ reason: { _tag: "MechanismUnavailable" }, detail, mechanism: "Kerberos" })

const open = (koffi: Koffi): Library | AuthenticationError => {
  const candidates = paths[process.platform]
  if (candidates === undefined) {
    return unavailable(`there is no GSSAPI library on ${process.platform} that Kerberos could use; log on by NTLM`)
  }
  for (const path of candidates) {
    try {
      return bind(koffi, path)
    } catch {
      // This library is missing or incomplete: try the next one.
      continue
    }
  }
  return unavailable(
    `the system's Kerberos library is missing (${candidates[0]!}): install libgssapi-krb5-2 (Debian, Ubuntu) or ` +
      "krb5-libs (Fedora, RHEL)"
  )
}

let loading: Promise<Library | AuthenticationError> | undefined

const importAndOpen = async (): Promise<Library | AuthenticationError> => {
  let koffi: Koffi
  try {
    const module = await import("koffi")
    koffi = (module as unknown as { readonly default?: Koffi }).default ?? module
  } catch {
    return unavailable("Kerberos needs the package koffi, which is not installed: npm install koffi")
  }
  try {
    // The name lookups of the C library want more stack than koffi's 128 KiB.
    koffi.config({ async_stack_size: 1024 * 1024 })
  } catch {
    // Another part of the app already uses koffi, with its own stack size.
    return open(koffi)
  }
  return open(koffi)
}

/** The library, loaded once. Fails with `Unavailable`, and says what to install. */
export const load: Effect.Effect<Library, AuthenticationError> = Effect.flatMap(
  Effect.promise(() => (loading ??= importAndOpen())),
  (found) => found instanceof AuthenticationError ? Effect.fail(found) : Effect.succeed(found)
)

// -----------------------------------------------------------------------------
// calling
// -----------------------------------------------------------------------------

/** The content octets of an identifier, without tag and length, as gss_OID_desc needs them. */
export const oidOf = (text: string) => {
  const elements = Uint8Array.from(Der.identifier(text).subarray(2))
  return { length: elements.length, elements }
}

export const kerberos = oidOf(Spnego.Mechanism.kerberos)
export const mechanisms = { count: 1, elements: [kerberos] }
/** GSS_C_INQ_SSPI_SESSION_KEY. */
const sspiSessionKey = oidOf("1.2.840.113554.1.2.2.5.5")

export const indefinite = 0xff_ff_ff_ff
/** libkrb5's codes begin here; those below 128 are the protocol's own (RFC 4120 7.5.9). */
export const krb5 = -1_765_328_384
export const continueNeeded = 1

/** A gss_buffer_desc of bytes that must not move during the call. */
export const describe = (bytes: Uint8Array) => ({ length: bytes.length, value: bytes })

const failed = (major: number): boolean => (major & 0xff_ff_00_00) !== 0

/** Copies a buffer of the library, then wipes and releases it. */
export const take = (library: Library, given: BufferDescription): Uint8Array => {
  const length = Number(given.length)
  if (length === 0 || given.value === null) return new Uint8Array(0)
  const memory = new Uint8Array(library.koffi.view(given.value, length))
  const copy = Uint8Array.from(memory)
  memory.fill(0)
  library.releaseBuffer([0], given)
  return copy
}

const textOf = (library: Library, status: number, type: 1 | 2): string => {
  const given: BufferDescription = { length: 0, value: null }
  const major = library.displayStatus([0], status >>> 0, type, kerberos, [0], given)
  return failed(major) ? "" : Buffer.from(take(library, given)).toString()
}

/** One logon in the library, of either side. Not for two fibers at one time. */
export class Context {
  protected readonly library: Library
  protected readonly context: Cell = [null]
  protected readonly credential: Cell = [null]
  /** Names that the library allocated, which are kept until `release`. */
  protected readonly names: Array<Cell> = []
  #running = 0
  #released = false

  constructor(library: Library) {
    this.library = library
  }

  /** Frees everything; if a call is still running, after it has returned. */
  release(): void {
    this.#released = true
    if (this.#running > 0) return
    const { deleteContext, releaseCredential, releaseName } = this.library
    if (this.context[0] !== null) deleteContext([0], this.context, null)
    if (this.credential[0] !== null) releaseCredential([0], this.credential)
    for (const name of this.names.splice(0)) if (name[0] !== null) releaseName([0], name)
    this.context[0] = this.credential[0] = null
  }

  #failure(call: string, major: number, minor: number): Failure {
    const routine = (major >>> 16) & 0xff
    const texts = [textOf(this.library, minor, 2), textOf(this.library, major, 1)]
    return { call, routine, minor: minor | 0, text: texts.find((text) => text !== "" && minor !== 0) ?? texts[1]! }
  }

  /** Calls on another thread. `finish` runs when the call has returned, even if no fiber waits for it any more. */
  protected callLater<A>(
    call: string,
    native: Native,
    args: ReadonlyArray<unknown>,
    finish: (major: number) => A
  ): Effect.Effect<A, Failure> {
    return Effect.callback<A, Failure>((resume) => {
      const minor: Cell<number> = [0]
      this.#running++
      // This closure keeps the arguments, so that their memory stays until the call has returned.
      native.async(minor, ...args, (error: Error | null, major: number) => {
        this.#running--
        const result = finish(major)
        if (this.#released) this.release()
        if (error !== null) resume(Effect.die(error))
        else resume(failed(major) ? Effect.fail(this.#failure(call, major, minor[0])) : Effect.succeed(result))
      })
    })
  }

  protected call(call: string, native: Native, ...args: ReadonlyArray<unknown>): Effect.Effect<void, Failure> {
    return Effect.suspend(() => {
      const minor: Cell<number> = [0]
      const major = native(minor, ...args)
      return failed(major) ? Effect.fail(this.#failure(call, major, minor[0])) : Effect.void
    })
  }

  /** The key of an established context: 32 bytes with AES-256, 16 with AES-128 and RC4. */
  get sessionKey(): Effect.Effect<Redacted.Redacted<Uint8Array>, Failure> {
    return Effect.suspend(() => {
      const { buffer, bufferSet, inquireByOid, koffi, releaseBufferSet } = this.library
      const set: Cell = [null]
      return Effect.map(
        this.call("gss_inquire_sec_context_by_oid", inquireByOid, this.context[0], sspiSessionKey, set),
        () => {
          const { count, elements } = koffi.decode(set[0], bufferSet) as { count: number; elements: Pointer }
          let key = new Uint8Array(0)
          // The first is the key, the second names its type.
          if (Number(count) > 0) {
            const first = koffi.decode(elements, buffer) as BufferDescription
            const memory = new Uint8Array(koffi.view(first.value, Number(first.length)))
            key = Uint8Array.from(memory)
            memory.fill(0)
          }
          releaseBufferSet([0], set)
          return Redacted.make<Uint8Array>(key, { label: "session key" })
        }
      )
    })
  }

  /** gss_get_mic. */
  sign(message: Uint8Array): Effect.Effect<Uint8Array, Failure> {
    const given: BufferDescription = { length: 0, value: null }
    return Effect.map(
      Effect.suspend(() => this.call("gss_get_mic", this.library.getMic, this.context[0], 0, describe(message), given)),
      () => take(this.library, given)
    )
  }

  /** gss_verify_mic: fails if the MIC is wrong. */
  verify(message: Uint8Array, mic: Uint8Array): Effect.Effect<void, Failure> {
    return Effect.suspend(() =>
      this.call(
        "gss_verify_mic",
        this.library.verifyMic,
        this.context[0],
        describe(message),
        describe(mic),
        null
      )
    )
  }
}

/**
 * The part of a client's ticket that the GSSAPI does not show: the authorization data of the ticket and of the
 * authenticator (RFC 4120 5.3, 5.5.1). It is read by libkrb5 (MIT's), which comes with the GSSAPI library.
 *
 * The request is read a second time with the same keys, after the GSSAPI has accepted it. This read checks no clock and
 * leaves nothing in the replay cache.
 */
import type * as KoffiModule from "koffi"
import type { Element } from "./AuthorizationData.ts"

type Koffi = typeof KoffiModule
type Loaded = ReturnType<Koffi["load"]>
type Pointer = unknown
type Cell = [Pointer]
type Native = (...args: ReadonlyArray<unknown>) => unknown

/** Reads the AP-REQ of a client with a keytab; returns libkrb5's status on failure. */
export type ReadElements = (keytab: string, request: Uint8Array) => ReadonlyArray<Element> | number

/** Finds libkrb5's functions through the GSSAPI library; `undefined` if they are not MIT's. */
export const bind = (koffi: Koffi, library: Loaded): ReadElements | undefined => {
  // MIT's krb5.h packs its structures to two bytes on a Mac: a field of one byte is followed by a byte of padding.
  const struct = (process.platform === "darwin" ? koffi.pack : koffi.struct) as Koffi["struct"]
  const data = struct({ magic: "int32", length: "uint32", data: "void *" })
  const times = struct({ authtime: "int32", starttime: "int32", endtime: "int32", renewTill: "int32" })
  const transited = struct({ magic: "int32", type: "uint8", behind: "uint8", contents: data })
  const encrypted = struct({ magic: "int32", enctype: "int32", kvno: "uint32", ciphertext: data })
  const ticket = struct({ magic: "int32", server: "void *", encPart: encrypted, encPart2: "void *" })
  const encPart2 = struct({
    ...{ magic: "int32", flags: "int32", session: "void *", client: "void *", transited, times },
    ...{ caddrs: "void *", authorizationData: "void *" }
  })
  const authenticator = struct({
    ...{ magic: "int32", client: "void *", checksum: "void *", cusec: "int32", ctime: "int32", subkey: "void *" },
    ...{ seqNumber: "uint32", authorizationData: "void *" }
  })
  const authdata = struct({ magic: "int32", adType: "int32", length: "uint32", contents: "void *" })

  const handle = "void *"
  const out = koffi.out(koffi.pointer(handle))
  const define = (name: string, result: string, ...types: ReadonlyArray<Parameters<Koffi["sizeof"]>[0]>): Native =>
    library.func(name, result, [...types]) as unknown as Native
  let calls: Record<
    | "initContext"
    | "freeContext"
    | "resolveKeytab"
    | "closeKeytab"
    | "initAuth"
    | "setFlags"
    | "freeAuth"
    | "readRequest"
    | "freeTicket"
    | "getAuthenticator"
    | "freeAuthenticator",
    Native
  >
  try {
    calls = {
      initContext: define("krb5_init_context", "int32", out),
      freeContext: define("krb5_free_context", "void", handle),
      resolveKeytab: define("krb5_kt_resolve", "int32", handle, "str", out),
      closeKeytab: define("krb5_kt_close", "int32", handle, handle),
      initAuth: define("krb5_auth_con_init", "int32", handle, out),
      setFlags: define("krb5_auth_con_setflags", "int32", handle, handle, "int32"),
      freeAuth: define("krb5_auth_con_free", "int32", handle, handle),
      readRequest: define(
        "krb5_rd_req",
        "int32",
        handle,
        koffi.inout(koffi.pointer(handle)),
        koffi.pointer(data),
        handle,
        handle,
        handle,
        out
      ),
      freeTicket: define("krb5_free_ticket", "void", handle, handle),
      getAuthenticator: define("krb5_auth_con_getauthenticator", "int32", handle, handle, out),
      freeAuthenticator: define("krb5_free_authenticator", "void", handle, handle)
    }
  } catch {
    // Heimdal's library has other structures under some of these names, and lacks some of the names.
    return undefined
  }

  const size = koffi.sizeof(handle)
  const elementsOf = (list: Pointer): ReadonlyArray<Element> => {
    const elements: Array<Element> = []
    if (list === null) return elements
    for (let at = 0;; at += size) {
      const one: Pointer = koffi.decode(list, at, handle)
      if (one === null) return elements
      const { adType, contents, length } = koffi.decode(one, authdata) as {
        adType: number
        contents: Pointer
        length: number
      }
      const adData = contents === null || length === 0
        ? new Uint8Array(0)
        : Uint8Array.from(new Uint8Array(koffi.view(contents, length)))
      elements.push({ adType, adData })
    }
  }

  return (keytab, request) => {
    const context: Cell = [null]
    const keys: Cell = [null]
    const auth: Cell = [null]
    const received: Cell = [null]
    const claimed: Cell = [null]
    const code = (status: unknown): number => status as number
    const begun = code(calls.initContext(context))
    if (begun !== 0) return begun
    try {
      const failed = code(calls.resolveKeytab(context[0], keytab, keys)) || code(calls.initAuth(context[0], auth)) ||
        code(calls.setFlags(context[0], auth[0], 0)) ||
        code(calls.readRequest(
          context[0],
          auth,
          { magic: 0, length: request.length, data: request },
          null,
          keys[0],
          null,
          received
        )) || code(calls.getAuthenticator(context[0], auth[0], claimed))
      if (failed !== 0) return failed
      const part = (koffi.decode(received[0], ticket) as { encPart2: Pointer }).encPart2
      const ofTicket = (koffi.decode(part, encPart2) as { authorizationData: Pointer }).authorizationData
      const ofBearer = (koffi.decode(claimed[0], authenticator) as { authorizationData: Pointer }).authorizationData
      return [...elementsOf(ofTicket), ...elementsOf(ofBearer)]
    } finally {
      if (claimed[0] !== null) calls.freeAuthenticator(context[0], claimed[0])
      if (received[0] !== null) calls.freeTicket(context[0], received[0])
      if (auth[0] !== null) calls.freeAuth(context[0], auth[0])
      if (keys[0] !== null) calls.closeKeytab(context[0], keys[0])
      calls.freeContext(context[0])
    }
  }
}

/** The host behind a server's name, for IPv6 addresses in brackets and in Windows' form for UNC paths (MS-DTYP 2.2.57). */
import { assert, describe, it } from "@effect/vitest"
import * as UncName from "../../src/Protocol/UncName.ts"

describe("UncName.host", () => {
  it.each([
    ["nas", "nas"],
    ["[::1]", "::1"],
    ["[fe80::1%eth0]", "fe80::1%eth0"],
    ["[fe80::1", "[fe80::1"],
    ["fe80::1]", "fe80::1]"],
    ["fe80--1.ipv6-literal.net", "fe80::1"],
    ["fe80--1s4.ipv6-literal.net", "fe80::1%4"],
    ["FE80--1S4.IPV6-LITERAL.NET", "FE80::1%4"],
    ["2001-db8-1-2-3-4-5-6.ipv6-literal.net", "2001:db8:1:2:3:4:5:6"],
    ["2001-db8.ipv6-literal.net", "2001-db8.ipv6-literal.net"],
    ["x.fe80--1.ipv6-literal.net", "x.fe80--1.ipv6-literal.net"]
  ])("of %s is %s", (name, host) => {
    assert.strictEqual(UncName.host(name), host)
  })

  it("is the address again that toLiteral has put into a name", () => {
    for (const address of ["::1", "fe80::1%4", "2001:db8::7"]) {
      assert.strictEqual(UncName.host(UncName.toLiteral(address)), address)
    }
    assert.strictEqual(UncName.toLiteral("nas.corp.test"), "nas.corp.test")
  })
})

describe("UncName.format", () => {
  it("has brackets around an IPv6 address, the port if it is not 445, and no empty components", () => {
    assert.strictEqual(UncName.format({ server: "nas", port: 445 }, "data", "", "a"), "\\\\nas\\data\\a")
    assert.strictEqual(UncName.format({ server: "nas", port: 4455 }), "\\\\nas:4455")
    assert.strictEqual(UncName.format({ server: "::1", port: 445 }, "data"), "\\\\[::1]\\data")
    assert.strictEqual(UncName.format({ server: "::1", port: 4455 }, "data"), "\\\\[::1]:4455\\data")
  })
})

/**
 * Proves which connection without a logon is closed when there are too many, against a model that looks at all
 * connections, and which addresses count as one network.
 */
import { assert, describe, it } from "@effect/vitest"
import { Connections, networkOf } from "../../src/Server/internal/State/Connections.ts"
import { random } from "../random.ts"

interface Caller {
  readonly network: string
  readonly at: number
}

/** The same by looking at all connections: the oldest one of the networks with the most connections. */
class Model {
  readonly strangers: Array<Caller> = []
  readonly users: Array<Caller> = []

  of(list: ReadonlyArray<Caller>, network: string): number {
    return list.filter((one) => one.network === network).length
  }

  get most(): number {
    return Math.max(0, ...this.strangers.map(({ network }) => this.of(this.strangers, network)))
  }
}

const remove = (list: Array<Caller>, caller: Caller): boolean => {
  const at = list.indexOf(caller)
  if (at >= 0) list.splice(at, 1)
  return at >= 0
}

describe("Connections", () => {
  it("closes the oldest connection of a network with the most, in any sequence of connects, logons and disconnects", () => {
    const next = random(7)
    for (let run = 0; run < 60; run++) {
      const limits = { connections: 12, addressConnections: 5, unauthenticatedConnections: 1 + next(8) }
      const connections = new Connections<Caller>(limits)
      const model = new Model()
      const places = 1 + next(6)
      for (let at = 0; at < 300; at++) {
        const known = [...model.strangers, ...model.users]
        const one = known[next(Math.max(1, known.length))]
        const what = next(4)
        if (what < 2) {
          const caller = { network: `10.0.0.${next(places)}`, at }
          const full = connections.full(caller.network)
          assert.strictEqual(
            full,
            model.users.length >= 12
              ? "connections"
              : model.of(model.users, caller.network) >= 5
              ? "addressConnections"
              : undefined
          )
          if (full !== undefined) continue
          model.strangers.push(caller)
          const { most } = model
          const gone = connections.enter(caller)
          assert.strictEqual(gone !== undefined, model.strangers.length > limits.unauthenticatedConnections)
          if (gone === undefined) continue
          assert.strictEqual(model.of(model.strangers, gone.network), most)
          assert.strictEqual(model.strangers.find(({ network }) => network === gone.network), gone)
          remove(model.strangers, gone)
          connections.leave(gone)
        } else if (what === 2 && one !== undefined) {
          if (remove(model.strangers, one)) model.users.push(one)
          connections.admit(one)
        } else if (one !== undefined) {
          assert.isTrue(remove(model.strangers, one) || remove(model.users, one))
          connections.leave(one)
          // A second time does nothing.
          connections.leave(one)
        }
        assert.strictEqual(connections.size, model.strangers.length + model.users.length)
        assert.strictEqual(connections.unauthenticated, model.strangers.length)
        assert.strictEqual(
          connections.networks,
          new Set([...model.strangers, ...model.users].map(({ network }) => network)).size
        )
        const inOrder = (list: Iterable<Caller>) => Array.from(list, (one) => one.at).toSorted((a, b) => a - b)
        assert.deepStrictEqual(inOrder(connections), inOrder([...model.strangers, ...model.users]))
      }
    }
  })

  it("keeps the connections of other networks when hundreds come from one network", () => {
    const connections = new Connections<Caller>({
      connections: 10,
      addressConnections: 10,
      unauthenticatedConnections: 4
    })
    const honest = [{ network: "a", at: 0 }, { network: "b", at: 1 }]
    for (const one of honest) assert.isUndefined(connections.enter(one))
    for (let at = 2; at < 1000; at++) {
      const gone = connections.enter({ network: "crowd", at })
      if (gone !== undefined) {
        assert.strictEqual(gone.network, "crowd")
        connections.leave(gone)
      }
    }
    const left = new Set(connections)
    assert.isTrue(honest.every((one) => left.has(one)))
  })

  it("does not limit connections whose address is unknown by addressConnections", () => {
    const connections = new Connections<Caller>({
      connections: 10,
      addressConnections: 1,
      unauthenticatedConnections: 4
    })
    for (let at = 0; at < 3; at++) {
      const one = { network: networkOf(""), at }
      assert.isUndefined(connections.full(one.network))
      connections.enter(one)
      connections.admit(one)
    }
  })
})

describe("networkOf", () => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:0DB8:0001:0002::1", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["2001:db8:0:0:ffff::", "2001:db8:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["", ""]
  ]
  for (const [address, network] of cases) {
    it(`gives ${network === "" ? "no network" : network} for ${address === "" ? "no address" : address}`, () => {
      assert.strictEqual(networkOf(address), network)
    })
  }
})

/** The bytes of an input as the decisions of a program, so that a change of a byte is a change of one decision. */
export class Decisions {
  private readonly bytes: Uint8Array
  private at = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  /** Whether all decisions are taken. From then on each one is the first choice. */
  get isOver(): boolean {
    return this.at >= this.bytes.length
  }

  /** A whole number from 0 up to, and without, `below`, which is at most 65,536. */
  next(below: number): number {
    const low = this.bytes[this.at++] ?? 0
    return below <= 256 ? low % below : (low | (this.bytes[this.at++] ?? 0) << 8) % below
  }

  pick<A>(choices: ReadonlyArray<A>): A {
    return choices[this.next(choices.length)]!
  }

  /** One of the usual choices mostly, otherwise any of the others: a program of odd choices alone fails early. */
  usually<A>(usual: ReadonlyArray<A>, others: ReadonlyArray<A>): A {
    return this.next(16) === 15 ? this.pick(others) : this.pick(usual)
  }

  take(length: number): Uint8Array {
    const taken = this.bytes.slice(this.at, this.at + length)
    this.at += length
    return taken
  }
}

const edges = [0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff]

/** Changes some bytes of a packet in place, from `from` on, as the decisions say. Returns the number of changes. */
export const change = (decisions: Decisions, packet: Uint8Array, from: number, most: number): number => {
  const count = decisions.next(most + 1)
  if (packet.length <= from) return 0
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength)
  for (let i = 0; i < count; i++) {
    const at = from + decisions.next(packet.length - from)
    switch (decisions.next(4)) {
      case 0:
        packet[at]! ^= 1 << decisions.next(8)
        break
      case 1:
        packet[at] = decisions.next(256)
        break
      case 2: {
        const even = at & ~1
        if (even + 2 <= packet.length) view.setUint16(even, decisions.pick(edges), true)
        break
      }
      default: {
        const aligned = at & ~3
        if (aligned + 4 <= packet.length) view.setUint32(aligned, decisions.pick(edges), true)
      }
    }
  }
  return count
}

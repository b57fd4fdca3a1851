/** Changes of an input for the fuzzers: pure, and the same again for the same random numbers. */

/** A whole number from 0 up to, and without, `below`. */
export type Random = (below: number) => number

/** Numbers near the ends of their ranges, where length fields and counts go wrong. */
const edges = [0, 1, 2, 4, 8, 16, 64, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000]

const edge = (random: Random): number => {
  const chosen = edges[random(edges.length)]!
  return random(4) === 0 ? -chosen : chosen
}

const join = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))

const insert = (input: Uint8Array, at: number, part: Uint8Array): Uint8Array =>
  join(input.subarray(0, at), part, input.subarray(at))

/** A stretch of an input: where it begins, and its length, which is mostly small. */
const stretch = (random: Random, length: number): readonly [number, number] => {
  const at = random(length)
  return [at, 1 + random(Math.min(length - at, random(4) === 0 ? length : 16))]
}

/** Writes a number of 1, 2, 4 or 8 bytes, in either order of bytes. */
const writeNumber = (random: Random, input: Uint8Array): Uint8Array => {
  const size = 1 << random(4)
  if (input.length < size) return input
  const changed = input.slice()
  const view = new DataView(changed.buffer)
  const little = random(4) !== 0
  // Fields are aligned more often than not.
  const free = random(input.length - size + 1)
  const at = random(3) === 0 ? free : free - free % size
  const add = random(2) === 0
  const value = add ? random(33) - 16 : edge(random)
  switch (size) {
    case 1:
      view.setUint8(at, add ? view.getUint8(at) + value : value)
      break
    case 2:
      view.setUint16(at, add ? view.getUint16(at, little) + value : value, little)
      break
    case 4:
      view.setUint32(at, add ? view.getUint32(at, little) + value : value, little)
      break
    default:
      view.setBigInt64(at, add ? view.getBigInt64(at, little) + BigInt(value) : BigInt(value), little)
  }
  return changed
}

const once = (
  random: Random,
  input: Uint8Array,
  others: ReadonlyArray<Uint8Array>,
  words: ReadonlyArray<Uint8Array>
): Uint8Array => {
  if (input.length === 0) return Uint8Array.from({ length: 1 + random(16) }, () => random(256))
  switch (random(words.length === 0 ? 10 : 12)) {
    case 0: {
      const changed = input.slice()
      changed[random(input.length)]! ^= 1 << random(8)
      return changed
    }
    case 1: {
      const changed = input.slice()
      changed[random(input.length)] = random(256)
      return changed
    }
    case 2:
    case 3:
    case 4:
      return writeNumber(random, input)
    case 5: {
      const [at, length] = stretch(random, input.length)
      return join(input.subarray(0, at), input.subarray(at + length))
    }
    case 6: {
      const [at, length] = stretch(random, input.length)
      return insert(input, random(input.length + 1), input.subarray(at, at + length))
    }
    case 7: {
      const [at, length] = stretch(random, input.length)
      const changed = input.slice()
      changed.copyWithin(random(input.length), at, at + length)
      return changed
    }
    case 8: {
      const other = others[random(others.length)]!
      return join(input.subarray(0, random(input.length + 1)), other.subarray(random(other.length + 1)))
    }
    case 9:
      return random(4) === 0
        ? input.subarray(0, random(input.length))
        : insert(input, random(input.length + 1), Uint8Array.from({ length: 1 + random(8) }, () => random(256)))
    case 10:
      return insert(input, random(input.length + 1), words[random(words.length)]!)
    default: {
      const word = words[random(words.length)]!
      if (word.length > input.length) return input
      const changed = input.slice()
      changed.set(word, random(input.length - word.length + 1))
      return changed
    }
  }
}

/**
 * A changed copy of `input`, at most `most` bytes long: one change, often several. `others` are inputs to take a part of,
 * `words` are pieces that mean something to the decoder.
 */
export const mutate = (
  random: Random,
  input: Uint8Array,
  options: {
    readonly others: ReadonlyArray<Uint8Array>
    readonly words: ReadonlyArray<Uint8Array>
    readonly most: number
  }
): Uint8Array => {
  let changed = input
  do changed = once(random, changed, options.others, options.words)
  while (random(3) !== 0)
  return changed.length > options.most ? changed.slice(0, options.most) : changed
}

/** Numbers below `limit` that look random and are the same in every run (xorshift32). */
export const random = (seed: number) => {
  let state = seed | 1
  return (limit: number): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}

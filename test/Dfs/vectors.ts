/** Recorded DFS messages of Windows, smbd and a Samba domain controller, and a generator of random numbers. */
import * as Fs from "node:fs"

/** The referral messages captured from real systems, by name (`fixtures/dfsc.json`, each with its source). */
export const vectors: Record<string, Uint8Array> = Object.fromEntries(
  (JSON.parse(Fs.readFileSync(new URL("fixtures/dfsc.json", import.meta.url), "utf8")) as ReadonlyArray<
    { readonly name: string; readonly hex: string }
  >).map(({ hex, name }) => [name, new Uint8Array(Buffer.from(hex, "hex"))])
)

/** A referral of smbd 4.17, with the values that tshark's dissector shows (`fixtures/samba.json`). */
export interface SambaReferral {
  readonly path: string
  readonly maxReferralLevel: number
  readonly request: string
  readonly response: string
  readonly tshark: Record<string, ReadonlyArray<string>>
}

export const samba = (JSON.parse(Fs.readFileSync(new URL("fixtures/samba.json", import.meta.url), "utf8")) as {
  readonly referrals: ReadonlyArray<SambaReferral>
}).referrals

/** A generator of random numbers by a seed, so that a failing run can be repeated (mulberry32). */
export const random = (seed: number) => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return { below: (n: number): number => Math.floor(next() * n), chance: (p: number): boolean => next() < p }
}

/** Referrals of a Samba 4.17 domain controller (`fixtures/samba-domain.json`); the domain lab requests them again. */
export const sambaDomain = (JSON.parse(
  Fs.readFileSync(new URL("fixtures/samba-domain.json", import.meta.url), "utf8")
) as {
  readonly referrals: ReadonlyArray<
    { readonly path: string; readonly maxReferralLevel: number; readonly request: string; readonly response: string }
  >
}).referrals

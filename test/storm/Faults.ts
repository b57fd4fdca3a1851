/** Makes the faults of a plan happen, and ends them. */
import * as Effect from "effect/Effect"
import { setTimeout } from "node:timers/promises"
import * as Lines from "./Lines.ts"
import { clients, type Fault } from "./Plan.ts"
import type { Target } from "./Target.ts"

/** What faults act on. */
export interface Scene {
  readonly target: Target
  readonly lines: Lines.Lines
  /** The password that the clients know. */
  readonly learn: (password: string) => void
  /** A new password. */
  readonly nextPassword: () => string
  /** Moves the clients' time of day. */
  readonly jump: (milliseconds: number) => void
}

const all = Array.from({ length: clients }, (_, client) => client)

const reset = (scene: Scene, client: number) => Effect.runPromise(scene.lines.of(client).proxy().cut)

/**
 * Lets one fault happen while the clients work, and ends it. True if it happened: a fault at a byte that never comes does
 * not. `working` ends when the clients have ended their steps, and the fault's time with it.
 */
export const strike = async (scene: Scene, fault: Fault, working: AbortSignal): Promise<boolean> => {
  const wait = (milliseconds: number) =>
    setTimeout(milliseconds, undefined, { signal: working }).catch((error: Error) => {
      if (error.name !== "AbortError") throw error
    })
  const until = async (happened: () => boolean) => {
    while (!happened() && !working.aborted) await wait(5)
    return happened()
  }
  const { lines, target } = scene
  switch (fault._tag) {
    case "Reset":
    case "Close":
    case "HalfClose":
    case "Stall":
    case "Flip": {
      const proxy = lines.of(fault.client).proxy()
      const blow = fault._tag === "Flip"
        ? { flip: fault.bit }
        : ({ Reset: "reset", Close: "close", HalfClose: "halfClose", Stall: "stall" } as const)[fault._tag]
      await Effect.runPromise(proxy.strike({ direction: fault.direction, after: fault.after, blow }))
      const happened = await until(proxy.struck)
      if (happened && fault._tag === "Stall") {
        await wait(fault.time)
        if (fault.thenCut) await Effect.runPromise(proxy.cut)
        await Effect.runPromise(proxy.stall(false))
      }
      return happened
    }
    case "Delay": {
      const proxy = lines.of(fault.client).proxy()
      await Effect.runPromise(proxy.setDelay(fault.delay))
      await wait(fault.time)
      await Effect.runPromise(proxy.setDelay(0))
      return true
    }
    case "Kill":
      await wait(fault.after)
      await target.kill()
      await target.start()
      return true
    case "Address":
      await wait(fault.after)
      await lines.of(fault.client).move()
      return true
    case "FullDisk":
      await wait(fault.after)
      await target.fill(true)
      await wait(fault.time)
      await target.fill(false)
      return true
    case "ExpiredSession":
    case "NoCredits": {
      await wait(fault.after)
      const proxy = lines.of(fault.client).proxy()
      let happened = false
      const done = () => {
        happened = true
      }
      await Effect.runPromise(
        proxy.onPacket(fault._tag === "NoCredits" ? Lines.withoutCredits(done) : Lines.expire(done))
      )
      if (fault._tag === "NoCredits") await wait(fault.time)
      else await until(() => happened)
      await Effect.runPromise(proxy.onPacket(Lines.through))
      return happened
    }
    case "Password": {
      await wait(fault.after)
      const password = scene.nextPassword()
      await target.setPassword(password)
      for (const client of all) await reset(scene, client)
      await wait(fault.late)
      scene.learn(password)
      return true
    }
    case "Clock":
      await wait(fault.after)
      scene.jump(fault.jump)
      await target.jump(fault.jump)
      return true
  }
}

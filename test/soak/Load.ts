/**
 * The mixed load of a soak: small and large files, listings, metadata, locks, renames, atomic writes, watches, and new
 * connections. Each piece of work checks the bytes that it gets.
 */
import { Cause, Effect, Exit, Fiber, Layer, Redacted, Stream } from "effect"
import { createHash } from "node:crypto"
import type { ClientError } from "../../src/Client/ClientError.ts"
import * as OpenMode from "../../src/Client/OpenMode.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import * as Smb from "../../src/Smb/Smb.ts"
import { random } from "../random.ts"

/** How long a piece of work took. */
export interface Done {
  readonly name: string
  readonly millis: number
}

class Wrong extends Error {}

const check = (holds: boolean, what: string): Effect.Effect<void> => holds ? Effect.void : Effect.die(new Wrong(what))

/** Bytes of a file that are the same again for the same number, and different for another one. */
export const contentOf = (number: number, length: number): Uint8Array => {
  const words = new Uint32Array(Math.ceil(length / 4))
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)
  return new Uint8Array(words.buffer, 0, length)
}

const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

const largeSize = 3 * 1024 * 1024 + 17

/** The pieces of work, in a folder that only this worker uses. */
const works = (smb: SmbClient.Client, folder: string, number: number): ReadonlyArray<{
  readonly name: string
  readonly work: Effect.Effect<unknown, ClientError>
}> => {
  const small = `${folder}\\small`
  const large = `${folder}\\large`
  const smallContent = contentOf(number, 1000 + number % 3000)
  return [
    {
      name: "small file",
      work: Effect.gen(function*() {
        yield* smb.writeFile(small, smallContent)
        const read = yield* smb.readFile(small)
        yield* check(Buffer.compare(read, smallContent) === 0, `${small} has other bytes than were written`)
      })
    },
    {
      name: "atomic write",
      work: Effect.gen(function*() {
        yield* smb.writeFile(`${folder}\\atomic`, smallContent, { atomic: true, flush: true })
        const { size } = yield* smb.stat(`${folder}\\atomic`)
        yield* check(size === BigInt(smallContent.length), "an atomic write has another size")
      })
    },
    {
      name: "large file",
      work: Effect.gen(function*() {
        const wanted = contentOf(number, largeSize)
        const write = (buffer: Uint8Array, offset: bigint) =>
          Effect.sync(() => {
            const part = wanted.subarray(Number(offset), Number(offset) + buffer.length)
            buffer.set(part)
            return part.length
          })
        yield* smb.writeFrom(large, write)
        const hash = createHash("sha256")
        yield* smb.readTo(large, (chunk) => Effect.sync(() => void hash.update(chunk)))
        yield* check(hash.digest("hex") === hashOf(wanted), `${large} has other bytes than were written`)
      })
    },
    {
      name: "listing",
      work: Effect.gen(function*() {
        const names = yield* Stream.runFold(smb.list(folder), () => 0, (count) => count + 1)
        yield* check(names >= 0, "a listing has no length")
        yield* Stream.runDrain(smb.walk(folder))
      })
    },
    {
      name: "metadata",
      work: Effect.gen(function*() {
        yield* smb.writeFile(`${folder}\\meta`, "x")
        yield* smb.setAttributes(`${folder}\\meta`, { fileAttributes: 0x21 })
        const { fileAttributes } = yield* smb.stat(`${folder}\\meta`)
        yield* check((fileAttributes & 0x01) !== 0, "an attribute was not kept")
        yield* smb.setAttributes(`${folder}\\meta`, { fileAttributes: 0x80 })
        yield* smb.security.permissions(`${folder}\\meta`)
      })
    },
    {
      name: "lock",
      work: Effect.scoped(Effect.gen(function*() {
        const file = yield* smb.open(`${folder}\\locked`, OpenMode.readWrite)
        yield* file.lock([{ offset: 0, length: 16 }])
        yield* file.write(0, smallContent.subarray(0, 16))
        const bytes = new Uint8Array(16)
        yield* file.readInto(0, bytes)
        yield* check(Buffer.compare(bytes, smallContent.subarray(0, 16)) === 0, "a locked range has other bytes")
        yield* file.close
      }))
    },
    {
      name: "rename and remove",
      work: Effect.gen(function*() {
        yield* smb.makeDirectory(`${folder}\\tree\\deep`, { recursive: true })
        yield* smb.writeFile(`${folder}\\tree\\deep\\one`, "1")
        yield* smb.rename(`${folder}\\tree\\deep\\one`, `${folder}\\tree\\two`, { replace: true })
        yield* smb.copy(`${folder}\\tree\\two`, `${folder}\\tree\\three`)
        yield* smb.remove(`${folder}\\tree`, { recursive: true })
      })
    },
    {
      name: "watch",
      work: Effect.gen(function*() {
        const told = yield* smb.watch(folder).pipe(Stream.take(1), Stream.runDrain, Effect.forkChild)
        // A change before the watch has begun is not told: the next one is.
        for (let i = 0; i < 200 && told.pollUnsafe() === undefined; i++) {
          yield* smb.writeFile(`${folder}\\seen`, smallContent)
          yield* smb.remove(`${folder}\\seen`)
        }
        yield* check(told.pollUnsafe() !== undefined, "a watch was told of no change")
        yield* Fiber.join(told)
      })
    }
  ]
}

const account = { user: "joe", password: Redacted.make("secret") }

/** A new client, by one of the ways to protect a session. */
export const client = (port: number, which: number): Layer.Layer<SmbClient.SmbClient> =>
  Layer.fresh(Smb.layer({
    ...account,
    addresses: { "*": { host: "127.0.0.1", port } },
    ...[{}, { encryption: "required" as const }, { dialects: ["2.1" as const] }][which % 3]
  }))

/** Pieces of work after which a worker takes a new client: connections, sessions and logons are part of the load. */
const workOfClient = 40

/**
 * Works in one folder of a share until `isOver`. Fails with what went wrong first: wrong bytes, or an error of the client.
 */
export const worker = async (options: {
  readonly port: number
  readonly number: number
  readonly seed: number
  readonly isOver: () => boolean
  readonly onDone: (done: Done) => void
}): Promise<void> => {
  const { isOver, number, onDone, port } = options
  const next = random(options.seed * 31 + number)
  const folder = `\\\\server\\${number % 2 === 0 ? "memory" : "disk"}\\worker${number}`
  for (let turn = 0; !isOver(); turn++) {
    const program = Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      yield* smb.makeDirectory(folder, { recursive: true })
      for (let i = 0; i < workOfClient && !isOver(); i++) {
        const all = works(smb, folder, next(100_000))
        const { name, work } = all[next(all.length)]!
        const began = performance.now()
        yield* work
        onDone({ name, millis: performance.now() - began })
      }
    })
    const exit = await Effect.runPromiseExit(Effect.provide(program, client(port, number + turn)))
    if (Exit.isFailure(exit)) throw new Error(`worker ${number}: ${Cause.pretty(exit.cause)}`)
  }
}

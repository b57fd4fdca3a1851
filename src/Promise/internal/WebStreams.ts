/** Files as web streams. */
import type { RequestOptions } from "../Client.ts"

/** Each read of the consumer takes one chunk; the client itself reads ahead. */
export const readable = (chunks: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> => {
  const iterator = chunks[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const next = await iterator.next()
      if (next.done === true) controller.close()
      else controller.enqueue(next.value)
    },
    cancel: async () => {
      await iterator.return?.()
    }
  }, { highWaterMark: 0 })
}

/** Gives chunks to one consumer. `give` is settled when the consumer asks for the next chunk, or has ended. */
class Handoff implements AsyncIterableIterator<Uint8Array, void, void> {
  private asked: ((result: IteratorResult<Uint8Array, void>) => void) | undefined
  private given: { readonly chunk: Uint8Array; readonly taken: () => void } | undefined
  private taken: (() => void) | undefined
  private isEnded = false

  give(chunk: Uint8Array): Promise<void> {
    return new Promise((taken) => {
      if (this.asked === undefined) this.given = { chunk, taken }
      else this.pass(chunk, taken)
    })
  }

  end(): void {
    this.isEnded = true
    this.asked?.({ done: true, value: undefined })
  }

  next(): Promise<IteratorResult<Uint8Array, void>> {
    this.taken?.()
    this.taken = undefined
    return new Promise((resolve) => {
      this.asked = resolve
      if (this.given !== undefined) {
        const { chunk, taken } = this.given
        this.given = undefined
        this.pass(chunk, taken)
      } else if (this.isEnded) resolve({ done: true, value: undefined })
    })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  private pass(chunk: Uint8Array, taken: () => void): void {
    this.taken = taken
    this.asked?.({ done: false, value: chunk })
    this.asked = undefined
  }
}

/** A stream whose chunks go to `sink`, which is called at once. */
export const writable = (
  sink: (source: AsyncIterable<Uint8Array>, options: RequestOptions) => Promise<unknown>,
  signal: AbortSignal | undefined
): WritableStream<Uint8Array> => {
  const handoff = new Handoff()
  const aborting = new AbortController()
  let written: Promise<unknown>
  /** Ends the sink. Its failure is that of the stream already. */
  const end = async (reason: unknown) => {
    aborting.abort(reason)
    await written.catch(() => undefined)
  }
  return new WritableStream<Uint8Array>({
    start: (controller: WritableStreamDefaultController & { readonly signal?: AbortSignal }) => {
      // `abort` below is not called before the write or the close under way has ended, and this signal is sent at once.
      const signals = [signal, controller.signal, aborting.signal].filter((one) => one !== undefined)
      written = sink(handoff, { signal: AbortSignal.any(signals) })
      written.catch((error: unknown) => controller.error(error))
    },
    write: async (chunk) => {
      if (!(chunk instanceof Uint8Array)) {
        const error = new TypeError("a chunk for writeStream has to be a Uint8Array")
        // The stream fails with this error, and then calls neither `close` nor `abort`.
        await end(error)
        throw error
      }
      // The sink does not end before `close`, unless it fails.
      await Promise.race([handoff.give(chunk), written])
    },
    close: async () => {
      handoff.end()
      await written
    },
    abort: end
  })
}

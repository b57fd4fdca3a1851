/** Proves how many unsent bytes the server lets wait for a client, with a scripted socket that reports that number. */
import { assert, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import type * as Net from "node:net"
import { Connection } from "../../src/Server/internal/Connection/Connection.ts"
import { Connections } from "../../src/Server/internal/State/Connections.ts"
import { Meter } from "../../src/Server/internal/State/Meter.ts"
import type { Server } from "../../src/Server/internal/State/Model.ts"
import { Usage } from "../../src/Server/internal/State/UserUsage.ts"
import { Buffers } from "../../src/Server/internal/Wire/Buffers.ts"
import * as Limits from "../../src/Server/Limits.ts"
import * as Header from "../../src/Smb2/Header.ts"
import { Command, Dialect } from "../../src/Smb2/Message/Constants.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import * as Requests from "./requests.ts"

/** A connection that gets an ECHO at each `hear`, while `waits` bytes are unsent in its socket. */
const connected = () => {
  const socket = {
    waits: 0,
    paused: false,
    written: 0,
    destroyed: false,
    get writableLength() {
      return this.waits
    },
    write() {
      this.written++
      return true
    },
    isPaused() {
      return this.paused
    },
    pause() {
      this.paused = true
    },
    resume() {
      this.paused = false
    },
    once() {}
  }
  const connections = new Connections<Connection>(Limits.defaults)
  const server = {
    limits: Limits.defaults,
    buffers: new Buffers(),
    connections,
    meter: new Meter(Context.empty()),
    run: (effect: Effect.Effect<unknown>) => Effect.runFork(effect)
  }
  const connection = new Connection(server as unknown as Server, socket as unknown as Net.Socket)
  connections.enter(connection)
  connection.negotiated.dialect = Dialect.SMB_2_1
  let messageId = 0
  const hear = (waits: number) => {
    socket.waits = waits
    socket.paused = false
    const body = Message.encodeRequest(Requests.echo)
    const frame = new Uint8Array(4 + Header.size + body.length)
    new DataView(frame.buffer).setUint32(0, Header.size + body.length)
    Header.write(Header.view(frame.subarray(4)), 0, {
      creditCharge: 1,
      status: 0,
      command: Command.ECHO,
      credits: 8,
      flags: 0,
      nextCommand: 0,
      messageId: messageId++,
      asyncId: 0n,
      treeId: 0,
      sessionId: 0n
    })
    frame.set(body, 4 + Header.size)
    const before = socket.written
    connection.onData(frame)
    return { answered: socket.written > before, paused: socket.paused }
  }
  return { connection, hear }
}

it("a connection without a logon is not read from with 200,000 unsent bytes, and a user's up to the limit `unsent`", () => {
  const { connection, hear } = connected()
  assert.deepStrictEqual(hear(0), { answered: true, paused: false })
  assert.deepStrictEqual(hear(100_000), { answered: true, paused: false })
  assert.isFalse(hear(200_000).answered)
  connection.admit(new Usage("S-1-5-21-1-2-3-1001", () => {}))
  assert.deepStrictEqual(hear(200_000), { answered: true, paused: false })
  assert.deepStrictEqual(hear(Limits.defaults.unsent), { answered: true, paused: false })
  assert.isFalse(hear(Limits.defaults.unsent + 1).answered)
})

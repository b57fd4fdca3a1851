/**
 * What an `ObjectStore` has in memory of its open files: which are open, and what was written and is not in the database
 * yet. Everything else is only in the database.
 */
import * as Semaphore from "effect/Semaphore"
import type { Extent } from "./Extents.ts"
import { Blocks, WriteBuffer } from "./WriteBuffer.ts"

/** A file's main stream or a named stream, while it is open or has bytes that are not in the database. */
export interface Content {
  readonly id: bigint
  readonly node: OpenNode
  size: number
  /** Bytes that the extents in the database cover. */
  allocated: number
  /** As in the database; `undefined` until they are needed. Each list stays unchanged. */
  extents: ReadonlyArray<Extent> | undefined
  /** Bytes of chunks in the database that were read for this stream. */
  readonly inline: Map<string, Uint8Array>
  /** Written bytes, later than those that are being uploaded. */
  buffer: WriteBuffer
  /** Written bytes that are on their way to the storage. */
  uploading: WriteBuffer | undefined
  /** Whether the size or the bytes differ from those in the database. */
  isDirty: boolean
  /** Whether a chunk of it may not survive a loss of power. */
  isVolatile: boolean
  opens: number
  /** Whether the stream has a name. */
  isNamed: boolean
  /** One upload at a time. */
  readonly lock: Semaphore.Semaphore
}

/** A file or a directory that is open, or has bytes that are not in the database. */
export interface OpenNode {
  readonly id: bigint
  opens: number
  /** Whether the file has a name. */
  isNamed: boolean
  /** The time of the last write, while it is not in the database. */
  writtenAt: bigint | undefined
  readonly contents: Map<bigint, Content>
}

/** Bytes of memory for writes that are kept when no stream needs them. */
const blocksKept = 16 * 1024 * 1024

/** @category models */
export class ObjectState {
  readonly nodes = new Map<bigint, OpenNode>()
  /** Memory for written bytes. */
  readonly blocks = new Blocks(blocksKept)
  /** Bytes of memory in the buffers of all streams. */
  held = 0
  /** Blobs that are being put: nothing refers to them yet. */
  readonly uploads = new Set<string>()

  /** Counts one more open of a node. */
  open(id: bigint): OpenNode {
    let node = this.nodes.get(id)
    if (node === undefined) {
      node = { id, opens: 0, isNamed: true, writtenAt: undefined, contents: new Map() }
      this.nodes.set(id, node)
    }
    node.opens++
    return node
  }

  /** Counts one more open of a stream, which has the given state in the database. */
  openContent(node: OpenNode, id: bigint, size: number, allocated: number, isNew: boolean): Content {
    let content = node.contents.get(id)
    if (content === undefined) {
      content = {
        id,
        node,
        size,
        allocated,
        extents: isNew ? [] : undefined,
        inline: new Map(),
        buffer: new WriteBuffer(this.blocks),
        uploading: undefined,
        isDirty: false,
        isVolatile: !isNew,
        opens: 0,
        isNamed: true,
        lock: Semaphore.makeUnsafe(1)
      }
      node.contents.set(id, content)
    }
    content.opens++
    return content
  }

  /** Forgets the bytes that were written to a stream, and the stream. */
  forget(content: Content): void {
    this.held -= content.buffer.used
    content.buffer = new WriteBuffer(this.blocks)
    content.isDirty = false
    content.node.contents.delete(content.id)
  }

  /** Forgets a node that nothing uses. */
  forgetUnused(node: OpenNode): void {
    if (node.opens === 0 && node.contents.size === 0) this.nodes.delete(node.id)
  }

  /** The stream with the most bytes in memory. */
  largest(): Content | undefined {
    let found: Content | undefined
    for (const node of this.nodes.values()) {
      for (const content of node.contents.values()) {
        if (content.buffer.used > (found?.buffer.used ?? 0)) found = content
      }
    }
    return found
  }
}

/**
 * CREATEs that a client may send again, because it lost the channel before their responses came (MS-SMB2 3.3.5.9.10).
 * They are known by their client and their CreateGuid, from their beginning until their open is closed.
 */
/** The values by which an open is found. */
interface Replayed {
  readonly createGuid: string | undefined
  readonly clientGuid: string
}

/** A CREATE that is not done yet: it may wait for a break. */
export const pending = "pending"

/**
 * @category models
 */
export class ReplayTable<Open extends Replayed> {
  private readonly known = new Map<string, Open | typeof pending>()

  /** The result of a CREATE with this CreateGuid. */
  find(clientGuid: string, createGuid: string): Open | typeof pending | undefined {
    return this.known.get(`${clientGuid}/${createGuid}`)
  }

  /** Begins a CREATE. An older open with the same CreateGuid is not found any more. */
  begin(clientGuid: string, createGuid: string): void {
    this.known.set(`${clientGuid}/${createGuid}`, pending)
  }

  /** The CREATE has made an open. */
  done(clientGuid: string, createGuid: string, open: Open): void {
    this.known.set(`${clientGuid}/${createGuid}`, open)
  }

  /** The CREATE has failed. */
  failed(clientGuid: string, createGuid: string): void {
    const key = `${clientGuid}/${createGuid}`
    if (this.known.get(key) === pending) this.known.delete(key)
  }

  /** An open is closed. */
  forget(open: Open): void {
    if (open.createGuid === undefined) return
    const key = `${open.clientGuid}/${open.createGuid}`
    if (this.known.get(key) === open) this.known.delete(key)
  }
}

/**
 * CREATEs that had made a file, or were about to, when the server ended: no client has their response. A client that
 * sends such a CREATE again must not be told that the name is taken: the file is its own.
 */

/** A CREATE that makes a file. */
export interface Creating {
  readonly share: string
  readonly path: ReadonlyArray<string>
  /** The SID of the user. */
  readonly owner: string
  readonly clientGuid: string
  readonly createGuid: string
  /** When it began, in ticks of 100 ns since 1601. */
  readonly began: string
}

/** Such a CREATE, and the file that it has made. */
export interface Interrupted {
  /** The number under which the `OpenStore` has it. */
  readonly id: bigint
  readonly creating: Creating
  readonly identity: string
}

const keyOf = ({ clientGuid, createGuid }: Pick<Creating, "clientGuid" | "createGuid">): string =>
  `${clientGuid}/${createGuid}`

/** @category models */
export class InterruptedCreates {
  readonly #known = new Map<string, Interrupted>()

  add(interrupted: Interrupted): void {
    this.#known.set(keyOf(interrupted.creating), interrupted)
  }

  /** The CREATE of a client with this CreateGuid. */
  find(clientGuid: string, createGuid: string): Interrupted | undefined {
    return this.#known.get(keyOf({ clientGuid, createGuid }))
  }

  remove({ creating }: Interrupted): void {
    this.#known.delete(keyOf(creating))
  }
}

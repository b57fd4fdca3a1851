/** The leases of all clients (MS-SMB2 3.3.1.11, GlobalLeaseTableList). */

/** The values by which a lease is found. */
interface Named {
  readonly clientGuid: string
  /** The lease key in hexadecimal digits. */
  readonly keyText: string
}

/** Every lease of every client, by its client and key. */
export class LeaseTable<Lease extends Named> {
  private readonly leases = new Map<string, Lease>()

  get size(): number {
    return this.leases.size
  }

  find(clientGuid: string, key: Uint8Array): Lease | undefined {
    return this.leases.get(`${clientGuid}/${Buffer.from(key).toString("hex")}`)
  }

  add(lease: Lease): void {
    this.leases.set(`${lease.clientGuid}/${lease.keyText}`, lease)
  }

  remove(lease: Lease): void {
    const key = `${lease.clientGuid}/${lease.keyText}`
    if (this.leases.get(key) === lease) this.leases.delete(key)
  }
}

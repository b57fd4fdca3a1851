/** The dialects of SMB 2 and 3 by the names that people use (MS-SMB2 1.7). */
import { Dialect } from "./Message/Constants.ts"

/**
 * The DialectRevision of each name, oldest first.
 *
 * @category models
 * @since 0.2.0
 */
export const revisions = {
  "2.0.2": Dialect.SMB_2_0_2,
  "2.1": Dialect.SMB_2_1,
  "3.0": Dialect.SMB_3_0,
  "3.0.2": Dialect.SMB_3_0_2,
  "3.1.1": Dialect.SMB_3_1_1
} as const

/**
 * The name of a dialect.
 *
 * @since 0.2.0
 */
export type DialectName = keyof typeof revisions

/**
 * All names, oldest first.
 *
 * @since 0.2.0
 */
export const names = Object.keys(revisions) as ReadonlyArray<DialectName>

/**
 * The name of a DialectRevision; its number in hexadecimal digits if it has no name.
 *
 * @since 0.2.0
 */
export const nameOf = (revision: number): string =>
  names.find((name) => revisions[name] === revision) ?? `0x${revision.toString(16)}`

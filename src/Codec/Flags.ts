/** Fields of flags. */

/**
 * Whether a field has at least one of the bits of `flags`.
 *
 * @since 0.2.0
 */
export const has = (field: number, flags: number): boolean => (field & flags) !== 0

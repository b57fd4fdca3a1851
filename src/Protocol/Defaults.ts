/**
 * Options with defaults. A caller may leave an option out, or set it to `undefined`: both give the default.
 */

/**
 * Some of the values, where `undefined` is the same as an absent one.
 *
 * @category models
 * @since 0.2.0
 */
export type Given<A> = { readonly [K in keyof A]?: A[K] | undefined }

/**
 * The given values, and the defaults of the others. A spread would let `undefined` replace a default.
 *
 * @category constructors
 * @since 0.2.0
 */
export const complete = <A extends object>(defaults: A, given: Given<A> | undefined): A => {
  const values = Object.entries(given ?? {}).filter(([, value]) => value !== undefined)
  return { ...defaults, ...Object.fromEntries(values) }
}

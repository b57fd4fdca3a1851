/** What a comparison of two trees finds. */

/**
 * A difference between two trees, with the paths on both sides.
 *
 * - `OnlySource`, `OnlyTarget`: the other side has no such entry. A folder stands for everything below it.
 * - `ContentDiffers`: both have the file, and it differs by size, time or checksum, whichever was compared.
 * - `TypeDiffers`: one is a folder, a link or a device, and the other is not.
 *
 * @category models
 * @since 0.2.0
 */
export interface Difference {
  readonly _tag: "OnlySource" | "OnlyTarget" | "ContentDiffers" | "TypeDiffers"
  readonly source: string
  readonly target: string
}

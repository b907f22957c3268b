/** k codewords, m weights of a sub-vector, d dimensions in which they are clustered. */
export interface BookShape {
  k: number
  m: number
  d: number
}

export const codeBits = ({ k }: Pick<BookShape, 'k'>): number => Math.ceil(Math.log2(k))

/** Bytes of codebook (one a number) and lift (four). */
export const bookBytes = ({ k, m, d }: BookShape): number => k * d + d * m * 4

// Longer sub-vectors first: they round better, and their book weighs more.
export const offeredWidths = [1, 1.5, 2, 3, 4] as const
const shapes: Record<(typeof offeredWidths)[number], BookShape[]> = {
  1: [
    { k: 256, m: 8, d: 6 },
    { k: 64, m: 6, d: 5 },
    { k: 16, m: 4, d: 4 },
    { k: 4, m: 2, d: 2 },
  ],
  1.5: [
    { k: 64, m: 4, d: 4 },
    { k: 8, m: 2, d: 2 },
  ],
  2: [
    { k: 256, m: 4, d: 4 },
    { k: 64, m: 3, d: 3 },
    { k: 16, m: 2, d: 2 },
  ],
  3: [
    { k: 64, m: 2, d: 2 },
    { k: 8, m: 1, d: 1 },
  ],
  4: [
    { k: 256, m: 2, d: 2 },
    { k: 16, m: 1, d: 1 },
  ],
}

const BOOK_SHARE = 0.12

/** The longest sub-vectors of a width whose book takes at most an eighth of what the codes take. */
export function shapeFor(bits: (typeof offeredWidths)[number], weights: number): BookShape {
  const offered = shapes[bits]
  const fits = offered.find((shape) => bookBytes(shape) <= (BOOK_SHARE * weights * bits) / 8)
  return fits ?? offered.at(-1) ?? { k: 4, m: 2, d: 2 }
}

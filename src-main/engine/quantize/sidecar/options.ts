/** Group of a layer of `cols` inputs: 64 or 32 where that wastes nothing, else one scale a row (0). */
export const groupSizeOf = (cols: number): number => [64, 32].find((size) => cols % size === 0) ?? 0

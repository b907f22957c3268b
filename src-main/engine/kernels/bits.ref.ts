/** Plain twins of bits.ts, one bit at a time. */
export function packBitsReference(codes: Uint8Array, bits: number): Uint8Array {
  const packed = new Uint8Array(Math.ceil((codes.length * bits) / 8))
  codes.forEach((code, i) => {
    for (let b = 0; b < bits; b++) {
      const at = i * bits + b
      packed[at >> 3] = (packed[at >> 3] ?? 0) | (((code >> b) & 1) << (at & 7))
    }
  })
  return packed
}

export function unpackBitsReference(packed: Uint8Array, bits: number, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => {
    let code = 0
    for (let b = 0; b < bits; b++) code |= (((packed[(i * bits + b) >> 3] ?? 0) >> ((i * bits + b) & 7)) & 1) << b
    return code
  })
}

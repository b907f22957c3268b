/** Plain twin of the nearest-codeword kernel: sums over coordinates in float32, in order; the first of equal words. */
export function nearestReference(data: Float32Array, dims: number, book: Float32Array) {
  const n = data.length / dims
  const [codes, distances] = [new Uint32Array(n), new Float32Array(n)]
  for (let i = 0; i < n; i++) {
    let least = Infinity
    for (let word = 0; word < book.length / dims; word++) {
      let sum = 0
      for (let j = 0; j < dims; j++) {
        const off = Math.fround((data[i * dims + j] ?? 0) - (book[word * dims + j] ?? 0))
        sum = Math.fround(sum + Math.fround(off * off))
      }
      if (sum < least) [least, codes[i]] = [sum, word]
    }
    distances[i] = least
  }
  return { codes, distances }
}

// The packed layouts once more, as plainly as their drawings: bit by bit, nothing shared with the program. Readers here
// check what the exporters write; writers here make what the readers must understand.

/** Bit `position` of a line of words that starts at `start` and goes on every `stride`. */
const bitOf = (words: Int32Array, start: number, stride: number, position: number): number =>
  ((words[start + Math.floor(position / 32) * stride] ?? 0) >> (position % 32)) & 1

function codeOf(words: Int32Array, start: number, stride: number, first: number, bits: number): number {
  let code = 0
  for (let b = 0; b < bits; b++) code += bitOf(words, start, stride, first + b) * 2 ** b
  return code
}

function setCode(words: Int32Array, start: number, stride: number, first: number, bits: number, code: number): void {
  for (let b = 0; b < bits; b++) {
    const at = start + Math.floor((first + b) / 32) * stride
    if (Math.floor(code / 2 ** b) % 2 === 1) words[at] = (words[at] ?? 0) | (1 << ((first + b) % 32))
  }
}

export interface Plain {
  rows: number
  cols: number
  bits: number
  groupOf: number[] // of every column
  groups: number
  codes: number[] // [rows, cols]
  zeros: number[] // [rows, groups]
  scales: number[] // [rows, groups]
}

export const weightsOf = ({ rows, cols, codes, zeros, scales, groupOf, groups }: Plain): Float32Array =>
  Float32Array.from({ length: rows * cols }, (_, i) => {
    const [r, c] = [Math.floor(i / cols), i % cols]
    const grid = r * groups + (groupOf[c] ?? 0)
    return ((codes[i] ?? 0) - (zeros[grid] ?? 0)) * (scales[grid] ?? 0)
  })

export function gptqPieces(p: Plain, offset: number) {
  const qweight = new Int32Array((p.cols * p.bits * p.rows) / 32)
  const qzeros = new Int32Array((p.groups * p.rows * p.bits) / 32)
  for (let r = 0; r < p.rows; r++) {
    for (let c = 0; c < p.cols; c++) setCode(qweight, r, p.rows, c * p.bits, p.bits, p.codes[r * p.cols + c] ?? 0)
    for (let g = 0; g < p.groups; g++) {
      const stored = ((p.zeros[r * p.groups + g] ?? 0) - offset + 2 ** p.bits) % 2 ** p.bits
      setCode(qzeros, (g * p.rows * p.bits) / 32, 1, r * p.bits, p.bits, stored)
    }
  }
  const scales = Array.from(
    { length: p.groups * p.rows },
    (_, i) => p.scales[(i % p.rows) * p.groups + Math.floor(i / p.rows)] ?? 0,
  )
  return { qweight, qzeros, scales, g_idx: Int32Array.from(p.groupOf) }
}

export function gptqWeights(
  pieces: { qweight: Int32Array; qzeros: Int32Array; scales: number[]; g_idx: Int32Array },
  { rows, cols, bits }: { rows: number; cols: number; bits: number },
  offset: number,
): Float32Array {
  return Float32Array.from({ length: rows * cols }, (_, i) => {
    const [r, c] = [Math.floor(i / cols), i % cols]
    const g = pieces.g_idx[c] ?? NaN
    const zero = (codeOf(pieces.qzeros, (g * rows * bits) / 32, 1, r * bits, bits) + offset) % 2 ** bits
    return (codeOf(pieces.qweight, r, rows, c * bits, bits) - zero) * (pieces.scales[g * rows + r] ?? NaN)
  })
}

/** Column of a word's eight that lies in nibble k, from the lowest. */
const awqColumns = [0, 2, 4, 6, 1, 3, 5, 7]

export function awqPieces(p: Plain) {
  const words = (values: number[], height: number): Int32Array => {
    const out = new Int32Array((height * p.rows) / 8)
    for (let y = 0; y < height; y++)
      for (let j = 0; j < p.rows / 8; j++)
        for (let k = 0; k < 8; k++) {
          const output = 8 * j + (awqColumns[k] ?? 0)
          setCode(out, y * (p.rows / 8) + j, 1, 4 * k, 4, values[output * height + y] ?? 0)
        }
    return out
  }
  const scales = Array.from(
    { length: p.groups * p.rows },
    (_, i) => p.scales[(i % p.rows) * p.groups + Math.floor(i / p.rows)] ?? 0,
  )
  return { qweight: words(p.codes, p.cols), qzeros: words(p.zeros, p.groups), scales }
}

export function awqWeights(
  pieces: { qweight: Int32Array; qzeros: Int32Array; scales: number[] },
  { rows, cols, size }: { rows: number; cols: number; size: number },
): Float32Array {
  const at = (words: Int32Array, y: number, output: number): number =>
    codeOf(words, y * (rows / 8) + Math.floor(output / 8), 1, 4 * awqColumns.indexOf(output % 8), 4)
  return Float32Array.from({ length: rows * cols }, (_, i) => {
    const [r, c] = [Math.floor(i / cols), i % cols]
    const g = Math.floor(c / size)
    return (at(pieces.qweight, c, r) - at(pieces.qzeros, g, r)) * (pieces.scales[g * rows + r] ?? NaN)
  })
}

export function packedPieces(p: Plain, form: 'dense' | 'aligned') {
  const per = Math.floor(32 / p.bits)
  const place = (i: number) => (form === 'dense' ? i * p.bits : Math.floor(i / per) * 32 + (i % per) * p.bits)
  const words = (count: number) => (form === 'dense' ? Math.ceil((count * p.bits) / 32) : Math.ceil(count / per))
  const packed = new Int32Array(p.rows * words(p.cols))
  const zeros = new Int32Array(words(p.rows) * p.groups)
  for (let r = 0; r < p.rows; r++) {
    for (let c = 0; c < p.cols; c++)
      setCode(packed, r * words(p.cols), 1, place(c), p.bits, p.codes[r * p.cols + c] ?? 0)
    for (let g = 0; g < p.groups; g++) setCode(zeros, g, p.groups, place(r), p.bits, p.zeros[r * p.groups + g] ?? 0)
  }
  return { packed, zeros, width: words(p.cols), height: words(p.rows) }
}

/** compressed-tensors, dense; zeros null: symmetric. */
export function packedWeights(
  packed: Int32Array,
  zeros: Int32Array | null,
  scales: number[],
  { rows, cols, bits, groups, size }: { rows: number; cols: number; bits: number; groups: number; size: number },
): Float32Array {
  const width = Math.ceil((cols * bits) / 32)
  return Float32Array.from({ length: rows * cols }, (_, i) => {
    const [r, c] = [Math.floor(i / cols), i % cols]
    const g = Math.floor(c / size)
    const zero = zeros === null ? 2 ** (bits - 1) : codeOf(zeros, g, groups, r * bits, bits)
    return (codeOf(packed, r * width, 1, c * bits, bits) - zero) * (scales[r * groups + g] ?? NaN)
  })
}

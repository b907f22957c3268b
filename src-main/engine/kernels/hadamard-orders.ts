// Hadamard matrices of the orders that Sylvester's doubling does not give, computed.
//   Paley 1933, "On Orthogonal Matrices", with the quadratic character chi of the field of q elements, Q_ij = chi(i - j):
//   I    q = 3 mod 4:  H = I + [0 1; -1 Q]                                             order q + 1:   12, 20, 24, 28 ...
//   II   q = 1 mod 4:  H = [0 1; 1 Q] kron [1 1; 1 -1] + I kron [1 -1; -1 -1]          order 2 q + 2: 12, 28, 36, 52 ...
// q a prime, its square or its cube. Columns are negated so that the first row is all ones.

const MOST_ORDER = 512

/** Entries +1 and -1, [order, order], first row all ones; null where neither construction gives the order. */
export function paley(order: number): Int8Array | null {
  if (order === 1) return Int8Array.of(1)
  if (order % 4 !== 0 || order > MOST_ORDER) return null
  const field = fieldOf(order - 1)
  if (field && (order - 1) % 4 === 3) return normalised(first(field), order)
  const half = fieldOf(order / 2 - 1)
  return half && (order / 2 - 1) % 4 === 1 ? normalised(second(half), order) : null
}

/** The field of q elements, numbered 0 .. q - 1 with 0 the zero. */
interface Field {
  size: number
  minus(a: number, b: number): number
  character(a: number): number // 1 for squares, -1 for others, 0 for 0
}

function fieldOf(q: number): Field | null {
  for (const power of [1, 2, 3]) {
    const p = Math.round(q ** (1 / power))
    if (p ** power === q && p > 2 && isPrime(p)) return makeField(p, power)
  }
  return null
}

const isPrime = (n: number) => {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false
  return n > 1
}

/** Polynomials of a degree below `power` over the integers mod p, digits of the element's number in base p. */
function makeField(p: number, power: number): Field {
  const size = p ** power
  const digits = (a: number) => Array.from({ length: power }, (_, i) => Math.floor(a / p ** i) % p)
  const number = (list: readonly number[]) => list.reduce((sum, digit, i) => sum + digit * p ** i, 0)
  const low = irreducible(p, power)
  const square = (a: number) => {
    const from = digits(a)
    const product = new Array<number>(2 * power - 1).fill(0)
    from.forEach((x, i) => from.forEach((y, j) => (product[i + j] = ((product[i + j] ?? 0) + x * y) % p)))
    // x^power = -low(x)
    for (let i = product.length - 1; i >= power; i--) {
      const top = product[i] ?? 0
      low.forEach((c, j) => {
        const at = i - power + j
        product[at] = ((product[at] ?? 0) + (p - c) * top) % p
      })
    }
    return number(product.slice(0, power))
  }
  const squares = new Set(Array.from({ length: size - 1 }, (_, i) => square(i + 1)))
  return {
    size,
    minus: (a, b) => {
      const other = digits(b)
      return number(digits(a).map((x, i) => (x - (other[i] ?? 0) + p) % p))
    },
    character: (a) => (a === 0 ? 0 : squares.has(a) ? 1 : -1),
  }
}

/** Lower coefficients of a monic polynomial without a root; up to degree 3 it then has no factor. */
function irreducible(p: number, power: number): number[] {
  if (power === 1) return [0]
  for (let code = 0; ; code++) {
    const low = Array.from({ length: power }, (_, i) => Math.floor(code / p ** i) % p)
    const at = (x: number) => [...low, 1].reduceRight((sum, c) => (sum * x + c) % p, 0)
    if (Array.from({ length: p }, (_, x) => at(x)).every((value) => value !== 0)) return low
  }
}

/** [0 1; corner Q], the corner standing for its column, of order q + 1. */
function bordered({ size, minus, character }: Field, corner: 1 | -1): (i: number, j: number) => number {
  const Q = Int8Array.from({ length: size * size }, (_, at) => character(minus(Math.floor(at / size), at % size)))
  return (i, j) => {
    if (i === 0 || j === 0) return i === j ? 0 : i === 0 ? 1 : corner
    return Q[(i - 1) * size + j - 1] ?? 0
  }
}

function first(field: Field): (i: number, j: number) => number {
  const S = bordered(field, -1)
  return (i, j) => S(i, j) + (i === j ? 1 : 0)
}

function second(field: Field): (i: number, j: number) => number {
  const C = bordered(field, 1)
  return (i, j) => {
    const [both, one] = [i % 2 === 1 && j % 2 === 1, i % 2 === 0 && j % 2 === 0]
    const inner = C(i >> 1, j >> 1) * (both ? -1 : 1)
    return i >> 1 === j >> 1 ? inner + (one ? 1 : -1) : inner
  }
}

function normalised(entry: (i: number, j: number) => number, order: number): Int8Array {
  return Int8Array.from({ length: order * order }, (_, at) => {
    const [i, j] = [Math.floor(at / order), at % order]
    return entry(i, j) * entry(0, j)
  })
}

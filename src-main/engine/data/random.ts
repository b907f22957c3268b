// Seeded randomness: the same seed gives the same numbers on every machine.
//   Doty-Humphrey 2010, PractRand: sfc32 ("small fast counting"), 128 bits of state.

export interface Random {
  /** A number in [0, 1) with 32 bits. */
  uniform(): number
  /** A number from the normal distribution of mean 0 and variance 1 (Box and Muller 1958). */
  normal(): number
}

export function random(seed: number): Random {
  let a = seed | 0
  let b = Math.floor(seed / 2 ** 32) | 0
  let c = 0x9e3779b9 | 0
  let counter = 1
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    return sum >>> 0
  }
  for (let warm = 0; warm < 16; warm++) next()
  const uniform = () => next() / 2 ** 32
  let spare: number | null = null
  return {
    uniform,
    normal() {
      if (spare !== null) {
        const value = spare
        spare = null
        return value
      }
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()))
      const angle = 2 * Math.PI * uniform()
      spare = radius * Math.sin(angle)
      return radius * Math.cos(angle)
    },
  }
}

/** 0 .. count - 1 in a seeded order (Fisher and Yates, from the end). */
export function shuffled(count: number, seed: number): number[] {
  const order = Array.from({ length: count }, (_, index) => index)
  const source = random(seed)
  for (let last = count - 1; last > 0; last--) {
    const pick = Math.floor(source.uniform() * (last + 1))
    const kept = order[last] ?? 0
    order[last] = order[pick] ?? 0
    order[pick] = kept
  }
  return order
}

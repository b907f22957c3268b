/** Seeded numbers: mulberry32. The same seed gives the same mutants on every machine. */
export class Random {
  private state: number

  constructor(seed: number) {
    this.state = seed >>> 0
  }

  /** 32 random bits. */
  bits(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** 0 .. below - 1. */
  below(below: number): number {
    return below <= 1 ? 0 : this.bits() % below
  }

  /** Small numbers often, large ones seldom: 1 .. most. */
  length(most: number): number {
    return 1 + this.below(Math.min(most, 1 << this.below(12)))
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }
}

/** A parser under attack: one file in targets/, one line in targets/registry.ts. */
export interface FuzzTarget {
  name: string
  /** Well-formed inputs to start from, small ones: a mutation of a small input more often hits what matters. */
  seeds(): Uint8Array[]
  /** Parses the bytes, in memory. May throw a Fault and nothing else, within 2 s and 256 MB. What it returns, if anything,
   *  names the kind of outcome: an input with a new one, or with a new fault message, is mutated further. */
  run(bytes: Uint8Array): string | void
  /** Pieces that mean something in this format: magic numbers, keywords, hostile names. */
  dictionary?: readonly (string | Uint8Array)[]
  /** Sets checksums and lengths right again, so that a mutant gets past the first check; half of all mutants are mended.
   *  May change the bytes it is given. */
  mend?(bytes: Uint8Array): Uint8Array
}

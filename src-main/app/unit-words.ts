// What units do, as it is said before they are begun. Kinds as in compress-units.ts, evaluate.ts and their like.

const words: Record<string, string> = {
  compress: 'compressing layers',
  piece: 'compressing part by part',
  prepare: 'preparing the network',
  evaluate: 'evaluating',
  'evaluate-original': 'evaluating the original',
  running: 'running the exported file',
  sensitivity: 'measuring layers',
  pairs: 'measuring pairs of layers',
  depth: 'measuring blocks',
  latency: 'timing layers',
  importance: 'measuring importance',
  score: 'scoring layers',
  export: 'exporting',
  convert: 'converting',
  shootout: 'trying quantizers',
  plan: 'planning',
}

/** 'compressing layers'; of a kind without words, its name. */
export const unitWords = (kind: string): string => words[kind] ?? kind

/** Where the time of units comes from, by their kinds: timed here, foretold from a probe, or guessed. */
export function sourceWords(
  timed: readonly { kind: string; units: number }[],
  foretold: readonly string[],
  guessed: readonly string[],
): string {
  const times = ({ kind, units }: { kind: string; units: number }): string =>
    `${unitWords(kind)} (${units === 1 ? 'once' : units === 2 ? 'twice' : `${units} times`})`
  const parts = [
    ['timed in this project', timed.map(times)],
    ['foretold from a probe of this machine', foretold.map(unitWords)],
    ['a first guess', guessed.map(unitWords)],
  ] as const
  const said = parts.flatMap(([how, what]) => (what.length > 0 ? [`${how}: ${what.join(', ')}`] : []))
  return said.length === 0 ? 'all of it is done' : said.join('; ')
}

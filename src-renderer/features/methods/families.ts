import { families, type MethodFamily, type MethodSummary } from '../../../src-preload/contract/methods.ts'

export const familyWords: Record<MethodFamily, { title: string; says: string }> = {
  score: { title: 'Scores', says: 'How much each layer or block matters.' },
  rewrite: { title: 'Rewritings', says: 'Take parts out of the network: it computes something else, and less.' },
  prepare: { title: 'Preparations', says: 'Rewrite the network before rounding; it computes the same as before.' },
  activate: { title: 'Activations', says: 'Round what flows between the layers, as the graph then really does.' },
  quantize: { title: 'Quantizers', says: 'Turn weights into codes.' },
  sparsify: { title: 'Sparsifiers', says: 'Set weights to zero, so that they take no room and no time.' },
  factorize: { title: 'Factorizers', says: 'Write a matrix as a product of two thin ones.' },
  allocate: { title: 'Allocators', says: 'Spend a budget over the layers.' },
  evaluate: { title: 'Evaluators', says: 'Say what a result is worth.' },
  export: { title: 'Export formats', says: 'Files that other programs load.' },
}

export interface FamilyGroup {
  family: MethodFamily
  methods: MethodSummary[]
}

/** Methods by family, in the contract's order; every word of the text must occur in what a method says of itself. */
export function methodGroups(methods: readonly MethodSummary[], text: string): FamilyGroup[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const fits = ({ id, title, summary, cite, family }: MethodSummary): boolean => {
    const said = `${id} ${title} ${summary} ${cite} ${familyWords[family].title}`.toLowerCase()
    return words.every((word) => said.includes(word))
  }
  return families
    .map((family) => ({ family, methods: methods.filter((method) => method.family === family && fits(method)) }))
    .filter((group) => group.methods.length > 0)
}

export const methodKey = ({ family, id }: Pick<MethodSummary, 'family' | 'id'>): string => `${family} ${id}`

import type { TaskContext, Tasks } from '../protocol.ts'

type Task<N extends keyof Tasks> = (
  args: Tasks[N]['args'],
  context: TaskContext,
) => Promise<Tasks[N]['result']> | Tasks[N]['result']

/** Every task of the protocol. Loaded when first asked for, so that a fresh engine is ready at once. */
export const tasks: { [N in keyof Tasks]: () => Promise<Task<N>> } = {
  methods: async () => (await import('./methods.ts')).methods,
  inspect: async () => (await import('./inspect.ts')).inspect,
  histogram: async () => (await import('./histogram.ts')).histogram,
  documents: async () => (await import('./documents.ts')).documents,
  describeData: async () => (await import('./describe-data.ts')).describeData,
  devices: async () => (await import('./devices.ts')).devices,
  options: async () => (await import('./options.ts')).options,
  score: async () => (await import('./score.ts')).score,
  xray: async () => (await import('./xray.ts')).xray,
  sensitivity: async () => (await import('./sensitivity.ts')).sensitivity,
  rates: async () => (await import('./rates.ts')).rates,
  pace: async () => (await import('./rates.ts')).pace,
  running: async () => (await import('./running.ts')).running,
  latency: async () => (await import('./latency.ts')).latency,
  pairs: async () => (await import('./pairs.ts')).pairs,
  depth: async () => (await import('./depth.ts')).depth,
  shootout: async () => (await import('./shootout.ts')).shootout,
  prepare: async () => (await import('./prepare.ts')).prepare,
  pieces: async () => (await import('./compress-piece.ts')).pieces,
  compressPiece: async () => (await import('./compress-piece.ts')).compressPiece,
  compressLayer: async () => (await import('./compress-layer.ts')).compressLayer,
  evaluate: async () => (await import('./evaluate.ts')).evaluate,
  importance: async () => (await import('./importance.ts')).importance,
  convertPlan: async () => (await import('./convert.ts')).convertPlan,
  chat: async () => (await import('./chat.ts')).chat,
  convert: async () => (await import('./convert.ts')).convert,
  export: async () => (await import('./export.ts')).exportVariant,
}

// npm run bench [name ...]: what is compared runs side by side in one process, contenders in turn, medians over rounds.
import { benchActivate } from './activate.ts'
import { benchAllocate, benchAllocators } from './allocate.ts'
import { benchCodings } from './codings.ts'
import { benchConvert } from './convert.ts'
import { benchGgmlError } from './ggml-error.ts'
import { benchGgml } from './ggml.ts'
import { benchGgmlLdlq } from './ggml-ldlq.ts'
import { benchGptq } from './gptq.ts'
import { machine } from './measure.ts'
import { benchQuantize } from './quantize.ts'
import { benchRotate } from './rotate.ts'
import { benchVectors } from './vectors.ts'
import { benchZerothOrder } from './zeroth-order.ts'

const benches: Record<string, () => void | Promise<void>> = {
  activate: benchActivate,
  allocate: benchAllocate,
  allocators: benchAllocators, // a minute or two
  quantize: benchQuantize,
  ggml: benchGgml,
  gptq: benchGptq,
  'ggml-error': benchGgmlError,
  'ggml-ldlq': benchGgmlLdlq,
  codings: benchCodings,
  convert: benchConvert,
  rotate: benchRotate,
  vectors: benchVectors, // minutes
  'depth-against-bits': async () => (await import('./depth-against-bits.ts')).benchDepthAgainstBits(), // minutes
  'lim-order': async () => (await import('./lim-order.ts')).benchLimOrder(), // many minutes
  'zeroth-order': benchZerothOrder, // minutes
  'integer-program': async () => (await import('./integer-program.ts')).benchIntegerProgram(), // minutes
  predictor: async () => (await import('./predictor.ts')).benchPredictor(), // minutes
  preflight: async () => (await import('./preflight.ts')).benchPreflight(), // two small runs
  scores: async () => (await import('./scores.ts')).benchScores(), // minutes
  eigen: async () => (await import('./eigen.ts')).benchEigen(), // a minute and more
  llama: async () => (await import('./llama.ts')).benchLlama(), // loads llama.cpp
  // A browser and a built window; checked with the page's types, by test/e2e/tsconfig.json.
  slider: async () => void (await import(new URL('./slider.ts', import.meta.url).href)),
  welore: async () => (await import('./welore.ts')).benchWelore(), // minutes
  levers: async () => (await import('./levers.ts')).benchLevers(),
  'rd-pruning': async () => (await import('./rd-pruning.ts')).benchRdPruning(), // half an hour
  calibrated: async () => (await import('./calibrated.ts')).benchCalibrated(), // minutes: 1.1 billion weights
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !Object.hasOwn(benches, name))
if (unknown.length > 0) {
  console.error(`No bench ${unknown.join(', ')}. There are: ${Object.keys(benches).join(', ')}.`)
  process.exit(2)
}
console.log(machine())
for (const [name, bench] of Object.entries(benches)) if (wanted.length === 0 || wanted.includes(name)) await bench()

import type { MethodSummary } from '../../../src-preload/contract/methods.ts'

const method = (
  id: string,
  family: MethodSummary['family'],
  title: string,
  more: Partial<MethodSummary>,
): MethodSummary => ({
  id,
  family,
  title,
  summary: '',
  cite: '',
  formula: '',
  cost: '',
  needs: ['weights'],
  version: 1,
  parameters: {},
  ...more,
})

const schema = (properties: Record<string, Record<string, string | number | boolean | string[]>>) => ({
  type: 'object',
  properties,
})

export const methods: MethodSummary[] = [
  method('lim', 'score', 'Layer input modification', {
    summary: 'How much a block turns its input: one minus the cosine of input and output.',
    cite: 'Dumitru et al. 2024',
    formula: '1 − cos(x, y)',
    cost: 'one forward pass',
    needs: ['activations'],
  }),
  method('zd', 'score', 'Z-score distribution', {
    summary: 'Share of weights more than one standard deviation from the mean.',
    cite: 'Dumitru et al. 2024',
    formula: '|{w : z(w) > 1}| / n',
    cost: 'reads the weights once',
  }),
  method('heads', 'score', 'Head composition', {
    summary: 'How heads read what earlier heads wrote.',
    cost: 'one forward pass',
    needs: ['attention'],
    parameters: schema({ tokens: { type: 'integer', minimum: 8, default: 64, description: 'Tokens looked at.' } }),
  }),
  method('rtn', 'quantize', 'Round to nearest', {
    summary: 'Rounds every weight to the nearest point of a small grid.',
    plans: false,
    parameters: schema({ bits: { type: 'integer', minimum: 2, maximum: 8, default: 4, description: 'Bits.' } }),
  }),
  method('feedback', 'quantize', 'Error feedback', {
    summary: 'Rounds column by column and lets the rest make up for it.',
    formula: 'w ← w − e U',
    cite: 'Somebody 2022, section 3',
    cost: 'minutes',
    needs: ['weights', 'hessian'],
    plans: true,
    prepare: [{ method: 'rotation', parameters: {} }],
    parameters: schema({
      bits: { type: 'integer', minimum: 2, maximum: 8, default: 4, description: 'Bits per weight.' },
      granularity: {
        type: 'string',
        enum: ['channel', 'group'],
        default: 'group',
        description: 'What shares a scale.',
      },
      damping: { type: 'number', minimum: 0, default: 0.01, description: 'Added to the diagonal.' },
    }),
  }),
  method('levels', 'quantize', 'Levels', { summary: 'Sixteen levels of a normal distribution.', plans: true }),
  method('rotation', 'prepare', 'Rotation', {
    summary: 'Turns the space between blocks so that no channel stands out.',
    formula: 'W ← W R',
    parameters: schema({ size: { type: 'integer', minimum: 0, default: 0, description: 'Of the blocks; 0: whole.' } }),
  }),
  method('int8', 'activate', 'Activations in 8 bits', { summary: 'A scale for each token.', needs: ['activations'] }),
  method('knapsack', 'allocate', 'Exact budgeted choice', {
    summary:
      'Picks one option per layer so that the total predicted loss is the least possible within the byte budget.',
    cost: 'milliseconds per budget',
    formula: 'min sum loss[i, x_i]',
    needs: [],
  }),
  method('genetic', 'allocate', 'Genetic search with a learned predictor', {
    summary:
      'Breeds recipes under all limits at once, judged by a predictor that learns from the recipes measured so far.',
    cost: 'a second or so for 500 layers x 24 options',
    needs: [],
  }),
  method('onnx', 'export', 'ONNX', {
    summary: 'One file that plain ONNX Runtime runs as it is.',
    cost: 'writes the file',
    file: { extension: '.onnx', converts: true },
    parameters: schema({
      type: {
        type: 'string',
        enum: ['float32', 'int8', 'int4'],
        default: 'float32',
        description: 'What weights become.',
      },
    }),
  }),
  method('gguf', 'export', 'GGUF', {
    summary: 'For llama.cpp and what is built on it.',
    cost: 'writes the file',
    file: { extension: '.gguf', converts: true },
    parameters: schema({
      type: {
        type: 'string',
        enum: ['keep', 'F16', 'Q8_0', 'Q4_K'],
        default: 'keep',
        description: 'Type of the matrices.',
      },
      pure: { type: 'boolean', default: false, description: 'Every matrix in exactly this type.' },
      weighted: { type: 'boolean', default: false, description: 'Weigh the rounding.' },
      splitBytes: { type: 'integer', minimum: 0, default: 0, description: 'Largest size of one file in bytes.' },
    }),
  }),
  method('gptq', 'export', 'GPTQ', {
    summary: 'Packed 4-bit weights for GPU servers.',
    file: { extension: '', converts: false },
  }),
  method('safetensors', 'export', 'Packed safetensors', {
    summary: 'Packed codes and scales; every other tensor as it was.',
    cost: 'writes the file',
    file: { extension: '.safetensors', converts: false },
  }),
]

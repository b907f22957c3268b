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
  method('onnx', 'export', 'ONNX', {
    summary: 'One file that plain ONNX Runtime runs as it is.',
    cost: 'writes the file',
    file: { extension: '.onnx', takes: ['graph'] },
  }),
  method('safetensors', 'export', 'Packed safetensors', {
    summary: 'Packed codes and scales; every other tensor as it was.',
    cost: 'writes the file',
    file: { extension: '.safetensors', takes: ['safetensors'] },
  }),
]

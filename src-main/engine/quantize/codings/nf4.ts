import { type Levels, levelCoding, levelForm, levelShape } from './levels.ts'

/** NormalFloat of four bits: quantiles of a normal distribution scaled to [-1, 1], with an exact 0. Dettmers et al. 2023,
 *  "QLoRA: Efficient Finetuning of Quantized LLMs", appendix E. Code k is the k-th value, as bitsandbytes has it. */
export const normalFloat = [
  -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
].map(Math.fround)

export const nf4Levels: Levels = {
  set: { kind: 'table', levels: normalFloat, codes: normalFloat.map((_, code) => code) },
  codes: 16,
  scale: 'float16',
}

export const nf4Coding = levelCoding(
  'nf4',
  'NF4',
  () => nf4Levels,
  ({ method, parameters }, shape) =>
    method === 'nf4'
      ? levelForm('nf4', {}, nf4Levels, levelShape(shape, 'group', Number(parameters.groupSize ?? 64)))
      : null,
)

// `quantization_config` of a compressed-tensors folder. Source: compressed-tensors quantization/quant_config.py, quant_args.py.
import type { Network } from '../../checkpoint/network.ts'
import type { WeightForm } from '../onnx/form.ts'
import { activationsOf } from './activations.ts'
import { codedKey, codedScheme } from '../codings/compressed-tensors.ts'
import { type CodedForms, type Forms, schemeOf } from '../packed/format.ts'
import { keptModules, moduleOf } from '../packed/linear.ts'

/** One group a scheme. A single one stands for every linear layer that is not in `ignore`; of several, each names its own. */
export function settingsOf(network: Network, forms: Forms, coded: CodedForms = new Map()): object {
  const activations = activationsOf(network, new Set([...forms.keys(), ...coded.keys()]))
  const groups = new Map<string, { format: string; weights: object; targets: string[] }>()
  const add = (key: string, weight: string, scheme: () => { format: string; weights: object }) => {
    const group = groups.get(key) ?? { ...scheme(), targets: [] }
    group.targets.push(moduleOf(weight))
    groups.set(key, group)
  }
  for (const [weight, form] of forms)
    add(schemeOf(form), weight, () => ({
      format: activations === null ? 'pack-quantized' : 'int-quantized',
      weights: weightsOf(form),
    }))
  for (const [weight, form] of coded) add(codedKey(form), weight, () => codedScheme(form))
  const formats = [...new Set([...groups.values()].map(({ format }) => format))]
  const format = formats.length > 1 ? 'mixed-precision' : (formats[0] ?? 'pack-quantized')
  const listed = [...groups.values()].map(({ targets, weights, format: own }, index) => [
    `group_${index}`,
    {
      targets: groups.size === 1 ? ['Linear'] : targets,
      weights,
      input_activations: activations,
      output_activations: null,
      format: own,
    },
  ])
  const ignore = keptModules(network, new Map<string, unknown>([...forms, ...coded]))
  return {
    quant_method: 'compressed-tensors',
    format,
    quantization_status: 'compressed',
    config_groups: Object.fromEntries(listed) as object,
    ignore: ignore.includes('lm_head') ? ignore : ['lm_head', ...ignore],
    kv_cache_scheme: null,
    global_compression_ratio: null,
  }
}

const weightsOf = ({ bits, symmetric, groups, groupSize }: WeightForm): object => ({
  num_bits: bits,
  type: 'int',
  symmetric,
  strategy: groups === 1 ? 'channel' : 'group',
  group_size: groups === 1 ? null : groupSize,
  block_structure: null,
  dynamic: false,
  actorder: null,
  observer: 'minmax',
  observer_kwargs: {},
})

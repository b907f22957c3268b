// `quantization_config` of a compressed-tensors folder. Source: compressed-tensors quantization/quant_config.py, quant_args.py.
import type { Network } from '../../checkpoint/network.ts'
import type { WeightForm } from '../onnx/form.ts'
import { type Forms, schemeOf } from '../packed/format.ts'
import { keptModules, moduleOf } from '../packed/linear.ts'

/** One group a scheme. A single one stands for every linear layer that is not in `ignore`; of several, each names its own. */
export function settingsOf(network: Network, forms: Forms): object {
  const groups = new Map<string, { form: WeightForm; targets: string[] }>()
  for (const [weight, form] of forms) {
    const group = groups.get(schemeOf(form)) ?? { form, targets: [] }
    group.targets.push(moduleOf(weight))
    groups.set(schemeOf(form), group)
  }
  const listed = [...groups.values()].map(({ form, targets }, index) => [
    `group_${index}`,
    {
      targets: groups.size === 1 ? ['Linear'] : targets,
      weights: weightsOf(form),
      input_activations: null,
      output_activations: null,
      format: 'pack-quantized',
    },
  ])
  const ignore = keptModules(network, forms)
  return {
    quant_method: 'compressed-tensors',
    format: 'pack-quantized',
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

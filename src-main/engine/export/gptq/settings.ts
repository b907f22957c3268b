// `quantization_config` of a GPTQ folder, and quantize_config.json for older loaders. Layers that differ from the file's
// settings are listed under "dynamic" by a pattern of their name: "+:" with other settings, "-:" not packed at all.
// Source: GPTQModel QuantizeConfig (dynamic), vLLM quantization/utils/gptq_utils.py (get_dynamic_override).
import type { Network } from '../../checkpoint/network.ts'
import { latheVersion } from '../../version.ts'
import { documentOf } from '../folder/json.ts'
import type { WeightForm } from '../onnx/form.ts'
import { type Forms, schemeOf } from '../packed/format.ts'
import { fusedLayers } from '../packed/fused.ts'
import { keptModules, moduleOf } from '../packed/linear.ts'
import { isV2 } from './layout.ts'

const KEPT = 'kept'

export function settingsOf(network: Network, forms: Forms) {
  const schemes = new Map([...forms].map(([weight, form]) => [moduleOf(weight), schemeOf(form)]))
  const formOf = new Map([...forms.values()].map((form) => [schemeOf(form), form]))
  const usual = mostUsed([...schemes.values()])
  const main = formOf.get(usual)
  const kept = keptModules(network, forms).filter((module) => module !== 'lm_head')
  const all = new Map([...schemes, ...kept.map((module): [string, string] => [module, KEPT])])
  // vLLM asks for joined layers by their own names (fused.ts).
  const joined = fusedLayers(all).flatMap(({ whole, scheme }): [string, string][] =>
    scheme === null ? [] : [[whole, scheme]],
  )
  const dynamic: Record<string, object> = {}
  for (const [module, scheme] of [...all, ...joined]) {
    const form = formOf.get(scheme)
    if (scheme === KEPT) dynamic[`-:${patternOf(module)}`] = {}
    else if (scheme !== usual && form) dynamic[`+:${patternOf(module)}`] = fieldsOf(form)
  }
  const quantization = {
    quant_method: 'gptq',
    ...(main ? fieldsOf(main) : {}),
    desc_act: false,
    lm_head: false,
    checkpoint_format: isV2(forms) ? 'gptq_v2' : 'gptq',
    pack_dtype: 'int32',
    ...(Object.keys(dynamic).length > 0 ? { dynamic } : {}),
    meta: { quantizer: [`lathe:${latheVersion}`] },
  }
  const content = documentOf(quantization) as Map<string, never>
  return { quantization, sideFiles: [{ name: 'quantize_config.json', content }] }
}

const fieldsOf = ({ bits, groups, groupSize, symmetric }: WeightForm) => ({
  bits,
  group_size: groups === 1 ? -1 : groupSize,
  sym: symmetric,
})

const patternOf = (module: string): string => `^${module.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}$`

function mostUsed(values: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0] ?? ''
}

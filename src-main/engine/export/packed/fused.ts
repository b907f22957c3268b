// vLLM runs some layers of a block as one: q, k and v; gate and up; the experts of a mixture. It loads a folder only where
// all of them are packed alike. Source: vLLM's packed_modules_mapping and should_ignore_layer.
const fusions: readonly { parts: readonly string[]; whole: string }[] = [
  { parts: ['q_proj', 'k_proj', 'v_proj'], whole: 'qkv_proj' },
  { parts: ['gate_proj', 'up_proj'], whole: 'gate_up_proj' },
  { parts: ['query', 'key', 'value'], whole: 'qkv_proj' },
]

export interface Fused {
  whole: string // 'model.layers.0.self_attn.qkv_proj'
  scheme: string | null // of all its parts; null where they differ
}

/** Every joined layer of these modules and the scheme of its parts. */
export function fusedLayers(schemes: ReadonlyMap<string, string>): Fused[] {
  const joined = new Map<string, Set<string>>()
  const add = (whole: string, scheme: string) => joined.set(whole, (joined.get(whole) ?? new Set()).add(scheme))
  for (const [module, scheme] of schemes) {
    const at = module.lastIndexOf('.')
    const [parent, own] = [module.slice(0, at), module.slice(at + 1)]
    const expert = /^(.*\.experts)\.\d+\./.exec(module)?.[1]
    if (expert !== undefined) add(expert, scheme)
    else for (const { parts, whole } of fusions) if (parts.includes(own)) add(`${parent}.${whole}`, scheme)
  }
  return [...joined].map(([whole, found]) => ({ whole, scheme: found.size === 1 ? ([...found][0] ?? null) : null }))
}

/** What to tell a person about joined layers; empty where vLLM can load them all. */
export function fusedWarnings(schemes: ReadonlyMap<string, string>): string[] {
  const split = fusedLayers(schemes).filter(({ scheme }) => scheme === null)
  if (split.length === 0) return []
  return [
    `vLLM joins q, k and v, gate and up, and experts into one layer each; ${split.length} of these are packed in different ` +
      `ways (${split
        .slice(0, 3)
        .map(({ whole }) => whole)
        .join(', ')}): vLLM does not load this folder, transformers does. ` +
      'For vLLM, give the parts of each the same option.',
  ]
}

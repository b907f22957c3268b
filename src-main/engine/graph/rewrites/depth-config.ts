// The configuration of a Hugging Face model with blocks left out, numbered anew from 0: how many there are, and what is told
// of each block in a list, by a number or by a rule.
import type { Json, JsonMap } from '../../checkpoint/json.ts'

/** How families call the number of their blocks. */
const DEPTHS = ['num_hidden_layers', 'n_layer', 'n_layers', 'num_layers']

/** The numbered module a block is: 'model.layers.' and 5. Null where a block has no number. */
export function numberOf(name: string): { prefix: string; number: number } | null {
  const found = /^(.*\.)(\d+)$/.exec(name)
  return found ? { prefix: found[1] ?? '', number: Number(found[2]) } : null
}

/** A copy of `config` for the network without the blocks `removed` (numbers in the checkpoint) of the modules `prefix`. */
export function shallower(config: JsonMap, prefix: string, removed: ReadonlySet<number>): JsonMap {
  const stage = /\blayers\.(\d+)\.blocks\.$/.exec(prefix)
  const depths = config.get('depths')
  if (stage && Array.isArray(depths)) {
    const at = Number(stage[1])
    const changed = depths.map((depth, index) => (index === at && typeof depth === 'number' ? depth - removed.size : depth)) // prettier-ignore
    return new Map([...config, ['depths', changed as Json]])
  }
  const sections = [...config].filter((entry): entry is [string, JsonMap] => entry[1] instanceof Map)
  const deep = sections.filter(([, section]) => depthField(section) !== null)
  const own = depthField(config)
  const sees = prefix.includes('vision')
  const inner = deep.find(([key]) => key.includes('vision') === sees)
  // A model of two towers tells the depth of each in a section; one of a single tower may have a section of its own too.
  if (inner && (own === null || deep.length > 1)) return new Map([...config, [inner[0], section(inner[1], removed)]])
  return section(config, removed)
}

const depthField = (config: JsonMap): string | null =>
  DEPTHS.find((field) => typeof config.get(field) === 'number') ?? null

function section(config: JsonMap, removed: ReadonlySet<number>): JsonMap {
  const field = depthField(config)
  const depth = field === null ? null : config.get(field)
  if (field === null || typeof depth !== 'number') return config
  const kept = Array.from({ length: depth }, (_, block) => block).filter((block) => !removed.has(block))
  const moved = new Map(kept.map((block, index) => [block, index]))
  const copy: JsonMap = new Map(spelledOut(config, depth))
  for (const [key, value] of copy) {
    if (Array.isArray(value) && value.length === depth && !/only_layers$/.test(key))
      copy.set(key, kept.map((block) => value[block] as Json)) // prettier-ignore
    if (/only_layers$/.test(key) && Array.isArray(value))
      copy.set(key, value.flatMap((block) => moved.get(Number(block)) ?? [])) // prettier-ignore
    if (key === 'max_window_layers' && typeof value === 'number')
      copy.set(key, value - [...removed].filter((block) => block < value).length)
  }
  return copy.set(field, kept.length)
}

/** Rules by which blocks differ (every other one, every sixth one) as lists: they would not hold for other numbers. */
function spelledOut(config: JsonMap, depth: number): JsonMap {
  const type = config.get('model_type')
  const number = (field: string, fallback: number) => {
    const value = config.get(field)
    return typeof value === 'number' ? value : fallback
  }
  const blocks = Array.from({ length: depth }, (_, block) => block)
  const copy: JsonMap = new Map(config)
  if ((type === 'gemma2' || type === 'gemma3_text') && !Array.isArray(config.get('layer_types'))) {
    const every = type === 'gemma2' ? 2 : number('sliding_window_pattern', 6)
    copy.set('layer_types', blocks.map((block) => ((block + 1) % every === 0 ? 'full_attention' : 'sliding_attention'))) // prettier-ignore
  }
  const step = number('decoder_sparse_step', 1)
  if (step > 1) {
    const dense = config.get('mlp_only_layers')
    const given = new Set(Array.isArray(dense) ? dense : [])
    copy.set('mlp_only_layers', blocks.filter((block) => given.has(block) || (block + 1) % step !== 0)) // prettier-ignore
    copy.set('decoder_sparse_step', 1)
  }
  return copy
}

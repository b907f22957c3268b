// Whether a configuration can say what a network without some blocks computes: some families tell blocks apart by rules over
// their numbers (every other one has a window, each one's scores are divided by its number).
import { createHash } from 'node:crypto'
import { renameSource } from '../../checkpoint/joined.ts'
import type { JsonMap } from '../../checkpoint/json.ts'
import type { TensorSource } from '../../checkpoint/network.ts'
import { buildModel } from '../../checkpoint/open-safetensors.ts'
import { flowOf } from '../../probe/flow.ts'
import { Settings } from '../families/config.ts'
import type { Attribute, Graph, Node } from '../ir.ts'
import { bypass } from './bypass.ts'
import { numberOf } from './depth-config.ts'

/** A configuration and the tensors that it speaks of. */
export interface Configured {
  config: JsonMap
  source: Pick<TensorSource, 'tensors'>
}

/** New names of tensors, blocks' numbers closed up. `gone`: names of the blocks left out. */
export function closingUp(gone: readonly { name: string }[]): (name: string) => string {
  const groups = Map.groupBy(
    gone.flatMap(({ name }) => numberOf(name) ?? []),
    ({ prefix }) => prefix,
  )
  return (name) => {
    for (const [prefix, blocks] of groups) {
      if (!name.startsWith(prefix)) continue
      const digits = /^\d+(?=\.|$)/.exec(name.slice(prefix.length))?.[0]
      if (digits === undefined) continue
      const before = blocks.filter(({ number }) => number < Number(digits)).length
      return `${prefix}${Number(digits) - before}${name.slice(prefix.length + digits.length)}`
    }
    return name
  }
}

/** Why the family's builder makes something else of the shallower configuration, in words; null where it makes the same
 *  blocks. `before` and `after` still have the checkpoint's names. */
export function misfit(
  file: string,
  before: Configured,
  after: Configured & { source: TensorSource },
  gone: readonly { name: string }[],
): string | null {
  const rename = closingUp(gone)
  const notices: string[] = []
  const build = ({ config, source }: Configured) =>
    buildModel(new Settings(config, file), source, notices, {})?.model ?? null
  const whole = build(before)
  const rest = whole && build({ config: after.config, source: renameSource(after.source, rename) })
  if (!whole || !rest) return `its configuration cannot be made shallower (${notices.join(' ') || 'no graph follows'})`
  const left = new Set(gone.map(({ name }) => name))
  const indexes = new Set(whole.blocks.flatMap(({ index, name }) => (left.has(name) ? [index] : [])))
  const spans = flowOf(whole).flatMap(({ index, input, output }) =>
    indexes.has(index) && input !== null && output !== null ? [{ input, output }] : [],
  )
  if (spans.length === left.size && computed(bypass(whole.graph, spans)) === computed(rest.graph)) return null
  return 'its configuration cannot say what is left: the family tells blocks apart by rules over their numbers'
}

/** What a graph computes, without the names of values and the order of nodes. */
const computed = (graph: Graph): string => graph.nodes.map((node) => signature(graph, node)).sort().join('\n') // prettier-ignore

function signature({ initializers }: Graph, { op, domain, inputs, attributes }: Node): string {
  const read = inputs.map((name) => {
    const initializer = initializers.get(name)
    if (!initializer) return name === '' ? '' : '*'
    const { dtype, shape, data } = initializer
    return `${dtype}[${shape.join()}]${'inline' in data ? createHash('sha256').update(data.inline).digest('hex') : ''}`
  })
  return [domain, op, ...read, ...[...attributes].map(([key, attribute]) => `${key}=${told(attribute)}`)].join(' ')
}

const told = (attribute: Attribute): string =>
  JSON.stringify(attribute, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))

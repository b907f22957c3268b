import type { Option } from '../../../../src-preload/contract/plan.ts'
import type { Network } from '../../checkpoint/network.ts'
import { escape } from './escape.ts'

/** The chosen options in one table: a row for each role and option, counted and summed. */
export function recipeTable(network: Network, chosen: ReadonlyMap<string, Option>): string[] {
  const rows = new Map<string, { role: string; option: string; bits: string; layers: number; weights: number }>()
  for (const { name, role, parameters, compressible } of network.layers) {
    const option = chosen.get(name)
    if (option === undefined && !compressible) continue
    const told = option ?? { id: 'kept as it was', method: 'keep', bits: 0 }
    const key = `${role}\n${told.id}`
    const bits = told.method === 'keep' ? '' : String(told.bits)
    const row = rows.get(key) ?? { role, option: told.id, bits, layers: 0, weights: 0 }
    row.layers++
    row.weights += parameters
    rows.set(key, row)
  }
  const order = [...new Set([...rows.values()].map(({ role }) => role))] // as they come in the network
  if (rows.size === 0) return ['Every tensor is as it was in the source.']
  return [
    '| Role | Option | Bits | Layers | Weights |',
    '| --- | --- | ---: | ---: | ---: |',
    ...[...rows.values()]
      .sort((a, b) => order.indexOf(a.role) - order.indexOf(b.role))
      .map(
        ({ role, option, bits, layers, weights }) =>
          `| ${role} | ${escape(option)} | ${bits} | ${layers} | ${weights.toLocaleString('en-US')} |`,
      ),
  ]
}

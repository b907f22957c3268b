import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Option } from '../../../src-preload/contract/plan.ts'
import type { Layer } from '../checkpoint/network.ts'
import type { Importance } from '../export/define.ts'
import type { QuantizeContext } from './define.ts'

/** What a quantizer is told about a layer; its importance where the option asks to be weighted by it. Faults where it asks
 *  and nothing was measured. */
export function contextFor(layer: Layer, option: Option, importance: Importance | null): QuantizeContext {
  if (option.parameters.weighted !== true) return { layer: layer.name }
  const measured = importance?.(layer.name)
  if (measured) return { layer: layer.name, importance: measured }
  throw new Fault('bad-arguments', `${layer.name}: option ${option.id} needs measured importance, and there is none.`, {
    hint: 'Give calibration data or an imatrix file, or choose the option without weights.',
    data: { tensor: layer.name },
  })
}

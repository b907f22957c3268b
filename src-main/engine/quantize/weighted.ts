import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Option } from '../../../src-preload/contract/plan.ts'
import type { Layer } from '../checkpoint/network.ts'
import type { Importance } from '../export/define.ts'
import type { QuantizeContext } from './define.ts'

/** What a quantizer is told about a layer; its importance where the option asks to be weighted by it. A layer that the
 *  measurement has no entry for (an embedding: nothing flows into it) is rounded plainly. Faults where the option asks and
 *  nothing was measured at all. */
export function contextFor(layer: Layer, option: Option, importance: Importance | null): QuantizeContext {
  if (option.parameters.weighted !== true) return { layer: layer.name }
  if (importance) {
    const measured = importance(layer.name)
    return measured ? { layer: layer.name, importance: measured } : { layer: layer.name }
  }
  throw new Fault('bad-arguments', `${layer.name}: option ${option.id} needs measured importance, and there is none.`, {
    hint: 'Give calibration data or an imatrix file, or choose the option without weights.',
    data: { tensor: layer.name },
  })
}

import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Settings } from '../../graph/families/config.ts'
import { deriveSource } from '../derived.ts'
import type { TensorSource } from '../network.ts'
import { packedMethods } from './registry.ts'

export interface PackedSource {
  source: TensorSource
  notices: string[]
  packed: string | null // what is packed, for the card; null where nothing is
  /** Why the weights stay as they lie in the file, so that no graph can use them; null where they could be read. */
  reason: string | null
}

/** The checkpoint with its packed weights under their plain names, decoded when read. `settings` is the section of
 *  config.json that says how; without one, the source itself. Faults 'bad-input' where the pieces do not fit. */
export function openPackedWeights(source: TensorSource, settings: Settings | null): PackedSource {
  if (settings === null) return { source, notices: [], packed: null, reason: null }
  const id = settings.text('quant_method', settings.has('config_groups') ? 'compressed-tensors' : 'unnamed')
  const method = packedMethods.find(
    (each) => each.id === id.toLowerCase().replaceAll('compressed_tensors', 'compressed-tensors'),
  )
  const shown = id.slice(0, 40)
  try {
    if (!method) {
      const known = packedMethods.map(({ title }) => title).join(', ')
      const what = `the weights are packed by ${JSON.stringify(shown)}, which is none of the methods that are read (${known})`
      throw settings.unsupported('quant_method', what)
    }
    const { weights, hidden, notices } = method.unpack(settings, source)
    for (const name of weights.keys()) refuseDouble(source, name)
    if (weights.size === 0) notices.push(`quantization_config names ${method.title}, but no tensor is packed that way.`)
    const forms = new Map<string, number>()
    for (const { info } of weights.values()) {
      const type = info.stored?.type ?? method.title
      forms.set(type, (forms.get(type) ?? 0) + 1)
    }
    const packed = [...forms].map(([type, count]) => `${type} (${count} x)`).join(', ')
    return { source: deriveSource(source, weights, hidden), notices, packed: packed || null, reason: null }
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'unsupported') throw error
    return { source, notices: [], packed: null, reason: error.message }
  }
}

/** A weight that is there packed and plain: which of the two counts? */
function refuseDouble(source: TensorSource, name: string): void {
  const plain = source.tensors.get(name)
  const prefix = name.slice(0, -'.weight'.length)
  const packed = ['qweight', 'weight_packed', 'compressed'].find((end) => source.tensors.has(`${prefix}.${end}`))
  if (!plain || packed === undefined) return
  throw new Fault('bad-input', `${plain.file}: tensor ${name} is there plain and packed (${prefix}.${packed})`, {
    hint: 'Files of two checkpoints lie in this folder. Download it again.',
    data: { file: plain.file, tensor: name },
  })
}

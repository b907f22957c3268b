import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Layer, Network } from '../../checkpoint/network.ts'
import type { TaskContext } from '../../protocol.ts'
import type { ExportArguments, Exported } from '../define.ts'
import { compressedLayers, type CompressedLayers } from '../folder/artifacts.ts'
import { configFor } from '../folder/config.ts'
import { gridOf } from '../folder/dense.ts'
import { writtenBytes, writtenType } from '../folder/dtype.ts'
import { verifyFolder } from '../folder/reopen.ts'
import { type FilledSlot, type FolderContent, writeFolder } from '../folder/write.ts'
import { type CodedMatrix, codedForm } from '../../quantize/codings/define.ts'
import { isCoded } from '../../quantize/types.ts'
import { formOf } from '../onnx/form.ts'
import type { CodedForms, Forms, PackedFormat, PackedParameters } from './format.ts'
import { moduleOf, packableLayers, refusesPacked } from './linear.ts'
import type { Entry } from '../safetensors/layout.ts'
import { keptEntry, networkShards, planPacked } from './plan.ts'

const SCRATCH = 2 // the folder, and layers that are kept until it is checked

/** Writes the variant as a folder of packed linear layers, reopens it, and only then gives it its name. Memory: one layer. */
export function exportPacked(
  format: PackedFormat,
  args: ExportArguments,
  asked: PackedParameters,
  context: TaskContext,
): Exported {
  const { network } = args
  const reason = refusesPacked(network)
  if (reason !== null)
    throw new Fault('unsupported', `${network.name} cannot be exported as ${format.title}: ${reason}.`, {
      data: { file: network.path, field: 'format', found: network.format },
    })
  const packable = new Map(packableLayers(network).map((layer) => [layer.name, layer]))
  for (const layer of compressedLayers(args)) requirePackable(format, network, packable, layer)
  return writeFolder(
    args,
    {
      ...{ id: format.id, title: format.title },
      shards: networkShards(network, asked.dtype, asked.shardGb),
      plan: ({ plannedBytes }) => SCRATCH * (plannedBytes || planPacked(format, network, asked, true).baseBytes),
      content: (layers) => contentOf(format, args, asked, layers),
    },
    context,
  )
}

function requirePackable(format: PackedFormat, network: Network, packable: Map<string, Layer>, layer: string): void {
  if (packable.has(layer)) return
  throw new Fault(
    'unsupported',
    `${layer} is compressed, but ${format.title} packs linear layers of the blocks only.`,
    {
      hint: 'Plan for this format: it keeps embedding, head and norms as floats. Or export in the format it was planned for.',
      data: { file: network.path, tensor: layer, found: network.layers.find(({ name }) => name === layer)?.role ?? '' },
    },
  )
}

function contentOf(
  format: PackedFormat,
  { network }: ExportArguments,
  { dtype }: PackedParameters,
  { layers, read }: CompressedLayers,
): FolderContent {
  const grid = (layer: string) => gridOf(read(layer), layer, format.title)
  const codedOf = (layer: string): CodedMatrix | null => {
    const matrix = format.coded ? read(layer) : null
    return matrix !== null && isCoded(matrix) ? matrix : null
  }
  const coded: CodedForms = new Map([...layers].flatMap((layer) => {
    const matrix = codedOf(layer)
    return matrix === null ? [] : [[layer, codedForm(matrix)] as const]
  })) // prettier-ignore
  const forms: Forms = new Map([...layers].flatMap((layer) => coded.has(layer) ? [] : [[layer, formOf(grid(layer))] as const])) // prettier-ignore
  const packed = new Set([...forms.keys(), ...coded.keys()])
  for (const [layer, form] of coded) refuse(format, layer, format.coded?.misfit(form) ?? null)
  for (const [layer, form] of forms) refuse(format, layer, format.misfit(form))
  refuse(format, network.name, format.misfits?.(forms) ?? null)
  const slots = [...network.source.tensors.values()].map((tensor): FilledSlot => {
    const module = moduleOf(tensor.name)
    const codedAs = coded.get(tensor.name)
    if (codedAs !== undefined && format.coded) {
      const { entriesOf, pack } = format.coded
      const chunks = (entry: Entry) => [pack(codedOf(tensor.name) as CodedMatrix, entry, module)]
      return { name: tensor.name, entries: entriesOf(module, codedAs), chunks }
    }
    const form = forms.get(tensor.name)
    if (form === undefined) {
      const entry = keptEntry(network, tensor, dtype)
      return { name: tensor.name, entries: [entry], chunks: () => writtenBytes(network, tensor, entry.dtype) }
    }
    return {
      name: tensor.name,
      entries: format.entriesOf(module, form),
      chunks: (entry) => [format.pack(grid(tensor.name), entry, module, forms)],
    }
  })
  const { quantization, sideFiles = [] } = format.settings(network, forms, coded)
  const warnings = format.warnings(forms, coded)
  const typeOf = (name: string) => {
    const tensor = network.source.tensors.get(name)
    return packed.has(name) || tensor === undefined ? 'float32' : writtenType(network, tensor, dtype)
  }
  return {
    slots,
    // Without a packed layer the settings would announce tensors that are not there.
    config: configFor(network, dtype, packed.size > 0 ? quantization : null),
    sideFiles: packed.size > 0 ? sideFiles : [],
    // All warnings so far are about vLLM.
    loads: format.loads.filter(({ runtime }) => warnings.length === 0 || runtime !== 'vLLM'),
    check: (folder, progress) => [
      ...verifyFolder(folder, { network, compressed: layers, read, typeOf }, progress),
      ...warnings,
    ],
  }
}

function refuse(format: PackedFormat, subject: string, reason: string | null): void {
  if (reason === null) return
  throw new Fault('unsupported', `${subject}: ${format.title} cannot hold it: ${reason}.`, {
    hint: 'Plan for this format, so that only options it can hold are chosen.',
    data: { tensor: subject, found: reason },
  })
}

// An ONNX file as graph and lazy tensors. Opening reads headers: a model of gigabytes costs what its graph costs.
import { basename, resolve } from 'node:path'
import { Fault, toFault } from '../../../../src-preload/contract/fault.ts'
import type { Graph } from '../../graph/ir.ts'
import { SourceFile } from '../file.ts'
import type { TensorSource } from '../network.ts'
import { refuseForeign } from '../sniff.ts'
import type { Context } from './context.ts'
import { readGraph } from './graph.ts'
import { liftWeights } from './lift.ts'
import { functionMessage, limits, modelMessage, opsetMessage } from './schema.ts'
import { ExternalFiles, openSource } from './source.ts'
import { readEntry, type TensorRecord } from './tensor.ts'
import { checkGraph, checkVersions } from './validate.ts'
import { type ByteRange, Wire } from './wire.ts'

export interface OnnxModel {
  graph: Graph
  source: TensorSource
  files: string[] // absolute: the model, then its external data
  bytes: number
  notices: string[]
  card: Record<string, string>
}

/**
 * Opens an ONNX file. Weights stay in the file as initializers with `data.source`; scalars and small integer tensors are
 * read. Constants that are weights become initializers, those of subgraphs move to the main graph.
 * Faults: 'bad-input', 'unsupported', 'too-large', 'forbidden', 'not-found', naming file, field and offset.
 */
export function readOnnx(path: string): OnnxModel {
  const file = new SourceFile(resolve(path))
  try {
    refuseForeign(file)
    refuseSafetensors(file)
    return readOnnxFrom(file)
  } catch (error) {
    file.close()
    throw toFault(error)
  }
}

/** The same from any bytes; external data is looked for beside `range.path`. */
export function readOnnxFrom(range: ByteRange): OnnxModel {
  const external = new ExternalFiles(range.path)
  const context: Context = {
    range,
    records: new Map(),
    notices: new Set(),
    inlineBytes: 0,
    nodes: 0,
    initializers: 0,
    functions: new Set(),
    external: (record) => (external.check(record), external.read(record, 0, record.bytes)),
  }
  try {
    const { graph, card } = readModel(new Wire(range), context)
    checkVersions({ path: range.path, opsets: graph.opsets, ...context }, graph.irVersion)
    checkGraph({ path: range.path, opsets: graph.opsets, ...context }, graph)
    liftWeights(context, graph)
    // From IR version 4 on an initializer need not be a graph input; ours are not.
    graph.irVersion = Math.max(4, graph.irVersion)
    const source = openSource(range, settled(context, graph), external)
    return {
      graph,
      source,
      files: [range.path, ...external.files.map((file) => file.path)],
      bytes: external.files.reduce((sum, file) => sum + file.size, range.size),
      notices: [...context.notices],
      card,
    }
  } catch (error) {
    external.close()
    throw error
  }
}

function readModel(wire: Wire, context: Context): { graph: Graph; card: Record<string, string> } {
  const opsets = new Map<string, number>()
  const metadata = new Map<string, string>()
  const functions: Uint8Array[] = []
  const text = new Map<number, string>()
  let irVersion = 0
  let graph: Graph | null = null
  wire.walk(context.range.size, modelMessage, (field) => {
    switch (field) {
      case 1:
        irVersion = wire.integer()
        return
      case 2:
      case 3:
      case 4:
        text.set(field, wire.text())
        return
      case 7:
        if (graph) throw wire.fault('two graphs')
        graph = readGraph(wire, context)
        return
      case 8: {
        const [domain, version] = readOpset(wire)
        if (opsets.has(domain)) throw wire.fault(`the operator set "${domain || 'ai.onnx'}" is imported twice`)
        opsets.set(domain, version)
        return
      }
      case 14:
        metadata.set(...readEntry(wire))
        return
      case 20:
        context.notices.add('Training information of the file is not kept.')
        return
      case 25:
        if (functions.length >= limits.listItems) throw wire.fault('too many functions', { code: 'too-large' })
        functions.push(readFunction(wire, context))
    }
  })
  const found = graph as Graph | null // assigned in a closure
  if (!found) {
    throw new Fault('bad-input', `${context.range.path}: not an ONNX model: it holds no graph`, {
      hint: 'Open an .onnx file.',
      data: { file: context.range.path, field: 'graph', offset: 0, expected: 'a ModelProto with a graph' },
    })
  }
  if (functions.length > 0) context.notices.add(`${functions.length} model-local functions are carried untouched.`)
  for (const part of [found, ...innerGraphs(found)]) Object.assign(part, { irVersion, opsets })
  const producer = text.get(2) ?? ''
  Object.assign(found, { functions, metadata, producer })
  const card: Record<string, string> = {
    format: `ONNX, IR version ${irVersion}`,
    opset: [...opsets].map(([domain, version]) => `${domain || 'ai.onnx'} ${version}`).join(', '),
    producer: `${producer} ${text.get(3) ?? ''}`.trim() || 'not named',
    nodes: String(context.nodes),
    ...Object.fromEntries([...metadata].slice(0, 32).map(([key, value]) => [`metadata: ${key}`, value.slice(0, 200)])),
  }
  return { graph: found, card }
}

function innerGraphs(graph: Graph): Graph[] {
  return graph.nodes.flatMap((node) =>
    [...node.attributes.values()].flatMap((attribute) =>
      attribute.kind === 'graph' ? [attribute.value, ...innerGraphs(attribute.value)] : [],
    ),
  )
}

function readOpset(wire: Wire): [string, number] {
  let domain = ''
  let version = 0
  wire.message(opsetMessage, (field) => {
    if (field === 1) domain = wire.text()
    else if (field === 2) version = wire.integer()
  })
  return [domain === 'ai.onnx' ? '' : domain, version]
}

function readFunction(wire: Wire, context: Context): Uint8Array {
  const { begin, stop } = wire
  let name = ''
  let domain = ''
  wire.message(functionMessage, (field) => {
    if (field === 1) name = wire.text()
    else if (field === 10) domain = wire.text()
  })
  context.inlineBytes += stop - begin
  if (context.inlineBytes > limits.inlineBytes) throw wire.fault('functions of that size', { code: 'too-large' })
  context.functions.add(`${domain === 'ai.onnx' ? '' : domain}:${name}`)
  return wire.slice(begin, stop)
}

/** Every tensor of the main graph by its name; those already in memory too, so that the list is whole. */
function settled(context: Context, graph: Graph): Map<string, TensorRecord> {
  const records = new Map<string, TensorRecord>()
  for (const [name, initializer] of graph.initializers) {
    const { dtype, shape, data } = initializer
    const kept = context.records.get(name)
    if (kept) records.set(name, kept)
    else if ('inline' in data && dtype !== 'string') {
      const elements = shape.reduce((product, dim) => product * dim, 1)
      const bytes = data.inline
      records.set(name, { name, dtype, shape, elements, bytes: bytes.length, place: { kind: 'memory', bytes } })
    }
  }
  return records
}

function refuseSafetensors(file: SourceFile): void {
  const head = file.read(0, Math.min(16, file.size))
  const length = head.length >= 9 ? new DataView(head.buffer).getBigUint64(0, true) : 0n
  if (head[8] !== 0x7b || length > 100_000_000n) return
  throw new Fault('bad-input', `${file.path}: this is a safetensors file, not ONNX`, {
    hint: `Rename ${basename(file.path)} to end in .safetensors.`,
    data: { file: file.path, offset: 0, expected: 'an ONNX file' },
  })
}

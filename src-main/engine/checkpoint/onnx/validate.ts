// What a graph must be before anything works on it: known operators, every name defined once and before its use.
import { Fault, type FaultData } from '../../../../src-preload/contract/fault.ts'
import type { Graph, Node } from '../../graph/ir.ts'
import { subgraphsOf } from '../../graph/scope.ts'
import { operators, runtimeDomains } from './operators.ts'
import { limits } from './schema.ts'

export interface Checked {
  path: string
  opsets: ReadonlyMap<string, number>
  functions: ReadonlySet<string>
  notices: Set<string>
}

const title = (node: Node) => (node.name ? `"${node.name}" (${node.op})` : `${node.op} -> "${node.outputs[0] ?? ''}"`)

function refuse(file: Checked, what: string, data: FaultData, code: 'bad-input' | 'unsupported' = 'bad-input'): Fault {
  const hint =
    code === 'unsupported' ? 'Export the model again with standard operators of ONNX opset 13 to 21.' : undefined
  return new Fault(code, `${file.path}: ${what}`, { hint, data: { file: file.path, ...data } })
}

/** Faults on an IR version or opset that the runtime does not load. */
export function checkVersions(file: Checked, irVersion: number): void {
  if (!(irVersion >= 1 && irVersion <= limits.irVersion)) {
    throw refuse(
      file,
      `IR version ${irVersion}`,
      { field: 'ir_version', expected: `1 to ${limits.irVersion}`, found: String(irVersion) },
      irVersion > limits.irVersion ? 'unsupported' : 'bad-input',
    )
  }
  if (file.opsets.size === 0) throw refuse(file, 'the model imports no operator set', { field: 'opset_import' })
  const opset = file.opsets.get('')
  if (opset !== undefined && !(opset >= 1 && opset <= limits.opset)) {
    throw refuse(
      file,
      `operator set ${opset}`,
      { field: 'opset_import.version', expected: `1 to ${limits.opset}`, found: String(opset) },
      opset > limits.opset ? 'unsupported' : 'bad-input',
    )
  }
}

/** Checks a graph and those inside it and puts their nodes in topological order (kept where it already is one). */
export function checkGraph(file: Checked, graph: Graph): void {
  const missing = checkScope(file, graph)
  const first = missing.entries().next().value
  if (first) {
    const [name, user] = first
    throw refuse(file, `${user} reads "${name}", which nothing computes`, { field: user, found: name })
  }
}

/** Returns what the graph takes from outside: name -> who uses it. */
function checkScope(file: Checked, graph: Graph): Map<string, string> {
  const maker = new Map<string, number>() // value -> node index, -1 for inputs and initializers
  const define = (name: string, at: number, what: string) => {
    if (maker.has(name)) {
      throw refuse(file, `the value "${name}" is defined twice, the second time by ${what}`, {
        field: what,
        found: name,
      })
    }
    maker.set(name, at)
  }
  for (const name of graph.initializers.keys()) maker.set(name, -1)
  for (const input of graph.inputs) define(input.name, -1, 'graph input')
  const names = new Set<string>()
  graph.nodes.forEach((node, at) => {
    checkOperator(file, node)
    if (node.name !== '' && names.has(node.name)) {
      throw refuse(file, `two nodes are named "${node.name}"`, { field: `node ${title(node)}`, found: node.name })
    }
    names.add(node.name)
    for (const output of node.outputs) if (output !== '') define(output, at, `node ${title(node)}`)
  })

  const free = new Map<string, string>()
  const reads = graph.nodes.map((node) => {
    const sources: number[] = []
    const take = (name: string, user: string) => {
      const at = maker.get(name)
      if (at === undefined) free.set(name, user)
      else if (at >= 0) sources.push(at)
    }
    for (const name of node.inputs) if (name !== '') take(name, `node ${title(node)}`)
    for (const inner of subgraphsOf(node)) {
      for (const [name, user] of checkScope(file, inner)) take(name, `${user} inside node ${title(node)}`)
    }
    return sources
  })
  for (const output of graph.outputs) {
    if (!maker.has(output.name)) free.set(output.name, `graph output "${output.name}"`)
  }
  order(file, graph, reads)
  return free
}

function order(file: Checked, graph: Graph, reads: readonly number[][]): void {
  if (reads.every((sources, at) => sources.every((source) => source < at))) return
  const waiting = reads.map((sources) => sources.length)
  const users: number[][] = reads.map(() => [])
  reads.forEach((sources, at) => sources.forEach((source) => users[source]?.push(at)))
  const ready = waiting.flatMap((count, at) => (count === 0 ? [at] : []))
  const sorted: Node[] = []
  for (let next = 0; next < ready.length; next++) {
    const at = ready[next] ?? 0
    const node = graph.nodes[at]
    if (node) sorted.push(node)
    for (const user of users[at] ?? []) {
      const left = (waiting[user] ?? 0) - 1
      waiting[user] = left
      if (left === 0) ready.push(user)
    }
  }
  if (sorted.length < graph.nodes.length) {
    const stuck = graph.nodes[waiting.findIndex((count) => count > 0)]
    const name = stuck ? title(stuck) : ''
    throw refuse(file, `the graph has a cycle through node ${name}`, { field: `node ${name}` })
  }
  graph.nodes = sorted
}

function checkOperator(file: Checked, node: Node): void {
  if (file.functions.has(`${node.domain}:${node.op}`)) return
  const opset = file.opsets.get(node.domain)
  const field = `node ${title(node)}`
  if (opset === undefined) {
    const domain = node.domain || 'ai.onnx'
    throw refuse(file, `node ${title(node)} is of the domain "${domain}", which the model does not import`, { field })
  }
  if (node.domain !== '') {
    if (!runtimeDomains.has(node.domain)) {
      file.notices.add(
        `Operators of the domain "${node.domain}" (such as ${node.op}) are carried untouched; the runtime may not have them.`,
      )
    }
    return
  }
  const since = operators.get(node.op)
  if (since === undefined) {
    throw refuse(file, `unknown operator "${node.op}" in node ${title(node)}`, { field, found: node.op }, 'unsupported')
  }
  if (since > opset) {
    throw refuse(
      file,
      `node ${title(node)} uses ${node.op}, which opset ${opset} does not have yet`,
      { field, found: `opset ${opset}`, expected: `opset ${since} or later` },
      'bad-input',
    )
  }
}

// What the methods that round activations share: which layers, the walk over the graph, and the mark on the network.
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network, Rounding } from '../checkpoint/network.ts'
import type { MethodBase } from '../method.ts'
import type { Graph } from '../graph/ir.ts'
import { definePreparation, type Measured, type Preparation } from '../prepare/define.ts'
import type { Bench } from './bench.ts'
import { insertRoundings, raised, refusesOpset, withGraph, type Insertion } from './rewrite.ts'
import { findSites, type LayerChoice, type Site } from './sites.ts'

/** Parameters of every method: which layers' inputs are rounded. */
export const choiceParameters = {
  layers: z.enum(['all', 'no head']).default('no head').describe('Whether what the last layer reads is rounded, too'),
  only: z.array(z.string()).optional().describe('Only the inputs of these layers'),
}
export type ChoiceParameters = z.output<z.ZodObject<typeof choiceParameters>>

export const choiceOf = ({ layers, only }: ChoiceParameters): LayerChoice => only ?? layers

/** What calibration measured for a site; null: nothing yet, any value of that length will do. */
export type Numbers = (what: string) => Float32Array | null

type Schema = z.ZodObject

export interface ActivationMethod<P extends Schema> extends Omit<MethodBase<P>, 'family'> {
  measure?: Preparation<P>['measure']
  report?: Preparation<P>['report']
  /** Further values to round beside those sites. */
  insertions?(graph: Graph, parameters: z.output<P>): Insertion[]
  /** Why it cannot be done at this site, in words behind the layer's name; null where it can. */
  refusesSite?(site: Site, parameters: z.output<P>): string | null
  /** Rounds the value of a site, float32. */
  emit(bench: Bench, value: string, site: Site, parameters: z.output<P>, numbers: Numbers): string
  mark(parameters: z.output<P>): Omit<Rounding, 'method' | 'title' | 'layers' | 'what'>
}

/** Sites of a raised graph; those whose values only a subgraph knows cannot be measured before they are rounded. */
export function sitesOf(network: Network, parameters: ChoiceParameters, measures: boolean): Site[] {
  if (network.graph === null) return []
  const graph = raised(network.graph)
  return findSites(network, graph, choiceOf(parameters)).filter((site) => !measures || isOutside(graph, site))
}

const isOutside = (graph: Graph, site: Site): boolean =>
  site.graph === graph ||
  graph.inputs.some(({ name }) => name === site.value) ||
  graph.nodes.some(({ outputs }) => outputs.includes(site.value))

/** A preparation that rounds what enters layers. */
export function defineActivation<P extends Schema>(method: ActivationMethod<P>): Preparation<P> {
  const { emit, mark, refusesSite, insertions, measure, report, ...base } = method
  const measures = measure !== undefined
  const choice = (parameters: z.output<P>) => parameters as unknown as ChoiceParameters
  const rewrite = (network: Network, graph: Graph, parameters: z.output<P>, measured: Measured | null) => {
    const known = measures ? (site: Site) => isOutside(graph, site) : () => true
    const sites = findSites(network, graph, choiceOf(choice(parameters))).filter(known)
    const all = [
      ...sites.map((site): Insertion => {
        const numbers = (what: string) => numbersOf(network, method.title, site.layer, what, measured)
        return { ...site, emit: (bench, value) => emit(bench, value, site, parameters, numbers) }
      }),
      ...(insertions?.(graph, parameters) ?? []),
    ]
    return { sites, ...insertRoundings(graph, all, method.id) }
  }
  return definePreparation<P>({
    ...base,
    family: 'activate',
    ...(measure && { measure }),
    ...(report && { report }),
    refuses(network, parameters) {
      if (network.graph === null) return 'it holds tensors only, without a graph'
      const reason = refusesOpset(network.graph)
      if (reason !== null) return reason.replace(/\.$/, '')
      const { only } = choice(parameters)
      const missing = only?.find((name) => !network.layers.some((layer) => layer.name === name && layer.compressible))
      if (missing !== undefined) return `it has no compressible layer "${missing}"`
      const sites = sitesOf(network, choice(parameters), measures)
      if (sites.length === 0) return 'none of its layers is a product or a convolution with a weight'
      for (const site of sites) {
        const found = site.image && site.rank === null ? 'nothing tells how many dimensions enter it' : null
        const why = found ?? refusesSite?.(site, parameters) ?? null
        if (why !== null) return `layer "${site.layer}": ${why}`
      }
      return null
    },
    apply(network, parameters, { measured }) {
      if (network.graph === null) throw new Fault('internal', `${network.name} has no graph`)
      const graph = raised(network.graph)
      const { sites, graph: made, rounded } = rewrite(network, graph, parameters, measured)
      const done = withGraph(network, made, (cached) => rewrite(network, raised(cached), parameters, measured).graph)
      const hidden = rounded[sites.findIndex((site) => site.value === network.head?.hidden && site.graph === graph)]
      const layers = sites.flatMap((site) => site.layers)
      const marked = { method: method.id, title: method.title, ...mark(parameters) }
      const left = measures ? findSites(network, graph, choiceOf(choice(parameters))).length - sites.length : 0
      return {
        ...done,
        head: network.head && hidden !== undefined ? { ...network.head, hidden } : network.head,
        rounding: [
          ...(network.rounding ?? []),
          { ...marked, what: 'activations', layers },
          ...(rounded.length > sites.length ? [{ ...marked, what: 'attention' as const, layers: [] }] : []),
        ],
        notices:
          left === 0
            ? network.notices
            : [...network.notices, `${left} activations inside subgraphs cannot be measured and are not rounded.`],
      }
    },
  })
}

function numbersOf(network: Network, title: string, layer: string, what: string, measured: Measured | null) {
  if (measured === null) return null
  const found = measured.get(`${layer}/${what}`)
  if (found) return found
  throw new Fault('bad-input', `${title}: calibration measured no ${what} of what enters "${layer}".`, {
    hint: 'The measurement was made for another network, or with other parameters: measure again.',
    data: { file: network.path, tensor: layer, expected: `${layer}/${what}`, found: 'nothing' },
  })
}

import type { Network } from '../checkpoint/network.ts'
import { preparationOf, prepareNetwork } from '../prepare/apply.ts'
import type { Prepared } from '../protocol.ts'

/** Those of a quantizer's own preparations that can be done here, and what was left out, in words. What would first have to
 *  look at data is left out too: a shoot-out compares what quantizers do to one layer. */
export function fittingPreparations(
  network: Network,
  wanted: readonly Prepared[],
): { uses: Prepared[]; titles: string[]; notes: string[] } {
  const uses: Prepared[] = []
  const titles: string[] = []
  const notes: string[] = []
  let current = network
  for (const use of wanted) {
    const { title, measure, params, refuses } = preparationOf(use.method)
    const parameters = params.parse(use.parameters)
    const reason = measure && use.file === null ? 'it would have to be measured first' : refuses(current, parameters)
    if (reason !== null) {
      notes.push(`Tried without ${title.toLowerCase()}: ${reason}.`)
      continue
    }
    uses.push({ ...use, parameters })
    titles.push(title)
    current = prepareNetwork(current, [{ ...use, parameters }])
  }
  return { uses, titles, notes }
}

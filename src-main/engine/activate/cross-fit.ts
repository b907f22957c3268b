// The exponent of CrossQuant, and how far its scales reach, layer by layer: what costs least on calibration data.
//   error = sum_ij (x_ij - q(x_ij))^2 sum_layers ||W_j||^2       what the rounding does to the products, channels independent
// a = 1 with reach 1, the scale per token, is among the candidates: on what it saw, the fit is never worse.
import type { Network } from '../checkpoint/network.ts'
import { readMatrix } from '../checkpoint/weights.ts'
import { largestCode } from './arithmetic.ts'
import type { Site } from './sites.ts'

export interface Fit {
  alpha: number
  reach: number // factor of the scale: above 1 it leaves room for what calibration did not see
}

const alphas = [1, 0.85, 0.7, 0.5, 0.3, 0.15]
const reaches = [1, 1.15, 1.3]
export const fits: readonly Fit[] = alphas.flatMap((alpha) => reaches.map((reach) => ({ alpha, reach })))

/** Elements of one batch of a site that the search looks at, so that it takes seconds, not minutes. */
const mostElements = 1 << 16

/** sum over the site's layers of ||W_j||^2, one for each channel; all alike where a weight tells nothing of channels. */
export function channelWeights(network: Network, site: Site, channels: number): Float64Array {
  const weights = new Float64Array(channels)
  for (const name of site.layers) {
    const layer = network.layers.find((each) => each.name === name)
    if (!layer) continue
    const { data, rows, cols } = readMatrix(network, layer)
    const places = cols / channels // of a kernel
    if (!Number.isInteger(places) && rows !== channels) continue
    for (let at = 0; at < data.length; at++) {
      const j = Number.isInteger(places) ? Math.floor((at % cols) / places) : Math.floor(at / cols) // depthwise
      weights[j] = (weights[j] as number) + (data[at] as number) ** 2
    }
  }
  return weights.some((value) => value > 0) ? weights : weights.fill(1)
}

export interface Search {
  errors: Float64Array // of each candidate
  powers: Float64Array[] // of each alpha: c^(1-a) for each channel
  weights: Float64Array
  bits: number
}

export const createSearch = (columns: Float32Array, weights: Float64Array, bits: number): Search => ({
  errors: new Float64Array(fits.length),
  powers: alphas.map((alpha) => Float64Array.from(columns, (value) => value ** (1 - alpha))),
  weights,
  bits,
})

/** Adds the error of each candidate on tokens, one after the other, each [channels, places] (places is 1 in products). */
export function addErrors({ errors, powers, weights, bits }: Search, x: Float32Array, places: number): void {
  const size = weights.length * places
  const every = Math.max(1, Math.ceil(x.length / mostElements))
  const top = largestCode(bits)
  for (let begin = 0; begin < x.length; begin += size * every) {
    const token = x.subarray(begin, begin + size)
    let largest = 0
    for (const value of token) largest = Math.max(largest, Math.abs(value))
    if (largest === 0) continue
    powers.forEach((channels, a) => {
      const row = largest ** (alphas[a] as number) / top
      reaches.forEach((reach, r) => {
        const at = a * reaches.length + r
        errors[at] = (errors[at] as number) + errorOf(token, places, channels, weights, reach * row, top)
      })
    })
  }
}

function errorOf(
  token: Float32Array,
  places: number,
  channels: Float64Array,
  weights: Float64Array,
  row: number,
  top: number,
): number {
  let all = 0
  for (let j = 0, p = 0; j < channels.length; j++) {
    const scale = row * (channels[j] as number)
    const inverse = 1 / scale
    let sum = 0
    for (const end = p + places; p < end; p++) {
      const value = token[p] as number
      const code = Math.floor(value * inverse + 0.5)
      const error = value - (code > top ? top : code < -top ? -top : code) * scale
      sum += error * error
    }
    all += sum * (weights[j] as number)
  }
  return all
}

export const bestFit = (errors: Float64Array): Fit => {
  const least = errors.reduce((best, error, at) => (error < (errors[best] as number) ? at : best), 0)
  return fits[least] as Fit
}

// Bilinear resizing with a triangle filter as wide as the reduction ("antialias"), pixel centres at half positions: the
// rule of Pillow's Image.resize(BILINEAR), which torchvision and most training scripts use. Rows first, then columns; 8-bit
// planes are rounded after each pass with weights of 22 fractional bits, so that results equal Pillow's bit for bit.

export type Plane = Uint8Array | Float32Array

interface Taps {
  first: Int32Array // first input of each output
  count: Int32Array
  weights: Float64Array // [outputs, width]
  width: number
}

const fraction = 22

/** For output o: centre = (o + 1/2) s, weights max(0, 1 - |i + 1/2 - centre| / max(s, 1)), scaled to sum 1; s = in / out. */
function taps(inputs: number, outputs: number): Taps {
  const scale = inputs / outputs
  const reach = Math.max(scale, 1)
  const width = Math.ceil(reach) * 2 + 1
  const result: Taps = {
    first: new Int32Array(outputs),
    count: new Int32Array(outputs),
    weights: new Float64Array(outputs * width),
    width,
  }
  for (let output = 0; output < outputs; output++) {
    const centre = (output + 0.5) * scale
    const first = Math.max(0, Math.trunc(centre - reach + 0.5))
    const end = Math.min(inputs, Math.trunc(centre + reach + 0.5))
    const weights = Array.from({ length: end - first }, (_, index) =>
      Math.max(0, 1 - Math.abs(index + first + 0.5 - centre) / reach),
    )
    const sum = weights.reduce((total, weight) => total + weight, 0)
    result.first[output] = first
    result.count[output] = weights.length
    weights.forEach((weight, index) => (result.weights[output * width + index] = weight / sum))
  }
  return result
}

const known = new Map<string, Taps>()
function tapsFor(inputs: number, outputs: number): Taps {
  const key = `${inputs} ${outputs}`
  let found = known.get(key)
  if (!found) {
    if (known.size > 256) known.clear() // photos of many sizes
    found = taps(inputs, outputs)
    known.set(key, found)
  }
  return found
}

/** One pass along an axis: `lines` lines, elements `step` apart, lines `pitch` apart in the input. */
function pass<P extends Plane>(
  input: P,
  output: P,
  at: {
    taps: Taps
    outputs: number
    lines: number
    inStep: number
    inPitch: number
    outStep: number
    outPitch: number
  },
): P {
  const { first, count, weights, width } = at.taps
  const whole = output instanceof Uint8Array
  const one = 2 ** fraction
  const scaled = whole ? Float64Array.from(weights, (weight) => Math.trunc(weight * one + 0.5)) : weights
  for (let line = 0; line < at.lines; line++) {
    for (let index = 0; index < at.outputs; index++) {
      let sum = whole ? one / 2 : 0
      const taken = count[index] ?? 0
      const start = line * at.inPitch + (first[index] ?? 0) * at.inStep
      for (let tap = 0; tap < taken; tap++)
        sum += (scaled[index * width + tap] ?? 0) * (input[start + tap * at.inStep] ?? 0)
      output[line * at.outPitch + index * at.outStep] = whole ? Math.floor(sum / one) : sum
    }
  }
  return output
}

/** plane [height, width] -> [outHeight, outWidth]. An axis that keeps its length is left alone. */
export function resizeBilinear<P extends Plane>(
  plane: P,
  [height, width]: [number, number],
  [outHeight, outWidth]: [number, number],
): P {
  const make = (length: number): P =>
    (plane instanceof Uint8Array ? new Uint8Array(length) : new Float32Array(length)) as P
  const across =
    width === outWidth
      ? plane
      : pass(plane, make(height * outWidth), {
          taps: tapsFor(width, outWidth),
          outputs: outWidth,
          lines: height,
          inStep: 1,
          inPitch: width,
          outStep: 1,
          outPitch: outWidth,
        })
  if (height === outHeight) return across
  return pass(across, make(outHeight * outWidth), {
    taps: tapsFor(height, outHeight),
    outputs: outHeight,
    lines: outWidth,
    inStep: outWidth,
    inPitch: 1,
    outStep: outWidth,
    outPitch: 1,
  })
}

// A scale as it will be stored. float16: rounded to nearest, ties to even, magnitude held in [2^-24, 65504] so that no
// group with a weight in it loses its scale. float32: held in the normal range so that 1 / scale stays finite.
const HALF_MIN: f32 = 5.9604644775390625e-8
const HALF_MAX: f32 = 65504
const HALF_MIN_NORMAL: f32 = 6.103515625e-5
const SINGLE_MIN: f32 = 1.1754943508222875e-38
const SINGLE_MAX: f32 = 3.4028234663852886e38

export function storedScale(scale: f32, half: bool): f32 {
  const size = abs<f32>(scale)
  if (!half) return copysign<f32>(min<f32>(max<f32>(size, SINGLE_MIN), SINGLE_MAX), scale)
  return copysign<f32>(min<f32>(max<f32>(roundToHalf(size), HALF_MIN), HALF_MAX), scale)
}

// Normal: the low 13 bits of the significand go. Subnormal: adding 0.5 moves the unit in the last place to 2^-24.
function roundToHalf(size: f32): f32 {
  if (size < HALF_MIN_NORMAL) return <f32>(<f32>(size + 0.5) - 0.5)
  if (size > HALF_MAX) return HALF_MAX
  const bits = reinterpret<u32>(size)
  return reinterpret<f32>((bits + 0xfff + ((bits >> 13) & 1)) & ~0x1fff)
}

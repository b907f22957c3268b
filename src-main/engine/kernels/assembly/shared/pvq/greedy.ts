// The point p of the pyramid sum |p| = K with the largest cosine to a vector w.
//   max <w,p>^2 / |p|^2 = max over g of  sum 2 |w_i| p_i - g p_i^2,  p_i >= 0  (signs follow w)
// For a fixed g the sum is separable and concave: a point that no move of one pulse improves is the best of all
// (exchange property of M-concave functions; Murota 2003, "Discrete Convex Analysis", chapter 6). g follows p as
// <w,p> / |p|^2 until nothing moves.

/** Fills point[0..used) with signed pulses. x: w, float32. w must not be all 0. */
export function greedy(x: usize, point: usize, used: i32, pulses: i32): void {
  let total: f32 = 0
  for (let i = 0; i < used; i++) total += abs<f32>(load<f32>(x + (i << 2)))
  const share: f32 = <f32>pulses / total
  let placed = 0
  let c: f32 = 0
  let n: f32 = 0
  for (let i = 0; i < used; i++) {
    const w = abs<f32>(load<f32>(x + (i << 2)))
    const p = min<f32>(floor<f32>(w * share), <f32>(pulses - placed))
    store<f32>(point + (i << 2), p)
    placed += <i32>p
    c += w * p
    n += p * p
  }
  while (placed < pulses) {
    let best: f32 = -1
    let at = 0
    for (let i = 0; i < used; i++) {
      const p = load<f32>(point + (i << 2))
      const cc = c + abs<f32>(load<f32>(x + (i << 2)))
      const ratio: f32 = (cc * cc) / (n + p * 2 + 1)
      if (ratio > best) {
        best = ratio
        at = i
      }
    }
    const p = load<f32>(point + (at << 2))
    c += abs<f32>(load<f32>(x + (at << 2)))
    n += p * 2 + 1
    store<f32>(point + (at << 2), p + 1)
    placed++
  }
  for (let round = 0; round < 4 * pulses; round++) {
    const g = c / n
    let from = -1
    let to = -1
    let least: f32 = Infinity
    let most: f32 = -Infinity
    for (let i = 0; i < used; i++) {
      const w: f32 = abs<f32>(load<f32>(x + (i << 2))) * 2
      const p = load<f32>(point + (i << 2))
      const loss: f32 = w - g * (p * 2 - 1)
      const gain: f32 = w - g * (p * 2 + 1)
      if (p > 0 && loss < least) {
        least = loss
        from = i
      }
      if (gain > most) {
        most = gain
        to = i
      }
    }
    if (from < 0 || from == to || !(most > least)) break
    const pf = load<f32>(point + (from << 2))
    const pt = load<f32>(point + (to << 2))
    const cc = c - abs<f32>(load<f32>(x + (from << 2))) + abs<f32>(load<f32>(x + (to << 2)))
    const nn: f32 = n - (pf * 2 - 1) + (pt * 2 + 1)
    if (!(cc * cc * n > c * c * nn)) break
    store<f32>(point + (from << 2), pf - 1)
    store<f32>(point + (to << 2), pt + 1)
    c = cc
    n = nn
  }
  for (let i = 0; i < used; i++)
    if (load<f32>(x + (i << 2)) < 0) store<f32>(point + (i << 2), -load<f32>(point + (i << 2)))
}

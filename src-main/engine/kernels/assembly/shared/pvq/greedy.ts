// The point p of the pyramid sum |p| = K with the largest cosine to a vector w: max <w,p>^2 / |p|^2, signs as those of w.
// The projection K w / |w|_1 rounded down, the pulses that are left where each raises the cosine most (Opus' search: RFC
// 6716, section 5.3.8.1), then moves of one pulse, all pairs tried, until none helps. For a fixed length of p the problem is
// separable and concave, where such a point is the best of all; with the length free there are others rarely, so the
// search starts from several such projections (of a shifted w: other lengths of p).

const ENOUGH: f32 = 1.000001 // a smaller gain is rounding

let reached: f32 = 0 // squared cosine of the last climb, but for w's own length

/** Fills point[0..used) with signed pulses. x: w, float32. w must not be all 0. spare: room for another point; 0: one start
 *  only, for searches that go on from there. */
export function greedy(x: usize, point: usize, used: i32, pulses: i32, spare: usize): void {
  let total: f32 = 0
  for (let i = 0; i < used; i++) total += abs<f32>(load<f32>(x + (i << 2)))
  const unit: f32 = total / <f32>pulses
  climb(x, point, used, pulses, 0)
  if (spare != 0) {
    let best = reached
    for (let k = 0; k < STARTS; k++) {
      climb(x, spare, used, pulses, unit * load<f32>(SHIFTS + (k << 2)))
      if (!(reached > best)) continue
      best = reached
      memory.copy(point, spare, used << 2)
    }
  }
  for (let i = 0; i < used; i++)
    if (load<f32>(x + (i << 2)) < 0) store<f32>(point + (i << 2), -load<f32>(point + (i << 2)))
}

const STARTS: i32 = 4
const SHIFTS = memory.data<f32>([-0.6, -0.3, 0.3, 0.6])

/** From the projection of w with every |w_i| less `shift`, to where no move helps. Fills point with pulses without signs. */
function climb(x: usize, point: usize, used: i32, pulses: i32, shift: f32): void {
  let total: f32 = 0
  for (let i = 0; i < used; i++) total += max<f32>(0, abs<f32>(load<f32>(x + (i << 2))) - shift)
  const share: f32 = total > 0 ? <f32>pulses / total : 0
  let placed = 0
  let c: f32 = 0
  let n: f32 = 0
  for (let i = 0; i < used; i++) {
    const w = abs<f32>(load<f32>(x + (i << 2)))
    const p = min<f32>(floor<f32>(max<f32>(0, w - shift) * share), <f32>(pulses - placed))
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
    let best: f32 = ((c * c) / n) * ENOUGH
    let from = -1
    let to = -1
    for (let i = 0; i < used; i++) {
      const pi = load<f32>(point + (i << 2))
      if (pi == 0) continue
      const ci: f32 = c - abs<f32>(load<f32>(x + (i << 2)))
      const ni: f32 = n - pi * 2 + 2
      for (let j = 0; j < used; j++) {
        if (j == i) continue
        const cc: f32 = ci + abs<f32>(load<f32>(x + (j << 2)))
        const ratio: f32 = (cc * cc) / (ni + load<f32>(point + (j << 2)) * 2)
        if (ratio > best) {
          best = ratio
          from = i
          to = j
        }
      }
    }
    if (from < 0) break
    const pf = load<f32>(point + (from << 2))
    const pt = load<f32>(point + (to << 2))
    c = c - abs<f32>(load<f32>(x + (from << 2))) + abs<f32>(load<f32>(x + (to << 2)))
    n = n - pf * 2 + 2 + pt * 2
    store<f32>(point + (from << 2), pf - 1)
    store<f32>(point + (to << 2), pt + 1)
  }
  reached = (c * c) / n
}

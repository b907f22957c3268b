/** Smallest and largest over some axes of values with the same shape but for those. */
export class Extremes {
  readonly shape: number[] // with 1 for the axes that are gone
  readonly lo: Float32Array
  readonly hi: Float32Array
  private readonly gone: ReadonlySet<number>

  constructor(dims: readonly number[], axes: readonly number[]) {
    this.gone = new Set(axes.map((axis) => (axis < 0 ? dims.length + axis : axis)))
    this.shape = dims.map((size, axis) => (this.gone.has(axis) ? 1 : size))
    const size = this.shape.reduce((product, each) => product * each, 1)
    this.lo = new Float32Array(size).fill(Infinity)
    this.hi = new Float32Array(size).fill(-Infinity)
  }

  add(values: Float32Array, dims: readonly number[]): void {
    const place = new Int32Array(dims.length) // of the element at hand
    const strides = this.shape.map((size, axis) =>
      size === 1 ? 0 : this.shape.slice(axis + 1).reduce((product, each) => product * each, 1),
    )
    let to = 0
    for (const value of values) {
      if (value < (this.lo[to] as number)) this.lo[to] = value
      if (value > (this.hi[to] as number)) this.hi[to] = value
      for (let axis = dims.length - 1; axis >= 0; axis--) {
        const next = (place[axis] as number) + 1
        to += strides[axis] as number
        if (next < (dims[axis] as number)) {
          place[axis] = next
          break
        }
        to -= next * (strides[axis] as number)
        place[axis] = 0
      }
    }
  }
}

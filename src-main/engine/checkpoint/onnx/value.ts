// ValueInfoProto -> IR: name, element type, shape. Other types than tensors are carried as their own bytes.
import { type Dim, type ValueInfo, dataTypes } from '../../graph/ir.ts'
import { dimMessage, limits, shapeMessage, tensorTypeMessage, typeMessage, valueMessage } from './schema.ts'
import type { Wire } from './wire.ts'

/** Reads the ValueInfoProto that `wire` is visiting. */
export function readValue(wire: Wire): ValueInfo {
  const value: ValueInfo = { name: '', dtype: 'undefined', shape: null }
  wire.message(valueMessage, (field) => {
    if (field === 1) value.name = wire.text()
    else if (field === 2) readType(wire, value)
  })
  if (value.name === '') throw wire.fault('a value without a name')
  return value
}

function readType(wire: Wire, value: ValueInfo): void {
  const { begin, stop } = wire
  let other = false
  wire.message(typeMessage, (field) => {
    if (field === 1) {
      wire.message(tensorTypeMessage, (part) => {
        if (part === 1) {
          const type = wire.integer()
          const dtype = dataTypes[type]
          if (dtype === undefined) throw wire.fault(`the data type ${type}`, { found: String(type) })
          value.dtype = dtype
        } else if (part === 2) value.shape = readShape(wire)
      })
    } else if (field !== 6) other = true
  })
  if (other) value.type = wire.slice(begin, stop)
}

function readShape(wire: Wire): Dim[] {
  const shape: Dim[] = []
  wire.message(shapeMessage, (field) => {
    if (field !== 1) return
    if (shape.length >= limits.rank) throw wire.fault(`more than ${limits.rank} dimensions`, { code: 'too-large' })
    let dim: Dim = null
    wire.message(dimMessage, (part) => {
      if (part === 1) {
        const size = wire.integer()
        dim = size < 0 ? null : size // -1 is how some exporters say "unknown"
      } else if (part === 2) dim = wire.text() || null
    })
    shape.push(dim)
  })
  return shape
}

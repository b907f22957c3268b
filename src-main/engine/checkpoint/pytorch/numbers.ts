// Text and numbers as pickles write them.
import type { Machine } from './machine.ts'
import type { PickleValue } from './values.ts'

const longestLine = 1 << 20
const longestNumber = 400 // characters
const mostLongBytes = 64 // torch writes nothing wider than its own magic number of ten bytes

/** LONG1, LONG4: little endian, two's complement. */
export function longOf(machine: Machine, length: number): number | bigint {
  if (length > mostLongBytes) throw machine.fault(`an integer of ${length} bytes, at most ${mostLongBytes} are read`)
  const bytes = machine.cursor.take(length)
  let value = 0n
  for (let at = length - 1; at >= 0; at--) value = (value << 8n) | BigInt(bytes[at] ?? 0)
  return narrowed(BigInt.asIntN(8 * length, value))
}

const narrowed = (value: bigint): number | bigint =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value

/** INT and LONG of protocol 0: '5', '01' for True, '00' for False, '5L'. */
export function integerLine(machine: Machine, booleans: boolean): PickleValue {
  const line = machine.cursor.line(longestNumber)
  if (booleans && (line === '00' || line === '01')) return line === '01'
  if (!/^-?[0-9]+L?$/.test(line)) throw machine.fault(`${JSON.stringify(line.slice(0, 40))} is no integer`)
  return narrowed(BigInt(line.replace(/L$/, '')))
}

export function floatLine(machine: Machine): number {
  const line = machine.cursor.line(longestNumber)
  if (!/^(-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?|-?inf|nan)$/.test(line))
    throw machine.fault(`${JSON.stringify(line.slice(0, 40))} is no number`)
  return Number(line.replace('inf', 'Infinity').replace('nan', 'NaN'))
}

/** Text of a given length; where it is not UTF-8 the bytes themselves (text of Python 2). */
export function textOf(machine: Machine, length: number): string | Uint8Array {
  const at = machine.cursor.position
  const text = machine.cursor.text(machine.spend(length))
  if (text !== null) return text
  machine.cursor.position = at
  return machine.cursor.take(length)
}

/** STRING of protocol 0: a Python literal in quotes. */
export function quotedLine(machine: Machine): string {
  const line = machine.cursor.line(longestLine)
  machine.count(line.length)
  const quoted = /^(['"])(.*)\1$/s.exec(line)
  if (!quoted) throw machine.fault('a text without quotes')
  const short: Record<string, string> = { n: '\n', r: '\r', t: '\t', '\\': '\\', "'": "'", '"': '"' }
  return (quoted[2] ?? '').replace(/\\(x[0-9a-fA-F]{2}|.)/gs, (whole, code: string) =>
    code.length === 3 ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : (short[code] ?? whole),
  )
}

/** UNICODE of protocol 0: raw-unicode-escape. */
export function escapedLine(machine: Machine): string {
  const line = machine.cursor.line(longestLine)
  machine.count(line.length)
  return line.replace(/\\u([0-9a-fA-F]{4})|\\U000([01][0-9a-fA-F]{4})/g, (whole, four?: string, eight?: string) => {
    const code = Number.parseInt(four ?? eight ?? '', 16)
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}

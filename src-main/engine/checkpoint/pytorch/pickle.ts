// One pickle, read. Nothing in it is ever run.
import type { Cursor } from './cursor.ts'
import { Machine } from './machine.ts'
import { type Operation, operations } from './operations.ts'
import type { PickleValue } from './values.ts'

const byByte: readonly (Operation | undefined)[] = Array.from({ length: 256 }, (_, byte) =>
  operations.get(String.fromCharCode(byte)),
)
const stop = 0x2e

export type Persistent = (id: PickleValue, machine: Machine) => PickleValue

export const noStorages: Persistent = (_, machine) => {
  throw machine.fault('names a storage where there are none')
}

/** Reads from the cursor up to STOP; the cursor is then behind it. Faults naming the byte and what stands there. */
export function readPickle(cursor: Cursor, persistent: Persistent = noStorages): PickleValue {
  const machine = new Machine(cursor, persistent)
  for (;;) {
    machine.step()
    const byte = cursor.byte()
    if (byte === stop) return machine.finish()
    const operation = byByte[byte]
    if (!operation) throw machine.fault(`there is no operation 0x${byte.toString(16).padStart(2, '0')}`)
    operation(machine)
  }
}

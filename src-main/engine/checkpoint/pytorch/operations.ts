// The operations of protocols 0 to 5, by their byte. Names are those of pickletools.
import { buildOn, callGlobal } from './calls.ts'
import type { Machine } from './machine.ts'
import { escapedLine, floatLine, integerLine, longOf, quotedLine, textOf } from './numbers.ts'
import { describeValue, PickleDict, PickleGlobal, PickleList, PickleTuple, type PickleValue } from './values.ts'

export type Operation = (machine: Machine) => void

const longestName = 512
const latest = 5

function setItems(machine: Machine, target: PickleValue, pairs: readonly PickleValue[]): void {
  if (!(target instanceof PickleDict)) throw machine.fault(`an entry is set on ${describeValue(target)}`)
  if (pairs.length % 2 !== 0) throw machine.fault('a key without a value')
  for (let at = 0; at < pairs.length; at += 2) target.set(pairs[at] as PickleValue, pairs[at + 1] as PickleValue)
}

const dictOf = (machine: Machine, pairs: readonly PickleValue[]): PickleDict => {
  const dict = new PickleDict()
  setItems(machine, dict, pairs)
  return dict
}

/** A class and its arguments, for the four operations that make an object of one. */
function instantiate(machine: Machine, type: PickleValue | undefined, args: PickleValue): void {
  if (!(type instanceof PickleGlobal)) throw machine.fault(`an object of ${describeValue(type)} is made`)
  machine.make(callGlobal(type, args, machine.fault))
}

const bytesOf = (machine: Machine, length: number): void => machine.make(machine.cursor.take(machine.spend(length)))

const refuse =
  (what: string): Operation =>
  (machine) => {
    throw machine.fault(what, {
      code: 'unsupported',
      hint: 'torch.save does not write this. Convert the checkpoint to safetensors.',
    })
  }
const extension = refuse('names a global by a number of a registry (EXT), which cannot be known')
const outOfBand = refuse('takes a buffer from outside the pickle (NEXT_BUFFER)')

/** Everything but STOP, which ends the program. */
export const operations: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  // The program itself
  [
    '\x80',
    (machine) => {
      machine.protocol = machine.cursor.byte()
      if (machine.protocol > latest) throw machine.fault(`protocol ${machine.protocol}, at most ${latest} is known`)
    },
  ],
  ['\x95', ({ cursor }) => void cursor.length64()], // FRAME: a hint for reading ahead
  // The stack
  ['(', (machine) => machine.mark()],
  ['0', (machine) => machine.discard()],
  ['1', (machine) => void machine.popMark()],
  ['2', (machine) => machine.push(machine.top())],
  // The memo
  ['q', (machine) => machine.remember(machine.cursor.byte())],
  ['r', (machine) => machine.remember(machine.cursor.unsigned(4))],
  ['p', (machine) => machine.remember(memoIndex(machine))],
  ['\x94', (machine) => machine.remember(machine.remembered)],
  ['h', (machine) => machine.recall(machine.cursor.byte())],
  ['j', (machine) => machine.recall(machine.cursor.unsigned(4))],
  ['g', (machine) => machine.recall(memoIndex(machine))],
  // Constants and numbers
  ['N', (machine) => machine.push(null)],
  ['\x88', (machine) => machine.push(true)],
  ['\x89', (machine) => machine.push(false)],
  ['J', (machine) => machine.push(machine.cursor.signed32())],
  ['K', (machine) => machine.push(machine.cursor.byte())],
  ['M', (machine) => machine.push(machine.cursor.unsigned(2))],
  ['\x8a', (machine) => machine.make(longOf(machine, machine.cursor.byte()))],
  ['\x8b', (machine) => machine.make(longOf(machine, machine.cursor.unsigned(4)))],
  ['G', (machine) => machine.make(machine.cursor.double())],
  ['I', (machine) => machine.make(integerLine(machine, true))],
  ['L', (machine) => machine.make(integerLine(machine, false))],
  ['F', (machine) => machine.make(floatLine(machine))],
  // Text and bytes
  ['X', (machine) => machine.make(textOf(machine, machine.cursor.unsigned(4)))],
  ['\x8c', (machine) => machine.make(textOf(machine, machine.cursor.byte()))],
  ['\x8d', (machine) => machine.make(textOf(machine, machine.cursor.length64()))],
  ['T', (machine) => machine.make(textOf(machine, machine.cursor.unsigned(4)))],
  ['U', (machine) => machine.make(textOf(machine, machine.cursor.byte()))],
  ['S', (machine) => machine.make(quotedLine(machine))],
  ['V', (machine) => machine.make(escapedLine(machine))],
  ['C', (machine) => bytesOf(machine, machine.cursor.byte())],
  ['B', (machine) => bytesOf(machine, machine.cursor.unsigned(4))],
  ['\x8e', (machine) => bytesOf(machine, machine.cursor.length64())],
  ['\x96', (machine) => bytesOf(machine, machine.cursor.length64())], // BYTEARRAY8
  // Containers
  [')', (machine) => machine.make(new PickleTuple([]))],
  ['\x85', (machine) => machine.make(new PickleTuple(machine.popMany(1)))],
  ['\x86', (machine) => machine.make(new PickleTuple(machine.popMany(2)))],
  ['\x87', (machine) => machine.make(new PickleTuple(machine.popMany(3)))],
  ['t', (machine) => machine.make(new PickleTuple(machine.popMark()))],
  [']', (machine) => machine.make(new PickleList())],
  ['l', (machine) => machine.make(new PickleList(machine.popMark()))],
  ['\x8f', (machine) => machine.make(new PickleList())], // EMPTY_SET
  ['\x91', (machine) => machine.make(new PickleList(machine.popMark()))], // FROZENSET
  ['}', (machine) => machine.make(new PickleDict())],
  ['d', (machine) => machine.make(dictOf(machine, machine.popMark()))],
  [
    'a',
    (machine) => {
      const item = machine.pop()
      machine.append(machine.top(), [item])
    },
  ],
  ['e', appendMarked],
  ['\x90', appendMarked], // ADDITEMS
  [
    's',
    (machine) => {
      const pair = machine.popMany(2)
      setItems(machine, machine.top(), pair)
    },
  ],
  [
    'u',
    (machine) => {
      const pairs = machine.popMark()
      setItems(machine, machine.top(), pairs)
    },
  ],
  // Globals and what is made of them
  ['c', (machine) => machine.global(machine.cursor.line(longestName), machine.cursor.line(longestName))],
  [
    '\x93',
    (machine) => {
      const [module, name] = machine.popMany(2)
      if (typeof module !== 'string' || typeof name !== 'string')
        throw machine.fault(`a global is named by ${describeValue(module)} and ${describeValue(name)}`)
      machine.global(module, name)
    },
  ],
  [
    'R',
    (machine) => {
      const [callee, args] = machine.popMany(2)
      machine.make(callGlobal(callee, args, machine.fault))
    },
  ],
  [
    'b',
    (machine) => {
      machine.pop()
      buildOn(machine.top(), machine.fault)
    },
  ],
  [
    '\x81',
    (machine) => {
      const [type, args] = machine.popMany(2)
      instantiate(machine, type, args as PickleValue)
    },
  ],
  [
    '\x92',
    (machine) => {
      const [type, args] = machine.popMany(3) // what is given by name is never looked at
      instantiate(machine, type, args as PickleValue)
    },
  ],
  [
    'i',
    (machine) => {
      machine.global(machine.cursor.line(longestName), machine.cursor.line(longestName))
      const type = machine.pop()
      instantiate(machine, type, new PickleTuple(machine.popMark()))
    },
  ],
  [
    'o',
    (machine) => {
      const [type, ...args] = machine.popMark()
      instantiate(machine, type, new PickleTuple(args))
    },
  ],
  // Storages
  ['Q', (machine) => machine.make(machine.persistent(machine.pop(), machine))],
  ['P', (machine) => machine.make(machine.persistent(machine.cursor.line(longestName), machine))],
  // Never in a state dict
  ['\x82', extension],
  ['\x83', extension],
  ['\x84', extension],
  ['\x97', outOfBand],
  ['\x98', outOfBand],
])

function appendMarked(machine: Machine): void {
  const items = machine.popMark()
  machine.append(machine.top(), items)
}

function memoIndex(machine: Machine): number {
  const index = integerLine(machine, false)
  if (typeof index === 'number' && index >= 0) return index
  throw machine.fault(`the memo index ${describeValue(index)}`)
}

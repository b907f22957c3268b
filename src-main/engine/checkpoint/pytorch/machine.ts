// The stack machine that a pickle is a program for. It makes values of its own kinds (values.ts) and nothing else; a
// program that wants more than tensors need, in names, depth or memory, is refused with the byte where it asks for it.
//   Python's Lib/pickle.py (class _Unpickler) and Lib/pickletools.py, protocols 0 to 5.
import type { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Cursor, Trouble } from './cursor.ts'
import { allowedGlobal, hintFor } from './globals.ts'
import { describeValue, PickleList, type PickleValue } from './values.ts'

/** Enough for a state dict of 100,000 tensors, and for 64 MB of memory. */
const most = {
  steps: 10_000_000,
  stack: 1_000_000,
  marks: 1024,
  memo: 1_000_000,
  values: 1_200_000,
  textBytes: 1 << 25,
}

export class Machine {
  readonly cursor: Cursor
  /** Turns a persistent id into what it names: a storage. */
  readonly persistent: (id: PickleValue, machine: Machine) => PickleValue
  protocol = 0
  /** Where the operation being done begins. */
  at = 0
  private readonly stack: PickleValue[] = []
  private readonly marks: number[] = []
  private readonly memo = new Map<number, PickleValue>()
  private steps = 0
  private values = 0
  private textBytes = 0

  constructor(cursor: Cursor, persistent: (id: PickleValue, machine: Machine) => PickleValue) {
    this.cursor = cursor
    this.persistent = persistent
  }

  readonly fault = (what: string, trouble: Trouble = {}): Fault => this.cursor.fault(what, { at: this.at, ...trouble })

  tooMuch(what: string): Fault {
    return this.fault(`the pickle has ${what}`, {
      code: 'too-large',
      hint: 'Lathe reads state dicts of up to about 100,000 tensors. Split the checkpoint, or convert it to safetensors.',
    })
  }

  step(): void {
    this.at = this.cursor.position
    if (++this.steps > most.steps) throw this.tooMuch(`more than ${most.steps} operations`)
  }

  push(value: PickleValue): void {
    if (this.stack.length >= most.stack) throw this.tooMuch(`more than ${most.stack} values on its stack`)
    this.stack.push(value)
  }

  /** Pushes a value that takes memory of its own. */
  make(value: PickleValue): void {
    if (++this.values > most.values) throw this.tooMuch(`more than ${most.values} values`)
    this.push(value)
  }

  /** Counts text and bytes before they are read; faults where fewer are left. */
  spend(bytes: number): number {
    this.cursor.need(bytes)
    return this.count(bytes)
  }

  /** Counts text that is read already. */
  count(bytes: number): number {
    this.textBytes += bytes
    if (this.textBytes > most.textBytes) throw this.tooMuch(`more than ${most.textBytes} bytes of text`)
    return bytes
  }

  mark(): void {
    if (this.marks.length >= most.marks) throw this.tooMuch(`marks nested deeper than ${most.marks}`)
    this.marks.push(this.stack.length)
  }

  /** What lies above the last mark, which goes too. */
  popMark(): PickleValue[] {
    const mark = this.marks.pop()
    if (mark === undefined) throw this.fault('there is no mark to go back to')
    return this.stack.splice(mark)
  }

  pop(): PickleValue {
    this.checkAboveMark(1)
    return this.stack.pop() as PickleValue
  }

  /** The last `count` values. */
  popMany(count: number): PickleValue[] {
    this.checkAboveMark(count)
    const values = new Array<PickleValue>(count)
    for (let at = count - 1; at >= 0; at--) values[at] = this.stack.pop() as PickleValue
    return values
  }

  top(): PickleValue {
    this.checkAboveMark(1)
    return this.stack.at(-1) as PickleValue
  }

  /** POP takes a mark where one lies on top. */
  discard(): void {
    if (this.marks.at(-1) === this.stack.length) this.marks.pop()
    else this.pop()
  }

  remember(index: number): void {
    if (index >= most.memo) throw this.tooMuch(`the memo index ${index}, at most ${most.memo} are kept`)
    this.memo.set(index, this.top())
  }

  get remembered(): number {
    return this.memo.size
  }

  recall(index: number): void {
    const value = this.memo.get(index)
    if (value === undefined) throw this.fault(`nothing was put at ${index} of the memo`)
    this.push(value)
  }

  /** Pushes a global of the allow-list; faults on any other. */
  global(module: string, name: string): void {
    const found = allowedGlobal(module, name)
    if (!found)
      throw this.fault(`names ${JSON.stringify(`${module}.${name}`.slice(0, 200))}, which tensors do not need`, {
        code: 'unsupported',
        hint: hintFor(module),
        found: `${module}.${name}`,
      })
    this.push(found)
  }

  /** APPEND and its kin. */
  append(target: PickleValue, items: readonly PickleValue[]): void {
    if (!(target instanceof PickleList)) throw this.fault(`an item is added to ${describeValue(target)}`)
    for (const item of items) target.add(item)
  }

  /** The result; nothing may be left beside it. */
  finish(): PickleValue {
    const value = this.pop()
    if (this.stack.length > 0 || this.marks.length > 0) throw this.fault('values are left on the stack at the end')
    return value
  }

  private checkAboveMark(count: number): void {
    if (this.stack.length - (this.marks.at(-1) ?? 0) < count) throw this.fault('the stack holds too little for this')
  }
}

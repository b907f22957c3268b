// The tensors of a checkpoint by name. A training loop wraps the state dict in others and adds counters and optimizer
// states; this finds the state dict and says what it left.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { PickleDict, PickleList, PickleObject, PickleTensor, PickleTuple, type PickleValue } from './values.ts'

export interface StateDict {
  tensors: Map<string, PickleTensor>
  notices: string[]
}

const most = { tensors: 250_000, visits: 2_000_000, depth: 16, nameLength: 4096 }

// In the order of preference; a dict without any of these is the state dict itself.
const wrappers = [
  'state_dict',
  'model_state_dict',
  'model',
  'module',
  'net',
  'network',
  'params_ema',
  'params',
  'weights',
  'ema',
]
// What DataParallel and torch.compile put in front of every name.
const prefixes = ['module.', '_orig_mod.']

interface Found {
  tensors: Map<string, PickleTensor>
  unreadable: Map<string, string> // name -> what made it
  others: string[] // entries that are no tensors
}

/** Faults 'bad-input' where there are no tensors, 'too-large' where there are too many. */
export function stateDictOf(root: PickleValue, path: string): StateDict {
  const notices: string[] = []
  const visits = { left: most.visits }
  let value = unwrap(root, notices, path, visits)
  if (value instanceof PickleTensor) {
    const only = new PickleDict()
    only.set('tensor', value)
    value = only
  }
  const found: Found = { tensors: new Map(), unreadable: new Map(), others: [] }
  collect(value, '', 0, found, visits, path)
  const [odd] = found.unreadable
  if (found.tensors.size === 0)
    throw new Fault(
      'bad-input',
      `${path}: holds no tensors${odd ? ` that are read (${odd[0]} is made by ${odd[1]})` : ''}`,
      {
        hint: 'Open the file that holds the weights (a state dict).',
        data: { file: path, expected: 'a state dict: names and tensors' },
      },
    )
  if (odd)
    notices.push(
      `${found.unreadable.size} tensors of kinds that are not read (sparse, quantized, without data) are left out: ${listed([...found.unreadable.keys()])}.`,
    )
  if (found.others.length > 0)
    notices.push(`${found.others.length} entries that are no tensors are left out: ${listed(found.others)}.`)
  return { tensors: withoutPrefix(found.tensors, notices), notices }
}

const listed = (names: readonly string[]) => {
  const shown = names.slice(0, 8).map((name) => name.slice(0, 60))
  return shown.join(', ') + (names.length > shown.length ? ` and ${names.length - shown.length} more` : '')
}

/** Goes into wrappers as long as there is one. */
function unwrap(root: PickleValue, notices: string[], path: string, visits: { left: number }): PickleValue {
  let value = root
  const way: string[] = []
  while (value instanceof PickleDict && way.length < most.depth) {
    const { entries }: PickleDict = value
    if ([...entries.values()].some((each) => each instanceof PickleTensor)) break
    const holders = [...entries].filter(
      (entry): entry is [string, PickleDict] =>
        typeof entry[0] === 'string' && entry[1] instanceof PickleDict && holdsTensors(entry[1], 0, visits, path),
    )
    const name = wrappers.find((each) => holders.some(([key]) => key === each))
    const [key, inner] = holders.find(([each]) => each === name) ?? []
    if (key === undefined || !inner) break
    way.push(key)
    const left = [...entries.keys()].filter((each) => each !== key).map(nameOf)
    if (left.length > 0)
      notices.push(`Opened the entry "${way.join('.')}" of the checkpoint; left out: ${listed(left)}.`)
    value = inner
  }
  return value
}

function holdsTensors(value: PickleValue, depth: number, visits: { left: number }, path: string): boolean {
  if (value instanceof PickleTensor) return true
  if (depth >= most.depth) return false
  for (const inner of childrenOf(value)) {
    visit(visits, path)
    if (holdsTensors(inner[1], depth + 1, visits, path)) return true
  }
  return false
}

/** Shared and self-containing dicts make a small file look endless; so visits are counted. */
function visit(visits: { left: number }, path: string): void {
  if (--visits.left < 0)
    throw new Fault('too-large', `${path}: more than ${most.visits} entries`, { data: { file: path } })
}

function* childrenOf(value: PickleValue): Generator<[PickleValue, PickleValue]> {
  if (value instanceof PickleDict) yield* value.entries
  else if (value instanceof PickleList || value instanceof PickleTuple)
    for (const [index, item] of value.items.entries()) yield [index, item]
}

const nameOf = (key: PickleValue): string =>
  typeof key === 'string' ? key : typeof key === 'object' && key !== null ? '(a key that is no text)' : String(key)

function collect(
  value: PickleValue,
  prefix: string,
  depth: number,
  found: Found,
  visits: { left: number },
  path: string,
  above: readonly PickleValue[] = [],
): void {
  const within = [...above, value]
  for (const [key, inner] of childrenOf(value)) {
    visit(visits, path)
    const name = prefix + nameOf(key)
    if (name.length > most.nameLength)
      throw new Fault('bad-input', `${path}: a name of ${name.length} characters`, {
        data: { file: path, found: name.slice(0, 200) },
      })
    if (inner instanceof PickleTensor) add(found, name, inner, path)
    else if (inner instanceof PickleObject && inner.global.kind === 'unreadable')
      found.unreadable.set(name, inner.global.name)
    else if (depth < most.depth && !within.includes(inner) && holdsTensors(inner, 0, visits, path))
      collect(inner, `${name}.`, depth + 1, found, visits, path, within)
    else found.others.push(name)
  }
}

function add({ tensors }: Found, name: string, tensor: PickleTensor, path: string): void {
  if (tensors.has(name))
    throw new Fault('bad-input', `${path}: two tensors are called ${JSON.stringify(name.slice(0, 200))}`, {
      data: { file: path, tensor: name },
    })
  if (tensors.size >= most.tensors)
    throw new Fault('too-large', `${path}: more than ${most.tensors} tensors`, { data: { file: path } })
  tensors.set(name, tensor)
}

function withoutPrefix(tensors: Map<string, PickleTensor>, notices: string[]): Map<string, PickleTensor> {
  const prefix = prefixes.find((each) =>
    [...tensors.keys()].every((name) => name.startsWith(each) && name.length > each.length),
  )
  if (prefix === undefined) return tensors
  notices.push(`Every name began with "${prefix}", which a training wrapper puts there; it is left out.`)
  return withoutPrefix(new Map([...tensors].map(([name, tensor]) => [name.slice(prefix.length), tensor])), notices)
}

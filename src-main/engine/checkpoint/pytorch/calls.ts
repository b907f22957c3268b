// What REDUCE, NEWOBJ and BUILD do here instead of calling Python: each global of the allow-list has one meaning.
import { type FaultOf, rebuildTensor } from './tensor.ts'
import {
  describeValue,
  PickleDict,
  PickleGlobal,
  PickleList,
  PickleObject,
  PickleTensor,
  PickleTuple,
  type PickleValue,
} from './values.ts'

/** The value of `callee(*args)`. */
export function callGlobal(
  callee: PickleValue | undefined,
  args: PickleValue | undefined,
  fault: FaultOf,
): PickleValue {
  if (!(callee instanceof PickleGlobal)) throw fault(`${describeValue(callee)} is called, which is no function`)
  if (!(args instanceof PickleTuple)) throw fault(`${callee.name} is called with ${describeValue(args)}`)
  const { items } = args
  switch (callee.kind) {
    case 'rebuild':
      return rebuild(callee, items, fault)
    case 'dict':
      return dictOf(callee, items, fault)
    case 'list':
      return new PickleList([...itemsOf(callee, items, fault)])
    case 'tuple':
      return new PickleTuple(itemsOf(callee, items, fault))
    case 'inert':
    case 'unreadable':
      return new PickleObject(callee)
    case 'storage':
    case 'dtype':
      throw fault(`${callee.name} is called, which is a type of elements`)
  }
}

function rebuild(callee: PickleGlobal, args: readonly PickleValue[], fault: FaultOf): PickleValue {
  const [first] = args
  switch (callee.name) {
    case 'torch._utils._rebuild_tensor':
    case 'torch._utils._rebuild_tensor_v2':
      return rebuildTensor(args, fault)
    case 'torch._utils._rebuild_tensor_v3':
      return rebuildTensor(args, fault, args[6])
    // A tensor with attributes: (function, type, arguments, state).
    case 'torch._tensor._rebuild_from_type_v2':
      if (first instanceof PickleGlobal && first.name === callee.name) throw fault(`${callee.name} is made by itself`)
      return callGlobal(first, args[2], fault)
    default:
      // A parameter is its tensor; whether it wants gradients does not matter here.
      if (first instanceof PickleTensor || (first instanceof PickleObject && first.global.kind === 'unreadable'))
        return first
      throw fault(`${callee.name} is made of ${describeValue(first)}`)
  }
}

/** The one sequence that list, set, tuple and torch.Size take. */
function itemsOf(callee: PickleGlobal, args: readonly PickleValue[], fault: FaultOf): readonly PickleValue[] {
  const [first] = args
  if (args.length === 0) return []
  if (args.length === 1 && (first instanceof PickleTuple || first instanceof PickleList)) return first.items
  throw fault(`${callee.name} is made of ${describeValue(first)}`)
}

/** OrderedDict and its kin: of nothing, of a list of pairs, of a dict; defaultdict has its factory in front. */
function dictOf(callee: PickleGlobal, args: readonly PickleValue[], fault: FaultOf): PickleDict {
  const dict = new PickleDict()
  const content = callee.name === 'collections.defaultdict' ? args[1] : args[0]
  if (content === undefined || content === null) return dict
  if (content instanceof PickleDict) {
    for (const [key, value] of content.entries) dict.set(key, value)
    return dict
  }
  for (const pair of itemsOf(callee, [content], fault)) {
    const items = pair instanceof PickleTuple || pair instanceof PickleList ? pair.items : []
    const [key, value] = items
    if (items.length !== 2 || key === undefined || value === undefined)
      throw fault(`${callee.name} is made of ${describeValue(pair)}, not of pairs`)
    dict.set(key, value)
  }
  return dict
}

/** BUILD gives an object its attributes: those of dicts, tensors and inert objects are dropped, others have none. */
export function buildOn(instance: PickleValue | undefined, fault: FaultOf): void {
  if (instance instanceof PickleDict || instance instanceof PickleTensor || instance instanceof PickleObject) return
  throw fault(`attributes are given to ${describeValue(instance)}`)
}

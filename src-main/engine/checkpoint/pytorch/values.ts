// What a pickle can be made of here. Classes of Python never exist: a global is only a name from the allow-list, and an
// object of a class that holds no tensors is only that name.
import type { DataType } from '../../graph/ir.ts'

export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleTuple
  | PickleList
  | PickleDict
  | PickleGlobal
  | PickleObject
  | PickleStorage
  | PickleTensor

export class PickleTuple {
  readonly items: readonly PickleValue[]
  constructor(items: readonly PickleValue[]) {
    this.items = items
  }
}

const noItems: readonly PickleValue[] = []

/** A list, or a set: its items are never looked up. */
export class PickleList {
  private list: PickleValue[] | null // made when first needed: a pickle can hold a million empty ones

  constructor(items: PickleValue[] | null = null) {
    this.list = items
  }

  get items(): readonly PickleValue[] {
    return this.list ?? noItems
  }

  add(item: PickleValue): void {
    this.list ??= []
    this.list.push(item)
  }
}

const none: ReadonlyMap<PickleValue, PickleValue> = new Map()

/** A dict or one of its kinds. Keys are equal as Python has it for text and numbers; others are never looked up. */
export class PickleDict {
  private map: Map<PickleValue, PickleValue> | null = null // as above

  get entries(): ReadonlyMap<PickleValue, PickleValue> {
    return this.map ?? none
  }

  set(key: PickleValue, value: PickleValue): void {
    this.map ??= new Map()
    this.map.set(key, value)
  }
}

/** A name of the allow-list. */
export class PickleGlobal {
  readonly name: string // 'torch._utils._rebuild_tensor_v2'
  readonly kind: GlobalKind
  /** Of a storage type or a dtype; null where it says nothing of the elements. */
  readonly dtype: DataType | null
  constructor(name: string, kind: GlobalKind, dtype: DataType | null = null) {
    this.name = name
    this.kind = kind
    this.dtype = dtype
  }
}

/** rebuild: makes tensors. storage, dtype: types of elements. dict, list, tuple: containers. inert: what it makes is kept
 *  as a name. unreadable: a tensor of a kind that is not read. */
export type GlobalKind = 'rebuild' | 'storage' | 'dtype' | 'dict' | 'list' | 'tuple' | 'inert' | 'unreadable'

/** An object that is not a tensor, or a tensor that is not read; nothing of it is kept but what made it. */
export class PickleObject {
  readonly global: PickleGlobal
  constructor(global: PickleGlobal) {
    this.global = global
  }
}

/** A run of bytes outside the pickle. `begin`: of a view, in bytes into the storage called `key`. */
export class PickleStorage {
  readonly key: string
  readonly dtype: DataType | null // null: bytes whose type the tensor tells
  readonly begin: number
  readonly bytes: number
  readonly rootBytes: number // of the storage called `key`
  constructor(key: string, dtype: DataType | null, bytes: number, begin = 0, rootBytes = bytes) {
    this.key = key
    this.dtype = dtype
    this.bytes = bytes
    this.begin = begin
    this.rootBytes = rootBytes
  }
}

/** A strided view of a storage; `offset` and `strides` count elements. Checked to lie inside its storage. */
export class PickleTensor {
  readonly storage: PickleStorage
  readonly dtype: DataType
  readonly offset: number
  readonly shape: readonly number[]
  readonly strides: readonly number[]
  constructor(
    storage: PickleStorage,
    dtype: DataType,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
  ) {
    this.storage = storage
    this.dtype = dtype
    this.offset = offset
    this.shape = shape
    this.strides = strides
  }
}

/** A value in a few words, for messages. */
export function describeValue(value: PickleValue | undefined): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'None'
  if (typeof value === 'string') return `text ${JSON.stringify(value.slice(0, 60))}`
  if (typeof value !== 'object') return `${typeof value} ${String(value).slice(0, 40)}`
  if (value instanceof PickleGlobal || value instanceof PickleObject)
    return value instanceof PickleGlobal ? value.name : `an object of ${value.global.name}`
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (value instanceof PickleTensor) return 'a tensor'
  if (value instanceof PickleStorage) return 'a storage'
  if (value instanceof PickleDict) return 'a dict'
  return value instanceof PickleTuple ? `a tuple of ${value.items.length}` : 'a list'
}

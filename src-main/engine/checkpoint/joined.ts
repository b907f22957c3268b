// Several sources seen as one.
import type { TensorInfo, TensorSource } from './network.ts'

/** The same tensors under other names. */
export function renameSource(source: TensorSource, rename: (name: string) => string): TensorSource {
  const own = new Map([...source.tensors.keys()].map((name) => [rename(name), name]))
  const tensors = new Map(
    [...own].flatMap(([name, old]): [string, TensorInfo][] => {
      const info = source.tensors.get(old)
      return info ? [[name, { ...info, name }]] : []
    }),
  )
  return {
    tensors,
    read: (name, range) => source.read(own.get(name) ?? name, range),
    readStored: (name, range) => source.readStored?.(own.get(name) ?? name, range) ?? null,
    close: () => source.close(),
  }
}

/** `base` and, for names it does not have, the others. Closing it closes all. */
export function joinSources<S extends TensorSource>(base: S, others: readonly TensorSource[]): S {
  if (others.length === 0) return base
  const all = [base, ...others]
  const owner = (name: string) => all.find((source) => source.tensors.has(name)) ?? base
  const tensors = new Map(all.toReversed().flatMap((source) => [...source.tensors]))
  return {
    ...base,
    tensors,
    read: (name, range) => owner(name).read(name, range),
    readStored: (name, range) => owner(name).readStored?.(name, range) ?? null,
    close: () => {
      for (const source of all) source.close()
    },
  }
}

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { Arena } from './arena.ts'

// Compiled kernels lie in out/kernels of the project (or of the installed program): the nearest folder above this file
// that has a package.json, whether this file is the source or part of a bundle in out/main.
function findRoot(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (dirname(folder) === folder)
      throw new Fault('internal', `No package.json above ${import.meta.dirname}: cannot find the compiled kernels.`)
  }
}

/** Absolute path of a file that build/kernels.ts makes. Faults when the kernels were not built. */
export function kernelFile(name: string): string {
  const path = join(findRoot(), 'out', 'kernels', name)
  if (existsSync(path)) return path
  throw new Fault('internal', `The compiled kernel ${path} is missing.`, {
    hint: 'Run "npm run build:kernels".',
    data: { file: path },
  })
}

const modules = new Map<string, WebAssembly.Module>()

/** The compiled module of assembly/<name>.ts, read once. */
export function kernelModule(name: string): WebAssembly.Module {
  const known = modules.get(name)
  if (known !== undefined) return known
  const module = new WebAssembly.Module(readFileSync(kernelFile(`${name}.wasm`)))
  modules.set(name, module)
  return module
}

export const openKernel = <E>(name: string): Arena<E> => new Arena<E>(kernelModule(name))

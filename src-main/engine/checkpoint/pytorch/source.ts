import { Fault } from '../../../../src-preload/contract/fault.ts'
import { SourceFile } from '../file.ts'
import type { TensorInfo } from '../network.ts'
import type { SafetensorsSource } from '../safetensors.ts'
import { refuseForeignPytorch } from '../sniff.ts'
import { bytesOf, type PytorchFile, readPytorch } from './read.ts'

/** Like a safetensors file's: tensors by name and nothing else. */
export interface PytorchSource extends SafetensorsSource {
  /** Tensors that are the same numbers as another: name -> that one's. */
  readonly aliases: ReadonlyMap<string, string>
  readonly notices: readonly string[]
}

/**
 * Opens one or several PyTorch files as one lazy source; only pickles are read.
 * Faults 'bad-input', 'unsupported' and 'too-large'; 'bad-input' too for a tensor that two files hold.
 */
export function openPytorch(paths: readonly string[]): PytorchSource {
  const files: SourceFile[] = []
  const tensors = new Map<string, TensorInfo>()
  const holders = new Map<string, PytorchFile>()
  const aliases = new Map<string, string>()
  const notices = new Set<string>()
  const forms = new Set<string>()
  const close = () => {
    for (const file of files) file.close()
  }
  try {
    for (const path of paths) {
      const file = new SourceFile(path)
      files.push(file)
      refuseForeignPytorch(file)
      const opened = readPytorch(file)
      for (const notice of opened.notices) notices.add(notice)
      for (const alias of opened.aliases) aliases.set(...alias)
      forms.add(opened.form)
      for (const [name, tensor] of opened.tensors) {
        const other = tensors.get(name)
        if (other)
          throw new Fault('bad-input', `${path}: tensor ${JSON.stringify(name)} is also in ${other.file}`, {
            data: { file: path, tensor: name },
          })
        tensors.set(name, { name, dtype: tensor.dtype, shape: [...tensor.shape], bytes: bytesOf(tensor), file: path })
        holders.set(name, opened)
      }
    }
  } catch (error) {
    close()
    throw error
  }
  return {
    tensors,
    aliases,
    metadata: new Map([['written as', [...forms].join(', ')]]),
    notices: [...notices],
    bytes: files.reduce((sum, file) => sum + file.size, 0),
    read(name, range) {
      const info = tensors.get(name)
      const holder = holders.get(name)
      if (!info || !holder)
        throw new Fault('not-found', `no tensor ${JSON.stringify(name)}`, { data: { tensor: name } })
      const { begin, end } = range ?? { begin: 0, end: info.bytes }
      if (!(begin >= 0 && begin <= end && end <= info.bytes))
        throw new Fault('internal', `tensor ${name}: bytes ${begin} to ${end} of ${info.bytes}`, {
          data: { file: info.file, tensor: name },
        })
      return holder.read(name, begin, end)
    },
    close,
  }
}

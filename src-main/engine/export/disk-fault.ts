import { Fault } from '../../../src-preload/contract/fault.ts'

const reasons: Record<string, string> = {
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the disk is read-only',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EIO: 'the disk reports an error',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files',
  EFBIG: 'the file system does not hold files of that size',
  ENAMETOOLONG: 'the name is too long',
  ENOTDIR: 'part of the path is not a folder',
}

/** What the file system said, naming the path and the bytes that were needed. */
export function diskFault(error: unknown, path: string, neededBytes?: number): Fault {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  const reason = reasons[code] ?? (error instanceof Error ? error.message : String(error))
  const need = neededBytes === undefined ? '' : ` (${neededBytes} bytes needed)`
  return new Fault('disk', `Cannot write ${path}: ${reason}${need}.`, {
    hint: code === 'ENOSPC' || code === 'EDQUOT' ? 'Free some space or choose another disk.' : 'Choose another folder.',
    data: { file: path, found: code, ...(neededBytes === undefined ? {} : { neededBytes }) },
    cause: error,
  })
}

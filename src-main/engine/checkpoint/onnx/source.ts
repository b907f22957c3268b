// Lazy tensors of an ONNX checkpoint: in the model file, in typed fields that need decoding, or in external files.
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { cacheLinkTargets, judgeRelativePath, resolveInside } from '../containment.ts'
import { SourceFile } from '../file.ts'
import type { TensorInfo, TensorSource } from '../network.ts'
import { refuseForeign } from '../sniff.ts'
import { limits } from './schema.ts'
import { decodeTyped, type TensorRecord } from './tensor.ts'
import type { ByteRange } from './wire.ts'

const mostOpen = 64

/** A hostile name is refused by its text, before anything is looked up for it. */
const linkTargets = (folder: string, location: string): string[] =>
  judgeRelativePath(location) === null && existsSync(folder) ? cacheLinkTargets(folder) : []

/** External files of one model: each is checked once when the model is opened, and opened again when it is read. */
export class ExternalFiles {
  private readonly model: string
  private readonly paths = new Map<string, { path: string; size: number }>()
  private readonly open = new Map<string, SourceFile>()

  constructor(model: string) {
    this.model = model
  }

  /** Absolute paths of the files used so far. */
  get files(): { path: string; size: number }[] {
    return [...this.paths.values()]
  }

  /** Faults unless the tensor's range lies in a file inside the model's folder. Returns the file's path. */
  check(record: TensorRecord): string {
    const { place } = record
    if (place.kind !== 'external') return this.model
    let file = this.paths.get(place.location)
    if (!file) {
      if (this.paths.size >= limits.externalFiles) {
        throw new Fault('too-large', `${this.model}: more than ${limits.externalFiles} external files`, {
          data: { file: this.model, field: place.field },
        })
      }
      const folder = dirname(this.model)
      const path = resolveInside(folder, place.location, {
        file: this.model,
        field: `${place.field}.location`,
        linkTargets: linkTargets(folder, place.location),
      })
      const opened = this.open.get(path) ?? this.add(path)
      if (opened.size < 1024 && place.offset + record.bytes > opened.size) refuseForeign(opened)
      file = { path, size: opened.size }
      this.paths.set(place.location, file)
    }
    if (place.offset + record.bytes > file.size) {
      throw new Fault(
        'bad-input',
        `${this.model}: tensor "${record.name}" ends at byte ${place.offset + record.bytes} of ${file.path}, which has ${file.size}`,
        {
          hint: 'The external data file is cut off or belongs to another model. Download it again.',
          data: {
            file: this.model,
            field: place.field,
            tensor: record.name,
            offset: place.offset,
            expected: `${file.size} bytes`,
          },
        },
      )
    }
    return file.path
  }

  read(record: TensorRecord, begin: number, end: number): Uint8Array {
    if (record.place.kind !== 'external') return new Uint8Array(0)
    const path = this.check(record)
    const file = this.open.get(path) ?? this.add(path)
    return file.read(record.place.offset + begin, record.place.offset + end)
  }

  close(): void {
    for (const file of this.open.values()) file.close()
    this.open.clear()
  }

  private add(path: string): SourceFile {
    const oldest = this.open.keys().next().value
    if (this.open.size >= mostOpen && oldest !== undefined) {
      this.open.get(oldest)?.close()
      this.open.delete(oldest)
    }
    const file = new SourceFile(path)
    this.open.set(path, file)
    return file
  }
}

/** `records` by initializer name. The source owns the model's range and closes it. */
export function openSource(
  range: ByteRange,
  records: ReadonlyMap<string, TensorRecord>,
  external: ExternalFiles,
): TensorSource {
  const tensors = new Map<string, TensorInfo>()
  for (const [name, record] of records) {
    const { dtype, shape, bytes } = record
    tensors.set(name, { name, dtype, shape, bytes, file: external.check(record) })
  }
  return {
    tensors,
    read(name, part) {
      const record = records.get(name)
      if (!record) {
        throw new Fault('not-found', `${range.path}: there is no tensor "${name}"`, {
          data: { file: range.path, tensor: name },
        })
      }
      const { begin, end } = part ?? { begin: 0, end: record.bytes }
      if (!(begin >= 0 && begin <= end && end <= record.bytes)) {
        throw new Fault('internal', `${range.path}: bytes ${begin} to ${end} of "${name}", which has ${record.bytes}`, {
          data: { file: range.path, tensor: name },
        })
      }
      const { place } = record
      if (place.kind === 'range') return range.read(place.begin + begin, place.begin + end)
      if (place.kind === 'external') return external.read(record, begin, end)
      if (place.kind === 'typed') return decodeTyped(range, record, place).slice(begin, end)
      return place.bytes.slice(begin, end)
    },
    close() {
      range.close()
      external.close()
    },
  }
}

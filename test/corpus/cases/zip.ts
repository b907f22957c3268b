// Zip archives that programs read differently, or that grow when they are unpacked, around a good pickle.
import { archive, type ArchiveParts, sixFloats, stateDict } from '../pickle.ts'
import { zip } from '../zip.ts'
import { file, type Make } from './make.ts'

const torch = (parts: ArchiveParts): Make => file('model.pt', () => archive(parts))
/** An archive with one entry more. */
const beside = (name: string, more: object = {}): Make => torch({ more: [{ name, data: 'x', ...more }] })
const zeros = (mebibytes: number) => new Uint8Array(mebibytes * 2 ** 20)

export const zipCases: Record<string, Make> = {
  'ZP00-deflated-pickle': torch({ entry: { deflate: true } }),
  'ZP00-zip64': torch({ whole: { zip64: true } }),
  'ZP01-above': beside('../../x'),
  'ZP01-inner-above': beside('archive/../../x'),
  'ZP01-absolute': beside('/etc/x'),
  'ZP01-drive': beside('C:\\x'),
  'ZP01-backslashes': beside('a\\..\\..\\b'),
  'ZP01-link': beside('archive/link', { attributes: (0o120777 << 16) >>> 0 }),
  'ZP01-nul': beside('archive/x\0y'),
  'ZP01-not-utf8': file('model.pt', () => {
    const bytes = Buffer.from(archive({ more: [{ name: 'archive/xyz', data: 'x' }] }))
    for (let at = bytes.indexOf('xyz'); at >= 0; at = bytes.indexOf('xyz')) bytes[at] = 0xff
    return bytes
  }),
  'ZP02-checksum-of-pickle': torch({ entry: { crc: 5 } }),
  'ZP02-checksum-of-storage': file('model.pt', () =>
    zip([
      { name: 'archive/data.pkl', data: stateDict() },
      { name: 'archive/data/0', data: sixFloats, crc: 5 },
    ]),
  ),
  'ZP02-encrypted': torch({ entry: { flags: 1 } }),
  'ZP02-method': torch({ entry: { method: 12 } }),
  'ZP02-other-local-name': torch({ entry: { localName: 'archive/data.pkx' } }),
  'ZP02-other-local-checksum': torch({ entry: { localCrc: 7 } }),
  'ZP02-two-archives': file('model.pt', () => Buffer.concat([archive(), archive()])),
  'ZP02-two-end-records': torch({ whole: { after: zip([]) } }),
  'ZP02-end-record-in-comment': torch({ whole: { comment: Buffer.from(zip([])).toString('latin1') } }),
  'ZP02-prefix': torch({ whole: { before: new Uint8Array(7) } }),
  'ZP02-suffix': torch({ whole: { after: new Uint8Array(7) } }),
  'ZP02-hole': torch({ whole: { between: new Uint8Array(7) } }),
  'ZP02-name-twice': torch({ more: [{ name: 'archive/data/0', data: sixFloats }] }),
  'ZP02-two-pickles': torch({ more: [{ name: 'other/data.pkl', data: stateDict() }] }),
  'ZP02-packed-storage': file('model.pt', () =>
    zip([
      { name: 'archive/data.pkl', data: stateDict() },
      { name: 'archive/data/0', data: sixFloats, deflate: true },
    ]),
  ),
  'ZP03-overlap': torch({ more: [{ name: 'archive/x', data: 'x', header: 0 }] }),
  'ZP03-overlap-inside': torch({ more: [{ name: 'archive/x', data: 'x', header: 40 }] }),
  'ZP03-overlap-of-data': torch({ entry: { bytes: 230, packedBytes: 230 } }),
  'ZP03-ratio': torch({ program: zeros(32), entry: { deflate: true } }),
  'ZP03-declared-zero': torch({ program: zeros(16), entry: { deflate: true, bytes: 0 } }),
  'ZP03-declared-less': torch({ program: zeros(16), entry: { deflate: true, bytes: 1000 } }),
  'ZP03-declared-more': torch({ entry: { deflate: true, bytes: 60_000 } }),
  'ZP03-pickle-huge': torch({ program: zeros(65) }),
  'ZP03-not-deflate': torch({ entry: { method: 8 } }),
  'ZP03-too-many-entries': torch({ whole: { zip64: { count: 70_000n } } }),
  'ZP03-zip64-2-63': torch({ entry: { bytes: 2n ** 63n } }),
  'ZP03-zip64-header-2-63': torch({ more: [{ name: 'archive/x', data: 'x', header: 2n ** 63n }] }),
  'ZP03-zip64-directory': torch({ whole: { zip64: { begin: 2n ** 63n } } }),
  'ZP03-zip64-size': torch({ whole: { zip64: { size: 2n ** 40n } } }),
  'ZP03-more-than-counted': torch({ whole: { count: 1 } }),
  'ZP03-fewer-than-counted': torch({ whole: { count: 9 } }),
  'ZP03-cut-off': file('model.pt', () => archive().slice(0, -30)),
}

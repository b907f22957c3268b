import { badData, readText } from './files.ts'
import { readNpy } from './npy.ts'

const mostBytes = 256 * 2 ** 20

/** Rows of a comma-separated file with optional double quotes (RFC 4180); empty lines are left out. */
export function parseCsv(text: string, file: string): { line: number; cells: string[] }[] {
  return text.split(/\r?\n/).flatMap((content, index) => {
    if (content.trim() === '') return []
    const cells: string[] = []
    const cell = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/gy
    let ended = false
    for (let match = cell.exec(content); match && !ended; match = ended ? null : cell.exec(content)) {
      cells.push((match[1]?.replaceAll('""', '"') ?? match[2] ?? '').trim())
      ended = match[3] === ''
    }
    if (!ended) throw badData(file, `line ${index + 1}: quotes do not match`, { data: { field: `line ${index + 1}` } })
    return [{ line: index + 1, cells }]
  })
}

const wholeNumber = /^[0-9]{1,9}$/

/** Class of each image by file name, from columns "file" and "label" (or the first two where there is no header). */
export function readLabelTable(path: string): Map<string, { label: number; row: string }> {
  const rows = parseCsv(readText(path, mostBytes), path)
  const first = rows[0]
  if (!first) throw badData(path, 'no rows', { hint: 'Expected lines like "photo.jpg,7".' })
  const headed = !wholeNumber.test(first.cells[1] ?? '')
  const nameColumn = headed ? first.cells.indexOf('file') : 0
  const labelColumn = headed ? first.cells.indexOf('label') : 1
  if (nameColumn < 0 || labelColumn < 0)
    throw badData(path, `the first line names no columns "file" and "label"`, {
      data: { field: 'line 1', expected: 'file,label', found: first.cells.join(',') },
    })
  const labels = new Map<string, { label: number; row: string }>()
  for (const { line, cells } of headed ? rows.slice(1) : rows) {
    const name = cells[nameColumn] ?? ''
    const label = cells[labelColumn] ?? ''
    const row = `line ${line}`
    if (name === '' || !wholeNumber.test(label))
      throw badData(path, `${row}: expected a file and a class number`, {
        data: { field: row, found: cells.join(',') },
      })
    if (labels.has(name)) throw badData(path, `${row}: "${name}" has a label already`, { data: { field: row } })
    labels.set(name, { label: Number(label), row })
  }
  return labels
}

/** Class numbers in the order of the images, from an integer .npy of rank 1. */
export function readLabelArray(path: string): Int32Array {
  const array = readNpy(path, mostBytes)
  if (array.shape.length !== 1 || array.dtype === 'float32')
    throw badData(path, `labels must be integers of shape (N,), found ${array.dtype} (${array.shape.join(', ')})`)
  const labels = new Int32Array(array.data.length)
  array.data.forEach((value: number | bigint, index: number) => {
    const label = Number(value)
    if (label < 0 || label > 0x7fffffff)
      throw badData(path, `row ${index}: ${label} is no class number`, { data: { field: `row ${index}` } })
    labels[index] = label
  })
  return labels
}

/** Adds the offset and checks the range. `row(i)` names a sample for the message. */
export function shiftLabels(
  labels: Int32Array,
  offset: number,
  classes: number | null,
  file: string,
  row: (index: number) => string,
): Int32Array {
  return labels.map((label, index) => {
    const shifted = label + offset
    if (shifted < 0 || (classes !== null && shifted >= classes))
      throw badData(file, `${row(index)}: class ${label}${offset === 0 ? '' : ` + ${offset}`} is out of range`, {
        hint: 'Check "label-offset" in the data description, and that this data belongs to this network.',
        data: { field: row(index), expected: `0 to ${(classes ?? 0) - 1}`, found: `${shifted}` },
      })
    return shifted
  })
}

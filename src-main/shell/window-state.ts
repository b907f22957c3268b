import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { z } from 'zod'

const rectangle = { x: z.number().int(), y: z.number().int(), width: z.number().int(), height: z.number().int() }
const stateSchema = z.object({ ...rectangle, maximized: z.boolean() })

export type WindowState = z.infer<typeof stateSchema>
export type Rectangle = Omit<WindowState, 'maximized'>
export const smallestWindow = { width: 960, height: 640 } // px, device independent
const usualWindow = { width: 1440, height: 900 }
const grabbable = 120 // px of the window that must lie on a display for a person to get hold of it

/** What was remembered, or null where there is nothing sensible. */
export function loadWindowState(file: string): WindowState | null {
  try {
    return stateSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    return null // first start, or a damaged file: the usual window
  }
}

/** Beside, then renamed: a power cut leaves the old state. A disk that refuses costs the memory, not the app. */
export function saveWindowState(file: string, state: WindowState): boolean {
  try {
    writeFileSync(`${file}.new`, JSON.stringify(state))
    renameSync(`${file}.new`, file)
    return true
  } catch {
    return false
  }
}

const overlap = (beginA: number, sizeA: number, beginB: number, sizeB: number): number =>
  Math.min(beginA + sizeA, beginB + sizeB) - Math.max(beginA, beginB)

const within = (value: number, low: number, high: number): number => Math.max(low, Math.min(value, Math.max(low, high)))

/**
 * Bounds for a new window: the remembered ones where a display still shows them, shrunk to its work area; else centred
 * on the first display. `workAreas` lists the displays, the primary first.
 */
export function fitWindow(remembered: Rectangle | null, workAreas: readonly Rectangle[]): Rectangle {
  const visible = (area: Rectangle): boolean =>
    remembered !== null &&
    overlap(remembered.x, remembered.width, area.x, area.width) >= grabbable &&
    overlap(remembered.y, remembered.height, area.y, area.height) >= grabbable
  const area = workAreas.find(visible) ?? workAreas[0] ?? { x: 0, y: 0, ...usualWindow }
  const wanted = remembered ?? usualWindow
  const width = within(wanted.width, smallestWindow.width, area.width)
  const height = within(wanted.height, smallestWindow.height, area.height)
  if (remembered && visible(area))
    return {
      x: within(remembered.x, area.x, area.x + area.width - width),
      y: within(remembered.y, area.y, area.y + area.height - height),
      width,
      height,
    }
  const centred = (begin: number, space: number, size: number) => begin + Math.max(0, Math.round((space - size) / 2))
  return { x: centred(area.x, area.width, width), y: centred(area.y, area.height, height), width, height }
}

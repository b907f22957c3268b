import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fitWindow, loadWindowState, saveWindowState } from '../../src-main/shell/window-state.ts'

const display = { x: 0, y: 0, width: 1920, height: 1040 }
const right = { x: 1920, y: 0, width: 2560, height: 1400 }

test('the first window stands in the middle of the first display', () => {
  expect(fitWindow(null, [display])).toEqual({ x: 240, y: 70, width: 1440, height: 900 })
})

test('a remembered place comes back, on a second display too', () => {
  const remembered = { x: 2000, y: 100, width: 1300, height: 800 }
  expect(fitWindow(remembered, [display, right])).toEqual(remembered)
})

test('a place on a display that is gone moves to the first', () => {
  expect(fitWindow({ x: 2000, y: 100, width: 1300, height: 800 }, [display])).toEqual({
    x: 310,
    y: 120,
    width: 1300,
    height: 800,
  })
})

test('a window larger than its display shrinks, one half outside moves in', () => {
  expect(fitWindow({ x: 0, y: 0, width: 5000, height: 3000 }, [display])).toEqual(display)
  expect(fitWindow({ x: 1700, y: 900, width: 1200, height: 800 }, [display])).toEqual({
    x: 720,
    y: 240,
    width: 1200,
    height: 800,
  })
})

test('property: on a display that is large enough, a window always lies wholly within one', () => {
  const coordinate = fc.integer({ min: -10_000, max: 10_000 })
  const size = fc.integer({ min: -10, max: 10_000 })
  const areas = [display, right]
  fc.assert(
    fc.property(fc.record({ x: coordinate, y: coordinate, width: size, height: size }), (remembered) => {
      const fitted = fitWindow(remembered, areas)
      return areas.some(
        (area) =>
          fitted.x >= area.x &&
          fitted.y >= area.y &&
          fitted.x + fitted.width <= area.x + area.width &&
          fitted.y + fitted.height <= area.y + area.height,
      )
    }),
    { seed: 7, verbose: true },
  )
})

test('what was saved is loaded; damaged or absent files are no state', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-window-'))
  const file = join(folder, 'window.json')
  expect(loadWindowState(file)).toBeNull()
  const state = { ...display, maximized: true }
  expect(saveWindowState(file, state)).toBe(true)
  expect(loadWindowState(file)).toEqual(state)
  expect(readdirSync(folder)).toEqual(['window.json'])
  for (const damaged of ['', '{"x":1', '{"x":1.5,"y":0,"width":1,"height":1,"maximized":false}', 'null']) {
    writeFileSync(file, damaged)
    expect(loadWindowState(file)).toBeNull()
  }
  rmSync(folder, { recursive: true })
  expect(saveWindowState(file, state)).toBe(false)
})

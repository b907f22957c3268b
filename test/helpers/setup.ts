import { afterEach, beforeEach, expect, vi } from 'vitest'

// A warning nobody asserted is a defect: every test fails on console.warn or console.error unless it spied on it itself.
const silent = { warn: console.warn, error: console.error }
let warn = vi.spyOn(console, 'warn')
let error = vi.spyOn(console, 'error')

beforeEach(() => {
  warn = vi.spyOn(console, 'warn').mockImplementation((...words) => silent.warn(...words))
  error = vi.spyOn(console, 'error').mockImplementation((...words) => silent.error(...words))
})

afterEach(() => {
  const seen = [...(warn.mock?.calls ?? []), ...(error.mock?.calls ?? [])]
  warn.mockRestore()
  error.mockRestore()
  expect(seen, 'unasserted console warning').toEqual([])
})

import { defineStore } from 'pinia'
import { shallowRef } from 'vue'
import type { Arguments } from '../../src-preload/contract/channels.ts'

export type Purpose = Arguments<'files.pick'>['purpose']

export interface ChooserRequest {
  purpose: Purpose
  answer(path: string | null): void
}

/** The file chooser of doors that have no native dialog: one question at a time. */
export const useChooser = defineStore('chooser', () => {
  const request = shallowRef<ChooserRequest | null>(null)
  /** Folder last looked into, by purpose: the next question starts there. */
  const folders = shallowRef<Partial<Record<Purpose, string>>>({})

  function ask(purpose: Purpose): Promise<string | null> {
    request.value?.answer(null)
    return new Promise((answer) => (request.value = { purpose, answer }))
  }
  function reply(path: string | null): void {
    const now = request.value
    request.value = null
    now?.answer(path)
  }
  function visit(purpose: Purpose, folder: string): void {
    folders.value = { ...folders.value, [purpose]: folder }
  }
  return { request, folders, ask, reply, visit }
})

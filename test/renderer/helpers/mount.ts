import { flushPromises, mount, type VueWrapper } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import App from '../../../src-renderer/App.vue'
import { latheKey, overBridge } from '../../../src-renderer/api/lathe.ts'
import { createDouble, type Double } from './double.ts'

export interface Window {
  wrapper: VueWrapper
  double: Double
  /** The button with these words. */
  button(words: string | RegExp): ReturnType<VueWrapper['find']>
  press(key: string, more?: KeyboardEventInit): Promise<void>
  text(): string
}

/** The whole window over a Lathe in memory. Lists are given a height, because nothing is laid out here. `again`: the page of
 *  the window before, loaded anew. */
export async function openWindow(double: Double = createDouble(), { again = false } = {}): Promise<Window> {
  if (!again) sessionStorage.clear()
  document.body.innerHTML = '<div id="app"></div>'
  Object.defineProperty(HTMLElement.prototype, 'offsetHeight', { configurable: true, value: 600 })
  Object.defineProperty(HTMLElement.prototype, 'offsetWidth', { configurable: true, value: 900 })
  const pinia = createPinia()
  setActivePinia(pinia)
  const wrapper = mount(App, {
    attachTo: '#app',
    global: { plugins: [pinia], provide: { [latheKey as symbol]: overBridge(double) } },
  })
  await flushPromises()
  return {
    wrapper,
    double,
    button(words) {
      const found = wrapper
        .findAll('button')
        .find((one) => (typeof words === 'string' ? one.text() === words : words.test(one.text())))
      if (!found) throw new Error(`no button ${words} among ${wrapper.findAll('button').map((one) => one.text())}`)
      return found
    },
    async press(key, more = {}) {
      window.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...more }))
      await flushPromises()
    },
    text: () => document.body.textContent ?? '',
  }
}

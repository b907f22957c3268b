import { defineStore } from 'pinia'
import { ref } from 'vue'

export const themes = ['system', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

const key = 'lathe.theme'

function remembered(): Theme {
  try {
    const value = localStorage.getItem(key)
    return themes.find((theme) => theme === value) ?? 'system'
  } catch {
    return 'system' // storage may be refused; the choice then lasts as long as the window
  }
}

export const useSettings = defineStore('settings', () => {
  const theme = ref<Theme>(remembered())

  function setTheme(next: Theme): void {
    theme.value = next
    try {
      localStorage.setItem(key, next)
    } catch {
      // as above
    }
  }
  return { theme, setTheme }
})

import { resolve } from 'node:path'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

export default defineConfig({
  root: import.meta.dirname,
  plugins: [vue()],
  build: { outDir: resolve(import.meta.dirname, '../../../test-results/preview'), emptyOutDir: true, target: 'esnext' },
})

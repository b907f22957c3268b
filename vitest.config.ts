import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

// unit: everything that runs in Node. renderer: Vue in a DOM. e2e: the built window in a real Chromium (build/test.ts starts it).
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/renderer/**', 'test/e2e/**', 'test/bench/**'],
          environment: 'node',
          testTimeout: 60_000,
          setupFiles: ['test/helpers/setup.ts'],
        },
      },
      {
        plugins: [vue()],
        test: {
          name: 'renderer',
          include: ['test/renderer/**/*.test.ts'],
          environment: 'happy-dom',
          setupFiles: ['test/helpers/setup.ts'],
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          environment: 'node',
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
})

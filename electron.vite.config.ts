import { resolve } from 'node:path'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'electron-vite'
import { channels, events } from './src-preload/contract/channels.ts'

const here = import.meta.dirname

// Three entries, set explicitly: main (the shell, and the engine it starts as a plain Node process), preload, renderer.
export default defineConfig(({ command }) => ({
  main: {
    define: { LATHE_DEVELOPMENT: JSON.stringify(command === 'serve') },
    build: {
      outDir: 'out/main',
      rollupOptions: {
        input: {
          index: resolve(here, 'src-main/shell/index.ts'),
          engine: resolve(here, 'src-main/engine/main.ts'),
        },
        output: { format: 'es' },
      },
    },
  },
  preload: {
    define: {
      LATHE_CHANNELS: JSON.stringify(Object.keys(channels)),
      LATHE_EVENTS: JSON.stringify(Object.keys(events)),
    },
    build: {
      outDir: 'out/preload',
      externalizeDeps: false, // a sandboxed preload cannot require packages
      rollupOptions: {
        input: { index: resolve(here, 'src-preload/index.ts') },
        output: { format: 'cjs', entryFileNames: '[name].cjs' },
      },
    },
  },
  renderer: {
    root: 'src-renderer',
    plugins: [vue()],
    build: {
      outDir: resolve(here, 'out/renderer'),
      minify: true,
      rollupOptions: { input: { index: resolve(here, 'src-renderer/index.html') } },
    },
  },
}))

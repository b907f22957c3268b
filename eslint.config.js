import vue from 'eslint-plugin-vue'
import tseslint from 'typescript-eslint'

// The import law of the house. A room may not reach through a wall; the message names the door.
const walls = {
  electron: {
    regex: '^electron(/|$)',
    message: 'electron lives in src-main/shell only; other code gets what it needs through an argument.',
  },
  runtime: {
    regex: '^onnxruntime-(node|common)',
    message: 'onnxruntime lives in src-main/engine/runtime only; call openSession() from engine/runtime/session.ts.',
  },
  sqlite: {
    regex: '^better-sqlite3',
    message: 'better-sqlite3 lives in src-main/store only; call the functions of store/<table>.ts.',
  },
  vue: {
    regex: '^(vue|pinia|echarts|vue-echarts|reka-ui|@tanstack/)',
    message: 'The window lives in src-renderer only.',
  },
  main: {
    regex: '(^|/)src-main(/|$)',
    message: 'The window reaches the main side only through src-renderer/api and the contract in src-preload/contract.',
  },
  node: { regex: '^node:', message: 'The window has no Node; ask the main side through a channel of the contract.' },
  shell: { regex: '(^|/)shell/', message: 'The shell is a door; nothing behind it imports it.' },
  serve: { regex: '(^|/)serve/', message: 'The web shell is a door; nothing behind it imports it.' },
  cli: { regex: '(^|/)cli/', message: 'The command line is a door; nothing behind it imports it.' },
  app: { regex: '^(\\.\\./)+app/', message: 'Use-cases call down, never up: only the doors import src-main/app.' },
  store: {
    regex: '^(\\.\\./)+store/',
    message: 'Only src-main/app reads and writes the store; pass what you need as an argument.',
  },
  jobs: { regex: '^(\\.\\./)+jobs/', message: 'Only src-main/app starts jobs; the engine knows tasks only.' },
  engine: { regex: '^(\\.\\./)+engine/', message: 'Doors and store reach the engine through src-main/app.' },
}
const law = (...names) => ['error', { patterns: names.map((name) => walls[name]) }]
const room = (files, ...names) => ({ files, rules: { 'no-restricted-imports': law(...names) } })

const lines = (max) => ['error', { max, skipBlankLines: false, skipComments: false }]

export default tseslint.config(
  { ignores: ['out/**', 'node_modules/**', 'test-results/**', 'src-main/engine/kernels/assembly/**', 'dist/**'] },
  ...tseslint.configs.recommended,
  ...vue.configs['flat/recommended'],
  { files: ['**/*.vue'], languageOptions: { parserOptions: { parser: tseslint.parser } } },
  {
    rules: {
      'max-lines': lines(400),
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-console': 'error',
      eqeqeq: 'error',
      // prettier's business, not lint's
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/multiline-html-element-content-newline': 'off',
      'vue/html-self-closing': 'off',
      'vue/html-indent': 'off',
      'vue/html-closing-bracket-newline': 'off',
      'vue/first-attribute-linebreak': 'off',
      'vue/attributes-order': 'off',
      'vue/multi-word-component-names': 'off',
      'vue/require-default-prop': 'off',
    },
  },
  { files: ['**/*.vue'], rules: { 'max-lines': lines(250) } },
  { files: ['test/**', 'build/**', '*.config.*'], rules: { 'no-console': 'off' } },
  room(['src-main/shell/**'], 'runtime', 'sqlite', 'vue', 'engine', 'store', 'jobs', 'cli'),
  room(['src-main/serve/**'], 'electron', 'runtime', 'sqlite', 'vue', 'engine', 'store', 'jobs', 'shell', 'cli'),
  room(['src-main/cli/**'], 'electron', 'runtime', 'sqlite', 'vue', 'engine', 'store', 'jobs', 'shell'),
  room(['src-main/app/**'], 'electron', 'runtime', 'sqlite', 'vue', 'shell', 'serve', 'cli'),
  room(['src-main/store/**'], 'electron', 'runtime', 'vue', 'engine', 'jobs', 'app', 'shell', 'serve', 'cli'),
  room(['src-main/jobs/**'], 'electron', 'runtime', 'sqlite', 'vue', 'store', 'app', 'shell', 'serve', 'cli'),
  room(['src-main/engine/**'], 'electron', 'runtime', 'sqlite', 'vue', 'store', 'jobs', 'app', 'shell', 'serve', 'cli'),
  room(['src-main/engine/runtime/**'], 'electron', 'sqlite', 'vue', 'store', 'jobs', 'app', 'shell', 'serve', 'cli'),
  room(['src-preload/**'], 'runtime', 'sqlite', 'vue', 'main'),
  room(['src-preload/contract/**'], 'electron', 'runtime', 'sqlite', 'vue', 'main', 'node'),
  room(['src-renderer/**'], 'electron', 'runtime', 'sqlite', 'main', 'node'),
)

import '../../../src-renderer/api/jitless.ts'
import type {} from '../../../src-renderer/api/bridge.ts'
import { createDouble } from '../../renderer/helpers/double.ts'

// The window over a made-up Lathe, to look at screens while the real one is being changed. Outside the product.
const double = createDouble()
window.lathe = Object.assign(double, { door: 'preview', pathOf: (file: File) => `/dropped/${file.name}` })
Object.assign(window, { double })
await import('../../../src-renderer/main.ts')

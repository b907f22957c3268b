import './api/jitless.ts'
import { createPinia } from 'pinia'
import { createApp } from 'vue'
import App from './App.vue'
import { latheKey, overBridge, overSocket } from './api/lathe.ts'
import './api/bridge.ts'
import './styles/tokens.css'
import './styles/base.css'
import './styles/parts.css'
import './styles/sheet.css'

const lathe = window.lathe ? overBridge(window.lathe) : overSocket(window.location)
createApp(App).use(createPinia()).provide(latheKey, lathe).mount('#app')

import { BarChart, CustomChart, LineChart, ScatterChart } from 'echarts/charts'
import { GridComponent, MarkLineComponent } from 'echarts/components'
import { use } from 'echarts/core'
import { CanvasRenderer } from 'echarts/renderers'

// Only what the three charts draw with: the rest of the library stays out of the bundle.
use([BarChart, CustomChart, LineChart, ScatterChart, GridComponent, MarkLineComponent, CanvasRenderer])

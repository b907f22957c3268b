import { BarChart, CustomChart, HeatmapChart, LineChart, ScatterChart } from 'echarts/charts'
import { GridComponent, MarkLineComponent, VisualMapComponent } from 'echarts/components'
import { use } from 'echarts/core'
import { CanvasRenderer } from 'echarts/renderers'

// Only what the charts draw with: the rest of the library stays out of the bundle.
use([
  ...[BarChart, CustomChart, HeatmapChart, LineChart, ScatterChart],
  ...[GridComponent, MarkLineComponent, VisualMapComponent, CanvasRenderer],
])

/** The browser is served uPlot's own module under this name (../assets.ts). */
import uPlot from 'uplot';
export default uPlot;

/** The browser is served src/text.ts under this name (../assets.ts): numbers read as on the terminal. */
export { bytes, count, duration } from '../../text.js';

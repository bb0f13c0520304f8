/** How a report looks: on a screen in light or dark, on a phone, and on A4, where it is always light. */
export const REPORT_CSS = `
:root { color-scheme: light dark;
  --paper: #fff; --ink: #1b212b; --soft: #5a6474; --line: #d8dde5; --shade: #f5f7fa;
  --accent: #2d62b3; --shade-frozen: #d5e3f7; --good: #17693f; --good-bg: #e8f5ee; --bad: #a3211b; --bad-bg: #fcebe9; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #12161c; --ink: #e4e8ee; --soft: #9ba6b5; --line: #2d3541; --shade: #1a2029;
  --accent: #7aa9f0; --shade-frozen: #22344f; --good: #6fd3a0; --good-bg: #12291e; --bad: #ff9d95; --bad-bg: #351a18; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; font-variant-numeric: tabular-nums; }
header p, footer { color: var(--soft); font-size: .87rem; margin: 0; }
h1 { font-size: 1.05rem; font-weight: 600; margin: 0; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; padding-top: .9rem; border-top: 1px solid var(--line); break-after: avoid; }
pre { overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; margin: .3rem 0; padding: .4rem .6rem; background: rgb(127 127 127 / .12); }
h3 { font-size: .95rem; margin: 1.2rem 0 .3rem; break-after: avoid; }
p { margin: .4rem 0; max-width: 46rem; }
ul { margin: .4rem 0; padding-left: 1.2rem; max-width: 46rem; }
li { margin: .25rem 0; }
code, .id { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; font-size: .87em; overflow-wrap: anywhere; }
.verdict { margin: 1rem 0 1.4rem; padding: 1rem 1.25rem; border-left: .4rem solid; border-radius: .25rem; break-inside: avoid; }
.verdict strong { display: block; font-size: 2rem; line-height: 1.2; letter-spacing: .04em; }
.verdict p { margin: .3rem 0 0; color: var(--ink); overflow-wrap: anywhere; }
.good { color: var(--good); background: var(--good-bg); border-color: var(--good); }
.bad { color: var(--bad); background: var(--bad-bg); border-color: var(--bad); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(7rem, 1fr)); gap: 1rem; margin: 0; break-inside: avoid; }
.figures dt { color: var(--soft); font-size: .82rem; }
.figures dd { margin: 0; font-size: 1.3rem; font-weight: 600; line-height: 1.3; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; }
th, td { text-align: left; vertical-align: top; padding: .28rem .7rem .28rem 0; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 500; border-bottom: 1.5px solid var(--soft); white-space: nowrap; }
tbody th { font-weight: 500; overflow-wrap: anywhere; min-width: 4.5rem; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
.n { text-align: right; white-space: nowrap; }
.facts th { width: 11rem; color: var(--soft); font-weight: 400; }
.facts td { overflow-wrap: anywhere; }
.bars { display: grid; grid-template-columns: repeat(auto-fit, minmax(21rem, 1fr)); gap: 0 2.5rem; }
.bars > div { break-inside: avoid; min-width: 0; }
.bars td, .bars th { border: 0; padding: .1rem .6rem .1rem 0; vertical-align: middle; }
.bars th { max-width: 11rem; }
.bars td.b { width: 50%; }
.bar { display: block; width: 100%; height: .7rem; }
.bar rect { fill: var(--accent); }
.timeline { min-width: 9rem; height: 1.1rem; margin: .1rem 0; }
.timeline .frozen { fill: var(--shade-frozen); }
.whole { white-space: nowrap; }
.small { color: var(--soft); font-size: .82rem; }
ol { margin: .4rem 0; padding-left: 1.6rem; max-width: 46rem; }
.found tbody { break-inside: avoid; }
.found tbody th[scope=rowgroup] { padding-top: .7rem; border: 0; font-weight: 600; }
.found tbody tr:nth-child(2) > * { border: 0; }
.found code { white-space: pre-wrap; }
.found .what { color: var(--bad); font-weight: 400; }
.found mark { background: var(--bad-bg); color: var(--bad); font-weight: 600; padding: 0 .2rem; border-radius: .15rem; }
.search { display: flex; flex-wrap: wrap; gap: .6rem; align-items: end; margin: .6rem 0 1rem; font-size: .87rem; }
.search[hidden] { display: none; }
.search label { display: grid; color: var(--soft); }
.search input, .search select { font: inherit; color: var(--ink); background: var(--shade); border: 1px solid var(--line); border-radius: .25rem; padding: .3rem .5rem; }
.search input { width: 18rem; max-width: 80vw; }
.signature { display: grid; grid-template-columns: repeat(3, 1fr); gap: 2rem; margin: 3.2rem 0 1.5rem; break-inside: avoid; }
.signature span { border-top: 1px solid var(--ink); padding-top: .25rem; font-size: .82rem; color: var(--soft); }
@media (max-width: 40rem) { body { padding: 1rem .9rem 3rem; } .facts th { width: 7.5rem; } .bars { grid-template-columns: 1fr; } }
@page { size: A4; margin: 16mm 15mm 18mm; @bottom-right { content: counter(page) " / " counter(pages); font: 9px sans-serif; color: #5a6474; } }
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #111; --soft: #4a5260; --line: #c9cfd8; --shade: #fff;
    --accent: #2d62b3; --shade-frozen: #d5e3f7; --good: #17693f; --good-bg: #e8f5ee; --bad: #a3211b; --bad-bg: #fcebe9; }
  * { print-color-adjust: exact; }
  html { font-size: 12px; }
  body { padding: 0; max-width: none; font-size: 12px; }
  h2 { margin-top: 1.4rem; }
  .search { display: none; }
  .scroll { overflow: visible; }
  tbody[hidden] { display: table-row-group; }
}
`;

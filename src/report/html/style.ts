/**
 * The report's style sheet: light and dark, from 360 pixels up, printable; no font or picture from
 * elsewhere.
 */

const lightColours = `
  --page: #f6f7f9; --card: #fff; --ink: #14181f; --dim: #5b6472; --line: #dfe3e9;
  --float: #5b6472; --quantized: #1d5fd1; --shade: #dbe7fb; --good: #1d5fd1; --warn: #a15c00;
  --bad: #c02626; --hover: #eef3fc;`;
const darkColours = `
  --page: #0f1216; --card: #171b21; --ink: #e7eaef; --dim: #9aa4b2; --line: #2b323c;
  --float: #9aa4b2; --quantized: #6ea8ff; --shade: #223553; --good: #6ea8ff; --warn: #f0b04a;
  --bad: #ff7b72; --hover: #1e2733;`;

export const styleSheet: string = `
:root { color-scheme: light dark; ${lightColours} }
@media (prefers-color-scheme: dark) { :root { ${darkColours} } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--card); padding: .5rem 1rem; }
.wrap { max-width: 72rem; margin: 0 auto; padding: 0 1rem; }
header { padding: 2.25rem 0 .25rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0; letter-spacing: -.015em; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 0 0 .25rem; letter-spacing: -.005em; }
h3 { font-size: 1rem; margin: 1.25rem 0 .5rem; }
p { margin: .25rem 0 .75rem; }
a { color: var(--quantized); }
.dim, .note { color: var(--dim); }
.note { font-size: .9rem; max-width: 46rem; }
.bad { color: var(--bad); } .warn { color: var(--warn); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 1.25rem 1.25rem 1rem; margin: 1rem 0; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(12.5rem, 1fr)); gap: .75rem;
  margin: 1.25rem 0 1rem; padding: 0; list-style: none; }
.facts li { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: .9rem 1.1rem; }
.facts .name { color: var(--dim); font-size: .85rem; }
.facts .big { display: block; font-size: 1.55rem; font-weight: 650; line-height: 1.25;
  letter-spacing: -.02em; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.facts .more { color: var(--dim); font-size: .85rem; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 0 2.5rem; }
svg.chart { display: block; overflow: visible; font-size: 12px; margin: .5rem 0; }
.lollipop-box { padding-left: 1.9rem; }
svg text { fill: var(--ink); } svg .tick { fill: var(--dim); }
svg .label { font-size: 13px; fill: var(--dim); } svg .value { fill: var(--ink); font-weight: 650; }
.grid { stroke: var(--line); } .threshold { stroke: var(--bad); stroke-dasharray: 5 4; }
.whisker { stroke-width: 5; stroke-linecap: round; opacity: .45; }
.float .whisker { stroke: var(--float); } .quantized .whisker { stroke: var(--quantized); }
.float .dot, .float .bar { fill: var(--float); } .quantized .dot, .quantized .bar { fill: var(--quantized); }
.stem { stroke-width: 2; opacity: .55; } .weights { stroke: var(--float); stroke-width: 2; }
.good .stem { stroke: var(--good); } .warn .stem { stroke: var(--warn); } .bad .stem { stroke: var(--bad); }
.good .dot { fill: var(--good); } .warn .dot { fill: var(--warn); } .bad .dot { fill: var(--bad); }
.hit { fill: transparent; } a:hover .hit { fill: var(--hover); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; margin: .25rem 0 .75rem;
  list-style: none; font-size: .85rem; color: var(--dim); }
.legend i { display: inline-block; width: .75rem; height: .75rem; border-radius: 50%; margin-right: .4rem;
  vertical-align: -1px; background: var(--good); }
.legend .weight i { height: 2px; border-radius: 0; background: var(--float); vertical-align: 4px; }
.legend .limit i { height: 0; width: 1.2rem; border-radius: 0; background: none;
  border-top: 1px dashed var(--bad); vertical-align: 4px; }
.legend .below i, .legend .beyond i { background: var(--bad); } .legend .near i { background: var(--warn); }
.legend .beyond i, .legend .span i, .legend .inside i { border-radius: 2px; }
.legend .span i { background: var(--shade); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 13rem), 1fr)); gap: .75rem; margin: .5rem 0; }
.card { margin: 0; border: 1px solid var(--line); border-radius: 8px; padding: .5rem .65rem .35rem; break-inside: avoid; min-width: 0; }
.card figcaption { display: flex; justify-content: space-between; gap: .5rem; font-size: .8rem; }
.card figcaption b { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-weight: 600; }
.card figcaption span { white-space: nowrap; }
.histogram { display: block; width: 100%; height: 64px; margin: .3rem 0 .15rem; border-bottom: 1px solid var(--dim); }
.shade { fill: var(--shade); } .in { fill: var(--quantized); } .out { fill: var(--bad); }
.axis .range { white-space: nowrap; }
.axis { display: flex; justify-content: space-between; gap: .5rem; margin: 0; font-size: .75rem; color: var(--dim); font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; margin: .5rem -1.25rem 0; padding: 0 1.25rem .5rem; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
.scroll table { min-width: 100%; }
.two .scroll { margin: .5rem 0 0; padding: 0; }
.two td.free { min-width: 0; }
@media (min-width: 84rem) { .wide { margin-inline: max(-14rem, calc(36rem - 50vw + 1.5rem)); } }
th, td { padding: .3rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } thead th { color: var(--dim); vertical-align: bottom; }
th.text, td.text { text-align: left; } td.free { white-space: normal; min-width: 14rem; }
tbody tr:hover > * { background: var(--hover); } tr:target > * { background: var(--shade); }
.layers tbody th { position: sticky; left: -1.25rem; background: var(--card); max-width: 16rem; overflow: hidden; text-overflow: ellipsis; }
th button { all: unset; cursor: pointer; font: inherit; color: inherit; }
th button:focus-visible { outline: 2px solid var(--quantized); outline-offset: 3px; }
th button::after { content: "\\2195"; opacity: .4; margin-left: .3em; }
th[aria-sort=ascending] button::after { content: "\\2191"; opacity: 1; }
th[aria-sort=descending] button::after { content: "\\2193"; opacity: 1; }
ol.lowest { display: flex; flex-wrap: wrap; gap: .1rem 1.5rem; list-style: none; padding: 0; margin: .25rem 0 .5rem; font-size: .9rem; }
ul.plain { margin: .5rem 0; padding-left: 1.15rem; } ul.plain li { margin: .2rem 0; overflow-wrap: anywhere; }
summary { cursor: pointer; font-weight: 600; padding: .25rem 0; }
code, pre { font: .85rem/1.5 ui-monospace, "Cascadia Mono", Menlo, Consolas, "Liberation Mono", monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--page); border: 1px solid var(--line);
  border-radius: 8px; padding: .75rem 1rem; margin: .5rem 0 1rem; }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .2rem 1.25rem; margin: .5rem 0; font-size: .9rem; }
dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
footer { color: var(--dim); font-size: .85rem; padding: .5rem 0 2rem; }
@media (max-width: 30rem) {
  header { padding-top: 1.25rem; } h1 { font-size: 1.5rem; }
  section { padding: 1rem .9rem .75rem; border-radius: 10px; }
  .scroll { margin: .5rem -.9rem 0; padding: 0 .9rem .5rem; }
  .layers tbody th { left: -.9rem; max-width: 8.5rem; }
  th, td { padding: .3rem .4rem; } .two th { white-space: normal; } .cards { grid-template-columns: 1fr 1fr; gap: .5rem; } .axis .range { display: none; }
  .card { padding: .4rem .45rem .25rem; } .card figcaption { font-size: .75rem; flex-direction: column; gap: 0; }
  .facts li:last-child:nth-child(odd) { grid-column: 1 / -1; }
  .facts { grid-template-columns: 1fr 1fr; gap: .5rem; } .facts li { padding: .65rem .75rem; } .facts .big { font-size: 1.2rem; }
}
@media print {
  :root { color-scheme: light; ${lightColours} --page: #fff; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { font-size: 10.5px; } .wrap { max-width: none; padding: 0; }
  section, .facts li { break-inside: auto; border-radius: 0; border-width: 1px 0 0; padding: .75rem 0; }
  h2, h3, summary, .note, .legend { break-after: avoid; } tr, .card, .two, svg.chart { break-inside: avoid; }
  .scroll { overflow: visible; margin: 0; padding: 0; } th, td { padding: .15rem .3rem; white-space: normal; }
  #layers table { font-size: 6.5px; } #layers th, #layers td { white-space: nowrap; padding: .1rem .18rem; }
  .card figcaption, .axis { font-size: 7.5px; }
  .layers tbody th { position: static; max-width: 9rem; } th button::after { content: none; }
  .cards { grid-template-columns: repeat(4, 1fr); } .wide { margin-inline: 0; }
}
`;

"""The style of the HTML report; it prints well, and follows the reader's choice of light or dark."""

STYLE = """
:root { color-scheme: light dark; --line: #8888; --band: #2a6fb0; --ok: #2e7d32; --warning: #b26a00;
  --critical: #b3261e; --unknown: #666; --ambiguous: #6a4fb3; }
@media (prefers-color-scheme: dark) { :root { --band: #64a8e8; --ok: #66bb6a; --warning: #ffb74d;
  --critical: #ff8a80; --unknown: #a0a0a0; --ambiguous: #b39ddb; } }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 80rem; margin: 1.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
code, dd, td { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: minmax(10rem, 20rem) 1fr; gap: .2rem 1rem; }
dt { color: var(--unknown); } dd { margin: 0; }
figure { margin: 1rem 0; } figcaption { font-size: .85rem; color: var(--unknown); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .85rem; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .5rem; border-bottom: 1px solid var(--line); }
svg.skew { width: 100%; height: 11rem; } svg.spark { width: 14rem; height: 2rem; }
.band { fill: var(--band); }
.ok { --own: var(--ok); } .warning { --own: var(--warning); } .critical { --own: var(--critical); }
.unknown { --own: var(--unknown); } .ambiguous { --own: var(--ambiguous); }
.limit { stroke: var(--own); stroke-dasharray: 6 4; vector-effect: non-scaling-stroke; }
.verdict { fill: var(--own); }
.key::before { content: ""; display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 .7em;
  background: var(--own); print-color-adjust: exact; }
p.warning { color: var(--own); }
.whole { color: var(--ok); } .changed { color: var(--critical); font-weight: bold; }
.statement { border-left: 3px solid var(--line); padding-left: .75rem; }
.wide table { min-width: 46rem; } td:nth-child(9) { min-width: 15rem; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; } }
@media print { body { max-width: none; font-size: 11px; } section { break-before: page; } }
"""

/**
 * A page with curves over iterations: what the pages of training share.
 */
import { html, type Markup, markupText, trusted } from "./markup.ts";
import { script, scriptHash } from "./script.ts";
import { styleSheet } from "./style.ts";

/** Only these pages draw lines. */
const lineStyle = `
figure.lines { margin: 0 0 1rem; } figure.lines figcaption { font-weight: 600; font-size: .95rem; }
figure.lines .lollipop-box { padding-left: 3.2rem; }
.curve { fill: none; stroke-width: 1.75; stroke-linejoin: round; }
.line0 .curve { stroke: var(--quantized); } .line0 .dot, .legend .line0 i { fill: var(--quantized); background: var(--quantized); }
.line1 .curve { stroke: var(--bad); } .line1 .dot, .legend .line1 i { fill: var(--bad); background: var(--bad); }
.line2 .curve { stroke: var(--warn); } .line2 .dot, .legend .line2 i { fill: var(--warn); background: var(--warn); }
.line3 .curve { stroke: var(--float); } .line3 .dot, .legend .line3 i { fill: var(--float); background: var(--float); }
.line4 .curve { stroke: #0d8a72; } .line4 .dot, .legend .line4 i { fill: #0d8a72; background: #0d8a72; }
.line5 .curve { stroke: #8b4fc6; } .line5 .dot, .legend .line5 i { fill: #8b4fc6; background: #8b4fc6; }
`;

export type LinePage = {
  readonly title: string;
  /** What the window's title says behind it: "training". */
  readonly kind: string;
  readonly subtitle: string;
  readonly body: Markup;
};

/** The whole file. It loads nothing and runs no script but its own. */
export function linePage({ title, kind, subtitle, body }: LinePage): string {
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${scriptHash}'; base-uri 'none'; form-action 'none'`;
  return markupText(html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">
<title>${title} - Inlay ${kind}</title><style>${trusted(styleSheet + lineStyle)}</style></head>
<body><a class="skip" href="#main">Skip to the report</a><div class="wrap"><header><h1>${title}</h1><p class="dim">${subtitle}</p></header>
<main id="main">${body}
</main><footer>Written by Inlay.</footer></div>
<script>${trusted(script)}</script></body></html>
`);
}

/** Name, figure, and what is to be said of it. */
export type Fact = readonly string[];

export function factCards(facts: readonly Fact[]): Markup {
  const cards = facts.map(
    ([name = "", big = "", more = ""]) =>
      html`<li><span class="name">${name}</span><span class="big">${big}</span><span class="more">${more}</span></li>`,
  );
  return html`<ul class="facts">${cards}</ul>`;
}

export function warningSection(
  warnings: readonly { readonly message: string; readonly where: string | null }[],
): Markup | null {
  if (warnings.length === 0) return null;
  const items = warnings.map(
    ({ where, message }) => html`<li>${where === null ? message : `${where}: ${message}`}</li>`,
  );
  return html`<section><h2 class="warn">Warnings</h2><ul class="plain">${items}</ul></section>`;
}

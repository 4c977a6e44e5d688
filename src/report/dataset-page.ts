/**
 * What is in a data set, as one HTML file with some of its pictures in it. No script, no other file, no network.
 */
import type { DatasetShowReport } from "./dataset.ts";
import { factsOf, labelRows, sizeRows } from "./dataset-rows.ts";
import { plainTable } from "./html/data-table.ts";
import { html, type Markup, markupText, trusted } from "./html/markup.ts";
import { styleSheet } from "./html/style.ts";

/** A picture of the page. */
export type DatasetPicture = {
  readonly name: string;
  /** Its class; "" where it has none. */
  readonly caption: string;
  /** In its own pixels. */
  readonly width: number;
  readonly height: number;
  /** `data:image/png;base64,...` */
  readonly url: string;
};

const pictureStyle = `
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr)); gap: 1rem .75rem; margin: .75rem 0; }
.pictures figure { margin: 0; font-size: .8rem; min-width: 0; }
.pictures img { display: block; width: 100%; height: 7rem; object-fit: contain; background: var(--page); border-radius: 6px; }
.pictures img.small { image-rendering: pixelated; }
.pictures figcaption { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: var(--dim); }
`;

/** Pictures up to this side are drawn with their pixels showing. */
const smallSide = 64;

/** The page. The same report and pictures give the same bytes. */
export function renderDatasetHtml(
  report: DatasetShowReport,
  pictures: readonly DatasetPicture[],
): string {
  const policy =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";
  const facts = factsOf(report).map(
    ({ name, big, more }) =>
      html`<li><span class="name">${name}</span><span class="big">${big}</span><span class="more">${more}</span></li>`,
  );
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">
<title>${report.source} - Inlay data set</title><style>${trusted(styleSheet + pictureStyle)}</style></head>
<body><div class="wrap"><header><h1>${report.source}</h1></header>
<main id="main"><ul class="facts">${facts}</ul>
${pictureSection(pictures)}
${tableSection("Labels", ["label", "class", "samples", "share"], labelRows(report))}
${tableSection("Sizes", ["size", "channels", "pictures"], sizeRows(report))}
${unreadableSection(report)}
</main><footer>Written by Inlay.</footer></div></body></html>
`;
  return markupText(page);
}

function pictureSection(pictures: readonly DatasetPicture[]): Markup | null {
  if (pictures.length === 0) return null;
  const figures = pictures.map(
    ({ name, caption, width, height, url }) =>
      html`<figure><img class="${Math.max(width, height) <= smallSide ? "small" : "large"}" src="${url}" width="${width}" height="${height}" alt="${name}"><figcaption title="${name}"><b>${caption}</b> ${name}</figcaption></figure>`,
  );
  return html`<section><h2>Pictures</h2><div class="pictures">${figures}</div></section>`;
}

function tableSection(
  title: string,
  heads: readonly string[],
  rows: readonly (readonly string[])[],
): Markup {
  return html`<section><h2>${title}</h2>${plainTable(heads, rows)}</section>`;
}

function unreadableSection({ unreadable }: DatasetShowReport): Markup | null {
  if (unreadable.count === 0) return null;
  const rows = unreadable.samples.map(({ name, reason }) => [name, reason]);
  return html`<section><h2 class="bad">Cannot be read: ${unreadable.count}</h2>${plainTable(["sample", "why"], rows)}</section>`;
}

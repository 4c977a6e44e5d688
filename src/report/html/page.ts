/**
 * The report as one HTML file: no other file, no network, no framework. It opens from a disk or a
 * mail attachment, and prints.
 */
import type {
  CalibrateReport,
  CompareReport,
  EvaluateReport,
  InspectReport,
  JobReport,
  QuantizeReport,
} from "../reports.ts";
import { accuracySection, factCards, sizeSection } from "./headline.ts";
import { layerRows, layerSection } from "./layer-table.ts";
import { html, type Markup, markupText, trusted } from "./markup.ts";
import { script, scriptHash } from "./script.ts";
import {
  errorSection,
  findingSection,
  histogramSection,
  rangeSection,
  reproductionSection,
  warningSection,
} from "./sections.ts";
import { styleSheet } from "./style.ts";

type Part = InspectReport | CalibrateReport | QuantizeReport | EvaluateReport | CompareReport;

/** The page of a whole job, or of one part of it. The same report gives the same bytes. */
export function renderHtml(report: JobReport | Part): string {
  const job = report.schema === "inlay.report/1" ? report : jobOf(report);
  return markupText(page(job));
}

/** A job that consists of one part. */
function jobOf(part: Part): JobReport {
  const evaluated = part.schema === "inlay.evaluate/1" ? part : null;
  return {
    schema: "inlay.report/1",
    title: part.model,
    inspect: part.schema === "inlay.inspect/1" ? part : null,
    calibrate: part.schema === "inlay.calibrate/1" ? part : null,
    quantize: part.schema === "inlay.quantize/1" ? part : null,
    evaluate: {
      float: evaluated?.simulated === false ? evaluated : null,
      quantized: evaluated?.simulated === true ? evaluated : null,
    },
    compare: part.schema === "inlay.compare/1" ? part : null,
    histograms: [],
    reproduction: null,
  };
}

function page(job: JobReport): Markup {
  const rows = layerRows(job);
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${scriptHash}'; base-uri 'none'; form-action 'none'`;
  const sections = [
    warningSection(job),
    accuracySection(job),
    sizeSection(job),
    errorSection(job, rows),
    histogramSection(job.histograms),
    layerSection(job, rows),
    findingSection(job),
    rangeSection(job.calibrate),
    reproductionSection(job.reproduction),
  ];
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">
<title>${job.title} - Inlay report</title><style>${trusted(styleSheet)}</style></head>
<body><a class="skip" href="#main">Skip to the report</a><div class="wrap"><header><h1>${job.title}</h1><p class="dim">${subtitle(job)}</p></header>
<main id="main">${factCards(job)}
${sections}
</main><footer>Written by Inlay. Accuracies carry 95 % Wilson intervals; SQNR is 10 log10 of signal power over error power.</footer></div>
<script>${trusted(script)}</script></body></html>
`;
}

/** `int8 · calibrated with entropy on 250 images · out/quantized.onnx` */
function subtitle(job: JobReport): string {
  const { quantize, calibrate, inspect } = job;
  const parts = [
    quantize === null ? null : `Quantized for ${quantize.target}`,
    calibrate === null
      ? null
      : `calibrated with ${calibrate.method} on ${calibrate.samples} images`,
    quantize === null && inspect !== null ? inspect.source.join(", ") : null,
  ];
  return parts.filter((part) => part !== null && part !== "").join(" · ");
}

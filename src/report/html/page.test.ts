import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as sample from "../../../test/report-sample.ts";
import type { Histogram, JobReport } from "../reports.ts";
import { escapeHtml, html, markupText } from "./markup.ts";
import { renderHtml } from "./page.ts";
import { script, scriptHash } from "./script.ts";

const job = sample.sampleJob();
const small: JobReport = {
  ...job,
  inspect: sample.sampleInspect(sample.sampleGraph(1)),
  histograms: job.histograms.slice(0, 3),
};

/** Every text that a user, a file or a model could have put there goes through `change`. */
function replaceTexts(value: unknown, change: (text: string) => string, key = ""): unknown {
  // These hold words of our own, and decide what is drawn.
  const own = ["schema", "tensor", "dtype", "status", "exact", "format"];
  if (typeof value === "string") return own.includes(key) ? value : change(value);
  if (Array.isArray(value)) return value.map((item) => replaceTexts(item, change, key));
  if (typeof value !== "object" || value === null) return value;
  const records = ["preprocessing", "options", "versions"];
  const entries = Object.entries(value).map(([name, item]) => [
    records.includes(key) ? change(name) : name,
    replaceTexts(item, change, name),
  ]);
  return Object.fromEntries(entries);
}

/** Tags with the names of their attributes, without any text or value: what a browser would build. */
function skeleton(page: string): string {
  const body = page.replace(/<style>[^<]*<\/style>/, "").replace(script, "");
  const tags = body.match(/<[^>]*>/g) ?? [];
  return tags.map((tag) => tag.replaceAll(/"[^"]*"/g, '""')).join("\n");
}

function hostile(text: string): JobReport {
  // Names stay different from each other, so that joins by name join the same rows.
  const names = new Map<string, string>();
  const change = (original: string): string => {
    const known = names.get(original) ?? `${text}${names.size}`;
    names.set(original, known);
    return known;
  };
  return replaceTexts(small, change) as JobReport;
}

describe("escaping", () => {
  test("the tag escapes strings, joins lists, drops null and keeps its own markup", () => {
    const inner = html`<i title="${`"'`}">${"<b>&"}</i>`;
    expect(markupText(html`${[inner, "<", 1]}${null}`)).toBe(
      '<i title="&quot;&#39;">&lt;b&gt;&amp;</i>&lt;1',
    );
    expect(escapeHtml("a\u0000b\u202ec")).toBe("a?b?c");
  });

  const nasty = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></script><svg onload=alert(1)>",
    "<!-- ",
    "&lt;&amp;&#x27;",
    "javascript:alert(1)",
    "\u0000\u202e\u2028\ud800",
  ];
  test.each(nasty)("hostile text %j changes no tag", (text) => {
    const page = renderHtml(hostile(text));
    expect(skeleton(page)).toBe(skeleton(renderHtml(hostile("plain"))));
    expect(page.match(/<script/g)).toHaveLength(1);
  });

  test("no text at all changes a tag", () => {
    const reference = skeleton(renderHtml(hostile("plain")));
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 30 }), (text) => {
        expect(skeleton(renderHtml(hostile(text)))).toBe(reference);
      }),
      { numRuns: 60 },
    );
  });
});

describe("one file", () => {
  const page = renderHtml(job);

  test("loads nothing from elsewhere", () => {
    expect(page).not.toMatch(/https?:|\bsrc=|url\(|@import|<link|<iframe|<object/);
    expect(page).toContain(escapeHtml("default-src 'none'"));
  });

  test("admits its own script alone", () => {
    expect(createHash("sha256").update(script).digest("base64")).toBe(scriptHash);
    expect(page).toContain(`<script>${script}</script>`);
    expect(page).toContain(escapeHtml(`script-src 'sha256-${scriptHash}'`));
  });

  test("is small, and the same each time", () => {
    expect(page.length).toBeLessThan(250_000);
    expect(renderHtml(sample.sampleJob())).toBe(page);
  });

  test("names every chart and heads every table", () => {
    for (const [svg] of page.matchAll(/<svg[^>]*>/g))
      expect(svg).toMatch(/role="img".*aria-label="[^"]+"/);
    expect(page.match(/<svg/g)?.length).toBe(page.match(/<svg[^>]*><title>/g)?.length);
    for (const [head] of page.matchAll(/<th\b[^>]*>/g)) expect(head).toMatch(/scope="(col|row)"/);
  });

  test("links lead to rows that exist", () => {
    const ids = new Set([...page.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]));
    const targets = [...page.matchAll(/href="#([^"]+)"/g)].map((match) => match[1]);
    expect(targets.length).toBeGreaterThan(20);
    for (const target of targets) expect(ids).toContain(target);
  });

  test("says what it came to", () => {
    for (const text of ["78.40 %", "−0.60 points", "4.31 MB", "74.58 to 81.78", "conv4/dw"]) {
      expect(page).toContain(text);
    }
    expect(page).toContain("--calibrate &quot;calibration pictures/&quot;");
  });
});

/** Words that only a missing check can bring into a page. */
function leaks(page: string): readonly string[] {
  return page.replace(script, "").match(/undefined|NaN|Infinity|\[object/g) ?? [];
}

describe("what is absent", () => {
  const parts = [
    sample.sampleInspect(),
    sample.sampleEvaluate(false),
    sample.sampleEvaluate(true),
    sample.sampleCalibrate(),
    sample.sampleQuantize(),
    sample.sampleCompare(),
  ];

  test.each(parts.map((part) => [part.schema, part] as const))(
    "%s alone makes a page",
    (_, part) => {
      const page = renderHtml(part);
      expect(page).toContain(`<h1>${part.model}</h1>`);
      expect(leaks(page)).toEqual([]);
    },
  );

  test("an empty job makes a page", () => {
    const empty: JobReport = {
      ...job,
      inspect: null,
      calibrate: null,
      quantize: null,
      evaluate: { float: null, quantized: null },
      compare: null,
      histograms: [],
      reproduction: null,
    };
    expect(leaks(renderHtml(empty))).toEqual([]);
  });

  const shapes: readonly Partial<Histogram>[] = [
    { counts: [] },
    { counts: [0, 0, 0] },
    { min: 2, max: 2, counts: [7], range: { lo: 2, hi: 2 } },
    { min: 0, max: 0, counts: [7], range: null },
    { min: -1e308, max: 1e308, counts: [1, 2, 3], range: { lo: -1, hi: 1 } },
    { min: 1, max: 2, counts: [5, 5], range: { lo: 10, hi: 20 } },
    { counts: new Array<number>(4096).fill(1) },
  ];
  test.each(shapes)("odd histogram %#", (shape) => {
    const base = sample.sampleHistogram("conv1", "activations", 1);
    const page = renderHtml({ ...small, histograms: [{ ...base, ...shape }] });
    expect(leaks(page)).toEqual([]);
  });

  test("layers without a measure, and exact ones", () => {
    const compare = sample.sampleCompare();
    const layers = compare.layers.map((layer, at) => ({
      ...layer,
      sqnrDb: [null, 200, -200][at % 3] ?? null,
      weightSqnrDb: null,
    }));
    const page = renderHtml({ ...compare, layers });
    expect(leaks(page)).toEqual([]);
    expect(page).toContain("output exact");
  });
});

import { mkdirSync, mkdtempSync, writeFileSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { main } from "../src/cli/main.ts";
import { readCaffe } from "../src/formats/caffe/read.ts";
import { writeCaffe } from "../src/formats/caffe/write.ts";
import type { Node } from "../src/ir/ops.ts";
import { createRandom } from "../src/tensor/random.ts";
import { bitmapFile } from "./bit-match-files.ts";
const conv = (b: string, n: string, o: number, s = 1) => `
layer { name: "${n}" type: "Convolution" bottom: "${b}" top: "${n}" convolution_param { num_output: ${o} kernel_size: 3 pad: 1 stride: ${s} } }`;
const relu = (b: string) => `
layer { name: "${b}_relu" type: "ReLU" bottom: "${b}" top: "${b}" }`;
const text = `name: "t"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 28 dim: 28 } } }
${conv("data", "c1", 16)}${relu("c1")}${conv("c1", "c2", 16)}${relu("c2")}${conv("c2", "c3", 16)}
layer { name: "s" type: "Eltwise" bottom: "c3" bottom: "c1" top: "s" }${relu("s")}
${conv("s", "c4", 32, Number(process.env["STRIDE"] ?? 1))}${relu("c4")}
layer { name: "p" type: "Pooling" bottom: "c4" top: "p" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "p" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }`;
it.each(["gti2803", "gti5801", "gti2801"])("%s", async (target) => {
  const at = mkdtempSync(join(tmpdir(), "zz-"));
  const g = readCaffe({ prototxt: { name: "x", bytes: new TextEncoder().encode(text) } });
  const r = createRandom(3);
  const nodes = g.nodes.map((n): Node => { if (n.op !== "const" || n.attrs.tensor.dtype !== "float32") return n; const t = n.attrs.tensor; const c = t.data.length / (t.shape[0] ?? 1); return { ...n, attrs: { tensor: { ...t, data: Float32Array.from(t.data, () => r.normal() * 1.3 / Math.sqrt(c)) } } } as Node; });
  const { prototxt, caffemodel } = writeCaffe({ ...g, nodes });
  writeFileSync(join(at, "a.prototxt"), prototxt); writeFileSync(join(at, "b.caffemodel"), caffemodel);
  mkdirSync(join(at, "p")); for (const k of [1, 2, 3, 4, 5, 6]) writeFileSync(join(at, "p", `p${k}.bmp`), bitmapFile(28, k));
  const inlay = async (...argv: string[]) => { let out = ""; let err = ""; const code = await main(argv, { stdout: (t) => { out += t; }, stderr: (t) => { err += t; }, isTty: { stdout: false, stderr: false }, columns: undefined, env: {}, cwd: at, signal: new AbortController().signal }); return { code, out, err }; };
  const q = await inlay("quantize", "a.prototxt", "b.caffemodel", "--target", target, "--calibrate", "p", "--out", "out", "--mean", "104,117,123", "--scale", "1/64", "--order", "bgr", ...(process.env["TEN"] ? ["--last-ten-bits"] : []));
  console.log(q.code, q.err.slice(0, 600));
  console.log(readdirSync(join(at, "out")).join(" "));
  const e = await inlay("evaluate", "out", "--bit-match", "p");
  console.log(e.code, e.out, e.err);
  const f = await inlay("evaluate", "out", "--bit-match", "p/p1.bmp");
  console.log(f.code, f.out, f.err);
});

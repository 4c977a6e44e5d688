/**
 * Solvers, networks and a solver state that Caffe's own project wrote, on databases: `inlay train` runs them as they are
 * but for sources and lengths.
 */
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDataset } from "../src/data/open.node.ts";
import { readCaffemodel } from "../src/formats/caffe/files.ts";
import { inlayIn } from "./train-setup.ts";
import { writeLmdb } from "./write-lmdb.ts";

const data = process.env["INLAY_DATA"];

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "inlay-train-data-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.skipIf(data === undefined)("Caffe's files (INLAY_DATA)", () => {
  const text = (...path: string[]): string => readFileSync(join(data ?? "", ...path), "utf8");

  it("LeNet of 2014 goes on from its solver state, layers of the first format", async () => {
    const pictures = join(data ?? "", "mnist", "t10k-images-idx3-ubyte.gz");
    const { samples } = await openDataset(pictures, { seed: 0, limit: 90 });
    const all = await Promise.all(
      samples.map(async ({ load, label = 0 }) => ({ ...(await load()), label })),
    );
    writeLmdb(join(folder, "mnist"), all);
    const net = text("models", "lenet", "lenet_train_test.prototxt");
    writeFileSync(
      join(folder, "lenet.prototxt"),
      net
        .replace("examples/mnist/mnist_train_lmdb", "mnist")
        // Beyond Caffe: the file of pictures itself.
        .replace("examples/mnist/mnist_test_lmdb", pictures.replaceAll("\\", "/"))
        .replaceAll(/batch_size: \d+/g, "batch_size: 30"),
    );
    const solver = text("models", "lenet", "lenet_solver.prototxt")
      .replace(/^net:.*$/m, 'net: "lenet.prototxt"')
      .replace(/^test_iter:.*$/m, "test_iter: 3")
      .replace(/^max_iter:.*$/m, "max_iter: 10003")
      .replace(/^snapshot_prefix:.*$/m, 'snapshot_prefix: "out/lenet"');
    writeFileSync(join(folder, "solver.prototxt"), solver);
    for (const ending of ["caffemodel", "solverstate"]) {
      const name = `lenet_iter_10000.${ending}`;
      copyFileSync(join(data ?? "", "models", "lenet", name), join(folder, name));
    }
    const argv = ["--solver=solver.prototxt", "--snapshot=lenet_iter_10000.solverstate"];
    const { code, out } = await inlayIn(folder, ["train", ...argv]);
    expect(code).toBe(0);
    // The rate that the solver's policy has at this place, as Caffe prints it.
    expect(out).toContain("Iteration 10000, lr = 0.00594604");
    const accuracy = Number(/Test net output #0: accuracy = (\S+)/.exec(out)?.[1]);
    expect(accuracy).toBeGreaterThan(0.98);
    expect(readdirSync(join(folder, "out"))).toContain("lenet_iter_10003.solverstate");
    const models = ["lenet_iter_10000", join("out", "lenet_iter_10003")].map((name) =>
      readCaffemodel({ name, bytes: readFileSync(join(folder, `${name}.caffemodel`)) }),
    );
    const [before, after] = models.map(({ layer, layers }) =>
      [...layer, ...layers].find(({ name }) => name === "conv1"),
    );
    const [old, now] = [before?.blobs[0]?.data ?? [], after?.blobs[0]?.data ?? []];
    expect(now).toHaveLength(500);
    const change = Math.max(...Array.from(now, (value, at) => Math.abs(value - (old[at] ?? 0))));
    expect(change).toBeGreaterThan(0);
    expect(change).toBeLessThan(0.05);
  });

  it("CaffeNet's training network, narrowed, on LMDBs that Caffe's tools wrote", async () => {
    const source = join(data ?? "", "lmdb");
    const at = (name: string): string => `"${join(source, name).replaceAll("\\", "/")}"`;
    const net = text("lmdb", "my_train_val.prototxt")
      // The file calls its databases ImageData, and lists pictures that are not there.
      .replaceAll('type: "ImageData"', 'type: "Data"')
      .replace('"train_files.txt"', at("train_lmdb"))
      .replace('"train_files.txt"', at("test_lmdb"))
      .replaceAll('"train_mean"', at("train_mean"))
      .replaceAll("num_output: 4096", "num_output: 16");
    writeFileSync(join(folder, "my_train_val.prototxt"), net);
    const solver = text("lmdb", "my_solver_val.prototxt")
      .replace("test_iter: 1000", "test_iter: 4")
      .replace("test_interval: 1000", "test_interval: 2")
      .replace("display: 20", "display: 1")
      .replace("max_iter: 50000", "max_iter: 2");
    writeFileSync(join(folder, "my_solver.prototxt"), solver);
    const { code, out, err } = await inlayIn(folder, ["train", "-solver=my_solver.prototxt"]);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain("Solving CaffeNet");
    expect(out.match(/Test net output #0: accuracy = /g)).toHaveLength(2);
    expect(out.match(/Train net output #0: loss = [\d.]+ /g)).toHaveLength(2);
    expect(readdirSync(join(folder, "models", "mymodel"))).toContain(
      "caffenet_train_iter_2.caffemodel",
    );
  });
});

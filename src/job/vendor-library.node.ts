/**
 * The vendor's own conversion library, for users who have it: a shared library (libgticonfig2803.so, ...) that writes the chip's real
 * image. It is called through koffi, in a process of its own: what it prints is kept, and a crash there is none here.
 *
 * How the function is declared was never printed; its name and the order of its arguments are known from the kit's script.
 * Strings, and a flag at the end that is passed as an int.
 */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { usageError, workError } from "../error.ts";
import { readFileBounded } from "./files.node.ts";

export type VendorInput = {
  /** net.json, filter.txt and bias.txt of one chip. */
  readonly network: Uint8Array;
  readonly filter: Uint8Array;
  readonly bias: Uint8Array;
  readonly chipType: number;
  readonly debug: boolean;
};

export type VendorOutput = {
  /** The chip's image. */
  readonly image: Uint8Array;
  /** What the library printed, and the number that it gave. */
  readonly log: string;
};

const entryPoint = "GtiConvertInternalToSDK";
const maxImageBytes = 2 ** 31 - 1;
/** A library that hangs must not hold everything. */
const longestRun = 30 * 60 * 1000;
const maxLogBytes = 2 ** 24;

/** Runs in the child: `process.argv[1]` is JSON. */
const caller = `
const { createRequire } = await import("node:module");
const { koffi: at, library, words, debug } = JSON.parse(process.argv[1]);
const koffi = createRequire(at)(at);
const call = koffi.load(library).func(
  "int ${entryPoint}(str, str, str, str, str, str, str, int)",
);
console.log("\\n${entryPoint} gave " + call(...words, debug));
`;

/** One chip's image by the library at `path`. Usage errors: no library there, no koffi. Work errors: it wrote nothing. */
export async function vendorImage(path: string, input: VendorInput): Promise<VendorOutput> {
  const library = resolve(path);
  if ((await stat(library).catch(() => undefined))?.isFile() !== true) {
    throw usageError("there is no such library", { where: path });
  }
  const koffi = koffiPath();
  const folder = await mkdtemp(join(tmpdir(), "inlay-vendor-"));
  try {
    const at = (name: string): string => join(folder, name);
    const [json, filter, bias] = [at("net.json"), at("filter.txt"), at("bias.txt")];
    const [dat, tb, tmp] = [at("coef.dat"), at("coef.tb"), at("tmp")];
    await writeFile(json, input.network);
    await writeFile(filter, input.filter);
    await writeFile(bias, input.bias);
    // The kit's script makes these two.
    for (const name of ["infile", "infile_cmpr"]) await mkdir(join(tmp, name), { recursive: true });
    const words = [json, filter, bias, `GTI${input.chipType}`, dat, tb, `${tmp}/`];
    const call = { koffi, library, words, debug: Number(input.debug) };
    const log = await runCall(JSON.stringify(call), path);
    return { image: await imageAt(dat, path, log), log };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Where koffi is: beside Inlay, or in the folder that the command runs in. */
function koffiPath(): string {
  for (const from of [import.meta.url, join(process.cwd(), "package.json")]) {
    try {
      return createRequire(from).resolve("koffi");
    } catch {
      // Looked for in the next place.
    }
  }
  throw usageError("calling a vendor's library needs the package koffi", {
    hint: "Install it: npm install koffi",
  });
}

/** What the call printed. A work error where the process failed; its last lines are told. */
function runCall(call: string, path: string): Promise<string> {
  return new Promise((done, fail) => {
    const words = ["--input-type=module", "--eval", caller, "--", call];
    const child = spawn(process.execPath, words, {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: longestRun,
    });
    let log = "";
    const keep = (chunk: Buffer): void => {
      if (log.length < maxLogBytes) log += chunk.toString("utf8");
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.once("error", (cause) => fail(failed(path, cause.message, log)));
    child.once("close", (code, signal) => {
      if (code === 0) done(log);
      else fail(failed(path, signal === null ? `exit code ${code}` : `signal ${signal}`, log));
    });
  });
}

async function imageAt(dat: string, path: string, log: string): Promise<Uint8Array> {
  const stats = await stat(dat).catch(() => undefined);
  if (stats?.isFile() !== true || stats.size === 0) throw failed(path, "no image", log);
  return await readFileBounded(dat, maxImageBytes);
}

function failed(path: string, got: string, log: string): Error {
  const lines = log.trim().split(/\r?\n/).slice(-12).join("\n  ");
  return workError(
    `the vendor's library did not write an image${lines === "" ? "" : `; it said\n  ${lines}\n`}`,
    {
      where: path,
      got,
    },
  );
}

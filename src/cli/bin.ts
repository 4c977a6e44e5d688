#!/usr/bin/env node
/**
 * The program: binds `main` to this process. The only file of the command line that knows it.
 */
import { main } from "./main.ts";

const { stdout, stderr } = process;
const controller = new AbortController();

// A first Ctrl-C lets the work end cleanly; a second one does not wait. Files are written aside and
// renamed, so that neither leaves half of one.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  });
}

// `inlay inspect net.onnx | head` closes the pipe early; that is no failure.
stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

/** Some terminals claim to be 0 columns wide. */
const columns = (stdout.isTTY ? stdout : stderr).columns || undefined;

const code = await main(process.argv.slice(2), {
  stdout: (text) => stdout.write(text),
  stderr: (text) => stderr.write(text),
  isTty: { stdout: stdout.isTTY === true, stderr: stderr.isTTY === true },
  columns,
  env: process.env,
  cwd: "",
  signal: controller.signal,
});

// Pipes are written in the background: leave when both are drained, and not before.
stdout.write("", () => stderr.write("", () => process.exit(code)));

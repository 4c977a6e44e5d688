/**
 * The code of a child process that runs ONNX models it is sent, one at a time. Some of ONNX's test
 * models abort the whole process inside onnxruntime-node's binding; then only the child dies.
 * It is kept as text because Node 20 runs no TypeScript.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

const childCode = `
import { createRequire } from "node:module";
const { InferenceSession, Tensor } = createRequire(process.cwd() + "/")("onnxruntime-node");
process.on("message", async ({ model, feeds }) => {
  try {
    const session = await InferenceSession.create(model, {
      logSeverityLevel: 4, intraOpNumThreads: 1,
    });
    const tensors = Object.fromEntries(
      Object.entries(feeds).map(([name, { type, data, dims }]) => [name, new Tensor(type, data, dims)]),
    );
    const results = await session.run(tensors);
    const outputs = Object.fromEntries(
      Object.entries(results).map(([name, { type, data, dims }]) => [name, { type, data, dims }]),
    );
    await session.release();
    process.send({ outputs });
  } catch (error) {
    process.send({ error: String(error.message ?? error) });
  }
});
`;

/** A tensor as onnxruntime-node knows it. */
export type Wire = {
  readonly type: string;
  readonly data: ArrayLike<number | bigint | string>;
  readonly dims: readonly number[];
};

export type Reply = {
  readonly outputs?: Readonly<Record<string, Wire>>;
  readonly error?: string;
};

export type Runner = {
  /** Runs a model; a child that dies gives an error and is replaced. */
  readonly run: (model: Uint8Array, feeds: Readonly<Record<string, Wire>>) => Promise<Reply>;
  readonly stop: () => void;
};

export function startRunner(): Runner {
  let child: ChildProcess | undefined;
  return {
    run: async (model, feeds) => {
      child ??= spawn(process.execPath, ["--input-type=module", "--eval", childCode], {
        stdio: ["ignore", "ignore", "ignore", "ipc"],
        serialization: "advanced",
      });
      const settled = new AbortController();
      const { signal } = settled;
      const answer = once(child, "message", { signal }).then(([reply]) => reply as Reply);
      const death = once(child, "exit", { signal }).then(([code, name]): Reply => {
        child = undefined;
        return { error: `the process died (${name ?? code})` };
      });
      // The loser of the race is aborted; its rejection says nothing.
      answer.catch(() => undefined);
      death.catch(() => undefined);
      child.send({ model, feeds });
      const reply = await Promise.race([answer, death]);
      settled.abort();
      return reply;
    },
    stop: () => child?.kill(),
  };
}

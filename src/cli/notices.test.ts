import { describe, expect, it } from "vitest";
import type { Io } from "./io.ts";
import { createNotices } from "./notices.ts";
import { waitingTime } from "./text.ts";

function watcher(isTty: boolean): { readonly io: Io; readonly text: () => string } {
  let written = "";
  return {
    text: () => written,
    io: {
      stdout: () => undefined,
      stderr: (text) => {
        written += text;
      },
      isTty: { stdout: isTty, stderr: isTty },
      columns: 40,
      env: { NO_COLOR: "1" },
      cwd: "",
      signal: new AbortController().signal,
    },
  };
}

/** A job of 100 units, one per second, watched from its start. */
function work(isTty: boolean, quiet: boolean, units: number): string {
  const { io, text } = watcher(isTty);
  let nowMs = 0;
  const notices = createNotices(io, quiet, () => nowMs);
  for (let done = 0; done <= units; done += 1) {
    nowMs = done * 1000;
    notices.onProgress({ label: "calibrate", done, total: 100 });
  }
  notices.finish();
  return text();
}

describe("progress", () => {
  it("is silent for two seconds", () => {
    expect(work(true, false, 1)).toBe("");
  });

  it("rewrites one line where a person watches, and removes it", () => {
    expect(work(true, false, 3)).toBe(
      "\r\u001b[Kcalibrate  2 of 100  2 %  1 min 38 s le\r\u001b[Kcalibrate  3 of 100  3 %  1 min 37 s le\r\u001b[K",
    );
  });

  it("gives a log a line every ten seconds", () => {
    expect(work(false, false, 25)).toBe(
      "calibrate  10 of 100  10 %  1 min 30 s left\ncalibrate  20 of 100  20 %  1 min 20 s left\n",
    );
  });

  it("says nothing with --quiet", () => {
    expect(work(true, true, 50) + work(false, true, 50)).toBe("");
  });

  it("stops the work after Ctrl-C", () => {
    const controller = new AbortController();
    const notices = createNotices({ ...watcher(false).io, signal: controller.signal }, false);
    controller.abort();
    expect(() => notices.onProgress({ label: "x", done: 1, total: 2 })).toThrow("interrupted");
  });
});

describe("warnings", () => {
  it("come once, without what could steer a terminal", () => {
    const { io, text } = watcher(true);
    const notices = createNotices(io, true);
    const warning = { id: "x", message: "odd \u001b[31mname\u202e", where: "net.prototxt:3:1" };
    notices.onWarning(warning);
    notices.onWarning(warning);
    notices.onWarning({ id: "y", message: "other", where: null });
    expect(text()).toBe("warning: net.prototxt:3:1: odd ?[31mname?\nwarning: other\n");
  });
});

describe("waitingTime", () => {
  it.each([
    [0.4, "0 s"],
    [59.4, "59 s"],
    [59.6, "1 min 00 s"],
    [3599, "59 min 59 s"],
    [3600, "1 h 00 min"],
    [-5, "0 s"],
  ])("%d s is %s", (seconds, text) => expect(waitingTime(seconds)).toBe(text));
});

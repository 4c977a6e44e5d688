/**
 * Progress and warnings of a running job on stderr. One line that rewrites itself where a person
 * watches, a line now and then where a log does, nothing in the first two seconds.
 */
import type { Progress, ReportWarning, Warning } from "../index.ts";
import { Interrupted } from "./interrupted.ts";
import type { Io } from "./io.ts";
import { printable, styleFor, waitingTime } from "./text.ts";

export type Notices = {
  /** Throws `Interrupted` after Ctrl-C: that is how running work stops. */
  readonly onProgress: (progress: Progress) => void;
  /** The same warning is printed once. */
  readonly onWarning: (warning: Warning | ReportWarning) => void;
  /** Removes the progress line. */
  readonly finish: () => void;
};

/** Times in milliseconds. */
const silentMs = 2_000;
const redrawMs = 100;
const logMs = 10_000;
const clearLine = "\r\u001b[K";

type Phase = { readonly label: string; readonly startMs: number; readonly done: number };

/** `nowMs` is a clock; tests bring their own. */
export function createNotices(
  io: Io,
  quiet: boolean,
  nowMs: () => number = () => performance.now(),
): Notices {
  const isTty = io.isTty.stderr;
  const style = styleFor(io, "stderr");
  const startMs = nowMs();
  const warned = new Set<string>();
  let phase: Phase | undefined;
  let shownMs = Number.NEGATIVE_INFINITY;
  let isLineOpen = false;

  const clear = (): void => {
    if (isLineOpen) io.stderr(clearLine);
    isLineOpen = false;
  };
  const isDue = (now: number): boolean =>
    isTty
      ? now - startMs >= silentMs && now - shownMs >= redrawMs
      : now - Math.max(startMs, shownMs) >= logMs;

  return {
    onProgress: (progress) => {
      if (io.signal.aborted) throw new Interrupted();
      const now = nowMs();
      const { label, done } = progress;
      phase = phase?.label === label ? phase : { label, startMs: now, done };
      if (quiet || !isDue(now)) return;
      shownMs = now;
      const line = progressLine(progress, phase, now);
      io.stderr(isTty ? clearLine + cutLine(line, io.columns) : `${line}\n`);
      isLineOpen = isTty;
    },
    onWarning: ({ id, message, where }) => {
      const place = where === undefined || where === null ? "" : `${where}: `;
      const text = printable(place + message);
      if (warned.has(id + text)) return;
      warned.add(id + text);
      clear();
      io.stderr(`${style("warn", "warning:")} ${text}\n`);
    },
    finish: clear,
  };
}

/** `calibrate  120 of 250  48 %  12 s left` */
function progressLine({ label, done, total }: Progress, phase: Phase, nowMs: number): string {
  const head = `${printable(label)}  ${done}`;
  if (total === undefined || total <= 0) return head;
  const seconds = (nowMs - phase.startMs) / 1000;
  const advanced = done - phase.done;
  const left = advanced > 0 ? `  ${waitingTime((seconds / advanced) * (total - done))} left` : "";
  return `${head} of ${total}  ${Math.floor((100 * done) / total)} %${left}`;
}

/** A line that wraps cannot be rewritten. */
function cutLine(line: string, columns: number | undefined): string {
  return line.slice(0, Math.max(20, (columns ?? 80) - 1));
}

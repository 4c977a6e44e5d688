/**
 * Ctrl-C as an exception: work stops at its next progress message, and is left behind where it has none.
 */

export class Interrupted extends Error {
  override readonly name = "Interrupted";

  constructor() {
    super("interrupted");
  }
}

/** How long work may take to stop by itself, in milliseconds; long enough for a batch of pictures. */
const graceMs = 1500;

/** The work's result, or `Interrupted` soon after the signal, unless the work `endsItself` then. */
export async function untilStopped<T>(
  work: Promise<T>,
  signal: AbortSignal,
  endsItself: () => boolean = () => false,
): Promise<T> {
  let stop: (() => void) | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stopped = new Promise<never>((_, reject) => {
    stop = () => {
      if (!endsItself()) timer = setTimeout(() => reject(new Interrupted()), graceMs);
    };
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, stopped]);
  } finally {
    clearTimeout(timer);
    if (stop !== undefined) signal.removeEventListener("abort", stop);
  }
}

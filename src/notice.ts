/**
 * Warnings and progress as values: library code reports through these callbacks and never prints.
 */

/** A warning that does not stop the work. `id` is stable, so that callers can filter. */
export type Warning = {
  readonly id: string;
  readonly message: string;
  readonly where?: string | undefined;
};

export type OnWarning = (warning: Warning) => void;

/** For callers who want no warnings, and for what is computed a second time. */
export const silent: OnWarning = () => undefined;

/** Work done so far: `done` of `total` units (`total` undefined while it is not known). */
export type Progress = {
  readonly label: string;
  readonly done: number;
  readonly total: number | undefined;
};

export type OnProgress = (progress: Progress) => void;

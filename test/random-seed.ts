/**
 * Properties draw the same cases in every run, so that a check of an unchanged state ends as it did before.
 * `INLAY_TEST_SEED=random` draws new ones, and a number those of a run that failed (fast-check prints it).
 */
import fc from "fast-check";

const seed = process.env["INLAY_TEST_SEED"] ?? "20261128";
if (seed !== "random") {
  const value = Number(seed);
  if (!Number.isInteger(value))
    throw new Error(`INLAY_TEST_SEED is an integer or "random": ${seed}`);
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: value });
}

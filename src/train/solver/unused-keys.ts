/** Keys of a solver that Caffe, or a fork of it, has and that have no effect here. */
import type { OnWarning } from "../../notice.ts";
import type { SolverParameter } from "./checks.ts";

/** Why each is not used; a warning is given where the solver asks for it. */
const unused: Readonly<Record<string, (solver: SolverParameter) => string | undefined>> = {
  debug_info: ({ debug_info: on }) => (on === true ? "values of layers are not logged" : undefined),
  snapshot_diff: ({ snapshot_diff: on }) =>
    on === true ? "snapshots hold values without gradients" : undefined,
  test_compute_loss: ({ test_compute_loss: on }) =>
    on === true ? "a test reports the losses that its network has" : undefined,
  eval_type: ({ eval_type: kind }) =>
    kind === undefined || kind === "classification" ? undefined : "detections are not scored",
  ap_version: ({ ap_version: kind }) =>
    kind === undefined || kind === "Integral" ? undefined : "detections are not scored",
  show_per_class_result: ({ show_per_class_result: on }) =>
    on === true ? "detections are not scored" : undefined,
};

export function warnUnused(solver: SolverParameter, file: string, onWarning: OnWarning): void {
  for (const [key, reasonOf] of Object.entries(unused)) {
    const reason = reasonOf(solver);
    if (reason === undefined) continue;
    onWarning({ id: "unused-solver-key", message: `${key} has no effect: ${reason}`, where: file });
  }
}

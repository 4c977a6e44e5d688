/**
 * One step of quantization-aware training: trains a network, tests it in between, keeps the best state and the
 * last one in the work folder, and goes on from there when it is run again.
 */
import type { Augmentation } from "../../data/augmentation.ts";
import type { Dataset } from "../../data/dataset.ts";
import type { Preprocess } from "../../data/preprocess.ts";
import { openTrainingBatches, type TrainingBatches } from "../../data/training-batches.ts";
import type { Runtime, Values } from "../../engine/runtime.ts";
import type { Graph } from "../../ir/graph.ts";
import { withBatch } from "../../ir/infer.ts";
import type { TrainingNetwork } from "../../ir/training.ts";
import { initialState, withState } from "../../ir/training-state.ts";
import type { OnProgress, OnWarning } from "../../notice.ts";
import type { FinetuneTest } from "../../report/finetune.ts";
import { classify, countHits } from "../../run/classify.ts";
import { pictureSize, withPictureInput } from "../../run/prepare.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";
import { firstNotFinite } from "../../train/diagnose.ts";
import type { RateSchedule } from "../../train/solver/rate-schedule.ts";
import type { LayerLimits, UpdateSettings } from "../../train/solver/settings.ts";
import { type Teaching, withTeacher } from "../../train/teacher.ts";
import { runTraining } from "../../train/train-loop.ts";
import { labelInput, type TrainableOptions, trainable } from "../../train/trainable.ts";
import { openTrainer, type RunState, startRun } from "../../train/trainer.ts";
import {
  readStage,
  type StageFiles,
  stageFiles,
  writeState,
  writeTests,
} from "./stage-files.node.ts";
import type { StageResult } from "./trained.ts";

export type Stage = {
  /** Folder name and label: "2-convolutions". */
  readonly name: string;
  /** Takes pixels as `preprocess` gives them; its one output is what the loss judges. */
  readonly graph: Graph;
  /** Geometry and arithmetic of pictures, in training and in tests. */
  readonly preprocess: Preprocess;
  readonly trainable: TrainableOptions;
  readonly iterations: number;
  /** Iterations between tests. */
  readonly testEvery: number;
  readonly schedule: RateSchedule;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly limits?: LayerLimits | undefined;
  /** A float network that takes pictures as the stage's own preprocessing gives them, after `teacher.preprocess`. */
  readonly teacher?: (Teaching & { readonly preprocess: Preprocess }) | undefined;
  /** Hash of everything that the step depends on. */
  readonly inputs: string;
};

export type StageScene = {
  /** The work folder. */
  readonly work: string;
  readonly train: Dataset;
  readonly test: Dataset;
  readonly batch: number;
  readonly augment: Augmentation;
  readonly seed: number;
  readonly runtime: Runtime;
  /** Iterations between two states written for resuming. */
  readonly saveEvery: number;
  readonly shouldStop?: (() => boolean) | undefined;
  readonly onProgress?: OnProgress | undefined;
  readonly onWarning?: OnWarning | undefined;
  readonly onTest?: ((stage: string, tested: FinetuneTest) => void) | undefined;
};

/** Trains, goes on, or only reads what was trained before. */
export async function runStage(stage: Stage, scene: StageScene): Promise<StageResult> {
  const network = trainingNetwork(stage, scene.batch);
  const files = stageFiles(scene.work, stage.name);
  const stored = await readStage(files, stage.inputs);
  const log = testLog(stage, scene, files, stored);
  const start = stored.last ?? startRun(network, updateSettings(stage), initialState(network));
  const stopped =
    start.iteration < stage.iterations
      ? await train(stage, scene, network, start, log, files)
      : false;
  const best = log.best() ?? start;
  return {
    graph: graphWith(stage, network, best),
    best: log.tests.find(({ iteration }) => iteration === best.iteration),
    tests: log.tests,
    seconds: log.seconds(),
    stopped,
  };
}

/** The network with a batch of picture bytes as its input. */
function trainingNetwork(stage: Stage, batch: number): TrainingNetwork {
  const taking = (graph: Graph, preprocess: Preprocess): Graph =>
    withBatch(withPictureInput(graph, preprocess), batch);
  const network = trainable(taking(stage.graph, stage.preprocess), stage.trainable);
  const { teacher } = stage;
  if (teacher === undefined) return network;
  return withTeacher(network, { ...teacher, graph: taking(teacher.graph, teacher.preprocess) });
}

/** The stage's graph, for pictures one by one, with the weights of a state. */
function graphWith(stage: Stage, network: TrainingNetwork, state: RunState): Graph {
  const bare = trainable(stage.graph, stage.trainable);
  const graph = withState({ ...network, graph: bare.graph }, state.values);
  const nodes = graph.nodes.filter(({ op, id }) => op !== "input" || id !== labelInput);
  return { ...graph, nodes };
}

type TestLog = {
  readonly tests: readonly FinetuneTest[];
  readonly best: () => RunState | undefined;
  readonly seconds: () => number;
  readonly addLoss: (loss: number) => void;
  readonly test: (state: RunState, network: TrainingNetwork) => Promise<void>;
};

function testLog(
  stage: Stage,
  scene: StageScene,
  files: StageFiles,
  stored: Awaited<ReturnType<typeof readStage>>,
): TestLog {
  const tests: FinetuneTest[] = [...stored.tests];
  let best = stored.best;
  let [lossSum, lossCount] = [0, 0];
  const started = performance.now();
  const seconds = (): number => stored.seconds + (performance.now() - started) / 1000;
  return {
    tests,
    best: () => best,
    seconds,
    addLoss: (loss) => {
      lossSum += loss;
      lossCount += 1;
    },
    test: async (state, network) => {
      if (tests.some(({ iteration }) => iteration === state.iteration)) return;
      const graph = graphWith(stage, network, state);
      const found = await classify(graph, scene.test, stage.preprocess, scene.runtime, {
        label: `${stage.name}: test`,
        onProgress: scene.onProgress,
        onWarning: scene.onWarning,
      });
      const { labelled, top1 } = countHits(found.predictions);
      const loss = lossCount === 0 ? null : lossSum / lossCount;
      const tested = { iteration: state.iteration, correct: top1, samples: labelled, loss };
      [lossSum, lossCount] = [0, 0];
      const isBest = tests.every(({ correct }) => correct < top1);
      tests.push(tested);
      if (isBest) {
        best = state;
        await writeState(files.best, state);
      }
      await writeTests(files, { inputs: stage.inputs, seconds: seconds(), tests });
      scene.onTest?.(stage.name, tested);
    },
  };
}

/** Gives true where the run was asked to stop. */
async function train(
  stage: Stage,
  scene: StageScene,
  network: TrainingNetwork,
  state: RunState,
  log: TestLog,
  files: StageFiles,
): Promise<boolean> {
  const { schedule, iterations, testEvery } = stage;
  const batches = openTrainingBatches(scene.train, {
    ...{ preprocess: stage.preprocess, size: pictureSize(stage.graph) },
    ...{ batch: scene.batch, shuffle: true, seed: scene.seed, augment: scene.augment },
    ...{ readAhead: 2, start: state.iteration, onWarning: scene.onWarning },
  });
  const feeder = feederOf(batches, network, scene);
  const trainer = await openTrainer(network, updateSettings(stage), scene.runtime, scene.seed);
  try {
    const result = await runTraining({
      settings: {
        ...{ schedule, maxIterations: iterations, testInterval: testEvery },
        ...{ testInitialization: true, averageLoss: 1, display: 1 },
        ...{ snapshot: scene.saveEvery, snapshotAfterTrain: true },
      },
      ...{ trainer, feeds: feeder.next, state, namesOf: () => [] },
      clock: () => performance.now() / 1000,
      shouldStop: scene.shouldStop,
      test: async (now) => {
        await log.test(now, network);
        return [];
      },
      onDisplay: (shown) => log.addLoss(shown.loss),
      onIteration: ({ iteration: done }) =>
        scene.onProgress?.({ label: `${stage.name}: train`, done, total: iterations }),
      onSnapshot: async (now) => await writeState(files.last, now),
      diagnose: async ([now]) =>
        now && (await firstNotFinite(network, scene.runtime, now.values, feeder.last())),
    });
    return result.stopped;
  } finally {
    batches.close();
    await trainer.release();
  }
}

type Feeder = { readonly next: () => Promise<Values>; readonly last: () => Values };

/** Batches as the network's inputs. */
function feederOf(batches: TrainingBatches, network: TrainingNetwork, scene: StageScene): Feeder {
  const [picture = ""] = network.graph.nodes.flatMap((node) =>
    node.op === "input" && node.id !== labelInput ? [node.id] : [],
  );
  let last: Values = new Map();
  return {
    last: () => last,
    next: async () => {
      const { images, labels } = await batches.next();
      last = new Map<string, Tensor>([
        [picture, images],
        [labelInput, float32([scene.batch], labels)],
      ]);
      return last;
    },
  };
}

function updateSettings({ schedule, momentum, weightDecay, limits }: Stage): UpdateSettings {
  return {
    ...{ rule: "SGD", schedule, momentum, weightDecay, regularization: "L2", iterSize: 1 },
    ...{ clipGradients: undefined, delta: 1e-8, momentum2: 0.999, rmsDecay: 0.99 },
    limits,
  };
}

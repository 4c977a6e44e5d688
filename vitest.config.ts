import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Minutes each: started last, they would run alone while the other worker waits. */
const slow: readonly RegExp[] = [/networks-imagenet/, /networks-small/, /gti-quantize/];

class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isSlow = ({ moduleId }: TestSpecification): boolean =>
      slow.some((name) => name.test(moduleId));
    return [...sorted.filter(isSlow), ...sorted.filter((file) => !isSlow(file))];
  }
}

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    setupFiles: ["test/random-seed.ts"],
    testTimeout: 60_000,
    pool: "forks",
    maxWorkers: 2,
    // Modules are pure: loading them anew for each of 230 files takes half a minute.
    isolate: false,
    sequence: { sequencer: SlowFirst },
  },
});

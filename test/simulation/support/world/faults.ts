import type { Happening } from "./happenings.ts";
import type { SimulatedProcess } from "../simulated-process.ts";
import type { World } from "./world.ts";

/** Longer than it takes to be taken for dead, be it a node or a packager. */
const LONG_MS = 14_000;

/** What breaks, and loses nothing that the store had. */
export const FAULTS: readonly Happening[] = [
  [
    3,
    (world) => {
      const one = world.random.pick([...world.nodes, ...world.packagers, ...world.senders]);
      if (one === undefined) return undefined;
      const { process } = one;
      const crash = (): void => {
        if (!process.isAlive) return;
        world.crash(one);
        if (process.name.startsWith("packager")) world.startPackager();
        if (process.name.startsWith("sender")) world.startSender();
      };
      return atOnceOrAmbushed(world, process, `${process.name} crashes`, crash);
    },
  ],
  [
    3,
    (world) => {
      const process = aProcess(world);
      if (process?.isRunning !== true) return undefined;
      const ms = someMs(world);
      const pause = (): void => {
        process.pause();
        world.time.in(ms, () => process.resume());
      };
      const what = `${process.name} stands still for ${ms.toFixed(0)} ms`;
      return atOnceOrAmbushed(world, process, what, pause);
    },
  ],
  [
    5,
    (world) => {
      const process = aProcess(world);
      if (process === undefined) return undefined;
      const what = `the connections of ${process.name} break`;
      return atOnceOrAmbushed(world, process, what, () => world.redis.breakLinks(process));
    },
  ],
  [
    2,
    (world) => {
      const process = aProcess(world);
      const held =
        process && world.redis.ambushes.lay(process, "sent", () => world.redis.holdUp(process));
      return held && `the next ${held} of ${process?.name} is held up`;
    },
  ],
  [
    3,
    (world) => {
      const process = aProcess(world);
      if (process === undefined) return undefined;
      const ms = someMs(world);
      world.redis.cutOff(process);
      world.time.in(ms, () => world.redis.rejoin(process));
      return `${process.name} is cut off for ${ms.toFixed(0)} ms`;
    },
  ],
  [
    1,
    (world) => {
      const ms = world.random.between(10, 4_000);
      world.redis.standStill(ms);
      return `the store stands still for ${ms.toFixed(0)} ms`;
    },
  ],
  [
    1,
    (world) => {
      if (!world.redis.isUp) return undefined;
      const ms = world.random.between(10, 3_000);
      world.redis.restart(ms);
      return `the store starts again, for ${ms.toFixed(0)} ms`;
    },
  ],
  [
    1,
    (world) => {
      const process = aProcess(world);
      process?.setSkew(world.random.between(-60_000, 60_000));
      return process && `the clock of ${process.name} is set`;
    },
  ],
  [
    1,
    (world) => {
      world.redis.setSkew(world.random.between(-3_000, 3_000));
      return "the store's clock is set";
    },
  ],
];

/** What the store may lose. */
export const LOSSES: readonly Happening[] = [
  [
    1,
    (world) => {
      if (!world.redis.isUp) return undefined;
      world.redis.loseReplica();
      world.auditor.replicaLost();
      const lagMs = world.random.between(1, 50);
      const [downMs, hasDowntime] = [world.random.between(1, 2_000), world.random.chance(0.7)];
      world.time.in(lagMs, () => {
        if (!world.redis.isUp || !world.redis.failOver(hasDowntime ? downMs : 1)) return;
        world.auditor.failedOver();
        world.note("the store fails over");
      });
      return `the store fails over in ${lagMs.toFixed(0)} ms, and loses them`;
    },
  ],
  [
    0.3,
    (world) => {
      world.redis.flush();
      world.auditor.flushed();
      return "the store is emptied";
    },
  ],
];

/** Few as they are, packagers and senders are met as often as nodes. */
function aProcess({ nodes, packagers, senders, random }: World): SimulatedProcess | undefined {
  const groups = [nodes, packagers, senders].filter(({ size }) => size > 0);
  return random.pick([...(random.pick(groups) ?? [])])?.process;
}

/** Shorter or longer than it takes to be taken for dead. */
function someMs({ random }: World): number {
  return random.chance(0.6) ? random.between(1, 1_500) : random.between(1_500, LONG_MS);
}

/** Now, or in the middle of some work: when the store has done its part of a call, and nobody knows. */
function atOnceOrAmbushed(
  { random, redis }: World,
  process: SimulatedProcess,
  what: string,
  happen: () => void,
): string {
  const script = random.chance(0.6) ? redis.ambushes.lay(process, "done", happen) : undefined;
  if (script !== undefined) return `${what} when it has called ${script}`;
  happen();
  return what;
}

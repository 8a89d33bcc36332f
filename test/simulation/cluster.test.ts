import { describe, expect, test } from "bun:test";
import { script, type Script } from "../../src/stores/redis/script.ts";
import { simulate } from "./support/simulation.ts";

/**
 * SIMULATION_SEED=<n>   lives that one life again, and tells all of it
 * SIMULATION_FROM=<n>   the first seed
 * SIMULATION_SEEDS=<n>  how many
 */
const replayed = numberFrom("SIMULATION_SEED", undefined);
const firstSeed = numberFrom("SIMULATION_FROM", 1) ?? 1;
const seeds = numberFrom("SIMULATION_SEEDS", 2_000) ?? 0;
const SEEDS_PER_TEST = 250;
const LIVES_UNTIL_FOUND = 2_000;

if (replayed !== undefined) {
  test(`the life of seed ${replayed}`, () => {
    const { failure, story } = simulate({ seed: replayed, isVerbose: true });
    console.log(story);
    expect(failure).toBeUndefined();
  });
} else {
  describe("a cluster whose processes die, stand still and are cut off, on a store that fails", () => {
    const chunks = Array.from(
      { length: Math.ceil(seeds / SEEDS_PER_TEST) },
      (_, i) => firstSeed + i * SEEDS_PER_TEST,
    );
    test.each(chunks)("tells each edge in turn, and heals: lives from seed %d on", (from) => {
      const end = Math.min(from + SEEDS_PER_TEST, firstSeed + seeds);
      for (let seed = from; seed < end; seed++) {
        const { failure, story } = simulate({ seed });
        if (failure !== undefined)
          throw new Error(
            `${failure}\n\nSIMULATION_SEED=${seed} tells all of it. At last:\n${story}`,
          );
      }
    });
  });

  describe("the simulation", () => {
    test("lives the same life again where the seed is the same", () => {
      for (const seed of [3, 5, 9]) {
        const [once, again] = [1, 2].map(() => simulate({ seed, isVerbose: true }));
        expect(again?.story.length).toBeGreaterThan(5_000);
        expect(again).toEqual(once);
      }
    });

    test("delivers webhooks in the lives that have senders", () => {
      const deliveries = [3, 6, 12, 15, 18, 24].map((seed) => simulate({ seed }).deliveries);
      expect(Math.min(...deliveries)).toBeGreaterThan(3);
    });

    /** Faults as one makes them, and what is seen of them; `from`, a seed near which they are. */
    test.each<{
      what: string;
      script: string;
      cut: string;
      paste: string;
      seen: RegExp;
      from: number;
    }>([
      {
        what: "a batch that is applied twice",
        script: "write",
        cut: "isRepeated = tonumber(number) <= last",
        paste: "isRepeated = false",
        seen: /the log tells|does not heal/,
        from: 1,
      },
      {
        what: "a batch that is applied although the one before it is lost",
        script: "write",
        cut: " or tonumber(number) > last + 1",
        paste: "",
        seen: /the log tells|does not heal/,
        from: 190,
      },
      {
        what: "a dead node whose holdings stay",
        script: "condemn",
        cut: "return 1",
        paste: "return 0",
        seen: /does not heal: .* true is/,
        from: 1,
      },
      {
        what: "a dead node that holds something, and is on no list",
        script: "enlist",
        cut: "redis.call('ZADD', KEYS[1], 'NX', now, ARGV[i])",
        paste: "0",
        seen: /does not heal: .* true is/,
        from: 590,
      },
      {
        what: "a member who is never taken from the list",
        script: "write",
        cut: "redis.call('HDEL', members, user)",
        paste: "",
        seen: /the log tells|does not heal/,
        from: 1,
      },
      {
        what: "an edge that is not recorded",
        script: "write",
        cut: "append(app, channelEvent('channel_vacated', channel))",
        paste: "",
        seen: /the log tells .*was occupied|does not heal: the log/,
        from: 1,
      },
      {
        what: "a late count that nobody tells",
        script: "write",
        cut: "\n      lateCount(i)",
        paste: "",
        seen: /does not heal: the last count/,
        from: 1,
      },
      {
        what: "a settlement of somebody who is no owner any more",
        script: "settle-events",
        cut: "return owned[1] == packager and owned[2] == epoch and",
        paste: "return",
        seen: /which is over/,
        from: 75,
      },
      {
        what: "jobs that are forgotten before they are in the queue",
        script: "outbox",
        cut: "return redis.call('SMEMBERS', KEYS[1])",
        paste: "return {}",
        seen: /does not heal: (?:something is left in outbox|.* never heard|app . believes)/,
        from: 105,
      },
      {
        what: "a lease that settles after somebody else had the job",
        script: "settle-jobs",
        cut: "if lease[1] ~= ARGV[i + 1] or",
        paste: "if not lease[1] or",
        seen: /not its last lease/,
        from: 12,
      },
    ])("finds $what", ({ script: name, cut, paste, seen, from }) => {
      const planted = new Map<string, Script>();
      const sabotage = (original: Script): Script => {
        if (original.name !== name) return original;
        const known = planted.get(original.hash);
        if (known !== undefined) return known;
        expect(original.source).toContain(cut);
        const replaced = script(
          name,
          original.source.replace(cut, () => paste),
        );
        planted.set(original.hash, replaced);
        return replaced;
      };
      for (let seed = from; seed < from + LIVES_UNTIL_FOUND; seed++) {
        const { failure } = simulate({ seed, sabotage });
        if (failure === undefined) continue;
        expect(failure).toMatch(seen);
        return;
      }
      throw new Error(`nobody noticed in ${LIVES_UNTIL_FOUND} lives`);
    });
  });
}

function numberFrom(name: string, otherwise: number | undefined): number | undefined {
  const text = process.env[name];
  return text === undefined || text === "" ? otherwise : Number(text);
}

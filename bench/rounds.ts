import type { Bench } from "./bench.ts";
import type { ContestantName } from "./contestant.ts";

/** What came out of a contestant: a value per round, and the reason if it did not get through all of them. */
export interface Outcome<T> {
  readonly contestant: string;
  readonly rounds: T[];
  failure: string | null;
}

/** A contestant that runs, with whatever measures it. */
export interface Measurable {
  close(): Promise<void>;
  /** The error with what the contestant said meanwhile, if it is gone. */
  describe(error: unknown): string;
}

export interface RoundPlan<C extends { readonly name: string }, S extends Measurable, T> {
  readonly contestants: readonly C[];
  readonly rounds: number;
  open(contestant: C): Promise<S>;
  /** Before the first round: opens sockets and lets the JIT see the work. */
  prepare(session: S): Promise<void>;
  measure(session: S, round: number): Promise<T>;
}

/**
 * Every contestant in a fresh process, all of them alive at once, taking turns: A B C A B C. Whatever else happens on the
 * machine then hits all of them alike.
 */
export async function takeTurns<C extends { readonly name: string }, S extends Measurable, T>(
  bench: Bench,
  plan: RoundPlan<C, S, T>,
): Promise<Outcome<T>[]> {
  const sessions: { session: S; outcome: Outcome<T> }[] = [];
  const outcomes: Outcome<T>[] = [];
  try {
    for (const contestant of plan.contestants) {
      const outcome: Outcome<T> = { contestant: contestant.name, rounds: [], failure: null };
      outcomes.push(outcome);
      bench.progress(`${contestant.name}: start and warm up`);
      try {
        const session = await plan.open(contestant);
        sessions.push({ session, outcome });
        await attempt(session, outcome, () => plan.prepare(session));
      } catch (error) {
        outcome.failure = error instanceof Error ? error.message : String(error);
      }
    }
    for (let round = 0; round < plan.rounds; round++) {
      for (const { session, outcome } of sessions) {
        if (outcome.failure !== null) continue;
        bench.progress(`${outcome.contestant}: round ${round + 1} of ${plan.rounds}`);
        await attempt(session, outcome, async () => {
          outcome.rounds.push(await plan.measure(session, round));
        });
      }
    }
  } finally {
    await Promise.all(sessions.map(({ session }) => session.close()));
  }
  return outcomes;
}

async function attempt<T>(
  session: Measurable,
  outcome: Outcome<T>,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    outcome.failure = session.describe(error);
  }
}

/** A value per round, or null when the contestant is absent or failed. */
export function valuesOf<T>(
  outcomes: readonly Outcome<T>[],
  contestant: ContestantName,
  value: (round: T) => number,
): number[] | null {
  const outcome = outcomes.find((candidate) => candidate.contestant === contestant);
  if (outcome === undefined || outcome.failure !== null || outcome.rounds.length === 0) return null;
  return outcome.rounds.map(value);
}

import type { Bench } from "./bench.ts";
import { Session } from "./session.ts";
import type { Contestant, ContestantName } from "./contestant.ts";

/** What came out of a contestant: a value per round, and the reason if it did not get through all of them. */
export interface Outcome<T> {
  readonly contestant: ContestantName;
  readonly rounds: T[];
  failure: string | null;
}

export interface RoundPlan<T> {
  readonly contestants: readonly Contestant[];
  readonly rounds: number;
  /** Before the first round: opens sockets and lets the JIT see the work. */
  prepare(session: Session): Promise<void>;
  measure(session: Session, round: number): Promise<T>;
}

/**
 * Every contestant in a fresh process, all of them alive at once, taking turns: A B C A B C. Whatever else happens on the
 * machine then hits all of them alike.
 */
export async function takeTurns<T>(bench: Bench, plan: RoundPlan<T>): Promise<Outcome<T>[]> {
  const sessions: { session: Session; outcome: Outcome<T> }[] = [];
  const outcomes: Outcome<T>[] = [];
  try {
    for (const contestant of plan.contestants) {
      const outcome: Outcome<T> = { contestant: contestant.name, rounds: [], failure: null };
      outcomes.push(outcome);
      bench.progress(`${contestant.name}: start and warm up`);
      try {
        const session = await Session.open(contestant, bench.block);
        sessions.push({ session, outcome });
        await attempt(session, outcome, () => plan.prepare(session));
      } catch (error) {
        outcome.failure = error instanceof Error ? error.message : String(error);
      }
    }
    for (let round = 0; round < plan.rounds; round++) {
      for (const { session, outcome } of sessions) {
        if (outcome.failure !== null) continue;
        bench.progress(`${session.name}: round ${round + 1} of ${plan.rounds}`);
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
  session: Session,
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

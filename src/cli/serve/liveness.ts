import { systemClock } from "../../channels/ports/clock.ts";

/** A loop that promises to come round at least once a second, however idle or troubled it is. */
export interface Turning {
  /** In the clock's elapsed time. */
  lastTurnMs(): number;
}

/** Long enough for a machine that is busy with something else. */
const STUCK_AFTER_MS = 30_000;

/** The parts whose loop has stopped coming round: a process with one of them should be replaced. */
export function stuckParts(parts: Readonly<Record<string, Turning | undefined>>): string[] {
  const now = systemClock.elapsedMs();
  return Object.entries(parts)
    .filter(([, part]) => part !== undefined && now - part.lastTurnMs() > STUCK_AFTER_MS)
    .map(([name]) => name);
}

/** Longer than anything here takes on a busy machine: a wait that comes to its end has failed, never merely been slow. */
export const DEADLINE_MS = 20_000;
const POLL_MS = 20;

/** The promise's value, or an error that names what did not happen in time. */
export async function within<T>(what: string, promise: Promise<T>, ms = DEADLINE_MS): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again until the answer is neither undefined nor false. */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  ms = DEADLINE_MS,
): Promise<T> {
  const endsAt = performance.now() + ms;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > endsAt) throw new Error(`not within ${ms} ms: ${what}`);
    await pause(POLL_MS);
  }
}

/** For pacing a load, and for looking how something goes on: never for hoping that it has happened. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

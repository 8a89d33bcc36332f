/** What a look at something came to. `unknown`: it was not allowed, or there is no telling. */
export type Verdict = "ok" | "warning" | "problem" | "unknown";

export interface Finding {
  /** What was looked at, in a word or two. */
  readonly check: string;
  readonly verdict: Verdict;
  /** The server or file, where there are several. */
  readonly where: string | null;
  /** What was found; unless it is well, also what is lost by it, and what would be right. */
  readonly text: string;
}

export function finding(
  check: string,
  verdict: Verdict,
  text: string,
  where: string | null = null,
): Finding {
  return { check, verdict, where, text };
}

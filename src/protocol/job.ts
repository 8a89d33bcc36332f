/**
 * A webhook to deliver: everything that is needed to send it, and no secret. The public contract between the packager
 * and the sender; its JSON form is in docs/specs/job.md.
 */
export interface Job {
  /** Of this format. A sender that meets a newer one leaves the job to a newer sender. */
  readonly version: number;
  /** Derived from the endpoint and the events, so that a repeated job is the same job. Letters, digits, `_`. */
  readonly id: string;
  readonly appId: string;
  readonly webhookId: string;
  readonly method: "POST";
  readonly url: string;
  /** All that are sent, but what HTTP itself asks for. Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Wall time. */
  readonly createdAtMs: number;
  /** What the body tells, for people: names of events, in their order. */
  readonly events: readonly string[];
  readonly timeoutMs: number;
  readonly retryWindowMs: number;
}

/** The newest version of the format that this code knows. It is raised when an old sender could do harm with a new job. */
export const JOB_VERSION = 1;

/** A job, or why it is none of a version that this code knows. */
export type ParsedJob = { readonly job: Job } | { readonly fault: string };

/**
 * A job's body is most of its text, and JSON within JSON: an engine may keep it beside the rest, which then is parsed in a
 * third of the time.
 */
export function splitJob({ body, ...rest }: Job): { readonly json: string; readonly body: string } {
  return { json: JSON.stringify(rest), body };
}

export function parseJob(json: string, bodyBeside: string | null = null): ParsedJob {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return { fault: "the job is not JSON" };
  }
  if (typeof value !== "object" || value === null) return { fault: "the job is no JSON object" };
  const job = value as Record<string, unknown>;
  if (bodyBeside !== null) job["body"] = bodyBeside;
  const { version } = job;
  if (!Number.isInteger(version) || (version as number) < 1 || (version as number) > JOB_VERSION)
    return { fault: "the job has another version" };
  for (const field of ["id", "appId", "webhookId", "url", "body"]) {
    if (typeof job[field] !== "string") return { fault: `the job's ${field} is no text` };
  }
  if (job["method"] !== "POST") return { fault: "the job's method is not POST" };
  for (const field of ["createdAtMs", "timeoutMs", "retryWindowMs"]) {
    const number = job[field];
    if (typeof number !== "number" || !(number >= 0))
      return { fault: `the job's ${field} is no time` };
  }
  const { headers, events, url } = job;
  if (typeof headers !== "object" || headers === null || Array.isArray(headers))
    return { fault: "the job's headers are no JSON object" };
  for (const header of Object.values(headers)) {
    if (typeof header !== "string") return { fault: "a header of the job is no text" };
  }
  if (!Array.isArray(events) || events.some((event) => typeof event !== "string"))
    return { fault: "the job's events are no list of texts" };
  if (!/^https?:\/\//i.test(url as string))
    return { fault: "the job's url is neither http nor https" };
  return { job: value as Job };
}

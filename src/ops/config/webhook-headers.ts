import type { Webhook } from "../../protocol/webhook.ts";
import { whatItIs, wrongSecret } from "./explanation.ts";
import { headerNameFault } from "./header-name.ts";
import { isMapping } from "./path.ts";
import { resolveSecret, type SecretOrigin, type SecretSurroundings } from "./secret.ts";
import { headerValueSchema } from "./webhook-entry.ts";

/** The headers of one webhook, as far as they are right. */
export interface WebhookHeaders {
  /** Names in lower case. */
  readonly headers: Webhook["headers"];
  readonly origins: ReadonlyMap<string, SecretOrigin>;
  readonly faults: readonly HeaderFault[];
}

export interface HeaderFault {
  /** As it is written, to find the place; not to be shown, for it may be a misplaced secret. */
  readonly name: string;
  /** What is wrong; what would be right. */
  readonly message: string;
}

const VALUE_RIGHT =
  "give each header a text of visible Latin-1 characters with spaces only inside, {env: NAME} or {file: PATH}";

/** Fetches the values of the headers as they are written, so that those of a wrong webhook are told as well. */
export async function readHeaders(
  written: unknown,
  around: SecretSurroundings,
): Promise<WebhookHeaders> {
  const headers = new Map<string, string>();
  const origins = new Map<string, SecretOrigin>();
  const faults: HeaderFault[] = [];
  for (const [name, value] of Object.entries(isMapping(written) ? written : {})) {
    const header = name.toLowerCase();
    const nameFault = headers.has(header)
      ? "has a header twice, for upper and lower case are the same; leave one out"
      : headerNameFault(name);
    if (nameFault !== undefined) {
      faults.push({ name, message: nameFault });
      continue;
    }
    const resolved = await headerValue(value, around);
    if ("problem" in resolved) {
      faults.push({ name, message: resolved.problem });
    } else {
      headers.set(header, resolved.secret);
      origins.set(header, resolved.origin);
    }
  }
  return { headers: Object.fromEntries(headers), origins, faults };
}

async function headerValue(
  written: unknown,
  around: SecretSurroundings,
): ReturnType<typeof resolveSecret> {
  const entry = headerValueSchema.safeParse(written);
  if (!entry.success) return { problem: `has a value that ${wrongValue(written)}; ${VALUE_RIGHT}` };
  const resolved = await resolveSecret(entry.data, around);
  if ("problem" in resolved) return { problem: `has a value that ${resolved.problem}` };
  return headerValueSchema.safeParse(resolved.secret).success
    ? resolved
    : { problem: `has a value that ${wrongSecret(resolved.secret)}; ${VALUE_RIGHT}` };
}

function wrongValue(value: unknown): string {
  if (typeof value === "string" && value !== "") return wrongSecret(value);
  return isMapping(value) ? "is a mapping of another form" : whatItIs(value);
}

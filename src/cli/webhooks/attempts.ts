import type { Command } from "commander";
import type { ShownAttempt } from "../../ops/admin/webhook-history.ts";
import { connectAdmin, type AdminClient, type AdminQuery } from "../client/admin-client.ts";
import {
  ADMIN_HELP,
  moment,
  withAdminOptions,
  type AdminOptions,
} from "../client/admin-options.ts";
import { clientCommand, wholeNumber } from "../client/client-command.ts";
import { tellingFailures, UsageMistake } from "../client/command-failure.ts";
import { printJson } from "../client/print-json.ts";
import { printable } from "../client/printable.ts";
import { table } from "../client/table.ts";
import { AttemptStream, FIRST_SINCE } from "./attempt-stream.ts";
import { eventsText, nameOf, outcomeText } from "./webhook-text.ts";

const MAX_LIMIT = 1_000;
const POLL_INTERVAL_MS = 1_000;

interface AttemptsOptions extends AdminOptions {
  readonly app?: string;
  readonly job?: string;
  readonly failed?: true;
  readonly since?: string;
  readonly until?: string;
  readonly limit?: number;
  readonly follow?: true;
}

/** `ringmaster webhooks attempts` */
export function attemptsCommand(): Command {
  const command = clientCommand("attempts")
    .description("List the attempts to deliver webhooks, newest first.")
    .argument("[webhook]", "only those of this webhook: app/webhook, or its id alone")
    .option("--app <id>", "only those of this app")
    .option("--job <id>", "only those of this job")
    .option("--failed", "only those that failed")
    .option(
      "--since <time>",
      "not those before: an ISO 8601 time, or how long ago (15m, 1h, 7d)",
      moment,
    )
    .option("--until <time>", "only those before, given likewise", moment)
    .option("--limit <n>", "the most to list (default: 50)", wholeNumber(MAX_LIMIT))
    .option("-f, --follow", "print new ones as they come, until Ctrl-C");
  return withAdminOptions(command)
    .addHelpText(
      "after",
      `
RESULT is delivered (a 2xx), status (any other answer), timeout, refused, connection, tls or address; and, where the
fault was on our side and the attempt does not count, dns, egress or shutdown. JOB is the webhook-id that the receiver
got; AGE is from the making of the webhook to the end of the attempt. With --follow and --json, each attempt is a line.

Examples:
  ringmaster webhooks attempts
  ringmaster webhooks attempts shop/orders --failed --since 1h
  ringmaster webhooks attempts --job job_2b7e151628aed2a6
  ringmaster webhooks attempts shop/orders --follow
${ADMIN_HELP}`,
    )
    .action(tellingFailures(attempts));
}

async function attempts(webhook: string | undefined, options: AttemptsOptions): Promise<void> {
  const { app, job, failed, since, until, limit, json } = options;
  if (options.follow && until !== undefined) {
    throw new UsageMistake("--follow and --until contradict each other; leave one out");
  }
  if (options.follow && limit !== undefined) {
    throw new UsageMistake("--follow prints all that come; leave --limit out");
  }
  const client = await connectAdmin(options);
  const query = { webhook, app, job, failed, since, until };
  if (options.follow) return follow(client, query, json ?? false);
  const answer = await client.get("/webhooks/attempts", { ...query, limit });
  if (json) return printJson(answer);
  const list = client.listIn<ShownAttempt>(answer, "attempts");
  process.stdout.write(
    list.length === 0
      ? `No such attempt is in the log (${client.address}).\n`
      : table([
          ["TIME", "WEBHOOK", "RESULT", "TOOK", "AGE", "ATTEMPT", "JOB", "EVENTS", "DETAIL"],
          ...list.map(cells),
        ]),
  );
}

async function follow(client: AdminClient, query: AdminQuery, asJson: boolean): Promise<void> {
  process.stdout.on("error", endWithReader);
  const stream = new AttemptStream(query["since"] === undefined);
  for (;;) {
    const since = stream.since ?? query["since"] ?? FIRST_SINCE;
    const answer = await client.get("/webhooks/attempts", { ...query, since, limit: MAX_LIMIT });
    for (const attempt of stream.unseen(client.listIn<ShownAttempt>(answer, "attempts"))) {
      const line = asJson ? JSON.stringify(attempt) : cells(attempt).join("  ").trimEnd();
      process.stdout.write(`${line}\n`);
    }
    await Bun.sleep(POLL_INTERVAL_MS);
  }
}

/** Whoever read our output, `head` perhaps, has enough. */
function endWithReader(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
}

function cells(attempt: ShownAttempt): string[] {
  const { at, job, events, detail, durationMs, ageMs } = attempt;
  return [
    printable(at),
    nameOf(attempt),
    outcomeText(attempt),
    `${durationMs} ms`,
    `${ageMs} ms`,
    String(attempt.attempt),
    printable(job),
    eventsText(events),
    printable(detail ?? ""),
  ];
}

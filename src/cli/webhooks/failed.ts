import type { Command } from "commander";
import type { ShownDeadLetter } from "../../ops/admin/webhook-history.ts";
import { connectAdmin } from "../client/admin-client.ts";
import {
  ADMIN_HELP,
  moment,
  withAdminOptions,
  type AdminOptions,
} from "../client/admin-options.ts";
import { clientCommand, wholeNumber } from "../client/client-command.ts";
import { tellingFailures } from "../client/command-failure.ts";
import { printJson } from "../client/print-json.ts";
import { printable } from "../client/printable.ts";
import { table } from "../client/table.ts";
import { eventsText, nameOf } from "./webhook-text.ts";

const MAX_LIMIT = 1_000;

interface FailedOptions extends AdminOptions {
  readonly app?: string;
  readonly job?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit?: number;
  readonly body?: true;
}

/** `ringmaster webhooks failed` */
export function failedCommand(): Command {
  const command = clientCommand("failed")
    .description("List the dead letters, newest first: webhooks that were given up.")
    .argument("[webhook]", "only those of this webhook: app/webhook, or its id alone")
    .option("--app <id>", "only those of this app")
    .option("--job <id>", "only this one")
    .option(
      "--since <time>",
      "not those given up before: an ISO 8601 time, or how long ago (15m, 1h, 7d)",
      moment,
    )
    .option("--until <time>", "only those given up before, given likewise", moment)
    .option("--limit <n>", "the most to list (default: 50)", wholeNumber(MAX_LIMIT))
    .option("--body", "show what they would have told: it may be personal data");
  return withAdminOptions(command)
    .addHelpText(
      "after",
      `
A webhook is given up when its retry window is over, or at once where no retry can help; REASON says which. It stays
here until it is replayed or too old. Its headers are never shown.

Examples:
  ringmaster webhooks failed
  ringmaster webhooks failed shop/orders --since 1d
  ringmaster webhooks failed --job job_2b7e151628aed2a6 --body
  ringmaster webhooks failed --json | jq -r '.failed[].job'
${ADMIN_HELP}`,
    )
    .action(tellingFailures(failed));
}

async function failed(webhook: string | undefined, options: FailedOptions): Promise<void> {
  const { app, job, since, until, limit, body, json } = options;
  const client = await connectAdmin(options);
  const query = { webhook, app, job, since, until, limit, body };
  const answer = await client.get("/webhooks/failed", query);
  if (json) return printJson(answer);
  const letters = client.listIn<ShownDeadLetter>(answer, "failed");
  const heading = ["GIVEN UP", "WEBHOOK", "JOB", "ATTEMPTS", "EVENTS", "REASON"];
  process.stdout.write(
    letters.length === 0
      ? `There is no such dead letter (${client.address}).\n`
      : table([body ? [...heading, "BODY"] : heading, ...letters.map(cells)]),
  );
}

function cells(letter: ShownDeadLetter): string[] {
  const { job, buriedAt, attempts, events, reason, body } = letter;
  return [
    printable(buriedAt),
    nameOf(letter),
    printable(job),
    String(attempts),
    eventsText(events),
    printable(reason),
    ...(body === undefined ? [] : [printable(body)]),
  ];
}

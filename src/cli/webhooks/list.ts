import type { Command } from "commander";
import type { ShownWebhook } from "../../ops/admin/webhook-overview.ts";
import { connectAdmin } from "../client/admin-client.ts";
import { ADMIN_HELP, withAdminOptions, type AdminOptions } from "../client/admin-options.ts";
import { clientCommand } from "../client/client-command.ts";
import { tellingFailures } from "../client/command-failure.ts";
import { printable } from "../client/printable.ts";
import { printJson } from "../client/print-json.ts";
import { table } from "../client/table.ts";
import { eventsText, nameOf, outcomeText, stateText } from "./webhook-text.ts";

interface ListOptions extends AdminOptions {
  readonly app?: string;
}

/** `ringmaster webhooks list` */
export function listCommand(): Command {
  const command = clientCommand("list")
    .description("List the webhooks of all apps: what they get, their state, and how they fare.")
    .option("--app <id>", "only those of this app");
  return withAdminOptions(command)
    .addHelpText(
      "after",
      `
STATE is active, paused with the reason (nothing is sent until somebody resumes it), broken off (it failed so often in a
row that the sender of that process only tries it now and then), or gone (no longer configured, but it still has jobs).
DUE wait to be sent now, DELAYED failed and wait to be tried again, DEAD were given up (webhooks failed lists them).
DELIVERED and FAILED count the attempts of the last 24 hours. Passwords and queries of URLs are shown as ***.

Examples:
  ringmaster webhooks list
  ringmaster webhooks list --app shop
  ringmaster webhooks list --json | jq -r '.webhooks[] | select(.dead > 0) | .webhook'
${ADMIN_HELP}`,
    )
    .action(tellingFailures(list));
}

async function list({ app, json, ...options }: ListOptions): Promise<void> {
  const client = await connectAdmin(options);
  const answer = await client.get("/webhooks", { app });
  if (json) return printJson(answer);
  const webhooks = client.listIn<ShownWebhook>(answer, "webhooks");
  if (webhooks.length === 0) {
    const told = app === undefined ? "No app has a" : `App ${printable(app)} has no`;
    process.stdout.write(`${told} webhook (${client.address}).\n`);
    return;
  }
  const heading = "WEBHOOK|URL|EVENTS|STATE|DUE|DELAYED|DEAD|DELIVERED|FAILED|LAST ATTEMPT".split(
    "|",
  );
  process.stdout.write(table([heading, ...webhooks.map(row)]));
}

function row(shown: ShownWebhook): string[] {
  const { url, events, due, delayed, dead, last24Hours, lastAttempt } = shown;
  return [
    nameOf(shown),
    printable(url) || "-",
    eventsText(events),
    stateText(shown),
    String(due),
    String(delayed),
    String(dead),
    String(last24Hours.delivered),
    String(last24Hours.failed),
    lastAttempt === null ? "-" : `${outcomeText(lastAttempt)}, ${printable(lastAttempt.at)}`,
  ];
}

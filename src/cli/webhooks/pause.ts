import type { Command } from "commander";
import { connectAdmin } from "../client/admin-client.ts";
import { ADMIN_HELP, withAdminOptions, type AdminOptions } from "../client/admin-options.ts";
import { clientCommand } from "../client/client-command.ts";
import { tellingFailures } from "../client/command-failure.ts";
import { printJson } from "../client/print-json.ts";
import { nameIn } from "./webhook-text.ts";

interface PauseOptions extends AdminOptions {
  readonly reason?: string;
}

/** `ringmaster webhooks pause` */
export function pauseCommand(): Command {
  const command = clientCommand("pause")
    .description("Stop sending to a webhook, until somebody resumes it.")
    .argument("<webhook>", "app/webhook, or its id alone")
    .option("--reason <text>", "for whoever reads the list");
  return withAdminOptions(command)
    .addHelpText(
      "after",
      `
Nothing is lost: what happens meanwhile waits in the queue. What is under way is not broken off. A server pauses a
webhook itself when its receiver answers 410 Gone.

Examples:
  ringmaster webhooks pause shop/orders --reason 'receiver moves house'
${ADMIN_HELP}`,
    )
    .action(tellingFailures(pause));
}

async function pause(webhook: string, options: PauseOptions): Promise<void> {
  const { reason, json } = options;
  const client = await connectAdmin(options);
  const answer = await client.post("/webhooks/pause", { webhook, reason });
  if (json) return printJson(answer);
  const name = nameIn(answer);
  process.stdout.write(`${name} is paused; \`ringmaster webhooks resume ${name}\` ends it.\n`);
}

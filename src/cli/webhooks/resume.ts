import type { Command } from "commander";
import { connectAdmin } from "../client/admin-client.ts";
import { ADMIN_HELP, withAdminOptions, type AdminOptions } from "../client/admin-options.ts";
import { memberOf } from "../client/channel-attributes.ts";
import { clientCommand } from "../client/client-command.ts";
import { tellingFailures } from "../client/command-failure.ts";
import { printJson } from "../client/print-json.ts";
import { nameIn } from "./webhook-text.ts";

/** `ringmaster webhooks resume` */
export function resumeCommand(): Command {
  const command = clientCommand("resume")
    .description("Send to a paused webhook again, beginning with what waits.")
    .argument("<webhook>", "app/webhook, or its id alone");
  return withAdminOptions(command)
    .addHelpText(
      "after",
      `
Examples:
  ringmaster webhooks resume shop/orders
${ADMIN_HELP}`,
    )
    .action(tellingFailures(resume));
}

async function resume(webhook: string, options: AdminOptions): Promise<void> {
  const client = await connectAdmin(options);
  const answer = await client.post("/webhooks/resume", { webhook });
  if (options.json) return printJson(answer);
  const outcome = memberOf(answer, "wasPaused") === false ? "was not paused" : "is sent to again";
  process.stdout.write(`${nameIn(answer)} ${outcome}.\n`);
}

import type { Command } from "commander";
import { clientCommand } from "./client/client-command.ts";
import { attemptsCommand } from "./webhooks/attempts.ts";
import { failedCommand } from "./webhooks/failed.ts";
import { listCommand } from "./webhooks/list.ts";
import { pauseCommand } from "./webhooks/pause.ts";
import { replayCommand } from "./webhooks/replay.ts";
import { resumeCommand } from "./webhooks/resume.ts";
import { testCommand } from "./webhooks/test.ts";
import { versionsCommand } from "./webhooks/versions.ts";

/** `ringmaster webhooks`: what becomes of webhooks, and what a person can do about it. */
export function webhooksCommand(): Command {
  return clientCommand("webhooks")
    .description("See how webhooks fare, test them, pause them and send failed ones again.")
    .helpOption("-h, --help", "show this help")
    .helpCommand(false)
    .addCommand(listCommand())
    .addCommand(attemptsCommand())
    .addCommand(failedCommand())
    .addCommand(replayCommand())
    .addCommand(pauseCommand())
    .addCommand(resumeCommand())
    .addCommand(testCommand())
    .addCommand(versionsCommand())
    .addHelpText(
      "after",
      `
A webhook is named as list shows it, app/webhook; the part behind the slash is enough where only one app has it.

Examples:
  ringmaster webhooks list
  ringmaster webhooks test shop/orders
  ringmaster webhooks attempts shop/orders --failed --since 1h
  ringmaster webhooks replay --webhook shop/orders`,
    );
}

import { Command } from "commander";
import { appsCommand } from "../../src/cli/apps.ts";
import { channelsCommand } from "../../src/cli/channels.ts";
import { subscribeCommand } from "../../src/cli/subscribe.ts";
import { triggerCommand } from "../../src/cli/trigger.ts";
import { webhooksCommand } from "../../src/cli/webhooks.ts";

// The client commands alone: their tests need not load the server.
await new Command("ringmaster")
  .addCommand(triggerCommand())
  .addCommand(channelsCommand())
  .addCommand(webhooksCommand())
  .addCommand(subscribeCommand())
  .addCommand(appsCommand())
  .parseAsync();

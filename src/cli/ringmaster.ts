#!/usr/bin/env bun
import { VERSION } from "../ops/version.ts";
import { appsCommand } from "./apps.ts";
import { channelsCommand } from "./channels.ts";
import { clientCommand } from "./client/client-command.ts";
import { configCommand } from "./config.ts";
import { doctorCommand } from "./doctor.ts";
import { serveCommand } from "./serve.ts";
import { subscribeCommand } from "./subscribe.ts";
import { triggerCommand } from "./trigger.ts";
import { webhooksCommand } from "./webhooks.ts";

const program = clientCommand("ringmaster")
  .description(
    "A self-hosted Pusher Channels: existing Pusher clients and server libraries use it unchanged.",
  )
  .version(VERSION)
  .addCommand(serveCommand())
  .addCommand(subscribeCommand())
  .addCommand(triggerCommand())
  .addCommand(channelsCommand())
  .addCommand(webhooksCommand())
  .addCommand(appsCommand())
  .addCommand(configCommand())
  .addCommand(doctorCommand())
  .addHelpText(
    "after",
    `
Start with:
  ringmaster serve                          a server with one app, on port 6001
  ringmaster subscribe demo                 in a second terminal: print what comes
  ringmaster trigger demo hello '{"a":1}'   in a third: publish an event`,
  );

// Not awaited, for byte code (deploy/image) allows no `await` out here.
void program.parseAsync();

import { Option, type Command } from "commander";
import {
  APP_ID_VARIABLE,
  APP_KEY_VARIABLE,
  APP_SECRET_VARIABLE,
} from "../../ops/config/environment.ts";
import { wholeNumber } from "./client-command.ts";

/** A server and an app in one; what it says, no option about its parts can say too. */
export const URL_VARIABLE = "RINGMASTER_URL";

export const MAX_PORT = 65_535;
export const LOCAL_HOST = "127.0.0.1";
export const DEFAULT_PORT = 6_001;
export const DEFAULT_TLS_PORT = 443;
/** Where `ringmaster serve` keeps the default app, unless it was told otherwise. */
export const DEFAULT_DATA_DIR = ".ringmaster";

/** The options of a command about its target. */
export interface TargetOptions {
  readonly url?: string;
  readonly host?: string;
  readonly port?: number;
  readonly tls?: boolean;
  readonly cluster?: string;
  readonly pathPrefix?: string;
  readonly appId?: string;
  readonly key?: string;
  readonly secret?: string;
}

/** Adds the options that say which server and which app a command is about. */
export function withTargetOptions(command: Command): Command {
  const others = ["host", "port", "tls", "cluster", "pathPrefix", "appId", "key", "secret"];
  return command
    .optionsGroup("Which server and app:")
    .addOption(
      new Option(
        "--url <url>",
        `https://KEY:SECRET@HOST:PORT/apps/ID in one (${URL_VARIABLE})`,
      ).conflicts(others),
    )
    .option("--host <host>", `host name or address (default: ${LOCAL_HOST})`)
    .addOption(
      new Option(
        "--port <port>",
        `port (RINGMASTER_PORT; default: ${DEFAULT_PORT}, with --tls ${DEFAULT_TLS_PORT})`,
      ).argParser(wholeNumber(MAX_PORT)),
    )
    .option("--tls", "connect with TLS (https and wss)")
    .addOption(
      new Option(
        "--cluster <name>",
        "a cluster of Pusher's hosted service, for example eu",
      ).conflicts(["host", "port", "pathPrefix"]),
    )
    .option("--path-prefix <path>", "what the server's paths begin with, for example /realtime")
    .option("--app-id <id>", `id of the app (${APP_ID_VARIABLE})`)
    .option("--key <key>", `key of the app (${APP_KEY_VARIABLE})`)
    .option("--secret <secret>", `secret of the app (better: ${APP_SECRET_VARIABLE})`);
}

/** For the end of a command's help. */
export const TARGET_HELP = `
Without any of these options and variables, the command talks to the server on this machine, as its default app: the
one whose credentials \`ringmaster serve\` keeps in ${DEFAULT_DATA_DIR}/default-app.json, so run it in the same folder.

A secret on the command line can be read by every user of the machine (ps): prefer ${APP_SECRET_VARIABLE} or
${URL_VARIABLE}. An option counts more than a variable. ${URL_VARIABLE} is one whole: with an option that gives another
address, its credentials are not used either.`;

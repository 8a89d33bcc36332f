import {
  APP_ID_VARIABLE,
  APP_KEY_VARIABLE,
  APP_SECRET_VARIABLE,
  type Environment,
} from "../../ops/config/environment.ts";
import { addressIn, addressOf, type Address } from "./address.ts";
import { UsageMistake } from "./command-failure.ts";
import { credentialsOf, type Credentials, type FoundCredentials } from "./credentials.ts";
import { URL_VARIABLE, type TargetOptions } from "./target-options.ts";

/** A server, and who one is to it. */
export interface Target extends Address, FoundCredentials {}

/**
 * Which server and app the options and the environment mean.
 *
 *   address      --url, or the options about it; else RINGMASTER_URL; else this machine, at RINGMASTER_PORT
 *   credentials  of the URL where the address is from one, filled up from RINGMASTER_APP_SECRET;
 *                else one by one from --app-id, --key, --secret; RINGMASTER_APP_ID, _KEY, _SECRET; the default app
 *
 * Throws `UsageMistake`. The folder is where relative paths count from.
 */
export async function resolveTarget(
  options: TargetOptions,
  env: Environment,
  folder: string,
): Promise<Target> {
  const own = { appId: options.appId, key: options.key, secret: options.secret };
  if (options.url !== undefined) return targetOfUrl(options.url, "--url", own, env);
  const url = env[URL_VARIABLE];
  if (url !== undefined && url !== "" && !saysWhere(options)) {
    return targetOfUrl(url, URL_VARIABLE, own, env);
  }
  return { ...addressOf(options, env), ...(await credentialsOf(own, options, env, folder)) };
}

/** The key; throws `UsageMistake` when it was not given. */
export function keyOf(target: Target): string {
  const { key } = target.credentials;
  if (key === undefined) throw missing(target, ["key"]);
  return key;
}

/** Key and secret, with which one signs; throws `UsageMistake` when one of them was not given. */
export function signingCredentials(target: Target): {
  readonly key: string;
  readonly secret: string;
} {
  const { key, secret } = target.credentials;
  if (key === undefined || secret === undefined) throw missing(target, ["key", "secret"]);
  return { key, secret };
}

/** All that the HTTP API needs; throws `UsageMistake` when one of it was not given. */
export function apiCredentials(target: Target): Required<{ [Name in keyof Credentials]: string }> {
  const { appId, key, secret } = target.credentials;
  if (appId === undefined || key === undefined || secret === undefined) {
    throw missing(target, ["appId", "key", "secret"]);
  }
  return { appId, key, secret };
}

const WAYS: Readonly<Record<keyof Credentials, string>> = {
  appId: `the app's id (--app-id or ${APP_ID_VARIABLE})`,
  key: `the app's key (--key or ${APP_KEY_VARIABLE})`,
  secret: `the app's secret (${APP_SECRET_VARIABLE})`,
};

function missing(
  { credentials, credentialsOrigin }: Target,
  needed: readonly (keyof Credentials)[],
): UsageMistake {
  const ways = needed.filter((name) => credentials[name] === undefined).map((name) => WAYS[name]);
  return new UsageMistake(`give ${ways.join(" and ")}: ${credentialsOrigin}`);
}

function saysWhere({ host, port, tls, cluster, pathPrefix }: TargetOptions): boolean {
  return [host, port, tls, cluster, pathPrefix].some((option) => option !== undefined);
}

/** No text of these errors quotes the URL: it holds a secret. */
function targetOfUrl(text: string, source: string, own: Credentials, env: Environment): Target {
  const form = "it must have the form https://KEY:SECRET@HOST:PORT/apps/ID";
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageMistake(`${source} is no URL: ${form}`);
  }
  const path = /^(.*)\/apps\/([^/]+)\/?$/.exec(url.pathname);
  if (!/^https?:$/.test(url.protocol)) {
    throw new UsageMistake(`${source} begins with neither http:// nor https://: ${form}`);
  }
  if (path === null) throw new UsageMistake(`${source} does not end with /apps/ID: ${form}`);
  const [, prefix = "", appId = ""] = path;
  const secret = own.secret ?? (decoded(url.password) || env[APP_SECRET_VARIABLE]);
  const given = Object.values(own).some((value) => value !== undefined);
  return {
    ...addressIn(url.protocol === "https:", url.host, prefix),
    credentials: {
      appId: own.appId ?? decoded(appId),
      key: own.key ?? (decoded(url.username) || undefined),
      secret,
    },
    credentialsOrigin: `those used are from ${source}${given ? " and the command line" : ""}`,
  };
}

/** Libraries write secrets into URLs unescaped: a lone % is itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

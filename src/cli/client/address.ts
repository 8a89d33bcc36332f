import { isIP } from "node:net";
import type { Environment } from "../../ops/config/environment.ts";
import { UsageMistake } from "./command-failure.ts";
import { serverVariable } from "./server-variable.ts";
import {
  DEFAULT_PORT,
  DEFAULT_TLS_PORT,
  LOCAL_HOST,
  MAX_PORT,
  type TargetOptions,
} from "./target-options.ts";

/** Where a server is. */
export interface Address {
  /** What stands before `/apps/`: `http://127.0.0.1:6001`, with the path prefix. */
  readonly apiUrl: string;
  /** What stands before `/app/`: `ws://127.0.0.1:6001`, with the path prefix. */
  readonly socketUrl: string;
}

/** What the options say, and for the rest this machine. Throws `UsageMistake`. */
export function addressOf(options: TargetOptions, env: Environment): Address {
  const { cluster, host, tls = false } = options;
  if (cluster !== undefined) {
    if (!/^[a-z0-9-]+$/i.test(cluster)) {
      throw new UsageMistake("--cluster takes a name such as eu or mt1");
    }
    return addressIn(true, `api-${cluster}.pusher.com`, "");
  }
  if (host !== undefined && isIP(host) === 0 && !/^[a-z0-9._-]+$/i.test(host)) {
    throw new UsageMistake(
      "--host takes a host name or an address alone; the port goes into --port, a URL into --url",
    );
  }
  const onThisMachine = host === undefined && !tls;
  const port =
    options.port ??
    (onThisMachine ? localPort(env) : undefined) ??
    (tls ? DEFAULT_TLS_PORT : DEFAULT_PORT);
  const name = host ?? LOCAL_HOST;
  const url = new URL(
    `${tls ? "https" : "http"}://${isIP(name) === 6 ? `[${name}]` : name}:${port}`,
  );
  const prefix =
    options.pathPrefix ?? (onThisMachine ? serverVariable("pathPrefix", env) : undefined) ?? "";
  return addressIn(tls, url.host, prefix);
}

/** The address of an API host, which may have a port. */
export function addressIn(tls: boolean, apiHost: string, pathPrefix: string): Address {
  const prefix = pathPrefix.replace(/^\/*/, "/").replace(/\/+$/, "");
  return {
    apiUrl: `${tls ? "https" : "http"}://${apiHost}${prefix}`,
    socketUrl: `${tls ? "wss" : "ws"}://${socketHostOf(apiHost)}${prefix}`,
  };
}

/** Pusher's hosted service takes sockets under another name than requests: api-eu.pusher.com and ws-eu.pusher.com. */
function socketHostOf(apiHost: string): string {
  return apiHost.replace(/^api((?:-[a-z0-9-]+)?\.pusher(?:app)?\.com(?::[0-9]+)?)$/i, "ws$1");
}

function localPort(env: Environment): number | undefined {
  const text = serverVariable("port", env);
  if (text === undefined) return undefined;
  if (/^[0-9]+$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_PORT) return Number(text);
  throw new UsageMistake(
    `RINGMASTER_PORT is no port to connect to: it must be a whole number from 1 to ${MAX_PORT}`,
  );
}

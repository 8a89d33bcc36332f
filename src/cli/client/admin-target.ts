import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Environment } from "../../ops/config/environment.ts";
import {
  ADMIN_TOKEN_VARIABLE,
  ADMIN_URL_VARIABLE,
  DEFAULT_OPS_PORT,
  type AdminOptions,
} from "./admin-options.ts";
import { UsageMistake } from "./command-failure.ts";
import { printable } from "./printable.ts";
import { serverVariable } from "./server-variable.ts";
import { LOCAL_HOST, MAX_PORT } from "./target-options.ts";

/** An operations port, and the token for it. */
export interface AdminTarget {
  /** What stands before `/admin/`, without a slash at its end. */
  readonly url: string;
  readonly token: string | undefined;
  /** For people: where the token is from. */
  readonly tokenOrigin: string;
}

/** Throws `UsageMistake`. The folder is where relative paths count from. */
export async function resolveAdminTarget(
  { admin, tokenFile }: AdminOptions,
  env: Environment,
  folder: string,
): Promise<AdminTarget> {
  const url = urlOf(admin, env);
  if (tokenFile !== undefined) {
    const token = await tokenIn(resolve(folder, tokenFile), tokenFile);
    return { url, token, tokenOrigin: printable(tokenFile) };
  }
  const token = env[ADMIN_TOKEN_VARIABLE] || undefined;
  if (token !== undefined) refuseUnsendable(token, ADMIN_TOKEN_VARIABLE);
  return { url, token, tokenOrigin: ADMIN_TOKEN_VARIABLE };
}

function urlOf(option: string | undefined, env: Environment): string {
  const text = option ?? (env[ADMIN_URL_VARIABLE] || undefined);
  if (text === undefined) return `http://${LOCAL_HOST}:${localPort(env)}`;
  const source = option === undefined ? ADMIN_URL_VARIABLE : "--admin";
  const form = `it must have the form http://HOST:PORT`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new UsageMistake(`${source} is no URL of a server: ${form}`);
  }
  // Not quoted: it may hold a secret.
  if (url.username !== "" || url.password !== "") {
    throw new UsageMistake(
      `${source} holds a user or password: ${form}, and the token goes into --token-file or ${ADMIN_TOKEN_VARIABLE}`,
    );
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

function localPort(env: Environment): number {
  const text = serverVariable("ops.port", env);
  if (text === undefined) return DEFAULT_OPS_PORT;
  if (/^[0-9]+$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_PORT) return Number(text);
  throw new UsageMistake(
    `RINGMASTER_OPS_PORT is no port to connect to: it must be a whole number from 1 to ${MAX_PORT}, or use --admin`,
  );
}

async function tokenIn(path: string, shown: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
    throw new UsageMistake(`--token-file ${printable(shown)} cannot be read${code}`, {
      cause: error,
    });
  }
  const token = text.replace(/\r?\n$/, "");
  refuseUnsendable(token, `--token-file ${printable(shown)}`);
  return token;
}

/** A header takes no other characters, and a token has no spaces. */
function refuseUnsendable(token: string, source: string): void {
  if (/^[\u0021-\u007e]+$/.test(token)) return;
  throw new UsageMistake(
    `${source} holds no token: it must be one line of ASCII letters, digits and signs, without spaces`,
  );
}

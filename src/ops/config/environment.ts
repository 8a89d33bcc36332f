import type { Field } from "./field.ts";
import type { ConfigProblem } from "./problem.ts";
import { settingsFields } from "./settings.ts";
import { nearest } from "./suggestion.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = "RINGMASTER_";

export const CONFIG_VARIABLE = "RINGMASTER_CONFIG";
export const APP_ID_VARIABLE = "RINGMASTER_APP_ID";
export const APP_KEY_VARIABLE = "RINGMASTER_APP_KEY";
export const APP_SECRET_VARIABLE = "RINGMASTER_APP_SECRET";
export const APP_WEBHOOK_URL_VARIABLE = "RINGMASTER_APP_WEBHOOK_URL";
export const APP_VARIABLES = [
  APP_ID_VARIABLE,
  APP_KEY_VARIABLE,
  APP_SECRET_VARIABLE,
  APP_WEBHOOK_URL_VARIABLE,
] as const;
/** Of the client commands (`trigger`, `webhooks` …), which may share an environment with a server. */
const CLIENT_VARIABLES = ["RINGMASTER_URL", "RINGMASTER_ADMIN_URL", "RINGMASTER_ADMIN_TOKEN"];

const KNOWN: readonly string[] = [
  CONFIG_VARIABLE,
  ...CLIENT_VARIABLES,
  ...APP_VARIABLES,
  ...settingsFields.flatMap(({ envName }) => envName ?? []),
];

/** The text that a variable gives for a field, undefined where there is none. */
export function textFor(field: Field, env: Environment): string | undefined {
  if (field.envName === null) return undefined;
  const text = env[field.envName];
  return text !== undefined && isServiceLink(field.envName, text) ? undefined : text;
}

/** What a variable or a flag gives, as the file would hold it; left a text where it is not of the field's kind. */
export function valueOf(field: Field, text: string): unknown {
  if (field.nullable && text === "null") return null;
  if (field.kind === "number" && /^-?[0-9]+$/.test(text)) return Number(text);
  if (field.kind === "switch" && (text === "true" || text === "false")) return text === "true";
  return field.kind === "list" ? listIn(text) : text;
}

/** `channels, sender`: a list where only a text fits. */
export function listIn(text: string): readonly string[] {
  return text.trim() === "" ? [] : text.split(",").map((entry) => entry.trim());
}

/** `RINGMASTER_` variables that nothing reads: a slip, most likely. `referenced` are those that the file names itself. */
export function unknownVariables(
  env: Environment,
  referenced: ReadonlySet<string>,
): ConfigProblem[] {
  return Object.entries(env).flatMap(([name, text]) => {
    if (!name.startsWith(PREFIX) || text === undefined) return [];
    if (KNOWN.includes(name) || referenced.has(name) || isServiceLink(name, text)) return [];
    const meant = nearest(withoutPrefix(name), KNOWN.map(withoutPrefix));
    const right =
      meant === undefined
        ? "unset it (`ringmaster config docs` lists them all)"
        : `did you mean ${PREFIX}${meant}?`;
    return [{ path: name, message: `is not a variable of Ringmaster; ${right}`, source: null }];
  });
}

function withoutPrefix(name: string): string {
  return name.slice(PREFIX.length);
}

/**
 * Kubernetes sets Docker-style variables for every Service of the namespace. For one named `ringmaster` these are
 * `RINGMASTER_PORT=tcp://10.0.0.1:6001`, `RINGMASTER_SERVICE_HOST` and more of the kind, for `ringmaster-ops`
 * `RINGMASTER_OPS_PORT`: none of them is meant for us, though some have our names.
 */
function isServiceLink(name: string, text: string): boolean {
  return (
    /_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$/.test(name) ||
    /_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name) ||
    (name.endsWith("_PORT") && /^(tcp|udp|sctp):\/\//.test(text))
  );
}

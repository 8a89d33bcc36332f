import type { Environment } from "../environment.ts";
import { isMapping } from "../path.ts";
import { APPS_OPTION, SOKETI_VARIABLES } from "./option.ts";

/** A setting as soketi was given it. */
export interface SoketiSetting {
  /** `metrics.port` */
  readonly option: string;
  /** As its owner knows it: the option in the file, or the variable. */
  readonly name: string;
  readonly value: unknown;
}

/** Everything that soketi was told, variables after the file since they win; and the variables that mean nothing to it. */
export interface SoketiSource {
  readonly settings: readonly SoketiSetting[];
  readonly unknownVariables: readonly string[];
}

const PREFIX = "SOKETI_";

/** soketi's file may nest its options or write their paths (`"metrics.port": 9601`), as one likes. */
export function readSoketi(
  file: Readonly<Record<string, unknown>>,
  env: Environment,
): SoketiSource {
  const settings = Object.entries(file).flatMap(([option, value]) => flatten(option, value));
  const unknownVariables: string[] = [];
  for (const [name, text] of Object.entries(env)) {
    // soketi passes over empty variables.
    if (!name.startsWith(PREFIX) || text === undefined || text === "") continue;
    const suffix = name.slice(PREFIX.length);
    const option = Object.hasOwn(SOKETI_VARIABLES, suffix) ? SOKETI_VARIABLES[suffix] : undefined;
    if (option === undefined) unknownVariables.push(name);
    else settings.push({ option, name, value: isText(option) ? text : valueOf(text) });
  }
  return { settings, unknownVariables };
}

function flatten(option: string, value: unknown): SoketiSetting[] {
  const children = isMapping(value) && option !== APPS_OPTION ? Object.entries(value) : [];
  if (children.length === 0) return [{ option, name: option, value }];
  return children.flatMap(([name, child]) => flatten(`${option}.${name}`, child));
}

/** Keys and passwords that look like a number must stay as they are written: `0123`, `7e40`. */
function isText(option: string): boolean {
  return /\.(id|key|secret|username|password|sentinelPassword)$/.test(option);
}

/** soketi reads a variable as JSON where it is JSON. */
function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

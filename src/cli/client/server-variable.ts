import { textFor, type Environment } from "../../ops/config/environment.ts";
import { settingsFields } from "../../ops/config/settings.ts";

/**
 * The text of the variable for a setting of the server, by its path; undefined where there is none or it is empty. A server
 * and a client on one machine agree in them.
 */
export function serverVariable(path: string, env: Environment): string | undefined {
  const field = settingsFields.find((candidate) => candidate.path === path);
  return field === undefined ? undefined : textFor(field, env) || undefined;
}

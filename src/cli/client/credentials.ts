import { resolve } from "node:path";
import { NOT_YET_GENERATED } from "../../ops/config/app-entry.ts";
import { loadDefaultApp } from "../../ops/config/default-app.ts";
import {
  APP_ID_VARIABLE,
  APP_KEY_VARIABLE,
  APP_SECRET_VARIABLE,
  type Environment,
} from "../../ops/config/environment.ts";
import { ProblemList } from "../../ops/config/problem.ts";
import { signingKey } from "../../protocol/app.ts";
import { UsageMistake } from "./command-failure.ts";
import { serverVariable } from "./server-variable.ts";
import { DEFAULT_DATA_DIR, type TargetOptions } from "./target-options.ts";

/** Public channels need the key alone, private ones the secret as well, and the HTTP API all three. */
export interface Credentials {
  readonly appId?: string | undefined;
  readonly key?: string | undefined;
  readonly secret?: string | undefined;
}

/** Credentials as far as they are known. */
export interface FoundCredentials {
  readonly credentials: Credentials;
  /** For people, behind what is wrong with them: where they are from, or how to get those that are missing. */
  readonly credentialsOrigin: string;
}

/** One by one from the options, the environment and the default app. Throws `UsageMistake`. */
export async function credentialsOf(
  own: Credentials,
  { cluster }: TargetOptions,
  env: Environment,
  folder: string,
): Promise<FoundCredentials> {
  const told: Credentials = {
    appId: own.appId ?? (env[APP_ID_VARIABLE] || undefined),
    key: own.key ?? (env[APP_KEY_VARIABLE] || undefined),
    secret: own.secret ?? (env[APP_SECRET_VARIABLE] || undefined),
  };
  const sources = [
    ...(Object.values(own).some((value) => value !== undefined) ? ["the command line"] : []),
    ...(differs(told, own) ? ["the environment"] : []),
  ];
  const isComplete = Object.values(told).every((value) => value !== undefined);
  if (isComplete) {
    return { credentials: told, credentialsOrigin: `those used are from ${sources.join(" and ")}` };
  }
  if (cluster !== undefined) {
    return {
      credentials: told,
      credentialsOrigin: "the hosted service shows them on the page App Keys of the app",
    };
  }
  // A key or secret on the command line belongs to some other app, so nothing of the default app goes with it.
  if (own.key !== undefined || own.secret !== undefined) {
    return {
      credentials: told,
      credentialsOrigin: "what is not on the command line must be in the environment",
    };
  }

  const dataDir = serverVariable("dataDir", env) ?? DEFAULT_DATA_DIR;
  const stored = await storedCredentials(resolve(folder, dataDir));
  if (stored === undefined) {
    return {
      credentials: told,
      credentialsOrigin: `there is no ${dataDir}/default-app.json here; start \`ringmaster serve\` in this folder and it makes one`,
    };
  }
  return {
    credentials: {
      appId: told.appId ?? stored.appId,
      key: told.key ?? stored.key,
      secret: told.secret ?? stored.secret,
    },
    credentialsOrigin: `those used are from ${[...sources, `${dataDir}/default-app.json`].join(" and ")}`,
  };
}

function differs(told: Credentials, own: Credentials): boolean {
  return told.appId !== own.appId || told.key !== own.key || told.secret !== own.secret;
}

/** Of the default app that a server has made in that folder; undefined when none has. */
async function storedCredentials(dataDir: string): Promise<Credentials | undefined> {
  const problems = new ProblemList();
  const stored = await loadDefaultApp({}, dataDir, false, problems);
  const key = stored === null ? undefined : signingKey(stored.app);
  try {
    problems.throwIfAny(new Map());
  } catch (error) {
    throw new UsageMistake(
      error instanceof Error ? error.message : "the default app cannot be read",
      { cause: error },
    );
  }
  if (stored === null || key === undefined || key.key === NOT_YET_GENERATED) return undefined;
  return { appId: stored.app.id, key: key.key, secret: key.secret };
}

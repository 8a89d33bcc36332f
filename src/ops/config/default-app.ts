import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as z from "zod";
import type { App } from "../../protocol/app.ts";
import { PUSHER_LIMITS } from "../../protocol/limits.ts";
import { appEntrySchema, fieldByPath, NOT_YET_GENERATED } from "./app-entry.ts";
import {
  APP_ID_VARIABLE,
  APP_KEY_VARIABLE,
  APP_SECRET_VARIABLE,
  APP_WEBHOOK_URL_VARIABLE,
  type Environment,
} from "./environment.ts";
import { explain } from "./explanation.ts";
import { readFailure } from "./file-reads.ts";
import type { ConfigProblem, ProblemList } from "./problem.ts";
import type { SecretOrigin } from "./secret.ts";
import { webhookSchema, webhooksFrom } from "./webhook-entry.ts";

const DEFAULT_ID = "1";

/** The app of a server whose file lists none: every optional feature is on, so that a newcomer meets them all. */
export interface DefaultApp {
  readonly app: App;
  readonly secretOrigin: SecretOrigin;
  /** Where a person finds the secret: a file, or the name of a variable. */
  readonly secretLocation: string;
}

interface Credentials {
  readonly id: string;
  readonly key: string;
  readonly secret: string;
}

const keyShape = appEntrySchema.shape.keys.element.shape;
const credentialsSchema = z.strictObject({
  id: appEntrySchema.shape.id,
  key: keyShape.key,
  secret: z.string().min(1),
});

/**
 * The default app, with the credentials that the variables give and the rest from `default-app.json`, which the first start
 * makes: so they survive restarts. With key and secret in variables, no file is read or written. Null when there is a problem.
 *
 * Without `create` nothing is written, and credentials that do not exist yet are a placeholder.
 */
export async function loadDefaultApp(
  env: Environment,
  dataDir: string,
  create: boolean,
  problems: ProblemList,
): Promise<DefaultApp | null> {
  const wrong = wrongVariables(env);
  problems.addAll(wrong);
  if (wrong.length > 0) return null;

  const id = env[APP_ID_VARIABLE];
  const key = env[APP_KEY_VARIABLE];
  const secret = env[APP_SECRET_VARIABLE];
  const webhooks = webhooksIn(env);
  if (key !== undefined && secret !== undefined) {
    return assemble(
      { id: id ?? DEFAULT_ID, key, secret },
      { kind: "env", env: APP_SECRET_VARIABLE },
      webhooks,
    );
  }

  const file = join(dataDir, "default-app.json");
  try {
    const stored = await storedCredentials(file, create);
    return assemble(
      { id: id ?? stored.id, key: key ?? stored.key, secret: secret ?? stored.secret },
      secret === undefined ? { kind: "file", file } : { kind: "env", env: APP_SECRET_VARIABLE },
      webhooks,
    );
  } catch (error) {
    problems.add(file, storageProblem(error), null);
    return null;
  }
}

/** One, which is told of everything, or none. */
function webhooksIn(env: Environment): App["webhooks"] {
  const url = env[APP_WEBHOOK_URL_VARIABLE];
  return url === undefined ? [] : webhooksFrom([webhookSchema.parse({ url })], () => ({}));
}

function assemble(
  { id, key, secret }: Credentials,
  secretOrigin: SecretOrigin,
  webhooks: App["webhooks"],
): DefaultApp {
  return {
    secretOrigin,
    secretLocation: secretOrigin.kind === "file" ? secretOrigin.file : APP_SECRET_VARIABLE,
    app: {
      id,
      name: "default",
      enabled: true,
      keys: [{ key, secret, active: true }],
      // The two toggles that are off refuse clients: restrictions, not features.
      forceTls: false,
      clientEvents: true,
      authorizedConnections: false,
      subscriptionCount: true,
      watchlist: true,
      allowedOrigins: null,
      webhooks,
      batchWebhooks: true,
      limits: PUSHER_LIMITS,
    },
  };
}

function wrongVariables(env: Environment): ConfigProblem[] {
  const checks = [
    { name: APP_ID_VARIABLE, path: "apps[].id", schema: appEntrySchema.shape.id },
    { name: APP_KEY_VARIABLE, path: "apps[].keys[].key", schema: keyShape.key },
    {
      name: APP_WEBHOOK_URL_VARIABLE,
      path: "apps[].webhooks[].url",
      schema: webhookSchema.shape.url,
    },
  ];
  const problems = checks.flatMap(({ name, path, schema }) => {
    const value = env[name];
    const field = fieldByPath.get(path);
    if (field === undefined || value === undefined || schema.safeParse(value).success) return [];
    return [{ path: name, message: explain(field, value), source: null }];
  });
  if (env[APP_SECRET_VARIABLE] === "") {
    const message = "is empty; give it the secret, or unset it for a generated one";
    problems.push({ path: APP_SECRET_VARIABLE, message, source: null });
  }
  return problems;
}

async function storedCredentials(file: string, create: boolean): Promise<Credentials> {
  const found = await readCredentials(file);
  if (found !== undefined) return found;
  if (!create) return { id: DEFAULT_ID, key: NOT_YET_GENERATED, secret: NOT_YET_GENERATED };
  const made = {
    id: DEFAULT_ID,
    key: randomBytes(10).toString("hex"),
    secret: randomBytes(20).toString("hex"),
  };
  if (await createFile(file, made)) return made;
  const others = await readCredentials(file);
  if (others === undefined) throw new CorruptFile();
  return others;
}

function storageProblem(error: unknown): string {
  if (error instanceof CorruptFile) {
    return "does not hold the id, key and secret of the default app; correct it, or remove it for new credentials";
  }
  return (
    `cannot be read or made (${readFailure(error)}); give a dataDir that can be written, ` +
    `or set both ${APP_KEY_VARIABLE} and ${APP_SECRET_VARIABLE}`
  );
}

class CorruptFile extends Error {}

/** Undefined when there is no file. */
async function readCredentials(file: string): Promise<Credentials | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    // Its cause would quote the file.
    throw new CorruptFile();
  }
  const parsed = credentialsSchema.safeParse(content);
  if (!parsed.success) throw new CorruptFile();
  return parsed.data;
}

/** Whole or not at all, for a crash must not leave half a file. False when another process was first. */
async function createFile(file: string, credentials: Credentials): Promise<boolean> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}.${randomBytes(4).toString("hex")}.draft`;
  try {
    const handle = await open(draft, "wx", 0o600);
    try {
      await handle.writeFile(`${JSON.stringify(credentials, null, 2)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(draft, file);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

import { VERSION } from "../../ops/version.ts";
import { ADMIN_TOKEN_VARIABLE, type AdminOptions } from "./admin-options.ts";
import { resolveAdminTarget, type AdminTarget } from "./admin-target.ts";
import { memberOf } from "./channel-attributes.ts";
import { CommandFailure } from "./command-failure.ts";
import { printable } from "./printable.ts";
import { unanswered, unreachable, type AddressWording } from "./unreachable.ts";

const TIMEOUT_MS = 15_000;
const MAX_SHOWN_CHARACTERS = 1_000;

const WORDING: AddressWording = {
  sayWhere: "say with --admin where its operations port is",
  useTls: "write https:// in --admin",
  leaveTlsOut: "write http:// in --admin",
  whatIsThere: "whether it is the operations port of a Ringmaster",
};

/** Parameters of a GET; those that are undefined are left out. */
export type AdminQuery = Readonly<Record<string, string | number | boolean | undefined>>;

/** Requests to the admin API of one server. Throws `CommandFailure` for everything but a success. */
export class AdminClient {
  readonly #target: AdminTarget;

  constructor(target: AdminTarget) {
    this.#target = target;
  }

  /** The server, for people. */
  get address(): string {
    return this.#target.url;
  }

  /** The path is what follows `/admin`. */
  get(path: string, query: AdminQuery): Promise<unknown> {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) search.set(name, String(value));
    }
    return this.#request("GET", search.size === 0 ? path : `${path}?${search}`, undefined);
  }

  post(path: string, body: object): Promise<unknown> {
    return this.#request("POST", path, JSON.stringify(body));
  }

  /** The list that the answer's member of that name is; of its elements only that they are objects is checked. */
  listIn<Element extends object>(answer: unknown, name: string): readonly Element[] {
    const list = memberOf(answer, name);
    if (Array.isArray(list) && list.every((element) => isObject(element))) {
      return list as Element[];
    }
    throw this.#somethingElse(`without ${name}`);
  }

  async #request(method: string, path: string, body: string | undefined): Promise<unknown> {
    const { url, token } = this.#target;
    let status: number;
    let text: string;
    try {
      const response = await fetch(`${url}/admin${path}`, {
        method,
        headers: {
          accept: "application/json",
          "user-agent": `ringmaster-cli ${VERSION}`,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body }),
        // Wherever it points, the token is not for there.
        redirect: "manual",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      status = response.status;
      text = await response.text();
    } catch (error) {
      if (error instanceof Error && error.name === "TimeoutError") {
        throw unanswered(url, TIMEOUT_MS, WORDING);
      }
      throw unreachable(url, error, WORDING);
    }
    const answer = decoded(text);
    if (status < 200 || status > 299) throw this.#refusal(status, memberOf(answer, "error"));
    if (!isObject(answer)) throw this.#somethingElse("with something other than JSON");
    return answer;
  }

  #refusal(status: number, said: unknown): CommandFailure {
    const { url, token, tokenOrigin } = this.#target;
    // Our own server always says why.
    if (typeof said !== "string") return this.#somethingElse(String(status));
    const shown = printable(said).slice(0, MAX_SHOWN_CHARACTERS);
    const sent = token === undefined ? "none was sent" : `the one sent is from ${tokenOrigin}`;
    const advice =
      status === 401
        ? ` — give the token in --token-file or ${ADMIN_TOKEN_VARIABLE}; ${sent}`
        : status === 403 && token !== undefined
          ? ` — it has none set, so the token from ${tokenOrigin} is of no use`
          : "";
    return new CommandFailure(`${url} answered ${status}: ${shown}${advice}`);
  }

  #somethingElse(how: string): CommandFailure {
    return new CommandFailure(
      `${this.#target.url} answered ${how}; check ${WORDING.whatIsThere}, and its version`,
    );
  }
}

/** The client of the server that the options and the environment mean. Throws `UsageMistake`. */
export async function connectAdmin(options: AdminOptions): Promise<AdminClient> {
  return new AdminClient(await resolveAdminTarget(options, process.env, process.cwd()));
}

function decoded(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

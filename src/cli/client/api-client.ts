import type { QueryParameter } from "../../protocol/query.ts";
import { signRequest } from "../../protocol/request-signature.ts";
import { VERSION } from "../../ops/version.ts";
import { CommandFailure } from "./command-failure.ts";
import { printable } from "./printable.ts";
import { apiCredentials, type Target } from "./target.ts";
import { WHETHER_COMPATIBLE, unanswered, unreachable } from "./unreachable.ts";

const TIMEOUT_MS = 15_000;
const MAX_SHOWN_CHARACTERS = 1_000;

/** A success of the API. */
export interface ApiAnswer {
  readonly status: number;
  /** The JSON of the body, decoded; undefined when there is no body. */
  readonly body: unknown;
}

/** The server answered, with a status that is no success. */
export class ApiRefusal extends CommandFailure {
  override readonly name = "ApiRefusal";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Signed requests to the HTTP API of one app. Throws `CommandFailure` for everything but a success. */
export class ApiClient {
  readonly #target: Target;
  readonly #credentials: ReturnType<typeof apiCredentials>;
  /** The app and its server, for people. */
  readonly description: string;

  constructor(target: Target) {
    this.#target = target;
    this.#credentials = apiCredentials(target);
    this.description = `app ${this.#credentials.appId} at ${target.apiUrl}`;
  }

  /** The path is what follows `/apps/<id>`, in characters that need no escape: it is signed as it is sent. */
  get(path: string, query: readonly QueryParameter[]): Promise<ApiAnswer> {
    return this.#request("GET", path, query, "");
  }

  post(path: string, body: object): Promise<ApiAnswer> {
    return this.#request("POST", path, [], JSON.stringify(body));
  }

  async #request(
    method: string,
    path: string,
    query: readonly QueryParameter[],
    body: string,
  ): Promise<ApiAnswer> {
    const { appId, key, secret } = this.#credentials;
    // Signed without the path prefix: so do the PHP library and whoever does not know of a proxy that adds one.
    const signedPath = `/apps/${encodeURIComponent(appId)}${path}`;
    const signed = signRequest(
      { key, secret, active: true },
      { method, path: signedPath, query, body },
      Date.now(),
    );
    const search = signed.map(
      ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
    );
    const url = `${this.#target.apiUrl}${signedPath}?${search.join("&")}`;
    let status: number;
    let text: string;
    let location: string | null;
    try {
      const response = await fetch(url, {
        method,
        headers: {
          "Content-Type": "application/json",
          "X-Pusher-Library": `ringmaster-cli ${VERSION}`,
        },
        ...(body === "" ? {} : { body }),
        redirect: "manual",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      status = response.status;
      location = response.headers.get("location");
      text = await response.text();
    } catch (error) {
      if (error instanceof Error && error.name === "TimeoutError") {
        throw unanswered(this.#target.apiUrl, TIMEOUT_MS);
      }
      throw unreachable(this.#target.apiUrl, error);
    }
    if (status < 200 || status > 299) throw this.#refusal(status, text, location);
    if (text.trim() === "") return { status, body: undefined };
    try {
      return { status, body: JSON.parse(text) as unknown };
    } catch {
      throw new CommandFailure(
        `${this.#target.apiUrl} answered with something other than JSON; check ${WHETHER_COMPATIBLE}`,
      );
    }
  }

  #refusal(status: number, text: string, location: string | null): ApiRefusal {
    const said = printable(text.trim()).slice(0, MAX_SHOWN_CHARACTERS);
    return new ApiRefusal(
      status,
      `${this.#target.apiUrl} answered ${status}${said === "" ? "" : `: ${said}`}${this.#advice(status, location)}`,
    );
  }

  #advice(status: number, location: string | null): string {
    const { credentialsOrigin } = this.#target;
    if (status === 401) {
      return ` — check the app's key and secret, and this machine's clock; ${credentialsOrigin}`;
    }
    if (status === 404) return ` — check the app's id, and the path prefix; ${credentialsOrigin}`;
    // Without its query, which holds the signature.
    if (location !== null) {
      return ` — it points to ${printable(location.split("?")[0] ?? "")}; use that address`;
    }
    return "";
  }
}

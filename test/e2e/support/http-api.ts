import { request as httpRequest, type Agent, type IncomingHttpHeaders } from "node:http";
import { encodeQuery, signedQuery } from "../../support/signing.ts";
import type { TestApp } from "./apps.ts";

export interface ApiRequest {
  readonly method?: string;
  /** Behind `/apps/<id>`. */
  readonly path: string;
  readonly query?: readonly (readonly [string, string])[];
  /** Sent as it is; an object is sent as JSON. */
  readonly body?: string | object;
  /** Before `/apps`; signed with the rest. */
  readonly prefix?: string;
  readonly agent?: Agent;
  /** Changes the signed query, for wrong ones. */
  readonly tamper?: (query: [string, string][]) => [string, string][];
  /** Shifts the time of the signature. */
  readonly atMs?: number;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

/** A signed request made by hand, for the answers as they are on the wire: the library hides and rewrites some. */
export function callApi(app: TestApp, port: number, request: ApiRequest): Promise<ApiAnswer> {
  const { path, query = [], prefix = "", tamper = (signed) => signed, agent } = request;
  const body =
    typeof request.body === "object" ? JSON.stringify(request.body) : (request.body ?? "");
  const method = request.method ?? (request.body === undefined ? "GET" : "POST");
  const whole = `${prefix}/apps/${app.id}${path}`;
  const signed = signedQuery(
    { ...app, active: true },
    { method, path: whole, query, body },
    request.atMs ?? Date.now(),
  );
  return plainRequest(port, {
    method,
    path: `${whole}?${encodeQuery(tamper(signed))}`,
    body,
    agent,
  });
}

export function plainRequest(
  port: number,
  {
    method,
    path,
    body = "",
    agent,
  }: { method: string; path: string; body?: string; agent?: Agent | undefined },
): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const headers =
      body === ""
        ? {}
        : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const sent = httpRequest({
      host: "127.0.0.1",
      port,
      method,
      path,
      headers,
      ...(agent === undefined ? {} : { agent }),
    });
    sent.on("error", reject);
    sent.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks).toString("utf8"),
          headers: response.headers,
        }),
      );
    });
    sent.end(body);
  });
}

/** Publishes one event and insists that it was taken. */
export async function publish(
  app: TestApp,
  port: number,
  channel: string,
  name: string,
  data: unknown = {},
  more: object = {},
): Promise<ApiAnswer> {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  const answer = await callApi(app, port, {
    path: "/events",
    body: { name, channel, data: text, ...more },
  });
  if (answer.status !== 200)
    throw new Error(`publishing was answered ${answer.status}: ${answer.body}`);
  return answer;
}

import { missingParameter, badRequest, type ApiError } from "../../protocol/api-errors.ts";
import { queryValue, queryValues, type QueryParameter } from "../../protocol/query.ts";
import type { Node } from "../node.ts";
import type { Tenant } from "../tenant.ts";

/** A request that has shown whose it is. */
export interface ApiRequest {
  readonly node: Node;
  readonly tenant: Tenant;
  readonly query: readonly QueryParameter[];
  readonly body: string;
}

/** Thrown by an endpoint that cannot do what was asked; the router answers it. */
export class ApiFault extends Error {
  readonly error: ApiError;

  constructor(error: ApiError) {
    super(error.message);
    this.error = error;
  }
}

/** The parameters of a POST: its JSON body, or its query where there is no body. */
export type Parameters = Readonly<Record<string, unknown>>;

export function parametersOf(request: ApiRequest): Parameters {
  if (request.body === "") return parametersInQuery(request.query);
  let parsed: unknown;
  try {
    parsed = JSON.parse(request.body);
  } catch {
    throw new ApiFault(badRequest("The body is not valid JSON"));
  }
  return asParameters(parsed, "The body must be a JSON object");
}

export function asParameters(value: unknown, fault: string): Parameters {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new ApiFault(badRequest(fault));
  return value as Parameters;
}

function parametersInQuery(query: readonly QueryParameter[]): Parameters {
  const channels = queryValues(query, "channels");
  const parameters: Record<string, unknown> = channels.length > 0 ? { channels } : {};
  for (const name of ["name", "data", "channel", "socket_id", "info", "batch"]) {
    const value = queryValue(query, name);
    if (value !== undefined) parameters[name] = value;
  }
  return parameters;
}

export function requiredString(parameters: Parameters, name: string): string {
  const value = optionalString(parameters, name);
  if (value === undefined) throw new ApiFault(missingParameter(name));
  return value;
}

export function optionalString(parameters: Parameters, name: string): string | undefined {
  const value = parameters[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string")
    throw new ApiFault(badRequest(`Parameter ${name} must be a string`));
  return value;
}

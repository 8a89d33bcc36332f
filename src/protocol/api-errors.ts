/**
 * An answer of the HTTP API that is no success: a status and plain text. The texts without a note are the hosted
 * server's own, to the letter (contract 2): libraries compare some of them.
 */
export interface ApiError {
  readonly status: 400 | 401 | 403 | 404 | 405 | 413 | 429;
  readonly message: string;
}

export function badRequest(message: string): ApiError {
  return { status: 400, message };
}

/** Said in a `pusher:error` for client events too. */
export function dataTooLarge(maxBytes: number): string {
  return `The data content of this event exceeds the allowed maximum (${maxBytes} bytes). See https://pusher.com/docs/channels/server_api/http-api#publishing-events for more info`;
}

/** Sic: the hosted server's spelling. */
export const USER_COUNT_NEEDS_PREFIX = badRequest(
  "user_count may only be requested for presence channels - please supply filter_by_prefix begining with presence-",
);
export const USER_COUNT_NEEDS_PRESENCE = badRequest(
  "Cannot retrieve the user count unless the channel is a presence channel",
);
export const USERS_NEED_PRESENCE = badRequest("Users can only be retrieved for presence channels");

export function batchTooLarge(events: number, maxEvents: number): ApiError {
  return badRequest(`Batch too large (${events} > ${maxEvents})`);
}

export function missingParameter(name: string): ApiError {
  return badRequest(`Missing required parameter: ${name}`);
}

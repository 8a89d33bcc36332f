/** The characters of a token of RFC 7230, which the name of a header is. */
export const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Set by Ringmaster, or by HTTP for the connection: a second one would be dropped, or break the request. */
const SET_BY_US: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "content-type",
  "expect",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const PREFIXES_OF_OURS = ["proxy-", "ringmaster-", "webhook-", "x-pusher-"];

/** Why a webhook cannot have a header of that name: what is wrong; what to do. Shows nothing of the name. */
export function headerNameFault(name: string): string | undefined {
  if (!HEADER_NAME.test(name))
    return "has a name that no HTTP header can have; give it letters, digits and - alone, for example x-api-key";
  const lowered = name.toLowerCase();
  if (!SET_BY_US.has(lowered) && !PREFIXES_OF_OURS.some((prefix) => lowered.startsWith(prefix)))
    return undefined;
  return (
    `has a header that Ringmaster or HTTP sets; leave out ${[...SET_BY_US].join(", ")} ` +
    `and all that begin with ${PREFIXES_OF_OURS.join(", ")}`
  );
}

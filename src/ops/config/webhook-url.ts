/** Anything else is no absolute URL, though WHATWG's parser would make one of it: `https:example.com`. */
const ABSOLUTE = /^https?:\/\/[^/?#\\\s]/i;
const AUTHORITY_WITH_CREDENTIALS = /^[a-z]+:\/\/[^/?#\\]*@/i;

/** What is wrong with the URL of a webhook, undefined when nothing is. Shows nothing of it. */
export function webhookUrlFault(text: string): string | undefined {
  if (/^(?!https?:)[a-z][a-z0-9+.-]*:\/\//i.test(text)) return "is neither http nor https";
  if (!ABSOLUTE.test(text) || /[\s\p{Cc}]/u.test(text) || !URL.canParse(text))
    return "is no absolute URL";
  if (AUTHORITY_WITH_CREDENTIALS.test(text))
    return "has a user name or a password in it, which logs would show (that goes into headers, as authorization)";
  if (text.includes("#")) return "has a fragment (#), which no server ever sees";
  return undefined;
}

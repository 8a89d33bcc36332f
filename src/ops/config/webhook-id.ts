import { createHash } from "node:crypto";
import type { Webhook } from "../../protocol/webhook.ts";

/**
 * The id of a webhook whose owner gave it none: the same for as long as it says the same, wherever in the list it stands.
 * Of several that say the same, each after the first gets a number.
 */
export function webhookId(
  {
    url,
    events,
    channelPrefix,
    channelSuffix,
  }: Pick<Webhook, "url" | "events" | "channelPrefix" | "channelSuffix">,
  taken: ReadonlySet<string>,
): string {
  const text = [url, ...events.toSorted(), channelPrefix ?? "", channelSuffix ?? ""].join("\n");
  const id = `wh_${createHash("sha256").update(text).digest("hex").slice(0, 10)}`;
  if (!taken.has(id)) return id;
  let number = 2;
  while (taken.has(`${id}-${number}`)) number++;
  return `${id}-${number}`;
}

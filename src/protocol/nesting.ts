/**
 * Deeper than anything that is meant to be read. The runtime needs a whole second to write 30,000 levels as JSON, which
 * fit into one frame: time in which nobody else is served.
 */
const MAX_LEVELS = 1_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING = [0x5b, 0x7b] as const;
const CLOSING = [0x5d, 0x7d] as const;

/** Whether this valid JSON text is nested too deep to be written again. Each level takes two characters at least. */
export function isNestedTooDeep(json: string): boolean {
  if (json.length <= 2 * MAX_LEVELS) return false;
  let level = 0;
  let inString = false;
  for (let i = 0; i < json.length; i++) {
    const unit = json.charCodeAt(i);
    if (inString) {
      if (unit === BACKSLASH) i++;
      else if (unit === QUOTE) inString = false;
    } else if (unit === QUOTE) inString = true;
    else if (unit === OPENING[0] || unit === OPENING[1]) {
      level++;
      if (level > MAX_LEVELS) return true;
    } else if (unit === CLOSING[0] || unit === CLOSING[1]) level--;
  }
  return false;
}

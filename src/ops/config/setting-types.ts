import { isIP } from "node:net";
import * as z from "zod";

/** JavaScript timers hold 31 bits: a longer one fires at once. */
const MAX_TIMER_MS = 2_147_483_647;
const MAX_BYTES = 1_073_741_824;

const HOST_NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;

export const HOST_RIGHT = 'an IP address or a host name without a port, for example "0.0.0.0"';
export const PATH_RIGHT = "the path of a file";

export const host = (byDefault: string) =>
  z
    .string()
    .refine((value) => isIP(value) !== 0 || HOST_NAME.test(value))
    .default(byDefault);
export const port = () => z.int().min(0).max(65_535).nullable();
export const filePath = () => z.string().min(1);
export const milliseconds = (min: number) => z.int().min(min).max(MAX_TIMER_MS);
export const bytes = (min: number) => z.int().min(min).max(MAX_BYTES);

/** `redis-1:6379`, `[::1]:6379` */
export const hostAndPort = () =>
  z.string().refine((text) => {
    const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
    const isHost =
      bracketed === undefined
        ? plain !== undefined && (isIP(plain) === 4 || HOST_NAME.test(plain))
        : isIP(bracketed) === 6;
    return isHost && Number(digits) >= 1 && Number(digits) <= 65_535;
  });

/** `10.0.0.0/8`, `fd00::/8` */
export const network = () =>
  z.string().refine((text) => {
    const [address = "", bits = "", ...rest] = text.split("/");
    const version = address.includes("%") ? 0 : isIP(address);
    return (
      version !== 0 &&
      rest.length === 0 &&
      /^(0|[1-9][0-9]{0,2})$/.test(bits) &&
      Number(bits) <= (version === 4 ? 32 : 128)
    );
  });

/**
 * Scripts whose first argument this is take the time from it, in milliseconds, or, where it is empty, from the server: one
 * clock for all processes. Only tests have a clock of their own.
 */
export type StoreTime = () => string;

export const serverTime: StoreTime = () => "";

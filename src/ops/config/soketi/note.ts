/** Tells the owner about a setting that could not be taken over as it was; the setting is a name, never a value. */
export type Note = (setting: string, why: string) => void;

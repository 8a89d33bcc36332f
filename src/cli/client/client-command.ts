import { Command, InvalidArgumentError } from "commander";

const USAGE_EXIT_CODE = 2;

/** A command that ends with 2 when it was called wrongly, so that a script can tell that from work that failed. */
export function clientCommand(name: string): Command {
  return new Command(name)
    .showHelpAfterError("(--help shows what is possible, with examples)")
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : USAGE_EXIT_CODE));
}

/** The parser of an option that takes a whole number of at least 1. */
export function wholeNumber(max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^[0-9]+$/.test(text) && value >= 1 && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${max}.`);
  };
}

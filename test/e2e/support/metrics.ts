/** One scrape of /metrics, taken apart. */
export class Scrape {
  readonly #samples: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
  }[] = [];
  readonly text: string;

  constructor(text: string) {
    this.text = text;
    for (const line of text.split("\n")) {
      const [, name, labels = "", value] = /^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      if (name === undefined) continue;
      const pairs = [...labels.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, label, quoted]) => [
        label!,
        quoted!,
      ]);
      this.#samples.push({ name, labels: Object.fromEntries(pairs), value: Number(value) });
    }
  }

  /** The sum of the samples of that name which have these labels; 0 when there is none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const wanted = Object.entries(labels);
    return this.#samples
      .filter(
        (sample) =>
          sample.name === name && wanted.every(([label, text]) => sample.labels[label] === text),
      )
      .reduce((sum, sample) => sum + sample.value, 0);
  }

  /** The names that the text declares, samples or not. */
  get names(): string[] {
    return [...this.text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name!);
  }
}

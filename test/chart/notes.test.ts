import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { VALUE_FILES, valuesFile, whyNoHelm } from "./support/helm.ts";
import { notesOf } from "./support/notes.ts";

describe.skipIf(whyNoHelm() !== undefined)("the notes of an installation", () => {
  const ofFile = (name: string): string =>
    notesOf(parse(readFileSync(valuesFile(name), "utf8")) as object);

  test.each(VALUE_FILES)("of %s say how to look at it, reach it and see its webhooks", (name) => {
    const notes = ofFile(name);
    expect(notes).toContain("helm -n realtime test rm --logs");
    expect(notes).toContain("kubectl -n realtime rollout status deployment/rm-ringmaster-channels");
    expect(notes).toContain("-- ringmaster webhooks list");
    expect(notes).not.toMatch(/<no value>|%!|\n\n\n/);
  });

  test("tell the address", () => {
    expect(ofFile("production")).toContain("https://ws.example.com\n");
    expect(ofFile("gateway")).toContain("https://ws.example.com/realtime (by the Gateway public)");
    expect(ofFile("eks")).toContain("http://ws.example.com\n");
    expect(ofFile("default")).toContain("http://rm-ringmaster.realtime.svc:6001\n");
    expect(ofFile("sentinel-redis")).toContain("idle timeout must be more than 130 s");
  });

  test("warn of the bundled Redis, and of it alone", () => {
    const warning = "ONLY FOR TRYING OUT";
    expect(ofFile("default")).toContain(warning);
    expect(ofFile("external-redis")).not.toContain(warning);
  });

  test("print the rules that an adapter needs, where one is needed", () => {
    expect(ofFile("hpa")).toContain("ringmaster_sender_backlog_seconds|ringmaster_senders_busy");
    expect(ofFile("hpa")).toContain("seriesQuery: 'ringmaster_process_connections'");
    for (const name of ["hpa-cpu", "keda", "default"])
      expect(ofFile(name)).not.toContain("adapter");
  });
});

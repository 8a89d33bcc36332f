import { X509Certificate } from "node:crypto";
import { connect } from "node:net";
import type { TLSSocket } from "node:tls";
import { afterAll, describe, expect, test } from "bun:test";
import type { HttpTransportOptions } from "../../../src/sender/http-transport.ts";
import { CertificateAuthority, type Certificate } from "../../support/certificate-authority.ts";
import { DELIVERED, localTransport, outcomeOf, webhook } from "../../support/http-transport.ts";
import { answering, Receiver, saying } from "../../support/receiver.ts";

const authority = new CertificateAuthority();
const otherAuthority = new CertificateAuthority();
afterAll(() => {
  authority[Symbol.dispose]();
  otherAuthority[Symbol.dispose]();
});
const good = authority.issue("DNS:hook.example.com,DNS:*.many.example.com");
const known = { ca: authority.cert, cert: null, key: null };

function secure({ cert, key }: Certificate): Promise<Receiver> {
  return Receiver.listen(answering(), { tls: { cert, key } });
}

async function detailOf(
  receiver: Receiver,
  tls: HttpTransportOptions["tls"] = known,
): Promise<string> {
  const url = `https://hook.example.com:${receiver.port}/secret?secret`;
  const reply = await localTransport({ tls }).send(webhook(url));
  expect(outcomeOf(reply)).toBe("failure tls");
  expect(receiver.heard).toEqual([]);
  const detail = reply.kind === "failure" ? reply.detail : "";
  expect(detail).toStartWith(`https://127.0.0.1:${receiver.port}: `);
  return detail.slice(detail.indexOf(": ") + 2);
}

describe("over TLS a receiver", () => {
  test("that proves the URL's name to a known authority gets the webhook", async () => {
    await using receiver = await secure(good);
    const url = `https://hook.example.com:${receiver.port}/path?x=1`;
    expect(await localTransport({ tls: known }).send(webhook(url))).toEqual(DELIVERED);
    expect(receiver.serverNames).toEqual(["hook.example.com"]);
    expect(receiver.heard[0]!.head).toContain(`Host: hook.example.com:${receiver.port}\r\n`);
    expect(receiver.heard[0]!.head).toStartWith("POST /path?x=1 HTTP/1.1\r\n");
  });

  test("is asked for the name without the dot that may end it", async () => {
    await using receiver = await secure(good);
    const url = `https://hook.example.com.:${receiver.port}/`;
    expect(await localTransport({ tls: known }).send(webhook(url))).toEqual(DELIVERED);
    expect(receiver.serverNames).toEqual(["hook.example.com"]);
  });

  test("at an address in the URL proves that address", async () => {
    await using receiver = await secure(authority.issue("IP:127.0.0.1"));
    await using receiver6 = await Receiver.listen(answering(), {
      host: "::1",
      tls: authority.issue("IP:::1"),
    });
    const transport = localTransport({ tls: known });
    const at = (host: string, port: number) => transport.send(webhook(`https://${host}:${port}/`));
    expect(await at("127.0.0.1", receiver.port)).toEqual(DELIVERED);
    expect(await at("[::1]", receiver6.port)).toEqual(DELIVERED);
    expect(outcomeOf(await at("hook.example.com", receiver.port))).toBe("failure tls");
    await using named = await secure(good);
    expect(outcomeOf(await at("127.0.0.1", named.port))).toBe("failure tls");
  });

  test("is asked for no name where the URL has an address", async () => {
    await using receiver = await secure(authority.issue("IP:127.0.0.1"));
    const url = `https://127.0.0.1:${receiver.port}/`;
    expect(await localTransport({ tls: known }).send(webhook(url))).toEqual(DELIVERED);
    expect(receiver.serverNames).toEqual([false]);
  });

  test("with a certificate for all names below one proves one label, no more and no less", async () => {
    await using receiver = await secure(good);
    const transport = localTransport({ tls: known });
    const to = async (name: string) =>
      outcomeOf(await transport.send(webhook(`https://${name}:${receiver.port}/`)));
    expect(await to("a.many.example.com")).toBe("answer 200");
    expect(await to("a.b.many.example.com")).toBe("failure tls");
    expect(await to("many.example.com")).toBe("failure tls");
    expect(receiver.heard).toHaveLength(1);
  });

  test("is verified whatever the environment says", async () => {
    await using receiver = await secure(otherAuthority.issue("DNS:hook.example.com"));
    await using misnamed = await secure(authority.issue("DNS:example.com"));
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
    try {
      await detailOf(receiver);
      await detailOf(misnamed);
    } finally {
      delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
    }
  });

  test("with a certificate for another name gets nothing", async () => {
    await using receiver = await secure(authority.issue("DNS:example.com,DNS:*.hook.example.com"));
    expect(await detailOf(receiver)).toBe("the certificate is for another name");
  });

  test("with an expired certificate gets nothing", async () => {
    const expired = authority.issue("DNS:hook.example.com", 0);
    const validUntilMs = Date.parse(new X509Certificate(expired.cert).validTo);
    await Bun.sleep(validUntilMs + 1_000 - Date.now());
    await using receiver = await secure(expired);
    expect(await detailOf(receiver)).toBe("the certificate has expired");
  });

  test("with a certificate signed by itself gets nothing", async () => {
    await using receiver = await secure(authority.selfSigned("me", "DNS:hook.example.com"));
    expect(await detailOf(receiver)).toBe("the certificate is signed by itself");
  });

  test("with a certificate of an unknown authority gets nothing", async () => {
    await using receiver = await secure(otherAuthority.issue("DNS:hook.example.com"));
    const unknown = "the certificate is signed by an unknown authority";
    expect(await detailOf(receiver)).toBe(unknown);
    expect(await detailOf(receiver, { ca: null, cert: null, key: null })).toBe(unknown);
  });

  test("that speaks no TLS gets nothing", async () => {
    await using receiver = await Receiver.listen(() => {}, {
      onConnection: (socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"),
    });
    expect(await detailOf(receiver)).toStartWith("the TLS handshake failed");
  });

  test("that never ends the handshake is too late", async () => {
    await using receiver = await Receiver.listen();
    const url = `https://hook.example.com:${receiver.port}/`;
    const reply = localTransport({ tls: known }).send(webhook(url, { timeoutMs: 100 }));
    expect(outcomeOf(await reply)).toBe("failure timeout");
    await receiver.until(() => receiver.open === 0);
  });

  test("that breaks the handshake off has broken the connection", async () => {
    await using receiver = await Receiver.listen(() => {}, {
      onConnection: (socket) => socket.once("data", () => socket.resetAndDestroy()),
    });
    const url = `https://hook.example.com:${receiver.port}/`;
    const reply = await localTransport({ tls: known }).send(webhook(url));
    expect(outcomeOf(reply)).toBe("failure connection");
  });
});

test("a certificate of ours that cannot be read is noticed at the start", () => {
  expect(() => localTransport({ tls: { ca: null, cert: "no PEM", key: "no PEM" } })).toThrow();
});

describe("a receiver that asks who we are", () => {
  const client = authority.issue("DNS:sender.example.com");
  const asking = () =>
    Receiver.listen(answering(), {
      tls: { ...good, ca: authority.cert, requestCert: true, rejectUnauthorized: true },
    });

  test("is shown the certificate", async () => {
    await using receiver = await asking();
    const transport = localTransport({ tls: { ...client, ca: authority.cert } });
    const url = `https://hook.example.com:${receiver.port}/`;
    for (let i = 0; i < 3; i++) expect(await transport.send(webhook(url))).toEqual(DELIVERED);
    expect(receiver.connections).toBe(1);
  });

  test("and is shown none gets nothing", async () => {
    await using receiver = await asking();
    expect(await detailOf(receiver)).toStartWith("the TLS handshake failed");
  });
});

describe("TLS connections", () => {
  test("are kept: a hundred webhooks one after the other go over one", async () => {
    await using receiver = await secure(good);
    const transport = localTransport({ tls: known });
    for (let i = 0; i < 100; i++)
      await transport.send(webhook(`https://hook.example.com:${receiver.port}/${i % 3}`));
    expect(receiver.heard).toHaveLength(100);
    expect(receiver.connections).toBe(1);
  });

  test("serve the name alone that the certificate was verified for", async () => {
    await using receiver = await secure(good);
    const transport = localTransport({ tls: known });
    const names = ["a.many.example.com", "b.many.example.com", "hook.example.com"];
    for (let round = 0; round < 3; round++)
      for (const name of names)
        expect(await transport.send(webhook(`https://${name}:${receiver.port}/`))).toEqual(
          DELIVERED,
        );
    expect(receiver.serverNames).toEqual(names);
    const stranger = await transport.send(webhook(`https://stranger.example:${receiver.port}/`));
    expect(outcomeOf(stranger)).toBe("failure tls");
    expect(receiver.heard).toHaveLength(9);
  });

  test("that the receiver closed while they were idle cost no delivery", async () => {
    await using receiver = await Receiver.listen(
      (heard) => {
        if (heard.place === 1) answering()(heard);
        else heard.socket.destroy();
      },
      { tls: good },
    );
    const transport = localTransport({ tls: known });
    const url = `https://hook.example.com:${receiver.port}/`;
    for (let i = 0; i < 10; i++) expect(await transport.send(webhook(url))).toEqual(DELIVERED);
    expect(receiver.connections).toBe(10);
  });

  test("take a session up again, and then too only for the name that was verified", async () => {
    const reused: boolean[] = [];
    await using receiver = await Receiver.listen(
      (heard) => {
        reused.push((heard.socket as TLSSocket).isSessionReused());
        saying("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")(heard);
      },
      { tls: good },
    );
    const transport = localTransport({ tls: known });
    const url = `https://hook.example.com:${receiver.port}/`;
    for (let i = 0; i < 4; i++) expect(await transport.send(webhook(url))).toEqual(DELIVERED);
    expect(receiver.connections).toBe(4);
    expect(reused).toEqual([false, true, true, true]);
    const other = await transport.send(webhook(`https://other.example:${receiver.port}/`));
    expect(outcomeOf(other)).toBe("failure tls");
  });

  test("carry a megabyte", async () => {
    await using receiver = await secure(good);
    const body = "0123456789".repeat(100_000);
    const url = `https://hook.example.com:${receiver.port}/`;
    const transport = localTransport({ tls: known });
    for (let i = 0; i < 2; i++)
      expect(await transport.send(webhook(url, { body }))).toEqual(DELIVERED);
    expect(receiver.heard.map((heard) => heard.body === body)).toEqual([true, true]);
  });

  test("are closed when the sender is stopped, though the other end does not say goodbye", async () => {
    await using receiver = await secure(good);
    let isMute = false;
    await using relay = await Receiver.listen(() => {}, {
      onConnection: (socket) => {
        const onward = connect(receiver.port, "127.0.0.1");
        onward.on("error", () => {});
        socket.on("data", (bytes) => void (isMute || onward.write(bytes)));
        onward.on("data", (bytes) => void (isMute || socket.write(bytes)));
        socket.on("close", () => onward.destroy());
      },
    });
    const transport = localTransport({ tls: known });
    const url = `https://hook.example.com:${relay.port}/`;
    expect(await transport.send(webhook(url))).toEqual(DELIVERED);
    isMute = true;
    transport.abort();
    await relay.until(() => relay.open === 0);
  });

  test("carry answers that end with the connection", async () => {
    await using receiver = await Receiver.listen(
      (heard) => {
        saying("HTTP/1.0 500 No\r\n\r\nbroken")(heard);
        heard.socket.end();
      },
      { tls: good },
    );
    const url = `https://hook.example.com:${receiver.port}/`;
    const reply = await localTransport({ tls: known }).send(webhook(url));
    expect(reply).toMatchObject({ status: 500, snippet: "broken" });
  });
});

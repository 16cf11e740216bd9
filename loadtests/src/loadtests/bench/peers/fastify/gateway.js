// A gateway in Node as its documentation shows: fastify, @fastify/http-proxy, @fastify/jwt with its cache of
// verified tokens. One line a request goes to the log; fastify's own two are off.
import { createPublicKey } from "node:crypto";
import Fastify from "fastify";
import jwt from "@fastify/jwt";
import proxy from "@fastify/http-proxy";

const { PEER_UPSTREAM_URL, PEER_JWKS_URL, PEER_PORT, PEER_LOG } = process.env;
const [key] = (await (await fetch(PEER_JWKS_URL)).json()).keys;
const pem = createPublicKey({ key, format: "jwk" }).export({ type: "spki", format: "pem" });

const app = Fastify({ logger: { file: PEER_LOG }, disableRequestLogging: true });
app.addHook("onResponse", (request, reply, done) => {
  const { method, url } = request;
  request.log.info({ method, url, status: reply.statusCode, took: reply.elapsedTime });
  done();
});
app.register(jwt, {
  secret: { public: pem },
  verify: { algorithms: ["ES256"], allowedAud: "facet", allowedIss: "facet", cache: true },
});
app.register(proxy, {
  upstream: PEER_UPSTREAM_URL,
  preHandler: (request) => request.jwtVerify(),
});
await app.listen({ host: "127.0.0.1", port: Number(PEER_PORT) });

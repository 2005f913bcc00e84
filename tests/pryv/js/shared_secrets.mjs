// Creates and retrieves shared secrets with Node's own fetch and crypto, one JSON request a line: the bodies are those that
// the JavaScript client's SharedSecrets sends, which its published version does not have yet.
import { createInterface } from 'node:readline';
import { createHash, createHmac, randomBytes } from 'node:crypto';

const hex = (secret, text) => createHmac('sha256', secret).update(text).digest('hex');

async function post (endpoint, path, body) {
  const url = new URL(endpoint);
  const headers = { 'Content-Type': 'application/json', ...(url.username ? { Authorization: url.username } : {}) };
  url.username = '';
  const response = await fetch(url.href + path, { method: 'POST', headers, body: JSON.stringify(body) });
  return response.json();
}

async function create ({ endpoint, secret, passphrase, verifierSecret }) {
  const random = randomBytes(24).toString('base64url');
  const body = { ttl: 60, title: 't', onConsumed: { message: 'm' }, secret };
  if (verifierSecret !== undefined) {
    body.keyHash = createHash('sha256').update(random).digest('hex');
    body.signature = { type: 'hmac-sha256', value: hex(verifierSecret, random) };
  } else if (passphrase !== undefined) {
    body.signature = { type: 'secret', value: passphrase };
  }
  const { sharedSecret } = await post(endpoint, 'shared-secrets', body);
  return sharedSecret.key ?? `${sharedSecret.id}.${random}`;
}

async function retrieve ({ endpoint, key, passphrase, verifierSecret }) {
  const body = { key };
  if (verifierSecret !== undefined) {
    body.signature = { type: 'hmac-sha256', payload: hex(verifierSecret, key.split('.')[1]) };
  } else if (passphrase !== undefined) {
    body.signature = { type: 'secret', payload: passphrase };
  }
  return (await post(endpoint, 'shared-secrets/retrieve', body)).secret;
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  console.log(JSON.stringify(await (request.action === 'create' ? create : retrieve)(request)));
}

// Encrypts and decrypts by the Web Cryptography API alone, one JSON request a line: an implementation that shares nothing with ours.
import { createInterface } from 'node:readline';
import { webcrypto } from 'node:crypto';

const { subtle } = webcrypto;
const curve = { name: 'ECDH', namedCurve: 'P-256' };

async function derived (privateKey, publicKey) {
  const bits = await subtle.deriveBits({ name: 'ECDH', public: publicKey }, privateKey, 256);
  const base = await subtle.importKey('raw', bits, 'HKDF', false, ['deriveKey']);
  const info = new TextEncoder().encode('encrypted/ecies-aes-256-gcm');
  const hkdf = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info };
  return subtle.deriveKey(hkdf, base, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
}

const aes = (key) => subtle.importKey('raw', Buffer.from(key, 'base64'), 'AES-GCM', false, ['encrypt', 'decrypt']);
const raw = (point) => subtle.importKey('raw', point, curve, true, []);
const jwk = (key, uses) => subtle.importKey('jwk', key, curve, false, uses);

async function decrypt ({ method, key, data }) {
  const bytes = Buffer.from(data, 'base64');
  const start = method === 'aes-256-gcm' ? 0 : 65;
  const secret = start ? await derived(await jwk(key, ['deriveBits']), await raw(bytes.subarray(0, 65))) : await aes(key);
  return subtle.decrypt({ name: 'AES-GCM', iv: bytes.subarray(start, start + 12) }, secret, bytes.subarray(start + 12));
}

async function encrypt ({ method, key, data }) {
  const iv = webcrypto.getRandomValues(new Uint8Array(12));
  let header = Buffer.alloc(0);
  let secret;
  if (method === 'aes-256-gcm') {
    secret = await aes(key);
  } else {
    const pair = await subtle.generateKey(curve, true, ['deriveBits']);
    header = Buffer.from(await subtle.exportKey('raw', pair.publicKey));
    secret = await derived(pair.privateKey, await jwk(key, []));
  }
  const encrypted = await subtle.encrypt({ name: 'AES-GCM', iv }, secret, Buffer.from(data, 'base64'));
  return Buffer.concat([header, iv, Buffer.from(encrypted)]);
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const done = await (request.action === 'encrypt' ? encrypt : decrypt)(request);
  console.log(JSON.stringify(Buffer.from(done).toString('base64')));
}

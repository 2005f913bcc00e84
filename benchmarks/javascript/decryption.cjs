// Decrypts events as a JavaScript client does, the key imported for each, and prints what that cost, as JSON.
'use strict';
const { subtle } = crypto;

const raw = new Uint8Array(32);

async function encrypted (material) {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const key = await subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt']);
  const data = await subtle.encrypt({ name: 'AES-GCM', iv }, key, new TextEncoder().encode(JSON.stringify(material)));
  return Buffer.concat([iv, Buffer.from(data)]).toString('base64');
}

async function decrypted (payload) {
  const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
  const key = await subtle.importKey('raw', raw, 'AES-GCM', false, ['decrypt']);
  const text = await subtle.decrypt({ name: 'AES-GCM', iv: bytes.slice(0, 12) }, key, bytes.slice(12));
  return JSON.parse(new TextDecoder().decode(text));
}

async function main () {
  const payloads = [];
  for (let number = 0; number < Number(process.argv[2]); number++) {
    payloads.push(await encrypted({ type: 'mass/kg', content: 60 + number / 1000 }));
  }
  const resident = process.memoryUsage.rss();
  const wall = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  let items = 0;
  for (const payload of payloads) {
    const event = Object.assign({}, await decrypted(payload));
    items += event.content > 0;
  }
  const { user, system } = process.cpuUsage(cpu);
  process.stdout.write(JSON.stringify({
    items,
    cpu: (user + system) / 1e6,
    wall: Number(process.hrtime.bigint() - wall) / 1e9,
    memory: process.resourceUsage().maxRSS / 1024 - resident / 2 ** 20
  }) + '\n');
}

main();

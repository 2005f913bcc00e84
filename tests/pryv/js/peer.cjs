// The published JavaScript client: does what each line asks for, `[name, ...arguments]`, and answers with what came of it.
'use strict';
const readline = require('readline');
const pryv = require('pryv');

const [serviceInfoUrl, apiEndpoint] = process.argv.slice(2);
const service = new pryv.Service(serviceInfoUrl);
const connection = new pryv.Connection(apiEndpoint, service);

const commands = {
  async write (events) {
    const calls = events.map((event) => ({ method: 'events.create', params: event }));
    return (await connection.api(calls)).map((result) => result.event);
  },

  async read (streamId) {
    const params = { streams: [streamId], fromTime: 0, toTime: 1e10, limit: 1000, sortAscending: true };
    return (await connection.get('events', params)).events;
  },

  async attach (event, base64, filename) {
    return (await connection.createEventWithFileFromBuffer(event, Buffer.from(base64, 'base64'), filename)).event;
  },

  async download (event) {
    const [{ id, readToken }] = event.attachments;
    const response = await fetch(`${connection.endpoint}events/${event.id}/${id}?readToken=${readToken}`);
    return Buffer.from(await response.arrayBuffer()).toString('base64');
  },

  async addPoints (eventId, fields, points) {
    await connection.addPointsToHFEvent(eventId, fields, points);
  },

  async points (eventId) {
    const { fields, points } = await connection.get(`events/${eventId}/series`);
    return { fields, points };
  },

  async ask (request) {
    return (await service.startAccessRequest(request)).key;
  },

  async connect (key) {
    const answer = await service.pollAccessRequest(key);
    if (answer.status !== 'ACCEPTED') return answer.status;
    return await new pryv.Connection(answer.apiEndpoint, service).accessInfo();
  }
};

async function main () {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, ...args] = JSON.parse(line);
    const result = await commands[name](...args);
    process.stdout.write(JSON.stringify(result ?? null) + '\n');
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});

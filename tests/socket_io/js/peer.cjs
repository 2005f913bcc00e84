// The published JavaScript client on one account: says what it is told, one JSON value a line, and writes when asked to.
'use strict';
const readline = require('readline');
const pryv = require('pryv');
console.log = () => {}; // the client's own chatter
require('@pryv/socket.io')(pryv);

const say = (value) => process.stdout.write(JSON.stringify(value) + '\n');

async function main () {
  const socket = await new pryv.Connection(process.argv[2]).socket.open();
  for (const name of ['eventsChanged', 'streamsChanged', 'accessesChanged']) {
    socket.on(name, (payload) => say([name, payload ?? null]));
  }
  say('open');
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [method, argument] = JSON.parse(line);
    say([method, await socket[method](argument)]);
  }
  socket.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
